/** Weights in the shape of the tensors that they scale. */
import type { Tensor } from '../ops/tensor.js'

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
