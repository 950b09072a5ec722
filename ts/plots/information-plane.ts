import { type Checks, checkOptions } from '../core/options.js'
import { readingHint, readingHintOfSeveral } from '../dynamics/naming.js'
import { Chart } from './chart.js'
import { chartChecks, domainCheck, scaleKind, selectionChecks } from './check.js'
import { allNumbersOf, type CoursesSource, type DataNames, namesOfData, selectEach } from './courses.js'
import type { DynamicsSelection, Trajectories } from './dynamics.js'
import { labelPlane } from './label-plane.js'
import { limitLayers } from './limit-lines.js'
import type { Limits } from './limits.js'
import { liveMembers } from './live.js'
import { type Plane, planeLayers, planeRows, planeSubtitle, runRows } from './plane.js'
import { type Band, bandOf, drawnLimits, planeScales, type Size } from './plane-scales.js'
import type { ChartOptions, JsonObject } from './spec.js'
import { frame, ownMarkers, titled, viewTitle } from './theme.js'
import type { ScaleKind } from './ticks.js'

/** Options of {@link informationPlane}. */
export interface InformationPlaneOptions extends DynamicsSelection, ChartOptions {
  /** Scale of the compression axis; default `linear`. `log` needs positive values, `symlog` is linear near zero. */
  xScale?: ScaleKind
  /** Scale of the generalization axis; as `xScale`. */
  yScale?: ScaleKind
  /** Range of the compression axis, such as `[0, 12]`, to compare plots; default from the values. Values beyond it are clipped. */
  xDomain?: readonly [number, number]
  /** Range of the generalization axis. */
  yDomain?: readonly [number, number]
  /**
   * For several runs: bars of one standard error of the mean (`se`, default), each run as a thin line (`runs`), or only the mean (`none`).
   */
  band?: Band
}

/** Checks of {@link InformationPlaneOptions}. */
export const planeChecks: Checks<InformationPlaneOptions> = {
  ...selectionChecks,
  ...chartChecks,
  xScale: scaleKind,
  yScale: scaleKind,
  xDomain: domainCheck,
  yDomain: domainCheck,
  band: bandOf,
}

/** Number of names in the margin from which the plot grows with them. */
const linesInHeight = 30

/**
 * The information plane: each layer's trajectory during training, with its measure against the input, measure(H, X), on the x axis and
 * against the label, measure(H, Y), on the y axis. Color is the epoch, dark to light by log(1 + epoch); the marker's shape is the layer.
 * The first epoch is hollow; the last has a ring and a name, in the margin if there are many names. A single epoch is one point per layer.
 *
 * Axes have the unit of the evaluator. Under the title are its settings, the number of samples, and layers that overlap. Dashed lines are
 * the bounds of information, ln n and H(Y), if they are known and near the values. Missing values have no point.
 *
 * Several evaluators have a plane each, in rows of two, with unit and scales of its own; `evaluator` selects one.
 *
 * Several runs are drawn as their mean with standard errors, or each run separately: see `band`.
 *
 * The plane of Tishby and Zaslavsky 2015 and Shwartz-Ziv and Tishby 2017, with any estimator instead of mutual information.
 *
 * ```ts
 * await informationPlane(model).save('plane.png')
 * informationPlane([seed1, seed2, seed3], { band: 'runs', layer: ['dense_1', 'dense_2'], title: null })
 * ```
 *
 * @param source a model with tracked dynamics, `{ values, layers, evaluators, units, epochs, .. }`, several of them, or a `RunSet`
 * @param options default size 520 x 400 pixels, taller if more than 30 layers are named in the margin; for several evaluators each
 *   340 x 270
 * @throws ShapeError, DataError, UnknownNameError, NumericalError as {@link selectDynamics}
 * @throws ArgumentError for an option outside its range, and for titles or ranges of axes for evaluators of different units
 */
