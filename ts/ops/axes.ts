/** Conversion of axes from the user's form to the native form. */
import { type Shape, showShape } from '../core/dtype.js'
import { ArgumentError, describe, describeList, ShapeError } from '../core/errors.js'
import { isList } from '../core/options.js'

/** One axis or several; negative ones count from the end. */
export type Axes = number | readonly number[]

/**
 * An axis as a number from 0.
 *
 * @throws {ShapeError} if a tensor of that shape does not have the axis
 */
export function resolveAxis(op: string, axis: number, shape: Shape): number {
  const rank = shape.length
  const resolved = Number.isInteger(axis) && axis < 0 ? axis + rank : axis
  if (Number.isInteger(axis) && resolved >= 0 && resolved < rank) return resolved
  const valid = rank === 0 ? 'a scalar has no axes' : `axes go from ${-rank} to ${rank - 1}`
  throw new ShapeError(`${op}: axis ${describe(axis)} of a tensor ${showShape(shape)}; ${valid}`)
}

/**
 * Sorted axes from 0; all axes if none are given.
 *
 * @throws {ShapeError} for a missing or repeated axis
 */
export function resolveAxes(op: string, axes: Axes | null | undefined, shape: Shape): number[] {
  if (axes === undefined || axes === null) return shape.map((_, axis) => axis)
  if (!isList(axes)) return [resolveAxis(op, axes as number, shape)]
  // Array.from, since a hole counts as a missing axis.
  const resolved = Array.from(axes as readonly number[], (axis) => resolveAxis(op, axis, shape)).sort(
    (a, b) => a - b,
  )
  const twice = resolved.find((axis, i) => axis === resolved[i - 1])
  if (twice !== undefined)
    throw new ShapeError(`${op}: axis ${twice} is named twice in ${describeList(axes as readonly number[])}`)
  return resolved
}

/** An axis of the result, which has one more axis. */
export function resolveNewAxis(op: string, axis: number, shape: Shape): number {
  return resolveAxis(op, axis, [...shape, 1])
}

/** `shape` with the extent on `axis` replaced. */
export function withExtent(shape: Shape, axis: number, extent: number): number[] {
  const changed = [...shape]
  changed[axis] = extent
  return changed
}

/**
 * The broadcast shape of two shapes by NumPy's rule.
 *
 * @throws {ShapeError} if they do not broadcast
 */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1
    const y = b[axis - rank + b.length] ?? 1
    if (x === y || y === 1) return x
    if (x === 1) return y
    throw new ShapeError(
      `${op}: ${showShape(a)} and ${showShape(b)} do not broadcast: ${x} meets ${y}; extents must be equal or 1, counting from the right`,
    )
  })
}

/**
 * One whole number per axis, from one number for all or a list.
 *
 * @throws {ArgumentError} for a list of another length, or a number below `least`
 */
export function perAxis(
  op: string,
  name: string,
  given: number | readonly number[] | undefined,
  rank: number,
  least: number,
  missing: number,
): number[] {
  const values = given === undefined ? missing : given
  const many = isList(values) ? (values as readonly number[]) : undefined
  // Array.from, since a hole counts as a missing number.
  const list = Array.from(many ?? Array.from({ length: rank }, () => values as number))
  if (list.length !== rank || !list.every((x) => Number.isSafeInteger(x) && x >= least)) {
    const shown = many === undefined ? describe(values) : describeList(list)
    throw new ArgumentError(
      `${op}: ${name} is ${shown}, expected an integer of ${least} or more, or ${rank} of them (one per spatial axis)`,
    )
  }
  return list
}
