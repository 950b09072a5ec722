import { type Checks, checkOptions } from '../core/options.js'
import { Chart } from './chart.js'
import { chartChecks, scaleKind, selectionChecks } from './check.js'
import type { DynamicsSelection, DynamicsSource, Trajectories } from './dynamics.js'
import { measuredRows, selectDynamics } from './dynamics.js'
import { textWidth } from './font.js'
import type { Point } from './labels.js'
import { placeLabels } from './labels.js'
import { isPoint, markerArea, planeLayers, planeScales, planeSubtitle } from './plane.js'
import type { AxisScale, ScaleKind } from './scale.js'
import type { ChartOptions, JsonObject } from './spec.js'
import { faint, frame, ink, titled } from './theme.js'

/** Options of {@link informationPlane}. */
export interface InformationPlaneOptions extends DynamicsSelection, ChartOptions {
  /**
   * How the compression axis spreads; default `auto`: logarithmic where the values differ by a factor of 20 or more.
   * `log` needs positive values.
   */
  xScale?: ScaleKind | 'auto'
  /** How the generalization axis spreads; as `xScale`. */
  yScale?: ScaleKind | 'auto'
}

/** Checks of {@link InformationPlaneOptions}. */
export const planeChecks: Checks<InformationPlaneOptions> = {
  ...selectionChecks,
  ...chartChecks,
  xScale: scaleKind,
  yScale: scaleKind,
}

const labelSize = 12

/**
 * The information plane: each layer's course through training, with what it keeps of the input, measure(H, X), across
 * and what it knows of the label, measure(H, Y), up. Color is the epoch, the marker's shape the layer; the first epoch
 * is hollow, the last ringed and named. A single epoch is drawn as one point a layer. Axes have the unit in which the evaluator measured, and its
 * settings stand under the title; where a measure has no value there is no point.
 *
 * Plane of Tishby and Zaslavsky 2015 and Shwartz-Ziv and Tishby 2017, with any estimator in the place of mutual
 * information.
 *
 * ```ts
 * await informationPlane(model).save('plane.png')
 * informationPlane(model, { layer: ['dense_1', 'dense_2'], xScale: 'log', title: null })
 * ```
 *
 * @param source a model that tracked its dynamics, or `{ values, layers, evaluators, units, epochs, .. }`
 * @param options default size 520 x 400 pixels
 * @throws ShapeError, DataError, UnknownNameError, NumericalError as {@link selectDynamics} says
 * @throws ArgumentError for an option outside its range
 */
export function informationPlane(source: DynamicsSource, options: InformationPlaneOptions = {}): Chart {
  const given = checkOptions('informationPlane', options, planeChecks)
  const { width = 520, height = 400 } = given
  const trajectories = measuredRows(selectDynamics(source, given, 'informationPlane'))
  const [x, y] = planeScales(trajectories, given, { width, height }, 'informationPlane')
  const layers = planeLayers({
    trajectories,
    x,
    y,
    xTitle: trajectories.xTitle,
    yTitle: trajectories.yTitle,
    layerLegend: true,
  })
  const { leaders, names } = labelLayers(trajectories, x, y, width, height)
  return new Chart({
    ...frame,
    ...titled(given, 'Information plane', planeSubtitle(trajectories, width)),
    width,
    height,
    layer: [...leaders, ...layers, ...names],
  })
}

/** The names at the last epochs; leaders, to lie beneath the markers, join those that found no room beside. */
function labelLayers(
  trajectories: Trajectories,
  x: AxisScale,
  y: AxisScale,
  width: number,
  height: number,
): { leaders: JsonObject[]; names: JsonObject[] } {
  const layers = trajectories.layers.flatMap((layer) => {
    const points = layer.x.map((value, n) => ({ x: value, y: layer.y[n] as number })).filter(isPoint)
    const last = points.at(-1)
    return last === undefined ? [] : [{ layer: layer.layer, points, last }]
  })
  const paths = layers.map(({ points }) =>
    points.map((point) => ({ x: x.position(point.x) * width, y: (1 - y.position(point.y)) * height })),
  )
  const places = placeLabels(
    layers.map(({ layer }, index) => ({
      anchor: paths[index]?.at(-1) as Point,
      width: textWidth(layer, labelSize, 600),
      height: labelSize,
    })),
    { width, height, paths, radius: Math.sqrt(markerArea(trajectories.numbers.length) / Math.PI) },
  )
  const valueX = (pixel: number) => x.valueAt(pixel / width)
  const valueY = (pixel: number) => y.valueAt(1 - pixel / height)
  const texts = places.map((place, index) => ({
    layer: layers[index]?.layer as string,
    x: valueX(place.x),
    y: valueY(place.y + place.height / 2),
  }))
  const leaders = places.flatMap(({ leader }, index) => {
    const layer = layers[index]
    if (leader === undefined || layer === undefined) return []
    return {
      x: valueX(leader.x),
      y: valueY(leader.y),
      x2: layer.last.x,
      y2: layer.last.y,
    }
  })
  const at: JsonObject = {
    x: { field: 'x', type: 'quantitative', scale: x.scale },
    y: { field: 'y', type: 'quantitative', scale: y.scale },
  }
  const text = (mark: JsonObject): JsonObject => ({
    data: { values: texts },
    mark: { type: 'text', align: 'left', baseline: 'middle', fontSize: labelSize, fontWeight: 600, ...mark },
    encoding: { ...at, text: { field: 'layer', type: 'nominal' } },
  })
  const lines: JsonObject = {
    data: { values: leaders },
    mark: { type: 'rule', color: faint, strokeWidth: 0.8 },
    encoding: { ...at, x2: { field: 'x2' }, y2: { field: 'y2' } },
  }
  // The same text in white beneath keeps a name legible where it has to cross a line.
  const halo = text({ color: 'white', stroke: 'white', strokeWidth: 3.5, strokeJoin: 'round', opacity: 0.85 })
  return { leaders: leaders.length > 0 ? [lines] : [], names: [halo, text({ color: ink })] }
}
