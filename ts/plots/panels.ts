import { type Checks, checkOptions, oneOf, whole } from '../core/options.js'
import { readingHint } from '../dynamics/naming.js'
import { Chart } from './chart.js'
import { type CoursesSource, selectCourses } from './courses.js'
import { measuredRows } from './dynamics.js'
import { type InformationPlaneOptions, planeChecks } from './information-plane.js'
import { limitLayers } from './limit-lines.js'
import type { Limits } from './limits.js'
import { liveMembers } from './live.js'
import { type Plane, planeLayers, planeRows, planeSubtitle, runRows } from './plane.js'
import { drawnLimits, planeScales } from './plane-scales.js'
import type { JsonObject } from './spec.js'
import { frame, ink, titled } from './theme.js'

/** Options of {@link informationPlanePanels}. */
export interface InformationPlanePanelsOptions extends InformationPlaneOptions {
  /** Panels per row; default 3, or fewer to avoid a gap. */
  columns?: number
  /** Whether each panel has separate axes (`independent`, default) or all have the same, to compare layers. */
  axes?: 'independent' | 'shared'
}

const checks: Checks<InformationPlanePanelsOptions> = {
  ...planeChecks,
  columns: whole(1),
  axes: oneOf('independent', 'shared'),
}

/**
 * The information plane of each layer in a separate panel: measure(H, X) on the x axis, measure(H, Y) on the y axis, color the epoch. All
 * panels have the same kind of scale; see {@link informationPlane} for the rest.
 *
 * @param source a model with tracked dynamics, `{ values, layers, evaluators, .. }`, several of them, or a `RunSet`
 * @param options `width` and `height` are those of a panel; default 220 x 190 pixels
 * @throws ShapeError, DataError, UnknownNameError, NumericalError as {@link selectDynamics}
 * @throws ArgumentError for an option outside its range
 */
export function informationPlanePanels(
  source: CoursesSource,
  options: InformationPlanePanelsOptions = {},
): Chart {
  const caller = 'informationPlanePanels'
  const given = checkOptions(caller, options, checks)
  const { width = 220, height = 190, axes = 'independent', band = 'se' } = given
  const size = { width, height }
  const trajectories = measuredRows(selectCourses(source, given, caller))
  const columns = columnsOf(given.columns, trajectories.layers.length)
  const panels = trajectories.layers.map((layer, index) => {
    const one = { ...trajectories, layers: [layer] }
    const of = axes === 'shared' ? trajectories : one
    const [x, y] = planeScales(of, given, size, { caller, band })
    const plane: Plane = {
      trajectories: one,
      x,
      y,
      size,
      xTitle: trajectories.xTitle,
      // The first panel of a row has the title of the y axis for all.
      yTitle: index % columns === 0 ? trajectories.yTitle : null,
      layerLegend: false,
      band,
      clip: given.xDomain !== undefined || given.yDomain !== undefined,
      runData: { values: band === 'runs' ? runRows(one) : [] },
      allNumbers: trajectories.numbers,
    }
    return { plane, limits: drawnLimits(of, given, band) }
  })
  const inAll = (side: 'x' | 'y'): Limits => {
    const limit = panels.find(({ limits }) => limits[side] !== undefined)?.limits[side]
    return limit === undefined ? {} : { [side]: limit }
  }
  const subtitle = planeSubtitle({ trajectories, band }, Math.max(400, columns * width), {
    limits: { ...inAll('x'), ...inAll('y'), isShort: true },
    stacks: '',
    hint: readingHint(trajectories.rows, trajectories.numbers),
  })
  return new Chart({
    ...frame(),
    ...titled(given, 'compression measure vs generalization measure', subtitle),
    ...liveMembers({ rows: trajectories.rows, epochs: trajectories.numbers, layers: [] }),
    columns,
    concat: panels.map(({ plane, limits }) => panelView(plane, limits)),
    spacing: { row: 26, column: 34 },
    resolve: { scale: { fill: 'shared', stroke: 'shared', shape: 'independent' } },
  })
}

function panelView(plane: Plane, limits: Limits): JsonObject {
  const { trajectories, size, x, y } = plane
  const unit = trajectories.unit ?? 'none'
  return {
    title: {
      text: trajectories.layers[0]?.layer as string,
      anchor: 'middle',
      fontSize: 12.5,
      color: ink,
      offset: 6,
    },
    ...size,
    data: { values: planeRows(plane, []) },
    layer: [
      ...(limits.x === undefined ? [] : limitLayers(limits.x, 'x', x, { unit, isShort: true })),
      ...(limits.y === undefined ? [] : limitLayers(limits.y, 'y', y, { unit, isShort: true })),
      ...planeLayers(plane),
    ],
    resolve: { scale: { shape: 'independent' } },
  }
}

function columnsOf(given: number | undefined, count: number): number {
  return given === undefined ? (count === 4 ? 2 : Math.min(3, count)) : Math.min(given, count)
}
