/** Softmax and the normalization of rows. */
import { floats, under } from '../core/composed.js'
import { showShape } from '../core/dtype.js'
import { describe, ShapeError } from '../core/errors.js'
import { above, atLeast, type Checks, checkOptions, checkValue } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import * as e from './elementwise.js'
import { narrow, standardized, wide } from './moments.js'
import { max, norm, sum } from './reduce.js'

/** x minus its maximum along `axis`, as a constant; `op` is the caller, for messages. */
function shifted(op: string, x: Tensor, axis: number): Tensor {
  floats(op, x)
  return e.sub(x, e.stopGradient(under(op, () => max(x, axis, { keepDims: true }))))
}

/** e^x / sum(e^x) along `axis` (default the last): positive, summing to 1. */
export function softmax(x: Tensor, axis = -1): Tensor {
  const exponentials = e.exp(shifted('softmax', x, axis))
  return e.div(exponentials, sum(exponentials, axis, { keepDims: true }))
}

/** The logarithm of {@link softmax}, without its underflow. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const moved = shifted('logSoftmax', x, axis)
  return e.sub(moved, e.log(sum(e.exp(moved), axis, { keepDims: true })))
}

/**
 * Layer normalization (Ba et al. 2016): (x - mean) / sqrt(variance + eps) * weight + bias, the moments over the last `nd` axes of each
 * sample (population variance). In float32 the moments are computed in float64, so every finite input has finite moments. In float64 a
 * variance that overflows, for numbers beyond 1e154, gives NaN.
 *
 * @param weight, bias of the extents of those axes; default 1 and 0
 */
export function layerNorm(
  x: Tensor,
  nd: number,
  weight?: Tensor | null,
  bias?: Tensor | null,
  eps = 1e-5,
): Tensor {
  floats('layerNorm', x)
  if (!Number.isInteger(nd) || nd < 1 || nd > x.rank) {
    throw new ShapeError(
      `layerNorm: the last ${describe(nd)} axes of a tensor ${showShape(x.shape)}; give 1 to ${x.rank}`,
    )
  }
  checkValue('layerNorm: eps', eps, atLeast(0))
  const axes = Array.from({ length: nd }, (_, i) => i - nd)
  const scaled = narrow(standardized(wide(x), axes, eps), x.dtype)
  const weighted = weight ? e.mul(scaled, weight) : scaled
  return bias ? e.add(weighted, bias) : weighted
}

/** Options of {@link normalize}. */
export interface NormalizeOptions {
  /** Smallest divisor; default 1e-12. */
  eps?: number
}

const normalizeChecks: Checks<NormalizeOptions> = { eps: above(0) }

/**
 * x divided by its Euclidean norm along `axis` (default the last), or by `eps` if the norm is smaller. Squares do not overflow: the norm is
 * computed in units of the largest entry.
 */
export function normalize(x: Tensor, axis = -1, options: NormalizeOptions = {}): Tensor {
  const { eps = 1e-12 } = checkOptions('normalize', options, normalizeChecks)
  floats('normalize', x)
  return under('normalize', () => {
    const unit = e.maximum(e.stopGradient(max(e.abs(x), axis, { keepDims: true })), eps)
    const inUnits = e.div(x, unit)
    const length = norm(inUnits, { axes: axis, keepDims: true })
    return e.div(inUnits, e.maximum(length, e.div(eps, unit)))
  })
}
