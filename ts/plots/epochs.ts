import { type Checks, checkOptions, oneOf } from '../core/options.js'
import { courseText } from '../dynamics/naming.js'
import { Chart } from './chart.js'
import { allNumbersOf, type CoursesSource, type DataNames, namesOfData, selectEach } from './courses.js'
import type { Trajectories } from './dynamics.js'
import { type InformationPlaneOptions, planeChecks } from './information-plane.js'
import { type KeyEntry, keyView, stylesBy } from './key.js'
import type { Point } from './labels.js'
import { limitLayers } from './limit-lines.js'
import type { Limits } from './limits.js'
import { isLastShown, liveMembers, nextOf, opacityOf, shownRows } from './live.js'
import { type Drawn, stacksOf, stacksText } from './overlap.js'
import { emptyMeasures, measuredLines, orNull, runRows } from './plane.js'
import { type Band, drawnLimits, measureScale, type Size } from './plane-scales.js'
import type { AxisScale, EpochAxis, EpochScaleKind } from './scale.js'
import { epochScale } from './scale.js'
import type { JsonObject } from './spec.js'
import { frame, ink, lines, styleOf, titled, viewTitle } from './theme.js'
import { markedPoints } from './thinning.js'

/** Options of {@link epochsPlot}: `xScale` and `xDomain` are those of the compression measure, `yScale` and `yDomain` those of the generalization. */
export interface EpochsPlotOptions extends InformationPlaneOptions {
  /** Scale of the epochs: `linear` (default) or log(1 + epoch) (`log`). */
  epochScale?: EpochScaleKind
}

const checks: Checks<EpochsPlotOptions> = { ...planeChecks, epochScale: oneOf('linear', 'log') }

/** One of the two panels. */
interface Panel {
  readonly side: 'x' | 'y'
  readonly heading: string
  readonly title: string
  readonly scale: AxisScale
}

/**
 * Both measures against the epoch in two panels: "I(H; X) by epoch" and "I(H; Y) by epoch", with the names of the evaluator's measures.
 * Each measured epoch has a marker if there are at most 30 of them, otherwise some have. Color, dash and marker identify the layers; layers
 * that overlap are named under the title. For several runs the line is the mean and the band one standard error on each side: see `band`.
 * Several evaluators have a row of two panels each, with unit and scales of its own; `evaluator` selects one.
 *
 * @param source a model with tracked dynamics, `{ values, layers, evaluators, .. }`, several of them, or a `RunSet`
 * @param options `width` and `height` are those of a panel; default 330 x 270 pixels, for several evaluators 330 x 200. A line breaks at missing values
 * @throws ShapeError, DataError, UnknownNameError, NumericalError as {@link selectDynamics}
 * @throws ArgumentError for an option outside its range, and for titles or ranges of axes for evaluators of different units
 */
export function epochsPlot(source: CoursesSource, options: EpochsPlotOptions = {}): Chart {
  const caller = 'epochsPlot'
  const given = checkOptions(caller, options, checks)
  const each = selectEach(source, given, caller)
  const allNumbers = allNumbersOf(each)
  const [first] = each
  const rows = each.map((trajectories, e) => {
    const dataNames = namesOfData(e, each.length)
    return rowOf(trajectories, given, { dataNames, allNumbers, height: each.length === 1 ? 270 : 200 })
  })
  const heading = `Layers by ${first.rows}`
  const [only] = rows as [PanelRow, ...PanelRow[]]
  return new Chart({
    ...frame(),
    ...titled(given, heading, rows.length === 1 ? only.subtitle : []),
    ...liveMembers({
      rows: first.rows,
      epochs: allNumbers,
      layers: first.layers.map(({ layer }) => layer),
    }),
    datasets: Object.assign({}, ...rows.map(({ datasets }) => datasets)),
    ...(rows.length === 1
      ? only.view
      : {
          vconcat: rows.map(({ view, subtitle }, e) => ({
            title: viewTitle((each[e] as Trajectories).evaluatorName, subtitle),
            ...view,
          })),
          spacing: 36,
        }),
    resolve: independent,
  })
}

/** Scales of lines are those of the key beside the panels. */
const independent: JsonObject = {
  scale: { color: 'independent', shape: 'independent', strokeDash: 'independent' },
}

/** The two panels of an evaluator with their key, as a view of a figure. */
interface PanelRow {
  /** Without title and data. */
  readonly view: JsonObject
  readonly datasets: JsonObject
  readonly subtitle: readonly string[]
}

interface RowContext {
  readonly dataNames: DataNames
  readonly allNumbers: readonly number[]
  /** Default height in pixels. */
  readonly height: number
}

