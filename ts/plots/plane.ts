import { layersText, limitText, measuredText } from '../dynamics/naming.js'
import type { Trajectories, Trajectory } from './dynamics.js'
import type { Point } from './labels.js'
import type { Limits } from './limits.js'
import { isLastShown, nextOf, opacityOf, shownRows } from './live.js'
import type { Stack } from './overlap.js'
import type { Band, Size } from './plane-scales.js'
import type { AxisScale } from './scale.js'
import { epochLogScale, epochLogTicks } from './scale.js'
import type { Json, JsonObject } from './spec.js'
import { epochScheme, firstEpochColor, ink, lines, markerOf, singleEpochColor } from './theme.js'
import { markedPoints } from './thinning.js'
import { epochFormat } from './ticks.js'

/** A plane with its two axes. */
export interface Plane {
  readonly trajectories: Trajectories
  readonly x: AxisScale
  readonly y: AxisScale
  readonly size: Size
  /** Titles of the axes; null if a neighboring panel has the title. */
  readonly xTitle: string | null
  readonly yTitle: string | null
  /** Whether a legend names the layers by their markers. */
  readonly layerLegend: boolean
  readonly band: Band
  /** Whether marks outside the axes are clipped. */
  readonly clip: boolean
  /** Data of {@link runRows}, as a member of a specification. */
  readonly runData: JsonObject
  /** Numbers of the rows of the whole figure: those of this plane, or of the planes of all evaluators. */
  readonly allNumbers: readonly number[]
}

/** Area of an ordinary marker in square pixels; smaller for many layers or a small plot. */
export function markerArea({ layers }: Trajectories, { width }: Size): number {
  return (layers.length > 12 ? 42 : 62) * (width < 320 ? 0.7 : 1)
}

/** A layer's points in pixels from the top left; undefined for missing values. */
export function pathOf(
  { x, y }: Pick<Trajectory, 'x' | 'y'>,
  plane: { readonly x: AxisScale; readonly y: AxisScale; readonly size: Size },
): (Point | undefined)[] {
  return x.map((value, n) => {
    const point = { x: value, y: y[n] as number }
    if (!isPoint(point)) return undefined
    return {
      x: plane.x.position(point.x) * plane.size.width,
      y: (1 - plane.y.position(point.y)) * plane.size.height,
    }
  })
}

/** Distance along a trajectory between markers, in pixels. */
const markerGap = 34

/** Maximum number of size steps of a marker beneath others. */
const mostBeneath = 4

/**
 * Data of a plane: a row for each layer and epoch, with `marked` for a marker, `beneath` the number of layers that end over this one, and
 * the standard errors of several runs.
 */
export function planeRows(
  plane: Omit<Plane, 'xTitle' | 'yTitle' | 'layerLegend' | 'runData'>,
  stacks: readonly Stack[],
): JsonObject[] {
  const { trajectories, band, allNumbers } = plane
  const { numbers } = trajectories
  const beneath = new Map(
    stacks.flatMap(({ layers }) =>
      layers.map(({ layer }, i) => [layer, Math.min(mostBeneath, layers.length - 1 - i)] as const),
    ),
  )
  return trajectories.layers.flatMap((layer, index) => {
    const path = pathOf(layer, plane)
    const marked = new Set(markedPoints(path, markerGap, markerGap * (0.6 + 0.4 * (index % 3))))
    return numbers.map((epoch, n) => {
      const values = { x: orNull(layer.x[n]), y: orNull(layer.y[n]) }
      const row: JsonObject = { layer: layer.layer, epoch, ...nextOf(numbers, allNumbers, n), ...values }
      if (marked.has(n)) row.marked = true
      if (n === numbers.length - 1) row.beneath = beneath.get(layer.layer) ?? 0
      if (layer.runs !== undefined && band === 'se') {
        row.xError = orNull(layer.runs.xError[n])
        row.yError = orNull(layer.runs.yError[n])
      }
      return row
    })
  })
}

/** Data of the single runs: a row for each layer, epoch and run. */
export function runRows(
  { layers, numbers, runs }: Trajectories,
  allNumbers: readonly number[] = numbers,
): JsonObject[] {
  return layers.flatMap(({ layer, runs: course }) =>
    runs.flatMap((run, r) =>
      numbers.map((epoch, n) => ({
        run,
        layer,
        epoch,
        ...nextOf(numbers, allNumbers, n),
        x: orNull(course?.x[r]?.[n]),
        y: orNull(course?.y[r]?.[n]),
      })),
    ),
  )
}

/** A value, or null for none, which breaks a line. */
export function orNull(value: number | undefined): Json {
  return value === undefined || Number.isNaN(value) ? null : value
}

const both = 'isValid(datum.x) && isValid(datum.y)'

/**
 * The Vega-Lite layers that draw the rows of {@link planeRows}: the trajectory as a line colored by epoch, with markers in the layer's
 * shape, hollow at the first epoch and with a ring at the last shown epoch.
 */
