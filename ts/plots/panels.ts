import { type Checks, checkOptions, oneOf, whole } from '../core/options.js'
import { Chart } from './chart.js'
import type { DynamicsSource } from './dynamics.js'
import { measuredRows, selectDynamics } from './dynamics.js'
import { type InformationPlaneOptions, planeChecks } from './information-plane.js'
import { planeLayers, planeScales, planeSubtitle } from './plane.js'
import type { JsonObject } from './spec.js'
import { frame, ink, titled } from './theme.js'

/** Options of {@link informationPlanePanels}. */
export interface InformationPlanePanelsOptions extends InformationPlaneOptions {
  /** Panels side by side; default 3, or fewer where that leaves no gap. */
  columns?: number
  /** Whether each panel has axes of its own (`independent`, default) or all have the same, to compare layers. */
  axes?: 'independent' | 'shared'
}

const checks: Checks<InformationPlanePanelsOptions> = {
  ...planeChecks,
  columns: whole(1),
  axes: oneOf('independent', 'shared'),
}

/**
 * The information plane of each layer in a panel of its own: measure(H, X) across, measure(H, Y) up, color the epoch.
 *
 * @param source a model that tracked its dynamics, or `{ values, layers, evaluators }`
 * @param options `width` and `height` are those of a panel; default 220 x 190 pixels
 * @throws ShapeError, DataError, UnknownNameError, NumericalError as {@link selectDynamics} says
 * @throws ArgumentError for an option outside its range
 */
export function informationPlanePanels(
  source: DynamicsSource,
  options: InformationPlanePanelsOptions = {},
): Chart {
  const caller = 'informationPlanePanels'
  const given = checkOptions(caller, options, checks)
  const { width = 220, height = 190, axes = 'independent' } = given
  const trajectories = measuredRows(selectDynamics(source, given, caller))
  const count = trajectories.layers.length
  const columns = columnsOf(given.columns, count)
  const common = planeScales(trajectories, given, { width, height }, caller)
  const panels = trajectories.layers.map((layer, index): JsonObject => {
    const one = { ...trajectories, layers: [layer] }
    const [x, y] = axes === 'shared' ? common : planeScales(one, given, { width, height }, caller)
    // The first panel of a row names the upright axis for all.
    const yTitle = index % columns === 0 ? trajectories.yTitle : null
    return {
      title: { text: layer.layer, anchor: 'middle', fontSize: 12.5, color: ink, offset: 6 },
      width,
      height,
      layer: planeLayers({
        trajectories: one,
        x,
        y,
        xTitle: trajectories.xTitle,
        yTitle,
        layerLegend: false,
      }),
      resolve: { scale: { shape: 'independent' } },
    }
  })
  return new Chart({
    ...frame,
    ...titled(
      given,
      'compression measure vs generalization measure',
      planeSubtitle(trajectories, Math.max(400, columns * width)),
    ),
    columns,
    concat: panels,
    spacing: { row: 26, column: 26 },
    resolve: { scale: { fill: 'shared', stroke: 'shared', shape: 'independent' } },
  })
}

function columnsOf(given: number | undefined, count: number): number {
  return given === undefined ? (count === 4 ? 2 : Math.min(3, count)) : Math.min(given, count)
}
