/** Which points of a course carry a marker: a line with a marker at each point is a rope. */
import type { Point } from './labels.js'

/**
 * The points of a course in pixels that carry a marker: the first, the last, and between them those at least `gap` pixels along the course from the one before and
 * from the end.
 *
 * @param path undefined for a point that is not there
 * @param offset how far behind the first marker the second one may come at the earliest; different ones for neighbors keep their markers apart
 * @returns places in `path`, rising
 */
export function markedPoints(path: readonly (Point | undefined)[], gap: number, offset = gap): number[] {
  const there = path.flatMap((point, n) => (point === undefined ? [] : [{ n, point }]))
  const last = there.at(-1)
  const first = there[0]
  if (first === undefined || last === undefined) return []
  if (first === last) return [first.n]
  const marked = [first.n]
  let run = 0
  let wanted = offset
  let before = first.point
  const markers = [first.point, last.point]
  for (const { n, point } of there.slice(1, -1)) {
    run += Math.hypot(point.x - before.x, point.y - before.y)
    before = point
    // A course that turns back passes its own markers.
    const isClear = markers.every((marker) => Math.hypot(point.x - marker.x, point.y - marker.y) >= gap * 0.6)
    if (run < wanted || !isClear) continue
    marked.push(n)
    markers.push(point)
    run = 0
    wanted = gap
  }
  return [...marked, last.n]
}
