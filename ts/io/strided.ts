/** Copies between arrays of different strides. */

import { sizeOf, type TypedArray } from '../core/dtype.js'
import { nextTurn } from '../core/turns.js'

/** Strided values: the position of the first, and the stride of each axis. */
export interface Strided {
  readonly values: TypedArray | Uint16Array
  readonly start: number
  readonly steps: readonly number[]
}

/** Number of values moved in one turn of the event loop. */
const turn = 1 << 17

/** Side of the squares of a transposition: the lines of a square stay in the cache. */
const side = 32

/** Values between two questions whether the turn is over. */
const worthAYield = 1 << 14

/** Shortest line of adjacent values that is worth a call. */
const worthACall = 16

/**
 * Copies the values of a shape from one strided layout to another. If the adjacent values of the source are not adjacent in the target, the
 * two axes are walked in squares.
 *
 * @param lanes adjacent numbers of one value, 1 or 2; strides count numbers
 */
export async function copyStrided(
  shape: readonly number[],
  from: Strided,
  to: Strided,
  lanes: 1 | 2 = 1,
): Promise<void> {
  const inner = innermost(shape, to.steps)
  const source = innermost(shape, from.steps)
  // A value alone is a plane of one value.
  const plane = inner === source ? [inner] : [source, inner]
  const outer = shape.flatMap((_, axis) => (plane.includes(axis) ? [] : [axis]))
  const index = outer.map(() => 0)
  const planes = sizeOf(outer.map((axis) => shape[axis] as number))
  let [at, into] = [from.start, to.start]
  for (let number = 0, moved = 0; number < planes; number++) {
    const line = { from: from.values, at, to: to.values, into, lanes }
    if (inner === source) {
      moved += copyLine(line, shape[inner] ?? 1, from.steps[inner] ?? 0, to.steps[inner] ?? 0)
    } else {
      const axes = plane.map((axis) => ({
        length: shape[axis] as number,
        step: from.steps[axis] as number,
        toStep: to.steps[axis] as number,
      })) as [Axis, Axis]
      for (const count of copyingPlane(line, axes)) {
        moved += count
        if (moved < turn) continue
        moved = 0
        await nextTurn()
      }
    }
    if (moved >= turn) {
      moved = 0
      await nextTurn()
    }
    for (let place = outer.length - 1; place >= 0; place--) {
      const axis = outer[place] as number
      const extent = shape[axis] as number
      const next = (index[place] as number) + 1
      const isLast = next === extent
      index[place] = isLast ? 0 : next
      at += (isLast ? 1 - extent : 1) * (from.steps[axis] as number)
      into += (isLast ? 1 - extent : 1) * (to.steps[axis] as number)
      if (!isLast) break
    }
  }
}

/** The axis of more than one index with the smallest stride; the last one if there is none. */
function innermost(shape: readonly number[], steps: readonly number[]): number {
  let best = shape.length - 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const isBetter = (shape[best] as number) <= 1 || (steps[axis] as number) < (steps[best] as number)
    if ((shape[axis] as number) > 1 && isBetter) best = axis
  }
  return best
}

/** Where values are copied from and to. */
interface Copy {
  readonly from: Strided['values']
  readonly at: number
  readonly to: Strided['values']
  readonly into: number
  readonly lanes: 1 | 2
}

/** An axis and its strides. */
interface Axis {
  readonly length: number
  readonly step: number
  readonly toStep: number
}

/** Copies the values along one axis; returns their number. */
function copyLine({ from, at, to, into, lanes }: Copy, length: number, step: number, toStep: number): number {
  if (step === lanes && toStep === lanes && length >= worthACall) {
    to.set(from.subarray(at, at + length * lanes) as never, into)
    return length
  }
  for (let i = 0; i < length; i++) {
    to[into + i * toStep] = from[at + i * step] as number & bigint
    if (lanes === 2) to[into + i * toStep + 1] = from[at + i * step + 1] as number & bigint
  }
  return length
}

/** Copies the values along two axes in squares, and yields numbers of values that were copied since. */
function* copyingPlane(copy: Copy, [a, b]: readonly [Axis, Axis]): Generator<number> {
  let copied = 0
  for (let i = 0; i < a.length; i += side) {
    const rows = Math.min(side, a.length - i)
    for (let j = 0; j < b.length; j += side) {
      const columns = Math.min(side, b.length - j)
      const [at, into] = [copy.at + i * a.step + j * b.step, copy.into + i * a.toStep + j * b.toStep]
      copySquare(copy, at, into, a, b, rows, columns)
      copied += rows * columns
      if (copied < worthAYield) continue
      yield copied
      copied = 0
    }
  }
  yield copied
}

function copySquare(
  { from, to, lanes }: Copy,
  at: number,
  into: number,
  a: Axis,
  b: Axis,
  rows: number,
  columns: number,
): void {
  for (let i = 0; i < rows; i++) {
    let source = at + i * a.step
    let target = into + i * a.toStep
    for (let j = 0; j < columns; j++) {
      to[target] = from[source] as number & bigint
      if (lanes === 2) to[target + 1] = from[source + 1] as number & bigint
      source += b.step
      target += b.toStep
    }
  }
}
