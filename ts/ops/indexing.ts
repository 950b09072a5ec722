/** Selection and assignment of elements by index. Indices are int32 or int64 tensors, or plain lists. */
import { type DType, dtypeCode, showShape } from '../core/dtype.js'
import { ArgumentError, DataError, DTypeError, describe, ShapeError } from '../core/errors.js'
import { scope } from '../core/memory.js'
import { native } from '../core/native.js'
import { isInstance, isList } from '../core/options.js'
import { constant, isScalar } from '../core/scalars.js'
import { idOf, Tensor } from '../core/tensor.js'
import { resolveAxis, withExtent } from './axes.js'
import { add, cast, notEqual, where } from './elementwise.js'
import { concat, expandDims, reshape, slice } from './movement.js'
import type { Operand } from './operands.js'

const own = Tensor.own

/** Indices: a tensor of integers, or a plain list (in which negative ones count from the end). */
export type Indices = Tensor | readonly number[] | Int32Array

/** An index tensor of a native dtype. @param fromEnd whether negative ones in a list count from the end */
function indexTensor(op: string, indices: Indices, extent: number, fromEnd = true): Tensor {
  if (indices instanceof Tensor) {
    const { dtype } = indices
    if (dtype === 'uint8') return cast(indices, 'int32')
    if (dtype === 'uint32') return cast(indices, 'int64')
    if (dtype === 'int32' || dtype === 'int64') return indices
    throw new DTypeError(
      `${op}: the indices are ${dtype}, expected int32 or int64; cast them: indices.cast('int32')`,
    )
  }
  if (!isList(indices) && !isInstance(indices, Int32Array)) {
    throw new ArgumentError(
      `${op}: the indices are ${describe(indices)}, expected a Tensor, an Int32Array or numbers`,
    )
  }
  const resolved = Int32Array.from(indices as ArrayLike<number>, (given, i) => {
    const index = fromEnd && Number.isInteger(given) && given < 0 ? given + extent : given
    if (Number.isInteger(given) && index >= 0 && index < extent) return index
    throw new DataError(
      `${op}: index ${describe(given)} at position ${i}; there are ${extent} elements on that axis`,
    )
  })
  return own(native.source(resolved, dtypeCode('int32'), [resolved.length]))
}

/**
 * The slices of x at `indices` along `axis` (default 0). The axis is replaced by the indices' shape.
 *
 * @throws {DataError} for an index out of range (during execution, for indices in a tensor)
 */
export function take(x: Tensor, indices: Indices, axis = 0): Tensor {
  idOf('take', x)
  const along = resolveAxis('take', axis, x.shape)
  const index = indexTensor('take', indices, x.shape[along] as number)
  if (index.rank === 1) return own(native.take(x.id, index.id, along))
  const flat = own(native.take(x.id, reshape(index, [index.size]).id, along))
  return reshape(flat, [...x.shape.slice(0, along), ...index.shape, ...x.shape.slice(along + 1)])
}

/**
 * Elements selected along `axis`: result[.., i, ..] = x[.., indices[.., i, ..], ..]. The indices have x's rank, and on the other axes at
 * most its extents.
 */
export function takeAlong(x: Tensor, indices: Tensor, axis: number): Tensor {
  idOf('takeAlong', x)
  const along = resolveAxis('takeAlong', axis, x.shape)
  const index = indexTensor('takeAlong', indices, x.shape[along] as number)
  return own(native.gather(x.id, index.id, along))
}

/** x plus the slices of `src` at `indices` along `axis`: x[.., indices[i], ..] += src[.., i, ..]. Repeated indices accumulate. */
export function indexAdd(x: Tensor, axis: number, indices: Indices, src: Tensor): Tensor {
  idOf('indexAdd', x)
  const along = resolveAxis('indexAdd', axis, x.shape)
  const index = indexTensor('indexAdd', indices, x.shape[along] as number)
  return add(x, own(native.indexAdd(index.id, idOf('indexAdd', src), along, [...x.shape])))
}

/** `src` cropped or broadcast to the shape of the indices. */
function sourceLike(op: string, src: Operand, index: Tensor, dtype: DType): Tensor {
  if (isScalar(src)) return constant(op, src, dtype, index.shape)
  idOf(op, src)
  if (src.rank !== index.rank || src.shape.some((n, i) => n < (index.shape[i] as number))) {
    throw new ShapeError(
      `${op}: src ${showShape(src.shape)} for indices ${showShape(index.shape)}; src has as many axes and at least their extents`,
    )
  }
  const same = src.shape.every((n, i) => n === index.shape[i])
  return same
    ? src
    : slice(
        src,
        index.shape.map(() => 0),
        index.shape,
      )
}

/** x plus `src` at indices: x[.., indices[.., i, ..], ..] += src[.., i, ..] along `axis`. Repeated indices accumulate. */
export function scatterAdd(x: Tensor, axis: number, indices: Tensor, src: Operand): Tensor {
  idOf('scatterAdd', x)
  const along = resolveAxis('scatterAdd', axis, x.shape)
  const index = indexTensor('scatterAdd', indices, x.shape[along] as number)
  const values = sourceLike('scatterAdd', src, index, x.dtype)
  return add(x, own(native.scatterAdd(index.id, values.id, along, [...x.shape])))
}

