/** Reductions over axes. Without axes they reduce to a scalar. */
import { floats, under } from '../core/composed.js'
import { integerRange, isFloat, sizeOf } from '../core/dtype.js'
import { native } from '../core/native.js'
import { type Check, type Checks, checkOptions, elsewhere, finite, flag } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { type Axes, resolveAxes, resolveAxis, withExtent } from './axes.js'
import * as e from './elementwise.js'
import { expandDims, reshape, slice } from './movement.js'
import { alias } from './operands.js'

const own = Tensor.own

/** Options of reductions. */
export interface ReduceOptions {
  /** Keep the reduced axes as extents of 1; default false. */
  keepDims?: boolean
}

const reduceChecks: Checks<ReduceOptions> = { keepDims: flag }

const kinds = { sum: 0, max: 1, min: 2 } as const

function reduce(
  op: keyof typeof kinds,
  x: Tensor,
  axes: Axes | null | undefined,
  options: ReduceOptions,
): Tensor {
  const id = idOf(op, x)
  const { keepDims = false } = checkOptions(op, options, reduceChecks)
  return own(native.reduce(kinds[op], id, resolveAxes(op, axes, x.shape), keepDims))
}

/** Integers and bool as int64, so that sums and products do not overflow. */
function countable(x: Tensor): Tensor {
  return isFloat(x.dtype) || x.dtype === 'int64' ? x : e.cast(x, 'int64')
}

/**
 * The sum over `axes`. Integers and bool are summed in int64, which is the dtype of the result as in NumPy; a sum beyond the range of int64
 * wraps. The sum of no elements is 0.
 */
export function sum(x: Tensor, axes?: Axes | null, options: ReduceOptions = {}): Tensor {
  return reduce('sum', x, axes, options)
}

/** The largest or smallest element; for bool, with false < true, by way of uint8. */
function extremum(
  op: 'max' | 'min',
  x: Tensor,
  axes: Axes | null | undefined,
  options: ReduceOptions,
): Tensor {
  idOf(op, x)
  if (x.dtype !== 'bool') return reduce(op, x, axes, options)
  return e.cast(reduce(op, e.cast(x, 'uint8'), axes, options), 'bool')
}

/**
 * The largest element over `axes`; NaN if one is NaN. Ties share the gradient equally. For bool it equals {@link any}, except that no
 * elements have no maximum.
 */
export function max(x: Tensor, axes?: Axes | null, options: ReduceOptions = {}): Tensor {
  return extremum('max', x, axes, options)
}

/**
 * The smallest element over `axes`; NaN if one is NaN. Ties share the gradient equally. For bool it equals {@link all}, except that no
 * elements have no minimum.
 */
export function min(x: Tensor, axes?: Axes | null, options: ReduceOptions = {}): Tensor {
  return extremum('min', x, axes, options)
}

function countOver(op: string, x: Tensor, axes: Axes | null | undefined): number {
  return sizeOf(resolveAxes(op, axes, x.shape).map((axis) => x.shape[axis] as number))
}

/** The average over `axes`, in x's dtype; integers and bool give float32. The mean of no elements is NaN. */
export function mean(x: Tensor, axes?: Axes | null, options: ReduceOptions = {}): Tensor {
  idOf('mean', x)
  const given = isFloat(x.dtype) ? x : e.cast(x, 'float32')
  const count = countOver('mean', x, axes)
  return e.div(
    under('mean', () => reduce('sum', given, axes, options)),
    count,
  )
}

/** Options of {@link variance} and {@link std}. */
export interface VarianceOptions extends ReduceOptions {
  /** The divisor is the count minus this: 0 (default) for the variance of a population, 1 for the unbiased estimate. */
  correction?: number
}

const varianceChecks: Checks<VarianceOptions> = { ...reduceChecks, correction: finite }

/** The mean squared deviation from the mean over `axes`, in two passes. */
export function variance(x: Tensor, axes?: Axes | null, options: VarianceOptions = {}): Tensor {
  const { correction = 0, keepDims = false } = checkOptions('variance', options, varianceChecks)
  idOf('variance', x)
  const divisor = Math.max(0, countOver('variance', x, axes) - correction)
  const given = isFloat(x.dtype) ? x : e.cast(x, 'float32')
  const centered = e.sub(given, mean(given, axes, { keepDims: true }))
  return e.div(sum(e.square(centered), axes, { keepDims }), divisor)
}

