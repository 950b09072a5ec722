/** Names of layers at the ends of their trajectories in a plane. */
import { layersText, limitText } from '../dynamics/naming.js'
import { textWidth } from './font.js'
import { type Point, placeLabels } from './labels.js'
import { limitSize } from './limit-lines.js'
import type { Limits } from './limits.js'
import { isLastShown, isShownLayer, shownRows } from './live.js'
import { placeInMargin } from './margin.js'
import { type Drawn, endOf, type Stack, stacksOf, stacksText } from './overlap.js'
import { markerArea, type Plane, pathOf, positionEncoding } from './plane.js'
import type { JsonObject } from './spec.js'
import { faint, ink } from './theme.js'

/** Names with leader lines to their points. */
export interface PlaneNames {
  /** Leader lines, drawn beneath the markers. */
  readonly leaders: JsonObject[]
  readonly texts: JsonObject[]
  /** Width in pixels, right of the plotting area, of the names and of the name of a bound. */
  readonly margin: number
  /** Distance in pixels from the right end of the plotting area to the name of the y axis' bound: names in the margin avoid its height. */
  readonly limitAway: number
  /** Layers grouped by their last points. */
  readonly stacks: readonly Stack[]
  /** Text about layers that overlap. */
  readonly stacksText: string
}

const labelSize = 12
const marginSize = 11
/** Maximum number of names inside the plotting area. */
const mostInside = 10
/** Distance in pixels from the plotting area to the names in the margin. */
const marginGap = 24

/** A name with its position. */
interface LabelName {
  readonly text: string
  readonly anchor: Point
  readonly layers: readonly Drawn[]
}

/** Places the names of all layers: each beside its last point, or in the margin. Layers that end at one point share a name. */
export function labelPlane(plane: Plane, limits: Limits): PlaneNames {
  const { trajectories, size } = plane
  const limit = limits.y
  const drawn = trajectories.layers.map((layer) => ({
    layer: layer.layer,
    place: layer.place,
    path: pathOf(layer, plane),
  }))
  const radius = Math.sqrt(markerArea(trajectories, size) / Math.PI)
  const stacks = stacksOf(drawn, radius)
  const names = stacks.map((stack): LabelName => nameOf(stack))
  const isInside = (name: LabelName) =>
    name.anchor.x >= 0 && name.anchor.x <= size.width && name.anchor.y >= 0 && name.anchor.y <= size.height
  const obstacles = [
    ...drawn.map(({ path }) => path.filter((point) => point !== undefined)),
    // A name across the line of a bound is worse than one across a trajectory: the line counts twice.
    ...linesOf(plane, limits),
    ...linesOf(plane, limits),
    ...runEndsOf(plane),
  ]
  const { inside, outside } = divide(names.filter(isInside), plane, obstacles, radius)
  const limitAt = limit === undefined ? undefined : (1 - plane.y.position(limit.value)) * size.height
  const margin = marginOf(outside, size.height, limitAt)
  const widest = (texts: readonly string[], font: number) =>
    Math.max(0, ...texts.map((text) => textWidth(text, font)))
  const limitAway = margin.length === 0 ? 6 : marginGap
  const limitWidth =
    limit === undefined
      ? 0
      : limitAway + widest([limitText(limit.kind, trajectories.unit ?? 'none', limit.value)], limitSize)
  const namesWidth =
    margin.length === 0
      ? 0
      : marginGap +
        widest(
          margin.map(({ text }) => text),
          marginSize,
        )
  const end = `at ${trajectories.rows} ${trajectories.numbers.at(-1)}`
  return {
    leaders: leadersOf(plane, inside, margin),
    texts: [...insideTexts(plane, inside), ...marginTexts(plane, margin), ...movingTexts(plane)],
    margin: Math.max(limitWidth, namesWidth),
    limitAway,
    stacks,
    stacksText: stacksText(stacks, end),
  }
}

/** Last points of the single runs, if they are drawn. */
function runEndsOf(plane: Plane): Point[][] {
  if (plane.band !== 'runs') return []
  return plane.trajectories.layers.flatMap(({ runs }) =>
    (runs?.x ?? []).flatMap((x, r) => {
      const end = pathOf({ x, y: runs?.y[r] ?? [] }, plane).findLast((point) => point !== undefined)
      return end === undefined ? [] : [[end]]
    }),
  )
}

/** Bounds as lines in pixels. */
function linesOf({ x, y, size }: Plane, limits: Limits): Point[][] {
  const across = limits.x === undefined ? undefined : x.position(limits.x.value) * size.width
  const up = limits.y === undefined ? undefined : (1 - y.position(limits.y.value)) * size.height
  return [
    ...(across === undefined
      ? []
      : [
          [
            { x: across, y: 0 },
            { x: across, y: size.height },
          ],
        ]),
    ...(up === undefined
      ? []
      : [
          [
            { x: 0, y: up },
            { x: size.width, y: up },
          ],
        ]),
  ]
}

function nameOf(stack: Stack): LabelName {
  const ends = stack.layers.map((layer) => endOf(layer) as Point)
  const mean = (side: 'x' | 'y') => ends.reduce((sum, end) => sum + end[side], 0) / ends.length
  return { text: layersText(stack.layers), anchor: { x: mean('x'), y: mean('y') }, layers: stack.layers }
}

interface Inside extends LabelName {
  readonly x: number
  readonly y: number
  readonly leader?: Point
}

