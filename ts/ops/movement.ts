/** Operations that move elements without changing them. */
import { checkShape } from '../core/create.js'
import { dtypeCode, type Shape, showShape, sizeOf } from '../core/dtype.js'
import { ArgumentError, describe, describeList, ShapeError } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Check, checkValue, either, isList, listOf, whole } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { type Axes, resolveAxes, resolveAxis, resolveNewAxis } from './axes.js'
import { alias } from './operands.js'

const own = Tensor.own

/**
 * The same elements, row-major, with other extents; one of them may be -1 for the rest.
 *
 * @throws {ShapeError} if the number of elements differs
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const id = idOf('reshape', x)
  if (!isList(shape)) {
    throw new ShapeError(
      `reshape: the shape is ${describe(shape)}, expected an array of extents such as [2, -1]`,
    )
  }
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < -1) {
      throw new ShapeError(
        `reshape: extent ${describe(extent)} in ${describeList(shape)}; give integers of 0 or more, or one -1`,
      )
    }
  }
  return own(native.reshape(id, shape.includes(-1) ? fillRest(x, shape) : [...shape]))
}

function fillRest(x: Tensor, shape: Shape): number[] {
  const known = sizeOf(shape.filter((extent) => extent !== -1))
  const rest = x.size / known
  if (shape.indexOf(-1) !== shape.lastIndexOf(-1) || !Number.isInteger(rest)) {
    throw new ShapeError(
      `reshape: ${showShape(x.shape)} has ${x.size} elements, which does not fit ${showShape(shape)}; ` +
        'at most one extent may be -1, and the others must divide the number of elements',
    )
  }
  return shape.map((extent) => (extent === -1 ? rest : extent))
}

/** Joins the axes from `startAxis` (default 0) into one; a scalar becomes (1). */
export function flatten(x: Tensor, startAxis = 0): Tensor {
  const id = idOf('flatten', x)
  const { shape } = x
  const start = shape.length === 0 ? 0 : resolveAxis('flatten', startAxis, shape)
  return own(native.reshape(id, [...shape.slice(0, start), sizeOf(shape.slice(start))]))
}

/** Axes in another order: axis i of the result is axis `axes[i]` of x. Without axes the order is reversed. */
export function permute(x: Tensor, axes?: readonly number[]): Tensor {
  const id = idOf('permute', x)
  const { shape } = x
  if (axes !== undefined) checkValue('permute: axes', axes, listOf(whole()))
  const order = axes
    ? axes.map((axis) => resolveAxis('permute', axis, shape))
    : shape.map((_, i) => i).reverse()
  return own(native.permute(id, order))
}

/** Exchanges two axes, by default the last two. */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  const id = idOf('transpose', x)
  const order = x.shape.map((_, axis) => axis)
  const [i, j] = [resolveAxis('transpose', a, x.shape), resolveAxis('transpose', b, x.shape)]
  order[i] = j
  order[j] = i
  return own(native.permute(id, order))
}

/** A new axis of extent 1 before position `axis` of the result. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const id = idOf('expandDims', x)
  const at = resolveNewAxis('expandDims', axis, x.shape)
  return own(native.reshape(id, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]))
}

/**
 * Removes axes of extent 1: the given ones, or all.
 *
 * @throws {ShapeError} if a given axis has another extent
 */
export function squeeze(x: Tensor, axes?: Axes): Tensor {
  const id = idOf('squeeze', x)
  const { shape } = x
  const gone =
    axes === undefined
      ? shape.flatMap((n, axis) => (n === 1 ? [axis] : []))
      : resolveAxes('squeeze', axes, shape)
  const wide = gone.find((axis) => shape[axis] !== 1)
  if (wide !== undefined) {
    throw new ShapeError(`squeeze: axis ${wide} of ${showShape(shape)} has extent ${shape[wide]}, expected 1`)
  }
  return own(
    native.reshape(
      id,
      shape.filter((_, axis) => !gone.includes(axis)),
    ),
  )
}

/** Broadcasts x to `shape` by NumPy's rule: missing and unit extents repeat. Nothing is copied until necessary. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return own(native.broadcastTo(idOf('broadcastTo', x), checkShape('broadcastTo', shape)))
}

/** A bound of {@link slice}: negative ones count from the end, null is open. */
export type Bound = number | null