/** The standard deviation over `axes`; its gradient is 0 if all elements are equal. */
export function std(x: Tensor, axes?: Axes | null, options: VarianceOptions = {}): Tensor {
  return under('std', () => e.sqrtAtZero(variance(x, axes, options)))
}

/** Options of {@link norm}. */
export interface NormOptions extends ReduceOptions {
  /** The order p of (sum |x|^p)^(1/p); default 2. Infinity is the largest magnitude, 0 the number of nonzeros. */
  ord?: number
  /** The axes reduced; default all. */
  axes?: Axes
}

const order: Check<number> = {
  expected: 'a number, Infinity or -Infinity',
  accepts: (value) => typeof value === 'number' && !Number.isNaN(value),
}
const normChecks: Checks<NormOptions> = { ...reduceChecks, ord: order, axes: elsewhere() }

/**
 * The p-norm of x as one vector over the axes. The gradient of the norm of zeros is 0; for orders below 1, whose slope at 0 is infinite, so
 * is the gradient of each zero element. Integers have only the orders 0, 1 and +-Infinity.
 */
export function norm(x: Tensor, options: NormOptions = {}): Tensor {
  const { ord = 2, axes, keepDims = false } = checkOptions('norm', options, normChecks)
  idOf('norm', x)
  return under('norm', () => normOf(x, ord, axes, keepDims))
}

function normOf(x: Tensor, ord: number, axes: Axes | undefined, keepDims: boolean): Tensor {
  const keep = { keepDims }
  if (![0, 1, Infinity, -Infinity].includes(ord)) floats('norm', x)
  if (ord === 2) return e.sqrtAtZero(sum(e.square(x), axes, keep))
  if (ord === Infinity) return max(e.abs(x), axes, keep)
  if (ord === -Infinity) return min(e.abs(x), axes, keep)
  if (ord === 0) return e.cast(sum(e.notEqual(x, 0), axes, keep), x.dtype)
  if (ord === 1) return sum(e.abs(x), axes, keep)
  const total = sum(powers(e.abs(x), ord), axes, keep)
  const zero = e.equal(total, 0)
  return e.where(zero, 0, e.pow(e.where(zero, 1, total), 1 / ord))
}

/** Powers of magnitudes; below order 1 the powers of 0 are constants, so that infinite slopes do not reach the gradient. */
function powers(magnitudes: Tensor, ord: number): Tensor {
  if (ord > 1) return e.pow(magnitudes, ord)
  const zero = e.equal(magnitudes, 0)
  return e.where(zero, ord > 0 ? 0 : Infinity, e.pow(e.where(zero, 1, magnitudes), ord))
}

/** ln(sum(e^x)) over `axes`, shifted by the maximum; -Infinity if all elements are, with gradient 0. */
export function logSumExp(x: Tensor, axes?: Axes | null, options: ReduceOptions = {}): Tensor {
  const { keepDims = false } = checkOptions('logSumExp', options, reduceChecks)
  floats('logSumExp', x)
  const top = e.stopGradient(under('logSumExp', () => max(x, axes, { keepDims: true })))
  const shift = e.where(e.isFinite(top), top, 0)
  const total = sum(e.exp(e.sub(x, shift)), axes, { keepDims: true })
  const empty = e.equal(total, 0)
  const result = e.add(e.where(empty, -Infinity, e.log(e.where(empty, 1, total))), shift)
  return keepDims ? result : dropAxes(result, resolveAxes('logSumExp', axes, x.shape))
}

function dropAxes(x: Tensor, axes: readonly number[]): Tensor {
  return reshape(
    x,
    x.shape.filter((_, axis) => !axes.includes(axis)),
  )
}

/** Halves an axis by multiplying its two halves, until one element is left; without division, so zeros are safe. */
function prodAlong(x: Tensor, axis: number): Tensor {
  let product = x
  for (let n = x.shape[axis] as number; n !== 1; n = Math.ceil(n / 2)) {
    if (n === 0) return e.add(sum(product, axis, { keepDims: true }), 1)
    const half = Math.floor(n / 2)
    const part = (start: number, stop: number) => {
      const starts = x.shape.map((_, i) => (i === axis ? start : null))
      const stops = x.shape.map((_, i) => (i === axis ? stop : null))
      return slice(product, starts, stops)
    }
    const pairs = e.mul(part(0, half), part(half, 2 * half))
    product = n % 2 === 0 ? pairs : own(native.concat([pairs.id, part(n - 1, n).id], axis))
  }
  return product
}

