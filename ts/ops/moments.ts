/** Moments for normalization, without overflow of squares. */
import type { DType } from '../core/dtype.js'
import type { Tensor } from '../core/tensor.js'
import * as e from './elementwise.js'
import { mean } from './reduce.js'

/**
 * x in float64: squares of float32 numbers neither overflow nor underflow there, and a small spread around a large mean keeps its digits.
 */
export function wide(x: Tensor): Tensor {
  return x.dtype === 'float64' ? x : e.cast(x, 'float64')
}

/** The values in the requested dtype. */
export function narrow(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : e.cast(x, dtype)
}

/**
 * 1 / sqrt(square + eps) of a mean of squares. NaN if the mean overflowed: its reciprocal, 0, would make every number 0, which looks like a
 * valid result.
 */
export function inverseRoot(square: Tensor, eps: number): Tensor {
  return e.where(e.isFinite(square), e.rsqrt(e.add(square, eps)), Number.NaN)
}

/** (x - mean) / sqrt(variance + eps), the moments over some axes; population variance. */
export function standardized(x: Tensor, axes: readonly number[], eps: number): Tensor {
  const centered = e.sub(x, mean(x, [...axes], { keepDims: true }))
  const variance = mean(e.square(centered), [...axes], { keepDims: true })
  return e.mul(centered, inverseRoot(variance, eps))
}
