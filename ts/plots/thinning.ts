/** The points of a trajectory with a marker: markers at every point would merge. */
import type { Point } from './labels.js'

/**
 * The points of a trajectory in pixels with a marker: the first, the last, and between them points at least `gap` pixels along the
 * trajectory from the one before and from the end.
 *
 * @param path undefined for a missing point
 * @param offset smallest distance of the second marker from the first; different offsets for neighbors keep their markers apart
 * @returns indices in `path`, ascending
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
    // A trajectory that turns back passes its own markers.
    const isClear = markers.every((marker) => Math.hypot(point.x - marker.x, point.y - marker.y) >= gap * 0.6)
    if (run < wanted || !isClear) continue
    marked.push(n)
    markers.push(point)
    run = 0
    wanted = gap
  }
  return [...marked, last.n]
}
