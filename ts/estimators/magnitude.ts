/** Numbers so large or so small that their squares overflow or vanish, brought to where they do not. */
import { where } from '../ops/index.js'
import { full, type Tensor } from '../ops/tensor.js'

/** Binary exponents of a floating-point type. */
interface Exponents {
  /** Columns whose largest entry is beyond 2^+-this are moved. */
  readonly least: number
  /** By which the largest are divided, and the smallest multiplied: both then lie about 1. */
  readonly down: number
  readonly up: number
}

/** Moved or not, the largest entry lies within 1e+-112 in float64 and within 1e+-18 in float32, so that sums of squares are finite and not 0. */
const exponents: { readonly [dtype: string]: Exponents } = {
  float64: { least: 332, down: 678, up: 703 },
  float32: { least: 32, down: 80, up: 90 },
}

/**
 * A power of two that brings the largest absolute entry near 1 where its square would overflow or vanish, else 1: to multiply by it and to divide by it
 * changes no digit. A constant for the gradient.
 *
 * @param x `[n, d]` of floats; @param axis 0 for a factor of each column `[d]`; default one for all, `[]`
 */
export function factorIntoRange(x: Tensor, axis?: 0): Tensor {
  const { least, down, up } = exponents[x.dtype] as Exponents
  const sizes = x.stopGradient().abs()
  const largest = axis === undefined ? sizes.max() : sizes.max(axis)
  const isTiny = largest.greater(0).logicalAnd(largest.less(2 ** -least))
  const power = (exponent: number) => full([], 2 ** exponent, { dtype: x.dtype })
  return where(largest.greater(power(least)), power(-down), where(isTiny, power(up), power(0)))
}

/**
 * Samples times their {@link factorIntoRange}. It is no product with 1 where nothing is to be done, or sums would be taken before the factor, where they overflow.
 *
 * @param x `[n, d]`; @param factor `[d]` or `[]`
 */
function byFactor(x: Tensor, factor: Tensor): Tensor {
  return where(factor.equal(1), x, x.mul(factor))
}

/** Columns each by their own factor: for what does not depend on the scale of columns. @param x `[n, d]` */
export function columnsInRange(x: Tensor): Tensor {
  return byFactor(x, factorIntoRange(x, 0))
}

/** Samples `[n, d]` all by one factor, that of the largest entry: for what depends on the ratio of their scales alone. */
export function inRange<Parts extends readonly Tensor[]>(...parts: Parts): { [K in keyof Parts]: Tensor } {
  const largest = parts.map((x) => x.stopGradient().abs().max()).reduce((a, b) => a.maximum(b))
  const factor = factorIntoRange(largest)
  return parts.map((x) => byFactor(x, factor)) as { [K in keyof Parts]: Tensor }
}