/**
 * The product over `axes`, exactly differentiable at zeros. Integers and bool give int64, in which products beyond its range wrap. The
 * product of no elements is 1.
 */
export function prod(x: Tensor, axes?: Axes | null, options: ReduceOptions = {}): Tensor {
  const { keepDims = false } = checkOptions('prod', options, reduceChecks)
  idOf('prod', x)
  const reduced = resolveAxes('prod', axes, x.shape)
  const product = reduced.reduce(prodAlong, countable(x))
  if (product === x) return alias(x)
  return keepDims ? product : dropAxes(product, reduced)
}

/**
 * The index (int32) of the first largest element along `axis`; without axis, into the flattened tensor. NaN counts as largest.
 */
export function argMax(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  const { keepDims = false } = checkOptions('argMax', options, reduceChecks)
  idOf('argMax', x)
  const given = x.dtype === 'bool' ? e.cast(x, 'uint8') : x
  if (axis === undefined) return own(native.argMax(reshape(given, [-1]).id, 0))
  const along = resolveAxis('argMax', axis, x.shape)
  const index = own(native.argMax(given.id, along))
  return keepDims ? expandDims(index, along) : index
}

/** Numbers in reverse order. An integer m becomes the maximum of its dtype (or -1) minus m, since the smallest has no negative. */
function reversed(x: Tensor): Tensor {
  if (isFloat(x.dtype)) return e.neg(x)
  const range = integerRange(x.dtype === 'bool' ? 'uint8' : x.dtype) as readonly [bigint, bigint]
  return e.sub(range[0] + range[1], x.dtype === 'bool' ? e.cast(x, 'uint8') : x)
}

/** The index (int32) of the first smallest element, or the first NaN; see {@link argMax}. */
export function argMin(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  idOf('argMin', x)
  return under('argMin', () => argMax(reversed(x), axis, options))
}

/** True if some element over `axes` is true (or not 0); false for no elements. */
export function any(x: Tensor, axes?: Axes | null, options: ReduceOptions = {}): Tensor {
  return under('any', () => e.greater(sum(e.notEqual(x, 0), axes, options), 0))
}

/** True if every element over `axes` is true (or not 0); true for no elements. */
export function all(x: Tensor, axes?: Axes | null, options: ReduceOptions = {}): Tensor {
  return under('all', () => e.equal(sum(e.equal(x, 0), axes, options), 0))
}

/** Options of {@link cumsum}. */
export interface CumsumOptions {
  /** Whether element i is the sum of elements i .. n - 1; default false. */
  reverse?: boolean
}

const cumsumChecks: Checks<CumsumOptions> = { reverse: flag }

/**
 * The cumulative sum along `axis` (default the last): element i is the sum of elements 0 .. i. Integers and bool give int64, as in {@link
 * sum}.
 */
export function cumsum(x: Tensor, axis = -1, options: CumsumOptions = {}): Tensor {
  const { reverse = false } = checkOptions('cumsum', options, cumsumChecks)
  idOf('cumsum', x)
  return own(native.cumsum(countable(x).id, resolveAxis('cumsum', axis, x.shape), reverse))
}

/** The cumulative product along `axis` (default the last), exactly differentiable at zeros. Integers and bool give int64. */
export function cumprod(x: Tensor, axis = -1): Tensor {
  idOf('cumprod', x)
  const along = resolveAxis('cumprod', axis, x.shape)
  const n = x.shape[along] as number
  const part = (from: Tensor, start: number, stop: number) =>
    own(
      native.slice(
        from.id,
        x.shape.map((_, i) => (i === along ? start : 0)),
        x.shape.map(() => 1),
        withExtent(x.shape, along, stop - start),
      ),
    )
  // After the step of distance d, element i is the product of elements i - 2d + 1 .. i.
  let product = countable(x)
  for (let distance = 1; distance < n; distance *= 2) {
    const later = e.mul(part(product, distance, n), part(product, 0, n - distance))
    product = own(native.concat([part(product, 0, distance).id, later.id], along))
  }
  return product === x ? alias(x) : product
}
