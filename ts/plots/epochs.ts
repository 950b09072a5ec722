import { Chart } from './chart.js'
import { checkSize } from './check.js'
import type { DynamicsSource, Trajectories } from './dynamics.js'
import { selectDynamics } from './dynamics.js'
import type { InformationPlaneOptions } from './information-plane.js'
import { measureScale } from './plane.js'
import type { AxisScale } from './scale.js'
import { epochScale } from './scale.js'
import type { JsonObject } from './spec.js'
import { colourOf, frame, ink, markerOf, titled } from './theme.js'

/** Options of {@link epochsPlot}: `xScale` is that of the compression measure, `yScale` that of the generalization. */
export interface EpochsPlotOptions extends InformationPlaneOptions {}

/**
 * Both measures against the epoch, counted from 1, in two panels: "epochs vs compression measure" for measure(H, X) and
 * "epochs vs generalization measure" for measure(H, Y). Colour and marker tell the layers apart.
 *
 * @param source a model that tracked its dynamics, or `{ values, layers, evaluators }`
 * @param options `width` and `height` are those of a panel; default 330 x 270 pixels; no heading unless `title` gives one
 * @throws ShapeError, DataError, UnknownNameError, NumericalError as {@link selectDynamics} says
 * @throws ArgumentError for an option outside its range
 */
export function epochsPlot(source: DynamicsSource, options: EpochsPlotOptions = {}): Chart {
  const { width = 330, height = 270 } = options
  checkSize('epochsPlot', { width, height })
  const trajectories = selectDynamics(source, options, 'epochsPlot')
  const upright = { side: 'y', length: height } as const
  const panel = (side: 'x' | 'y', heading: string): JsonObject => ({
    title: { text: heading, anchor: 'middle', fontSize: 13, color: ink, offset: 8 },
    width,
    height,
    ...courses(trajectories, side, measureScale(trajectories, side, options, upright, 'epochsPlot')),
  })
  return new Chart({
    ...frame,
    ...(typeof options.title === 'string' ? titled(options, options.title) : {}),
    data: {
      values: trajectories.layers.flatMap(({ layer, x, y }) =>
        x.map((value, n) => ({ layer, epoch: n + 1, x: value, y: y[n] as number })),
      ),
    },
    hconcat: [panel('x', 'epochs vs compression measure'), panel('y', 'epochs vs generalization measure')],
    spacing: 36,
  })
}

function courses(trajectories: Trajectories, side: 'x' | 'y', scale: AxisScale): JsonObject {
  const { epochs, layers } = trajectories
  const title = side === 'x' ? trajectories.xTitle : trajectories.yTitle
  const { scale: across, axis } = epochScale(epochs)
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
    x: { field: 'epoch', type: 'quantitative', scale: across, axis: { ...axis, title: 'epoch' } },
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
        { field: 'epoch', type: 'quantitative' },
        { field: side, type: 'quantitative', title, format: '.4~g' },
      ],
    },
  }
  return { layer: epochs > 1 ? [line, points] : [points] }
}
