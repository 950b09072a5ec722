/** Scaling of numbers whose squares overflow or underflow. */
import { where } from '../ops/index.js'
import { full, type Tensor } from '../ops/tensor.js'

/** Binary exponents of a floating-point type. */
interface Exponents {
  /** Columns whose largest entry is beyond 2^+-least are scaled. */
  readonly least: number
  /** Exponent of the divisor of the largest columns, and of the factor of the smallest: both are then near 1. */
  readonly down: number
  readonly up: number
}

/** Scaled or not, the largest entry is within 1e+-112 in float64 and within 1e+-18 in float32, so sums of squares are finite and not 0. */
const exponents: { readonly [dtype: string]: Exponents } = {
  float64: { least: 332, down: 678, up: 703 },
  float32: { least: 32, down: 80, up: 90 },
}

/**
 * A power of two that scales the largest absolute entry to about 1 if its square would overflow or underflow, otherwise 1. Multiplication
 * and division by it are exact. A constant for the gradient.
 *
 * @param x `[n, d]` of floats
 * @param axis 0 for a factor of each column `[d]`; default one factor for all, `[]`
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
 * Samples times their {@link factorIntoRange}. A factor of 1 is not multiplied: the planner would take sums before the product, where they
 * overflow.
 *
 * @param x `[n, d]`; @param factor `[d]` or `[]`
 */
function byFactor(x: Tensor, factor: Tensor): Tensor {
  return where(factor.equal(1), x, x.mul(factor))
}

/** Columns scaled separately: for values that do not depend on the scale of columns. @param x `[n, d]` */
export function columnsInRange(x: Tensor): Tensor {
  return byFactor(x, factorIntoRange(x, 0))
}

/** Samples `[n, d]` scaled by one factor, that of the largest entry: for values that depend only on the ratio of scales. */
export function inRange<Parts extends readonly Tensor[]>(...parts: Parts): { [K in keyof Parts]: Tensor } {
  const largest = parts.map((x) => x.stopGradient().abs().max()).reduce((a, b) => a.maximum(b))
  const factor = factorIntoRange(largest)
  return parts.map((x) => byFactor(x, factor)) as { [K in keyof Parts]: Tensor }
}