const bounds: Check<readonly Bound[]> = listOf({
  expected: 'a whole number or null',
  accepts: (value) => value === null || value === undefined || Number.isSafeInteger(value),
})

interface Span {
  start: number
  step: number
  count: number
  reversed: boolean
}

/** Python's rule for start:stop:step on an axis of `n` elements. */
function span(n: number, start: Bound | undefined, stop: Bound | undefined, step: number): Span {
  if (!Number.isInteger(step) || step === 0) {
    throw new ArgumentError(`slice: step ${describe(step)}, expected an integer other than 0`)
  }
  for (const bound of [start, stop]) {
    if (bound !== null && bound !== undefined && !Number.isInteger(bound)) {
      throw new ArgumentError(`slice: bound ${describe(bound)}, expected an integer or null`)
    }
  }
  const [lowest, highest] = step > 0 ? [0, n] : [-1, n - 1]
  const clamp = (bound: Bound | undefined, open: number) =>
    bound === null || bound === undefined
      ? open
      : Math.min(highest, Math.max(lowest, bound < 0 ? bound + n : bound))
  const from = clamp(start, step > 0 ? lowest : highest)
  const to = clamp(stop, step > 0 ? highest : lowest)
  const count = Math.max(0, Math.ceil((to - from) / step))
  if (step > 0 || count === 0)
    return { start: count === 0 ? 0 : from, step: Math.abs(step), count, reversed: false }
  return { start: from + (count - 1) * step, step: -step, count, reversed: count > 1 }
}

/**
 * Elements `starts[i]`, `starts[i] + steps[i]`, ... before `stops[i]` on each axis i, as NumPy's `start:stop:step`. Other axes are not
 * sliced.
 *
 *     x.slice([0, -2])                  // x[0:, -2:]
 *     x.slice([null], [null], [-1])     // the first axis reversed
 */
export function slice(
  x: Tensor,
  starts: readonly Bound[],
  stops: readonly Bound[] = [],
  steps: readonly (number | null)[] = [],
): Tensor {
  const id = idOf('slice', x)
  const { shape } = x
  checkValue('slice: starts', starts, bounds)
  checkValue('slice: stops', stops, bounds)
  checkValue('slice: steps', steps, bounds)
  const mentioned = Math.max(starts.length, stops.length, steps.length)
  if (mentioned > shape.length) {
    throw new ShapeError(
      `slice: bounds for ${mentioned} axes of a tensor ${showShape(shape)}; give at most ${shape.length}`,
    )
  }
  const spans = shape.map((n, axis) => span(n, starts[axis], stops[axis], steps[axis] ?? 1))
  const part = own(
    native.slice(
      id,
      spans.map((s) => s.start),
      spans.map((s) => s.step),
      spans.map((s) => s.count),
    ),
  )
  const reversed = spans.flatMap((s, axis) => (s.reversed ? [axis] : []))
  return reversed.length === 0 ? part : flip(part, reversed)
}

/** The order of elements reversed along `axes`, by default all. */
export function flip(x: Tensor, axes?: Axes): Tensor {
  return own(native.flip(idOf('flip', x), resolveAxes('flip', axes, x.shape)))
}

function checkList(op: string, list: readonly Tensor[]): Tensor {
  const [first] = isList(list) ? list : []
  if (first === undefined) {
    throw new ArgumentError(`${op}: given ${describe(list)}, expected an array of at least one tensor`)
  }
  return first
}

/** Tensors concatenated along `axis` (default 0); the other extents must be equal. */
export function concat(list: readonly Tensor[], axis = 0): Tensor {
  const first = checkList('concat', list)
  const ids = Array.from(list, (x) => idOf('concat', x))
  return own(native.concat(ids, resolveAxis('concat', axis, first.shape)))
}

/** Tensors of equal shape stacked on a new axis (default 0). */
export function stack(list: readonly Tensor[], axis = 0): Tensor {
  const first = checkList('stack', list)
  for (let i = 0; i < list.length; i++) idOf('stack', list[i] as Tensor)
  const differs = list.find((x) => showShape(x.shape) !== showShape(first.shape))
  if (differs !== undefined) {
    throw new ShapeError(
      `stack: given ${showShape(first.shape)} and ${showShape(differs.shape)}, expected equal shapes`,
    )
  }
  const at = resolveNewAxis('stack', axis, first.shape)
  return concat(
    list.map((x) => expandDims(x, at)),
    at,
  )
}

