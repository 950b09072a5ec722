/** A rectangle in pixels, by its corner with the smallest coordinates. */
interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** A point in pixels. */
export interface Point {
  readonly x: number
  readonly y: number
}

/** A text to be placed near a point. */
export interface LabelRequest {
  /** The labeled point, in pixels from the top left. */
  readonly anchor: Point
  /** Size of the text in pixels. */
  readonly width: number
  readonly height: number
}

/** Obstacles for labels. */
export interface LabelScene {
  /** Size of the plotting area; labels stay inside. */
  readonly width: number
  readonly height: number
  /** Lines and markers, each a sequence of points. */
  readonly paths: readonly (readonly Point[])[]
  /** Radius of the markers at the points. */
  readonly radius: number
}

/** The position of a label. */
export interface PlacedLabel extends Box {
  /** The point of the box nearest to the anchor, if a leader line is needed. */
  readonly leader?: Point
  /** Whether it covers data or another label, or is nearer to a point of another name. */
  readonly isCrowded: boolean
}

const distances = [10, 17, 26, 38, 54, 74, 98, 128]
const directions = 24
/** Distance in pixels from which a label needs a leader line. */
const leaderFrom = 15
/** Distance between a label and the border of the plotting area. */
const border = 3
/** Cost above which a label covers two lines, or a marker and a line. */
const crowdedFrom = 70
/** Rounds in which every label may move again. */
const rounds = 3

/**
 * Places every label near its point, clear of other labels, of the data and of the border as far as possible.
 *
 * Each label has fixed candidate positions around its point, whose cost counts what they would cover. Labels take the cheapest candidate in
 * turn, then again with the positions of the others known. The result depends only on the arguments.
 */
export function placeLabels(requests: readonly LabelRequest[], scene: LabelScene): PlacedLabel[] {
  const stretches = scene.paths.flatMap((path) => stretchesOf(thin(path, 200)))
  const candidates = requests.map((request) =>
    candidatesOf(request).map((box) => ({ box, cost: costOf(box, request.anchor, scene, stretches) })),
  )
  const places: (Box | undefined)[] = requests.map(() => undefined)
  for (let round = 0; round <= rounds; round++) {
    candidates.forEach((list, index) => {
      let best = list[0] as { box: Box; cost: number }
      let least = Number.POSITIVE_INFINITY
      for (const candidate of list) {
        if (candidate.cost >= least) continue
        const cost = candidate.cost + conflicts(candidate.box, index, places, requests)
        if (cost < least) {
          least = cost
          best = candidate
        }
      }
      places[index] = best.box
    })
  }
  return places.map((place, index) => {
    const box = place as Box
    const { anchor } = requests[index] as LabelRequest
    const near = nearest(box, anchor)
    const others = conflicts(box, index, places, requests)
    const isCrowded = others > 0 || costOf(box, anchor, scene, stretches) > crowdedFrom
    return { ...box, isCrowded, ...(near.distance > leaderFrom ? { leader: { x: near.x, y: near.y } } : {}) }
  })
}

function thin(path: readonly Point[], most: number): readonly Point[] {
  const every = Math.ceil(path.length / most)
  return path.filter((_, index) => index % every === 0 || index === path.length - 1)
}

/** Points of a path, and the lines between them, within a box: a distant stretch is skipped as a whole. */
interface Stretch extends Box {
  readonly path: readonly Point[]
  /** Index of its first point, and of the first point after it. */
  readonly from: number
  readonly to: number
}

const stretchLength = 16

function stretchesOf(path: readonly Point[]): Stretch[] {
  const stretches: Stretch[] = []
  for (let from = 0; from < path.length; from += stretchLength) {
    const to = Math.min(path.length, from + stretchLength)
    stretches.push({ path, from, to, ...around(path.slice(from, to + 1)) })
  }
  return stretches
}

/** The bounding box of points. */
function around(points: readonly Point[]): Box {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)]
  const [x, y] = [Math.min(...xs), Math.min(...ys)]
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y }
}

/** Whether two boxes overlap or touch. */
const touch = (a: Box, b: Box): boolean =>
  a.x <= b.x + b.width && b.x <= a.x + a.width && a.y <= b.y + b.height && b.y <= a.y + a.height

function candidatesOf({ anchor, width, height }: LabelRequest): Box[] {
  const boxes: Box[] = []
  for (const distance of distances) {
    for (let i = 0; i < directions; i++) {
      const angle = (2 * Math.PI * i) / directions
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
      let along = distance + Math.min(width / 2 / Math.abs(cos || 1e-9), height / 2 / Math.abs(sin || 1e-9))
      let box: Box
      // The box slides outward along the ray until its nearest point, which may be a corner, is at that distance.
      for (let step = 0; ; step++) {
        box = { x: anchor.x + cos * along - width / 2, y: anchor.y + sin * along - height / 2, width, height }
        const missing = distance - nearest(box, anchor).distance
        if (missing < 0.1 || step === 8) break
        along += missing
      }
      boxes.push(box)
    }
  }
  return boxes
}