export function planeLayers(plane: Plane): JsonObject[] {
  const { trajectories, band, clip } = plane
  const epochs = trajectories.numbers.length
  const begin = trajectories.numbers[0] as number
  const area = markerArea(trajectories, plane.size)
  const position = positionEncoding(plane)
  const shape = shapeEncoding(plane)
  const tooltip = tooltipOf(trajectories, band)
  const points = (filter: string, mark: JsonObject, encoding: JsonObject): JsonObject => ({
    transform: [shownRows, { filter: `${both} && ${filter}` }],
    mark: { type: 'point', filled: true, clip, ...mark },
    encoding: { ...position, shape, tooltip, ...encoding },
  })
  const fill = plane.allNumbers.length === 1 ? { value: singleEpochColor } : colorEncoding(plane)
  const last = points(
    isLastShown(trajectories.numbers, plane.allNumbers),
    // Markers at one point: the lower ones are larger, so that a rim of each is visible.
    { size: { expr: `${area * 1.7} * (1 + 0.9 * (datum.beneath || 0))` }, stroke: ink, strokeWidth: 1.4 },
    { fill, opacity: opacityOf(1) },
  )
  const spread = band === 'se' && trajectories.runs.length > 1 ? errorBars(plane, position) : []
  if (epochs === 1) return [...runsOf(plane, position), last, ...spread]
  const course: JsonObject = {
    transform: [shownRows, ...stretches],
    mark: {
      type: 'rule',
      strokeWidth: trajectories.layers.length > 12 ? 1.1 : 1.6,
      strokeCap: 'round',
      clip,
    },
    encoding: {
      ...position,
      x2: { field: 'x2' },
      y2: { field: 'y2' },
      stroke: { ...colorEncoding(plane), field: 'midway', legend: null },
      opacity: opacityOf(0.85),
    },
  }
  const between = points(
    `datum.marked && datum.epoch > ${begin} && !(${isLastShown(trajectories.numbers, plane.allNumbers)})`,
    { size: area, stroke: 'white', strokeWidth: 0.8 },
    { fill, opacity: opacityOf(1) },
  )
  const first = points(
    `datum.epoch === ${begin} && shownEpoch > ${begin}`,
    { fill: 'white', size: area * 1.2, stroke: firstEpochColor, strokeWidth: 1.6 },
    { opacity: opacityOf(1) },
  )
  return [...runsOf(plane, position), course, between, first, last, ...spread]
}

/**
 * The segment from each epoch to the next, if both have values; `midway` is the epoch in the middle, for the color. A separate field, since
 * Vega-Lite merges the legends of one field and the markers' legend must stay a bar.
 */
const stretches: readonly JsonObject[] = [
  {
    window: [
      { op: 'lead', field: 'x', as: 'x2' },
      { op: 'lead', field: 'y', as: 'y2' },
      { op: 'lead', field: 'epoch', as: 'next' },
    ],
    groupby: ['layer'],
    sort: [{ field: 'epoch' }],
  },
  { filter: `${both} && isValid(datum.x2) && isValid(datum.y2)` },
  { calculate: '(datum.epoch + datum.next) / 2', as: 'midway' },
]

/** Mean and standard error as a cross at each marker, over it, since an error is often smaller than a marker. */
function errorBars({ clip, trajectories, allNumbers }: Plane, position: JsonObject): JsonObject[] {
  const isLast = isLastShown(trajectories.numbers, allNumbers)
  return (['x', 'y'] as const).map((side) => ({
    transform: [
      shownRows,
      { filter: `${both} && (datum.marked || ${isLast}) && isValid(datum.${side}Error)` },
      { calculate: `datum.${side} - datum.${side}Error`, as: 'low' },
      { calculate: `datum.${side} + datum.${side}Error`, as: 'high' },
    ],
    mark: { type: 'rule', color: ink, strokeWidth: 0.9, clip },
    encoding: {
      ...position,
      [side]: { ...(position[side] as JsonObject), field: 'low' },
      [`${side}2`]: { field: 'high' },
      opacity: opacityOf(0.9),
    },
  }))
}

/** The single runs as thin lines that end in small markers. */
function runsOf(plane: Plane, position: JsonObject): JsonObject[] {
  const { trajectories, band, clip, runData: data } = plane
  if (band !== 'runs' || trajectories.runs.length < 2) return []
  const encoding = { ...position, detail: [{ field: 'layer' }, { field: 'run' }] }
  const tooltip = [{ field: 'run', type: 'nominal' }, ...tooltipOf(trajectories, 'none')]
  const course: JsonObject = {
    data,
    transform: [shownRows],
    mark: { type: 'line', color: '#8a94a3', strokeWidth: 0.7, clip },
    encoding: { ...encoding, order: { field: 'epoch' }, opacity: opacityOf(0.75) },
  }
  const ends: JsonObject = {
    data,
    transform: [shownRows, { filter: `${both} && ${isLastShown(trajectories.numbers, plane.allNumbers)}` }],
    mark: { type: 'point', filled: true, color: '#5f6b7a', size: 16, clip },
    encoding: {
      ...encoding,
      shape: shapeEncoding(plane),
      tooltip,
      opacity: opacityOf(0.9),
    },
  }
  return trajectories.numbers.length > 1 ? [course, ends] : [ends]
}