/** Splits the names into those that fit beside their points, and the others. */
function divide(
  names: readonly LabelName[],
  { size }: Plane,
  paths: readonly (readonly Point[])[],
  radius: number,
): { inside: Inside[]; outside: LabelName[] } {
  if (names.length > mostInside) return { inside: [], outside: [...names] }
  const place = (some: readonly LabelName[]) =>
    placeLabels(
      some.map(({ text, anchor }) => ({ anchor, width: textWidth(text, labelSize, 600), height: labelSize })),
      { ...size, paths, radius },
    )
  const good = [...names]
  const outside: LabelName[] = []
  // Each name that moves to the margin makes room for others.
  for (;;) {
    const places = place(good)
    const worst = places.findIndex(({ isCrowded }) => isCrowded)
    if (worst < 0) {
      const inside = good.map((name, i) => {
        const { x, y, height, leader } = places[i] as (typeof places)[number]
        return { ...name, x, y: y + height / 2, ...(leader === undefined ? {} : { leader }) }
      })
      return { inside, outside }
    }
    outside.push(...good.splice(worst, 1))
  }
}

/** A line of names in the margin. */
interface InMargin {
  readonly text: string
  readonly y: number
  readonly requests: readonly LabelName[]
}

function marginOf(names: readonly LabelName[], height: number, taken: number | undefined): InMargin[] {
  if (names.length === 0) return []
  const fitting = height / Math.max(1, names.length)
  return placeInMargin(names, height, Math.min(15, Math.max(12.5, fitting)), taken)
}

/** Whether the plot shows the last epoch and all layers, for which the labels were placed. */
function atRest({ trajectories }: Plane): string {
  return `shownEpoch >= ${trajectories.numbers.at(-1)} && shownLayers === null`
}

function valuesAt({ x, y, size }: Plane, at: Point): { x: number; y: number } {
  return { x: x.valueAt(at.x / size.width), y: y.valueAt(1 - at.y / size.height) }
}

function leadersOf(plane: Plane, inside: readonly Inside[], margin: readonly InMargin[]): JsonObject[] {
  const { width } = plane.size
  const line = (from: Point, to: Point) => {
    const [start, end] = [valuesAt(plane, from), valuesAt(plane, to)]
    return { ...start, x2: end.x, y2: end.y }
  }
  const values = [
    ...inside.flatMap(({ anchor, leader }) => (leader === undefined ? [] : [line(anchor, leader)])),
    ...margin.flatMap(({ requests, y }) =>
      requests.flatMap(({ anchor }) => [
        line(anchor, { x: width + 6, y }),
        line({ x: width + 6, y }, { x: width + marginGap - 5, y }),
      ]),
    ),
  ]
  if (values.length === 0) return []
  const position = positionEncoding({ ...plane, xTitle: plane.xTitle, yTitle: plane.yTitle })
  return [
    {
      data: { values },
      transform: [{ filter: atRest(plane) }],
      mark: { type: 'rule', color: '#b3bcc8', strokeWidth: 0.7 },
      encoding: { ...position, x2: { field: 'x2' }, y2: { field: 'y2' } },
    },
  ]
}

function insideTexts(plane: Plane, inside: readonly Inside[]): JsonObject[] {
  const rows = inside.map(({ text, x, y }) => ({ text, ...valuesAt(plane, { x, y }) }))
  const mark = { align: 'left', baseline: 'middle', fontSize: labelSize, fontWeight: 600 }
  return textLayers(plane, { data: { values: rows }, transform: [{ filter: atRest(plane) }] }, mark)
}

function marginTexts(plane: Plane, margin: readonly InMargin[]): JsonObject[] {
  const { width } = plane.size
  const rows = margin.map(({ text, y }) => ({ text, ...valuesAt(plane, { x: width + marginGap, y }) }))
  const mark = { align: 'left', baseline: 'middle', fontSize: marginSize }
  return textLayers(plane, { data: { values: rows }, transform: [{ filter: atRest(plane) }] }, mark).slice(1)
}

/** The names of all layers beside their last shown points, for an earlier epoch or a selection of layers. */
function movingTexts(plane: Plane): JsonObject[] {
  const isLast = isLastShown(plane.trajectories.numbers, plane.allNumbers)
  const isAtRight = `datum.x > ${plane.x.valueAt(0.8)}`
  const transform = [
    shownRows,
    { filter: `!(${atRest(plane)}) && ${isLast} && isValid(datum.x) && isValid(datum.y)` },
    { filter: isShownLayer },
    { calculate: 'datum.layer', as: 'text' },
  ]
  return textLayers(
    plane,
    { transform },
    {
      // At the right end the label is placed to the left.
      align: { expr: `${isAtRight} ? 'right' : 'left'` },
      baseline: 'middle',
      dx: { expr: `${isAtRight} ? -9 : 9` },
      fontSize: plane.trajectories.layers.length > mostInside ? 9 : labelSize,
    },
  )
}

/** A text and, beneath it, the same in white, which keeps it legible across a line. */
function textLayers(plane: Plane, rows: JsonObject, mark: JsonObject): JsonObject[] {
  if ((rows.data as { values?: readonly unknown[] } | undefined)?.values?.length === 0) return []
  const text = (more: JsonObject): JsonObject => ({
    ...rows,
    mark: { type: 'text', ...mark, ...more },
    encoding: { ...positionEncoding(plane), text: { field: 'text', type: 'nominal' } },
  })
  return [
    text({ color: 'white', stroke: 'white', strokeWidth: 3.5, strokeJoin: 'round', opacity: 0.85 }),
    text({ color: mark.fontSize === labelSize ? ink : faint }),
  ]
}