/**
 * x with `src` written at indices: x[.., indices[.., i, ..], ..] = src[.., i, ..] along `axis`. For a repeated index the last element is
 * written, and only it gets the gradient.
 */
export function scatter(x: Tensor, axis: number, indices: Tensor, src: Operand): Tensor {
  idOf('scatter', x)
  const along = resolveAxis('scatter', axis, x.shape)
  const index = indexTensor('scatter', indices, x.shape[along] as number)
  const values = sourceLike('scatter', src, index, x.dtype)
  // After a stable sort the last of equal indices is the one before a different index: it is written.
  const order = own(native.argSort(index.id, along, false))
  const sorted = own(native.gather(index.id, order.id, along))
  const winners = lastOfRuns(sorted, along)
  const written = where(winners, own(native.gather(values.id, order.id, along)), 0)
  const shape = [...x.shape]
  const hits = own(native.scatterAdd(sorted.id, cast(winners, 'int32').id, along, shape))
  return where(notEqual(hits, 0), own(native.scatterAdd(sorted.id, written.id, along, shape)), x)
}

/** True if the next element along `axis` differs, and at the end. */
function lastOfRuns(sorted: Tensor, axis: number): Tensor {
  const n = sorted.shape[axis] as number
  const end = own(native.constant(1, dtypeCode('bool'), withExtent(sorted.shape, axis, Math.min(1, n))))
  if (n <= 1) return end
  const part = (start: number, stop: number) =>
    slice(
      sorted,
      sorted.shape.map((_, i) => (i === axis ? start : null)),
      sorted.shape.map((_, i) => (i === axis ? stop : null)),
    )
  return concat([notEqual(part(0, n - 1), part(1, n)), end], axis)
}

/**
 * A new last axis of extent `depth` with 1 at the index and 0 elsewhere.
 * @param indices integers (..) in a tensor, or a plain list
 * @returns (.., depth)
 * @throws {DataError} for an index outside 0 .. depth - 1: at once for a list, during execution for a tensor. A row of zeros is not a
 *   class: for ignored labels use `where(ignored, 0, labels)` and a mask
 */
export function oneHot(indices: Indices, depth: number, dtype: DType = 'float32'): Tensor {
  if (!Number.isSafeInteger(depth) || depth < 1) {
    throw new ArgumentError(`oneHot: depth is ${describe(depth)}, expected an integer of 1 or more`)
  }
  const index = expandDims(indexTensor('oneHot', indices, depth, false), -1)
  // Booleans cannot be added.
  const ones = native.constant(1, dtypeCode(dtype === 'bool' ? 'uint8' : dtype), [...index.shape])
  const shape = [...index.shape.slice(0, -1), depth]
  const ofClasses = scope('oneHot', () =>
    own(native.scatterAdd(index.id, own(ones).id, index.rank - 1, shape)),
  )
  return cast(ofClasses, dtype)
}

/** A mask in JavaScript: flat or nested booleans (or 0 and 1), one per element. */
export type HostMask = Uint8Array | readonly (boolean | number | HostMask)[]

/** Maximum nesting of a mask: the maximum number of axes of a tensor. */
const deepestMask = 64

function flattenMask(mask: HostMask, level = 0): (boolean | number)[] {
  if (level > deepestMask) {
    throw new ArgumentError(
      `maskedSelect: the mask is nested deeper than ${deepestMask} levels, or holds itself; give true, false, 0 and 1 in arrays`,
    )
  }
  if (isInstance(mask, Uint8Array)) return [...mask]
  if (!isList(mask)) {
    throw new ArgumentError(
      `maskedSelect: the mask holds ${describe(mask)}, expected true, false, 0 and 1, nested in arrays`,
    )
  }
  return Array.from(mask).flatMap((m) =>
    typeof m === 'boolean' || m === 0 || m === 1 ? [m] : flattenMask(m as HostMask, level + 1),
  )
}

/**
 * The elements where the mask is true, in row-major order: (count). The mask must be known in JavaScript, since it determines the shape:
 * for a computed one, `maskedSelect(x, await mask.data())`; to stay lazy, use {@link where}.
 */
export function maskedSelect(x: Tensor, mask: HostMask): Tensor {
  idOf('maskedSelect', x)
  if ((mask as unknown) instanceof Tensor) {
    throw new ArgumentError(
      'maskedSelect: the mask is a Tensor, whose values decide the shape of the result; give them: await mask.data()',
    )
  }
  const flags = flattenMask(mask)
  if (flags.length !== x.size) {
    throw new ShapeError(
      `maskedSelect: a mask of ${flags.length} elements for ${showShape(x.shape)}, expected ${x.size}, one per element`,
    )
  }
  const chosen = Int32Array.from(flags.flatMap((flag, i) => (flag ? [i] : [])))
  return take(reshape(x, [x.size]), chosen)
}