/** The cost of a candidate: distance, and what it covers or crosses. Readers look to the right of a point first, then above. */
function costOf(box: Box, anchor: Point, scene: LabelScene, stretches: readonly Stretch[]): number {
  const near = nearest(box, anchor)
  const [toRight, down] = [near.x - anchor.x, near.y - anchor.y]
  const side = near.distance > 0 ? 3 * (1 - toRight / near.distance) + Math.max(0, down / near.distance) : 0
  // Of candidates at the same distance, prefer the one level with the point.
  const level = 0.1 * Math.abs(box.y + box.height / 2 - anchor.y)
  let cost = 0.8 * near.distance + side + level
  const outside =
    Math.max(0, border - box.x) +
    Math.max(0, box.x + box.width + border - scene.width) +
    Math.max(0, border - box.y) +
    Math.max(0, box.y + box.height + border - scene.height)
  if (outside > 0) cost += 5000 + 50 * outside
  const hasLeader = near.distance > leaderFrom
  const clear = grow(box, scene.radius + 1)
  const touching = grow(box, 2)
  const corner = { x: box.x + box.width, y: box.y + box.height }
  const reach = grow(around([box, corner, anchor]), Math.max(2, scene.radius + 1))
  for (const stretch of stretches) {
    if (!touch(stretch, reach)) continue
    for (let index = stretch.from; index < stretch.to; index++) {
      const point = stretch.path[index] as Point
      if (contains(clear, point)) cost += 45
      const next = stretch.path[index + 1]
      if (next === undefined) continue
      if (crosses(touching, point, next)) cost += 30
      // A leader across lines is hard to follow; the last segment of the path itself ends at the anchor.
      if (hasLeader && point !== anchor && next !== anchor && meet(near, anchor, point, next)) cost += 14
    }
  }
  return cost
}

function conflicts(
  box: Box,
  index: number,
  places: readonly (Box | undefined)[],
  requests: readonly LabelRequest[],
): number {
  const own = (requests[index] as LabelRequest).anchor
  const near = nearest(box, own)
  let cost = 0
  places.forEach((other, j) => {
    if (j === index || other === undefined) return
    const both = overlap(grow(box, 3), other)
    if (both > 0) cost += 2000 + both
    const anchor = (requests[j] as LabelRequest).anchor
    const to = nearest(other, anchor)
    if (crosses(other, near, own)) cost += 200
    if (crosses(box, to, anchor)) cost += 200
    // A reader takes a label for the name of the nearest point.
    if (nearest(box, anchor).distance < near.distance) cost += 110
  })
  return cost
}

const grow = (box: Box, by: number): Box => ({
  x: box.x - by,
  y: box.y - by,
  width: box.width + 2 * by,
  height: box.height + 2 * by,
})

const contains = (box: Box, { x, y }: Point): boolean =>
  x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  return width > 0 && height > 0 ? width * height : 0
}

function nearest(box: Box, point: Point): Point & { distance: number } {
  const x = Math.min(Math.max(point.x, box.x), box.x + box.width)
  const y = Math.min(Math.max(point.y, box.y), box.y + box.height)
  return { x, y, distance: Math.hypot(point.x - x, point.y - y) }
}

/** Whether the lines from `a` to `b` and from `c` to `d` cross. */
function meet(a: Point, b: Point, c: Point, d: Point): boolean {
  const side = (p: Point, q: Point, r: Point) => (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x)
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0
}

/** Whether the line from `a` to `b` meets the box: the segments within each pair of sides must overlap. */
function crosses(box: Box, a: Point, b: Point): boolean {
  const [right, bottom] = [box.x + box.width, box.y + box.height]
  // Most lines lie to one side of the box.
  if (Math.max(a.x, b.x) < box.x || Math.min(a.x, b.x) > right) return false
  if (Math.max(a.y, b.y) < box.y || Math.min(a.y, b.y) > bottom) return false
  let [from, to] = [0, 1]
  for (const [start, delta, low, high] of [
    [a.x, b.x - a.x, box.x, right],
    [a.y, b.y - a.y, box.y, bottom],
  ] as const) {
    if (delta === 0) {
      if (start < low || start > high) return false
      continue
    }
    const [first, second] = [(low - start) / delta, (high - start) / delta]
    from = Math.max(from, Math.min(first, second))
    to = Math.min(to, Math.max(first, second))
  }
  return from <= to
}
