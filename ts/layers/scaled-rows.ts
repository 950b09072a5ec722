/** Functions of the layers that normalize each sample. */
import type { DType } from '../core/dtype.js'
import type { Tensor } from '../ops/tensor.js'

/**
 * x in float64, where squares of float32 numbers neither overflow nor underflow, and a small spread around a large mean keeps its digits.
 */
export function wide(x: Tensor): Tensor {
  return x.dtype === 'float64' ? x : x.cast('float64')
}

/** (x - mean) / sqrt(variance + eps), the moments over some axes; population variance. `x` and the result are float64. */
export function standardized(x: Tensor, axes: readonly number[], eps: number): Tensor {
  const centred = x.sub(x.mean([...axes], { keepDims: true }))
  const variance = centred.square().mean([...axes], { keepDims: true })
  return centred.mul(variance.add(eps).rsqrt())
}

/** The values converted to the layer's dtype. */
export function narrow(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : x.cast(dtype)
}

/**
 * A weight of the shape `extents`, or `[batch, ...extents]` if every sample has its own, in a shape that broadcasts to `[batch, ...]` tensors
 * of `rank` axes: the extents from `axis` on.
 */
export function aligned(weight: Tensor, extents: number, rank: number, axis: number): Tensor {
  const perSample = weight.rank > extents
  const own = perSample ? weight.shape.slice(1) : weight.shape
  const before = new Array<number>(axis - 1).fill(1)
  const behind = new Array<number>(rank - axis - extents).fill(1)
  return weight.reshape([perSample ? (weight.shape[0] as number) : 1, ...before, ...own, ...behind])
}
