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

/** A text that wants to stand near a point. */
export interface LabelRequest {
  /** The point it names, in pixels from the top left. */
  readonly anchor: Point
  /** Size of the text in pixels. */
  readonly width: number
  readonly height: number
}

/** What labels have to stay clear of. */
export interface LabelScene {
  /** Size of the plotting area; labels stay inside. */
  readonly width: number
  readonly height: number
  /** Courses of lines and markers, each a sequence of points. */
  readonly paths: readonly (readonly Point[])[]
  /** Radius of the markers at the points. */
  readonly radius: number
}

/** Where a label stands. */
export interface PlacedLabel extends Box {
  /** The point of the box nearest to the anchor, where they are so far apart that a line should join them. */
  readonly leader?: Point
}

const distances = [10, 17, 26, 38, 54, 74, 98, 128]
const directions = 24
/** A label nearer than this to its point needs no line to it. */
const leaderFrom = 15
/** Room between a label and the border of the plotting area. */
const border = 3
/** Rounds in which every label may move again once all have a place. */
const rounds = 3

/**
 * Places every label near its point, clear of each other, of the data and of the border as far as there is room.
 *
 * Each label has fixed candidate places about its point, whose cost counts what they would cover; labels take the
 * cheapest in turn, then again knowing where the others went. The result depends on the input alone.
 */
export function placeLabels(requests: readonly LabelRequest[], scene: LabelScene): PlacedLabel[] {
  const paths = scene.paths.map((path) => thin(path, 200))
  const candidates = requests.map((request) =>
    candidatesOf(request).map((box) => ({ box, cost: costOf(box, request.anchor, scene, paths) })),
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
    const near = nearest(box, (requests[index] as LabelRequest).anchor)
    return near.distance > leaderFrom ? { ...box, leader: { x: near.x, y: near.y } } : box
  })
}

function thin(path: readonly Point[], most: number): readonly Point[] {
  const every = Math.ceil(path.length / most)
  return path.filter((_, index) => index % every === 0 || index === path.length - 1)
}

function candidatesOf({ anchor, width, height }: LabelRequest): Box[] {
  const boxes: Box[] = []
  for (const distance of distances) {
    for (let i = 0; i < directions; i++) {
      const angle = (2 * Math.PI * i) / directions
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
      let along = distance + Math.min(width / 2 / Math.abs(cos || 1e-9), height / 2 / Math.abs(sin || 1e-9))
      let box: Box
      // The box slides outwards along the ray until its nearest point, which may be a corner, is that far away.
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

/** What a place costs by itself: distance, and what it covers or leaves. Readers look right of a point first, then above. */
function costOf(box: Box, anchor: Point, scene: LabelScene, paths: readonly (readonly Point[])[]): number {
  const near = nearest(box, anchor)
  const [toRight, down] = [near.x - anchor.x, near.y - anchor.y]
  const side = near.distance > 0 ? 3 * (1 - toRight / near.distance) + Math.max(0, down / near.distance) : 0
  // Of places at the same distance, the one level with the point.
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
  for (const path of paths) {
    path.forEach((point, index) => {
      if (contains(clear, point)) cost += 45
      const next = path[index + 1]
      if (next === undefined) return
      if (crosses(touching, point, next)) cost += 30
      // A leader over lines is hard to follow; the last stretch of the path itself ends where the leader does.
      if (hasLeader && point !== anchor && next !== anchor && meet(near, anchor, point, next)) cost += 14
    })
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

/** Whether the line from `a` to `b` meets the box: the part of it within each pair of sides must not be empty. */
function crosses(box: Box, a: Point, b: Point): boolean {
  let [from, to] = [0, 1]
  for (const [start, delta, low, high] of [
    [a.x, b.x - a.x, box.x, box.x + box.width],
    [a.y, b.y - a.y, box.y, box.y + box.height],
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