/** Whether both measures have a value. */
function isPoint({ x, y }: { readonly x: number; readonly y: number }): boolean {
  return !Number.isNaN(x) && !Number.isNaN(y)
}

/** The encodings `x` and `y` of a plane. */
export function positionEncoding({
  x,
  y,
  xTitle,
  yTitle,
}: Pick<Plane, 'x' | 'y' | 'xTitle' | 'yTitle'>): JsonObject {
  return {
    x: { field: 'x', type: 'quantitative', scale: x.scale, axis: { ...x.axis, title: xTitle } },
    y: { field: 'y', type: 'quantitative', scale: y.scale, axis: { ...y.axis, title: yTitle } },
  }
}

function shapeEncoding({
  trajectories,
  layerLegend,
}: Pick<Plane, 'trajectories' | 'layerLegend'>): JsonObject {
  return {
    field: 'layer',
    type: 'nominal',
    sort: null,
    scale: {
      domain: trajectories.layers.map(({ layer }) => layer),
      range: trajectories.layers.map(({ place }) => markerOf(place)),
    },
    legend: layerLegend
      ? {
          title: 'layer',
          symbolFillColor: '#7b8794',
          symbolStrokeColor: '#7b8794',
          symbolStrokeWidth: 0,
          symbolSize: 85,
        }
      : null,
  }
}

/** Color by epoch: log(1 + epoch) from dark to light, since most changes happen in the first epochs. */
function colorEncoding({
  trajectories: { rows },
  size,
  allNumbers: numbers,
}: Pick<Plane, 'trajectories' | 'size' | 'allNumbers'>): JsonObject {
  const [begin, end] = [numbers[0] as number, numbers.at(-1) as number]
  const length = Math.max(90, Math.min(150, Math.round(0.7 * size.height)))
  return {
    field: 'epoch',
    type: 'quantitative',
    scale: { ...epochLogScale, ...epochScheme, domain: [begin, end] },
    legend: {
      title: rows,
      type: 'gradient',
      gradientLength: length,
      gradientThickness: 12,
      labelOffset: 6,
      values: epochLogTicks(numbers, length, 15),
      labelOverlap: false,
      format: epochFormat(numbers),
    },
  }
}

function tooltipOf({ xTitle, yTitle, rows, runs }: Trajectories, band: Band): JsonObject[] {
  const hasErrors = band === 'se' && runs.length > 1
  const measure = (field: 'x' | 'y', title: string): JsonObject[] => [
    { field, type: 'quantitative', title, format: '.4~g' },
    ...(hasErrors
      ? [{ field: `${field}Error`, type: 'quantitative', title: `${title}: standard error`, format: '.2~g' }]
      : []),
  ]
  return [
    { field: 'layer', type: 'nominal', title: 'layer' },
    { field: 'epoch', type: 'quantitative', title: rows },
    ...measure('x', xTitle),
    ...measure('y', yTitle),
  ]
}

/** Lines under the title of every plot of dynamics: evaluator, settings, samples, and bounds outside the plot. */
export function measuredLines(
  trajectories: Trajectories,
  band: Band,
  drawn: Limits & { readonly isShort: boolean },
): string[] {
  const { evaluator, unit, samples, runs, limits } = trajectories
  const told = (side: 'x' | 'y') => {
    const limit = limits[side]
    if (limit === undefined || unit === null || (drawn[side] !== undefined && !drawn.isShort)) return []
    return [
      `${limitText(limit.kind, unit, limit.value)}${drawn[side] === undefined ? ' (beyond the axis)' : ''}`,
    ]
  }
  return [
    measuredText(evaluator, { unit, samples, runs: Math.max(1, runs.length), band }),
    [...told('x'), ...told('y')].join('; '),
  ]
}

/** The subtitle of a plane: {@link measuredLines}, layers without a point, and the hint about its marks. */
export function planeSubtitle(
  plane: Pick<Plane, 'trajectories' | 'band'>,
  width: number,
  more: {
    readonly limits: Limits & { readonly isShort: boolean }
    readonly stacks: string
    /** How to read the marks of first and last epoch. */
    readonly hint: string
  },
): string[] {
  const { trajectories, band } = plane
  const { layers } = trajectories
  const missing = layers.filter(({ x, y }) => !x.some((value, n) => isPoint({ x: value, y: y[n] as number })))
  const none = emptyMeasures(trajectories)
  const gap =
    none.length > 0
      ? `no point: ${none.join(' and ')} ${none.length > 1 ? 'have' : 'has'} no value`
      : missing.length > 0
        ? `no value: ${layersText(missing)}`
        : ''
  const hint = missing.length === layers.length ? '' : more.hint
  return lines([...measuredLines(trajectories, band, more.limits), gap, hint, more.stacks], width)
}

/** Titles of the measures without any value. */
export function emptyMeasures({ layers, xTitle, yTitle }: Trajectories): string[] {
  const isEmpty = (side: 'x' | 'y') => layers.every((layer) => layer[side].every(Number.isNaN))
  return [...(isEmpty('x') ? [xTitle] : []), ...(isEmpty('y') ? [yTitle] : [])]
}