function rowOf(trajectories: Trajectories, given: EpochsPlotOptions, row: RowContext): PanelRow {
  const { width = 330, height = row.height, band = 'se' } = given
  const { dataNames, allNumbers } = row
  const size = { width, height }
  const across = epochScale(allNumbers, given.epochScale ?? 'linear', width)
  const limits = drawnLimits(trajectories, given, band)
  const context = { caller: 'epochsPlot', band }
  const panels = (['x', 'y'] as const).map(
    (side): Panel => ({
      side,
      heading: courseText(side === 'x' ? trajectories.xName : trajectories.yName, trajectories.rows),
      title: side === 'x' ? trajectories.xTitle : trajectories.yTitle,
      scale: measureScale(trajectories, side, given, { side: 'y', length: height }, context),
    }),
  )
  const courses = panels.map((panel) => drawnCourses(trajectories, panel, across, size))
  const said = [
    ...measuredLines(trajectories, band, { ...limits, isShort: true }),
    ...emptyMeasures(trajectories).map((title) => `no value: ${title}`),
    ...panels.map(({ title }, i) => overText(title, courses[i] as Drawn[])),
  ]
  const entries = keyOf(trajectories)
  const shared = { trajectories, across, size, limits, band, entries, runs: dataNames.runs, allNumbers }
  return {
    view: {
      data: { name: dataNames.rows },
      hconcat: [...panels.map((panel) => panelView(panel, shared)), keyView(entries, height, 'layer')],
      spacing: 30,
      resolve: independent,
    },
    datasets: {
      [dataNames.rows]: rowsOf(trajectories, courses, { band, allNumbers }),
      ...(band === 'runs' ? { [dataNames.runs]: runRows(trajectories, allNumbers) } : {}),
    },
    subtitle: lines(said, 2 * width + 60),
  }
}

function keyOf({ layers, recorded }: Trajectories): KeyEntry[] {
  return layers.map(({ layer, place }) => ({ name: layer, ...styleOf(place, recorded) }))
}

/** The trajectories of one measure in pixels. */
function drawnCourses(
  { layers, numbers }: Trajectories,
  { side, scale }: Panel,
  across: EpochAxis,
  size: Size,
): Drawn[] {
  return layers.map((layer) => ({
    layer: layer.layer,
    place: layer.place,
    path: layer[side].map((value, n): Point | undefined =>
      Number.isNaN(value)
        ? undefined
        : {
            x: across.position(numbers[n] as number) * size.width,
            y: (1 - scale.position(value)) * size.height,
          },
    ),
  }))
}

/** Distance in pixels within which two lines look like one. */
const oneLine = 2

function overText(title: string, courses: readonly Drawn[]): string {
  const stacks = stacksOf(courses, oneLine).filter(({ throughout }) => throughout)
  const text = stacksText(stacks, '')
  return text === '' ? '' : `${title}: ${text}`
}

/** Maximum number of epochs that all have markers. */
const mostMarked = 30

/** Distance along a line between markers, in pixels. */
const markerGap = 70

/** Maximum number of width steps of a line beneath others. */
const mostBeneath = 3

/** Number of layers drawn over each layer along its whole line. */
function beneathOf(courses: readonly Drawn[]): Map<string, number> {
  const stacks = stacksOf(courses, oneLine).filter(({ throughout }) => throughout)
  return new Map(
    stacks.flatMap(({ layers }) =>
      layers.map(({ layer }, i) => [layer, Math.min(mostBeneath, layers.length - 1 - i)] as const),
    ),
  )
}

/**
 * A row for each layer and epoch. A marker is drawn if `xMarked` or `yMarked` is true, at different epochs for each layer; `xBeneath` and
 * `yBeneath` are the numbers of layers drawn over this one.
 */
function rowsOf(
  { layers, numbers, runs }: Trajectories,
  courses: readonly (readonly Drawn[])[],
  { band, allNumbers }: Pick<PanelContext, 'band' | 'allNumbers'>,
): JsonObject[] {
  const beneath = courses.map(beneathOf)
  return layers.flatMap((layer, index) => {
    const [xBeneath = 0, yBeneath = 0] = beneath.map((each) => each.get(layer.layer) ?? 0)
    const marked = courses.map((side) => {
      const offset = markerGap * (0.35 + 0.65 * ((index * 0.382) % 1))
      const { path } = side[index] as Drawn
      if (numbers.length <= mostMarked) return new Set(path.flatMap((point, n) => (point ? [n] : [])))
      return new Set(markedPoints(path, markerGap, offset))
    })
    return numbers.map((epoch, n): JsonObject => {
      const values = { x: orNull(layer.x[n]), y: orNull(layer.y[n]) }
      const row: JsonObject = { layer: layer.layer, epoch, ...nextOf(numbers, allNumbers, n), ...values }
      if (xBeneath > 0) row.xBeneath = xBeneath
      if (yBeneath > 0) row.yBeneath = yBeneath
      if (marked[0]?.has(n)) row.xMarked = true
      if (marked[1]?.has(n)) row.yMarked = true
      if (layer.runs !== undefined && runs.length > 1 && band === 'se') {
        row.xError = orNull(layer.runs.xError[n])
        row.yError = orNull(layer.runs.yError[n])
      }
      return row
    })
  })
}