/** Maximum number of tensors of one call. */
const mostParts = 2 ** 24

const partSizes: Check<number | readonly number[]> = either(whole(1), listOf(whole(0)))

/**
 * Splits x along `axis` (default 0).
 *
 * @param sizes the extents of the parts, or the number of equal parts
 * @throws {ShapeError} if the sizes do not sum to the extent
 */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  idOf('split', x)
  const along = resolveAxis('split', axis, x.shape)
  checkValue('split: sizes', sizes, partSizes)
  const extent = x.shape[along] as number
  if (typeof sizes === 'number' && sizes > mostParts) {
    throw new ShapeError(`split: given ${sizes} parts, expected at most ${mostParts}`)
  }
  const parts = typeof sizes === 'number' ? Array.from({ length: sizes }, () => extent / sizes) : [...sizes]
  const total = parts.reduce((a, b) => a + b, 0)
  if (total !== extent || !parts.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ShapeError(
      `split: axis ${along} of ${showShape(x.shape)} has extent ${extent}, which does not split into ` +
        `${typeof sizes === 'number' ? `${sizes} equal parts` : `[${parts.join(', ')}]`}`,
    )
  }
  let at = 0
  return parts.map((n) => {
    const starts = x.shape.map((_, i) => (i === along ? at : null))
    const stops = x.shape.map((_, i) => (i === along ? at + n : null))
    at += n
    return slice(x, starts, stops)
  })
}

const repetitions: Check<number | readonly number[]> = either(whole(0), listOf(whole(0)))

/** Tiles x `reps[i]` times along axis i; missing axes of x or reps count as 1, on the left. */
export function repeat(x: Tensor, reps: number | readonly number[]): Tensor {
  idOf('repeat', x)
  checkValue('repeat: reps', reps, repetitions)
  const given = typeof reps === 'number' ? [reps] : reps
  const rank = Math.max(given.length, x.rank)
  const fill = (list: readonly number[]) => [...Array<number>(rank - list.length).fill(1), ...list]
  const [times, shape] = [fill(given), fill(x.shape)]
  const apart = reshape(
    x,
    shape.flatMap((n) => [1, n]),
  )
  const wide = broadcastTo(
    apart,
    shape.flatMap((n, i) => [times[i] as number, n]),
  )
  return reshape(
    wide,
    shape.map((n, i) => n * (times[i] as number)),
  )
}

/** Shifts elements by `shift` along `axis`, with wraparound; without axis, flattened. */
export function roll(x: Tensor, shift: number | readonly number[], axis?: Axes): Tensor {
  idOf('roll', x)
  if (typeof shift !== 'number') checkValue('roll: shifts', shift, listOf(whole()))
  if (axis === undefined) {
    if (typeof shift !== 'number')
      throw new ArgumentError('roll: several shifts need as many axes; name them')
    return reshape(roll(flatten(x), shift, 0), x.shape)
  }
  const given: readonly number[] = isList(axis) ? (axis as readonly number[]) : [axis as number]
  const axes = Array.from(given, (a) => resolveAxis('roll', a, x.shape))
  const shifts = typeof shift === 'number' ? axes.map(() => shift) : shift
  if (shifts.length !== axes.length || !shifts.every(Number.isInteger)) {
    throw new ArgumentError(
      `roll: shifts ${describeList(shifts)} for ${axes.length} axes, expected one integer each`,
    )
  }
  return axes.reduce((rolled, along, i) => rollAlong(rolled, shifts[i] as number, along), alias(x))
}

function rollAlong(x: Tensor, shift: number, axis: number): Tensor {
  const n = x.shape[axis] as number
  const by = n === 0 ? 0 : ((shift % n) + n) % n
  if (by === 0) return x
  const [head, tail] = split(x, [n - by, by], axis) as [Tensor, Tensor]
  return concat([tail, head], axis)
}

/** 0, 1, 2, ... along `axis`, int32. */
export function indexAlong(shape: Shape, axis: number): Tensor {
  return own(native.iota(dtypeCode('int32'), [...shape], axis))
}