export function informationPlane(source: CoursesSource, options: InformationPlaneOptions = {}): Chart {
  const caller = 'informationPlane'
  const given = checkOptions(caller, options, planeChecks)
  const each = selectEach(source, given, caller)
  const allNumbers = allNumbersOf(each)
  const [first] = each
  const views = each.map((trajectories, e) => {
    const dataNames = namesOfData(e, each.length)
    return viewOf(trajectories, given, {
      dataNames,
      allNumbers,
      size: sizeOf(given, trajectories, each.length),
      hint: each.length === 1 ? readingHint(trajectories.rows, trajectories.numbers) : '',
    })
  })
  const live = liveMembers({
    rows: first.rows,
    epochs: allNumbers,
    layers: first.layers.map(({ layer }) => layer),
  })
  const datasets: JsonObject = Object.assign({}, ...views.map((one) => one.datasets))
  const heading = 'Information plane'
  if (views.length === 1) {
    const { margin, subtitle, view } = views[0] as PlaneView
    return new Chart({ ...frame(margin), ...titled(given, heading, subtitle), ...live, datasets, ...view })
  }
  // One hint for all planes, which the pages' slider changes.
  const isTogether = each.every(({ numbers }) => numbers.length === allNumbers.length)
  const hint = (isTogether ? readingHint : readingHintOfSeveral)(first.rows, allNumbers)
  return new Chart({
    ...frame(),
    ...titled(given, heading, hint === '' ? [] : [hint]),
    ...live,
    datasets,
    columns: 2,
    concat: views.map(({ view, subtitle }, e) => ({
      title: viewTitle((each[e] as Trajectories).evaluatorName, subtitle),
      ...view,
    })),
    spacing: { row: 36, column: 40 },
    resolve: { scale: { fill: 'shared', stroke: 'shared', shape: 'shared' } },
  })
}

/** A plane as a view of a figure. */
interface PlaneView {
  /** Without title and data. */
  readonly view: JsonObject
  readonly datasets: JsonObject
  readonly subtitle: readonly string[]
  /** Width in pixels of the names right of the plotting area. */
  readonly margin: number
}

interface ViewContext {
  readonly dataNames: DataNames
  readonly allNumbers: readonly number[]
  readonly size: Size
  readonly hint: string
}

function viewOf(
  trajectories: Trajectories,
  given: InformationPlaneOptions,
  { dataNames, allNumbers, size, hint }: ViewContext,
): PlaneView {
  const { band = 'se' } = given
  const [x, y] = planeScales(trajectories, given, size, { caller: 'informationPlane', band })
  const plane: Plane = {
    trajectories,
    x,
    y,
    size,
    xTitle: trajectories.xTitle,
    yTitle: trajectories.yTitle,
    // Names are beside their layers; if there is room, the legend repeats them for the other points.
    layerLegend: trajectories.recorded <= ownMarkers && trajectories.layers.length > 1 && size.width >= 320,
    band,
    clip: given.xDomain !== undefined || given.yDomain !== undefined,
    runData: { name: dataNames.runs },
    allNumbers,
  }
  const limits = drawnLimits(trajectories, given, band)
  const names = labelPlane(plane, limits)
  return {
    view: {
      ...size,
      data: { name: dataNames.rows },
      layer: [
        ...limitsOf(plane, limits, names.limitAway),
        ...names.leaders,
        ...planeLayers(plane),
        ...names.texts,
      ],
    },
    datasets: {
      [dataNames.rows]: planeRows(plane, names.stacks),
      ...(band === 'runs' ? { [dataNames.runs]: runRows(trajectories, allNumbers) } : {}),
    },
    subtitle: planeSubtitle(plane, size.width + names.margin, {
      limits: { ...limits, isShort: false },
      stacks: names.stacksText,
      hint,
    }),
    margin: names.margin,
  }
}

/** Sizes in pixels of the only plane of a figure, and of one among several. */
const alone = { width: 520, height: 400 } as const
const amongOthers = { width: 340, height: 270 } as const

function sizeOf(given: ChartOptions, { layers }: Trajectories, planes: number): Size {
  const least = planes === 1 ? alone : amongOthers
  const height = Math.max(least.height, layers.length > linesInHeight ? 12.5 * layers.length : 0)
  return { width: given.width ?? least.width, height: given.height ?? height }
}

function limitsOf(plane: Plane, limits: Limits, away: number): JsonObject[] {
  const { trajectories, x, y } = plane
  const unit = trajectories.unit ?? 'none'
  return [
    ...(limits.x === undefined ? [] : limitLayers(limits.x, 'x', x, { unit, isShort: false })),
    ...(limits.y === undefined ? [] : limitLayers(limits.y, 'y', y, { unit, isShort: false, away })),
  ]
}