interface PanelContext {
  readonly trajectories: Trajectories
  readonly across: EpochAxis
  readonly size: Size
  readonly limits: Limits
  readonly band: Band
  readonly entries: readonly KeyEntry[]
  /** Name of the data of the single runs. */
  readonly runs: string
  /** Numbers of the rows of the whole figure. */
  readonly allNumbers: readonly number[]
}

function panelView(panel: Panel, context: PanelContext): JsonObject {
  const { trajectories, size, limits, band } = context
  const { side, heading, scale } = panel
  const limit = limits[side]
  const several = trajectories.runs.length > 1
  const unit = trajectories.unit ?? 'none'
  return {
    title: { text: heading, anchor: 'middle', fontSize: 13, color: ink, offset: 8 },
    ...size,
    layer: [
      ...(limit === undefined ? [] : limitLayers(limit, 'y', scale, { unit, isShort: true, field: side })),
      ...(several && band === 'se' ? [bandOf(panel, context)] : []),
      ...(several && band === 'runs' ? [runLines(panel, context)] : []),
      ...courseLayers(panel, context),
    ],
  }
}

function positionOf({ side, title, scale }: Panel, { trajectories, across }: PanelContext): JsonObject {
  return {
    x: {
      field: 'epoch',
      type: 'quantitative',
      scale: across.scale,
      axis: { ...across.axis, title: trajectories.rows },
    },
    y: { field: side, type: 'quantitative', scale: scale.scale, axis: { ...scale.axis, title } },
  }
}

/** One standard error on each side of the mean. */
function bandOf(panel: Panel, context: PanelContext): JsonObject {
  const { side } = panel
  const position = positionOf(panel, context)
  return {
    transform: [
      shownRows,
      { filter: `isValid(datum.${side}) && isValid(datum.${side}Error)` },
      { calculate: `datum.${side} - datum.${side}Error`, as: 'low' },
      { calculate: `datum.${side} + datum.${side}Error`, as: 'high' },
    ],
    mark: { type: 'area' },
    encoding: {
      x: position.x as JsonObject,
      y: { ...(position.y as JsonObject), field: 'low' },
      y2: { field: 'high' },
      color: stylesBy('layer', context.entries).color,
      opacity: opacityOf(0.2),
    },
  }
}

/** Each run as a thin line. */
function runLines(panel: Panel, context: PanelContext): JsonObject {
  return {
    data: { name: context.runs },
    transform: [shownRows],
    mark: { type: 'line', strokeWidth: 0.7 },
    encoding: {
      ...positionOf(panel, context),
      detail: [{ field: 'run' }],
      color: stylesBy('layer', context.entries).color,
      opacity: opacityOf(0.55),
    },
  }
}

function courseLayers(panel: Panel, context: PanelContext): JsonObject[] {
  const { trajectories, entries, band } = context
  const { side, title } = panel
  const { color, dash, shape } = stylesBy('layer', entries)
  const position = positionOf(panel, context)
  const width = trajectories.layers.length > 12 ? 1.2 : 1.7
  const line: JsonObject = {
    transform: [shownRows, { calculate: `datum.${side}Beneath || 0`, as: 'beneath' }],
    mark: { type: 'line', strokeJoin: 'round' },
    encoding: {
      ...position,
      color,
      strokeDash: dash,
      // Overlapping lines: the lower ones are wider, so that a rim of each is visible.
      strokeWidth: {
        field: 'beneath',
        type: 'quantitative',
        scale: { domain: [0, mostBeneath], range: [width, width + 2.2 * mostBeneath] },
        legend: null,
      },
      opacity: opacityOf(0.9),
    },
  }
  const tooltip = [
    { field: 'layer', type: 'nominal' },
    { field: 'epoch', type: 'quantitative', title: trajectories.rows },
    { field: side, type: 'quantitative', title, format: '.4~g' },
    ...(trajectories.runs.length > 1 && band === 'se'
      ? [{ field: `${side}Error`, type: 'quantitative', title: 'standard error', format: '.2~g' }]
      : []),
  ]
  const points = (filter: string, mark: JsonObject, opacity: JsonObject): JsonObject => ({
    transform: [shownRows, { filter }],
    mark: { type: 'point', filled: true, ...mark },
    encoding: { ...position, color, shape, tooltip, opacity },
  })
  const markers = points(
    `datum.${side}Marked || ${isLastShown(trajectories.numbers, context.allNumbers)}`,
    { size: trajectories.layers.length > 12 ? 30 : 46, stroke: 'white', strokeWidth: 0.6 },
    opacityOf(1),
  )
  // Invisible markers have tooltips too.
  const all = points(`isValid(datum.${side})`, { size: 60 }, { value: 0 })
  return trajectories.numbers.length > 1 ? [line, all, markers] : [markers]
}
