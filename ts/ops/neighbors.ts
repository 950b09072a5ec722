/** Nearest neighbors of rows of (n, d), counts within a radius, and distances. */
import { full } from '../core/create.js'
import { showShape } from '../core/dtype.js'
import { ArgumentError, describe } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Checks, checkOptions, flag, oneOf } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'

/** Distance of two rows: the largest absolute difference of a coordinate, or the root of the sum of squares. */
export type DistanceMetric = 'maximum' | 'euclidean'

/** Options of {@link neighbors}. */
export interface NeighborsOptions {
  /** Default 'maximum'. */
  metric?: DistanceMetric
}

/** Options of {@link countWithin}. */
export interface CountWithinOptions extends NeighborsOptions {
  /** Count distances equal to the radius too; default false. */
  closed?: boolean
}

const neighborsChecks: Checks<NeighborsOptions> = { metric: oneOf('maximum', 'euclidean') }
const countChecks: Checks<CountWithinOptions> = { ...neighborsChecks, closed: flag }

/**
 * The k nearest other rows of each row of x (n, d): their indices (n, k) as int32, nearest first; equal distances are ordered by index.
 * Distances are computed from differences in the dtype of x; NaN is the largest. No gradient.
 *
 * Brute force for few points or many coordinates, otherwise a k-d tree; the results are equal.
 *
 * @param k from 1 to n - 1
 */
export function neighbors(x: Tensor, k: number, options: NeighborsOptions = {}): Tensor {
  const id = idOf('neighbors', x)
  const { metric } = checkOptions('neighbors', options, neighborsChecks)
  if (!Number.isSafeInteger(k) || k < 1 || k > 2 ** 31) {
    throw new ArgumentError(
      `neighbors: k is ${describe(k)} on ${showShape(x.shape)}, expected an integer from 1 to the number of rows less one`,
    )
  }
  return Tensor.own(native.neighbors(id, k, metric === 'euclidean'))
}

/**
 * For each row of x (n, d) the number of other rows nearer than its radius, as int32 (n). A NaN distance does not count. No gradient.
 *
 * @param radius one per row, (n), or a number for all
 */
export function countWithin(x: Tensor, radius: Tensor | number, options: CountWithinOptions = {}): Tensor {
  const id = idOf('countWithin', x)
  const { metric, closed = false } = checkOptions('countWithin', options, countChecks)
  const own = typeof radius === 'number' ? full([x.shape[0] ?? 0], radius, { dtype: x.dtype }) : radius
  return Tensor.own(native.countWithin(id, idOf('countWithin', own), metric === 'euclidean', closed))
}

/**
 * The median Euclidean distance of all pairs of rows of x (n, d): a scalar, the mean of the middle two for an even number of pairs. If more
 * than half of the pairs coincide, so that the median is 0, the mean of the non-zero distances, or 1 if there are none. NaN if an element
 * is not finite. No gradient.
 *
 * The distances are not all stored at once, so memory does not grow with their number. They are computed from inner products, or from
 * differences if these are more exact, so equal rows have distance 0.
 *
 * @throws {ArgumentError} for fewer than 2 rows
 */
export function medianDistance(x: Tensor): Tensor {
  return Tensor.own(native.medianDistance(idOf('medianDistance', x)))
}
