/** Rows of (n, d) as points: the nearest, those within a radius, and how far apart they are. */
import { full } from '../core/create.js'
import { showShape } from '../core/dtype.js'
import { ArgumentError, describe } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Checks, checkOptions, flag, oneOf } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'

/** How far two rows are apart: the largest absolute difference of a coordinate, or the root of the sum of squares. */
export type DistanceMetric = 'maximum' | 'euclidean'

/** What {@link neighbors} can be told. */
export interface NeighborsOptions {
  /** Default 'maximum'. */
  metric?: DistanceMetric
}

/** What {@link countWithin} can be told. */
export interface CountWithinOptions extends NeighborsOptions {
  /** A distance equal to the radius is within, too; default false. */
  closed?: boolean
}

const neighborsChecks: Checks<NeighborsOptions> = { metric: oneOf('maximum', 'euclidean') }
const countChecks: Checks<CountWithinOptions> = { ...neighborsChecks, closed: flag }

/**
 * The k nearest other rows of each row of x (n, d): their numbers (n, k) as int32, nearest first, of equally near ones the
 * first. Distances are made of direct differences in the dtype of x; one that is NaN is the largest. No gradient.
 *
 * Brute force for few points or many coordinates, a k-d tree else; the same numbers either way.
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
 * For each row of x (n, d) the number of other rows nearer than its radius, as int32 (n). A distance that is NaN is never
 * within. No gradient.
 *
 * @param radius one for each row, (n), or a number for all
 */
export function countWithin(x: Tensor, radius: Tensor | number, options: CountWithinOptions = {}): Tensor {
  const id = idOf('countWithin', x)
  const { metric, closed = false } = checkOptions('countWithin', options, countChecks)
  const own = typeof radius === 'number' ? full([x.shape[0] ?? 0], radius, { dtype: x.dtype }) : radius
  return Tensor.own(native.countWithin(id, idOf('countWithin', own), metric === 'euclidean', closed))
}

/**
 * The median Euclidean distance of all pairs of rows of x (n, d): a scalar, the mean of the middle two where the number of pairs is even. Where more than half of the pairs
 * coincide it is 0, and the mean of the distances that are not 0 takes its place, 1 where there is none. NaN where an element is not finite. No gradient.
 *
 * Distances are never stored all at once, so memory does not grow with their number. They are made of inner products, and of differences where these are
 * more exact, so that equal rows are 0 apart.
 *
 * @throws {ArgumentError} for fewer than 2 rows
 */
export function medianDistance(x: Tensor): Tensor {
  return Tensor.own(native.medianDistance(idOf('medianDistance', x)))
}
