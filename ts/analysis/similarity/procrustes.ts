/** Distances of two sets of samples after optimal rotation. */
import { tidy } from '../../core/memory.js'
import type { SampleData } from '../../estimators/data.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { rowsFrom, sameCount, scalarsOf } from '../read.js'
import { compact, nuclearNorm } from '../singular.js'

/** Result of {@link procrustes}. */
export interface Procrustes {
  /** Nuclear norm s of X' Y of centered columns, each side divided by its Frobenius norm. From 0 to 1. */
  readonly similarity: number
  /** 2 - 2 s (Ding, Denain and Steinhardt 2021): the squared distance after optimal rotation. */
  readonly squared: number
  /** The root of `squared`, a metric (Williams et al. 2021). */
  readonly distance: number
  /** arccos s, in radians, a metric (Williams et al. 2021). */
  readonly angle: number
  /** |X|^2 + |Y|^2 - 2 |X' Y|_* without the division, in squared units of the data. */
  readonly squaredUnscaled: number
  /** 1 - s^2: the residual if the scale is fitted too, as in `scipy.spatial.procrustes`. */
  readonly disparity: number
}

/**
 * Orthogonal Procrustes distance of two layers on the same samples, invariant to shift, scale and rotation. A constant argument has the
 * similarity 0.
 *
 * @param x `[n, dx]`
 * @param y the same samples
 * @throws DTypeError for class labels; ShapeError for different numbers of samples
 */
export async function procrustes(x: SampleData, y: SampleData): Promise<Procrustes> {
  const [a, b] = [await rowsFrom('procrustes: x', x), await rowsFrom('procrustes: y', y)]
  sameCount('procrustes', a, b)
  const [p, q] = [await narrowed(a), await narrowed(b)]
  try {
    const found = await scalarsOf(() => ({
      norm: nuclearNorm(p.matmulT(q, { transposeA: true })),
      xx: squares(p),
      yy: squares(q),
    }))
    return measures(found)
  } finally {
    p.dispose()
    q.dispose()
  }
}

function measures({ norm, xx, yy }: { norm: number; xx: number; yy: number }): Procrustes {
  const similarity = xx * yy > 0 ? Math.min(1, norm / Math.sqrt(xx * yy)) : 0
  return {
    similarity,
    squared: 2 - 2 * similarity,
    distance: Math.sqrt(2 - 2 * similarity),
    angle: Math.acos(similarity),
    squaredUnscaled: Math.max(0, xx + yy - 2 * norm),
    disparity: 1 - similarity * similarity,
  }
}

const squares = (x: Tensor) => x.square().sum()

/** Centered samples with at most as many columns as samples. */
export async function narrowed(x: Tensor): Promise<Tensor> {
  const centered = tidy(() => x.sub(x.mean(0)))
  const narrow = await compact(centered)
  if (narrow !== centered) centered.dispose()
  return narrow
}

/** The distance of two sets of {@link narrowed} samples; lazy, and differentiable if it is above 0. */
export function procrustesDistance(x: Tensor, y: Tensor): Tensor {
  const norm = squares(x).mul(squares(y)).sqrt()
  const isSome = norm.greater(0)
  const cross = nuclearNorm(x.matmulT(y, { transposeA: true }))
  const similarity = where(isSome, cross.div(where(isSome, norm, 1)), 0)
  return similarity.mul(-2).add(2).maximum(0).sqrt()
}
