import { checkOptions } from '../core/options.js'
import { Chart } from './chart.js'
import type { DynamicsSource, Trajectories } from './dynamics.js'
import { measuredRows, selectDynamics } from './dynamics.js'
import { type InformationPlaneOptions, planeChecks } from './information-plane.js'
import { emptyMeasures, measureScale } from './plane.js'
import type { AxisScale } from './scale.js'
import { epochScale } from './scale.js'
import type { JsonObject } from './spec.js'
import { colourOf, frame, ink, lines, markerOf, titled } from './theme.js'

/** Options of {@link epochsPlot}: `xScale` is that of the compression measure, `yScale` that of the generalization. */
export interface EpochsPlotOptions extends InformationPlaneOptions {}

/**
 * Both measures against the epoch in two panels: "epochs vs compression measure" for measure(H, X) and
 * "epochs vs generalization measure" for measure(H, Y). Color and marker tell the layers apart.
 *
 * @param source a model that tracked its dynamics, or `{ values, layers, evaluators }`
 * @param options `width` and `height` are those of a panel; default 330 x 270 pixels. A line breaks where a measure has no value
 * @throws ShapeError, DataError, UnknownNameError, NumericalError as {@link selectDynamics} says
 * @throws ArgumentError for an option outside its range
 */
export function epochsPlot(source: DynamicsSource, options: EpochsPlotOptions = {}): Chart {
  const given = checkOptions('epochsPlot', options, planeChecks)
  const { width = 330, height = 270 } = given
  const trajectories = measuredRows(selectDynamics(source, given, 'epochsPlot'))
  const missing = emptyMeasures(trajectories).map((title) => `no value: ${title}`)
  const upright = { side: 'y', length: height } as const
  const panel = (side: 'x' | 'y', heading: string): JsonObject => ({
    title: { text: heading, anchor: 'middle', fontSize: 13, color: ink, offset: 8 },
    width,
    height,
    ...courses(trajectories, side, measureScale(trajectories, side, given, upright, 'epochsPlot')),
  })
  return new Chart({
    ...frame,
    ...titled(
      given,
      `Layers by ${trajectories.rows}`,
      lines([trajectories.evaluator, ...missing], 2 * width),
    ),
    data: {
      values: trajectories.layers.flatMap(({ layer, x, y }) =>
        trajectories.numbers.map((epoch, n) => ({ layer, epoch, x: shown(x[n]), y: shown(y[n]) })),
      ),
    },
    hconcat: [panel('x', 'epochs vs compression measure'), panel('y', 'epochs vs generalization measure')],
    spacing: 36,
  })
}

/** A value, or null for none, at which a line breaks. */
function shown(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value
}

function courses(trajectories: Trajectories, side: 'x' | 'y', scale: AxisScale): JsonObject {
  const { numbers, rows, layers } = trajectories
  const epochs = numbers.length
  const title = side === 'x' ? trajectories.xTitle : trajectories.yTitle
  const { scale: across, axis } = epochScale(numbers)
  const domain = layers.map(({ layer }) => layer)
  const legend: JsonObject = { title: 'layer', symbolSize: 70 }
  const colour: JsonObject = {
    field: 'layer',
    type: 'nominal',
    sort: null,
    scale: { domain, range: layers.map(({ place }) => colourOf(place)) },
    legend,
  }
  const shape: JsonObject = {
    field: 'layer',
    type: 'nominal',
    sort: null,
    scale: { domain, range: layers.map(({ place }) => markerOf(place)) },
    legend,
  }
  const position: JsonObject = {
    x: { field: 'epoch', type: 'quantitative', scale: across, axis: { ...axis, title: rows } },
    y: { field: side, type: 'quantitative', scale: scale.scale, axis: { ...scale.axis, title } },
  }
  const line: JsonObject = {
    mark: { type: 'line', strokeWidth: 1.8, opacity: 0.85, strokeJoin: 'round' },
    encoding: { ...position, color: colour },
  }
  const points: JsonObject = {
    mark: { type: 'point', filled: true, size: epochs <= 40 ? 55 : 20, opacity: 1 },
    encoding: {
      ...position,
      color: colour,
      shape,
      tooltip: [
        { field: 'layer', type: 'nominal' },
        { field: 'epoch', type: 'quantitative', title: rows },
        { field: side, type: 'quantitative', title, format: '.4~g' },
      ],
    },
  }
  return { layer: epochs > 1 ? [line, points] : [points] }
}
