/** Linear discriminant analysis: the scores of normal classes with a common covariance. */
import { eye, type Tensor } from '../ops/tensor.js'

/** Added to the diagonal of the covariance, relative to its mean: for columns that are combinations of others. */
const ridge = 1e-9

/** Also added, relative to the variance of all samples: for columns that hardly vary within classes, such as one-hot activations. */
const floor = 1e-6

/**
 * Scores of every row for every class, `[n, classes]`, up to a constant in each row: ln q(x | class) of normal classes fitted to the rows
 * of weight 1, without the priors of the classes.
 *
 * @param rows `[n, width]` whose mean square over the columns of the data is about 1
 * @param members one-hot `[n, classes]`
 * @param d columns of the data; `rows` may be coordinates of them
 * @param isWide whether to shrink the covariance
 */
export function discriminantScores(
  rows: Tensor,
  members: Tensor,
  weights: Tensor,
  d: number,
  isWide: boolean,
): Tensor {
  const width = rows.shape[1] as number
  const used = members.mul(weights.expandDims(1))
  const sizes = used.sum(0)
  const means = used.matmulT(rows, { transposeA: true }).div(sizes.maximum(1).expandDims(1))
  const rest = rows.sub(members.matmul(means)).mul(weights.expandDims(1))
  const degrees = sizes.sum().sub(sizes.greater(0).cast('float64').sum()).maximum(1)
  const covariance = rest.matmulT(rest, { transposeA: true }).div(degrees)
  const level = covariance.trace().div(d)
  const weight = isWide ? shrinkage(rest, covariance, weights.sum(), d) : level.mul(0)
  const jitter = level.mul(weight.add(ridge)).add(floor)
  const identity = eye(width, width, { dtype: 'float64' })
  const factor = covariance.mul(weight.neg().add(1)).add(identity.mul(jitter)).cholesky()
  const centers = isWide ? drawnTogether(means, sizes, level.mul(d)) : means
  const directions = centers.transpose().choleskySolve(factor)
  const offsets = directions.mul(centers.transpose()).sum(0).div(-2)
  return rows.matmul(directions).add(offsets)
}

/**
 * Coordinates `[n, n]` of rows `[n, d]`, d > n, in their span: the inner products, on which the classifier depends, are the same.
 */
export function spanned(rows: Tensor): Tensor {
  const n = rows.shape[0] as number
  const products = rows.matmulT(rows, { transposeB: true })
  // Centered rows have at most n - 1 dimensions; rounding must not produce a negative pivot.
  const rounding = products
    .trace()
    .mul(n * Number.EPSILON)
    .maximum(1e-300)
  return products.add(eye(n, n, { dtype: 'float64' }).mul(rounding)).cholesky()
}

/**
 * Class means shrunk toward the mean of all samples, by the positive-part James-Stein estimator: as far as their distances are due to
 * chance. With many columns most of the distance is chance, and a classifier that took it for signal would be overconfident.
 *
 * @param means `[classes, width]`
 * @param sizes samples of each class
 * @param variance within classes, summed over columns
 */
function drawnTogether(means: Tensor, sizes: Tensor, variance: Tensor): Tensor {
  const occurs = sizes.greater(0).cast('float64')
  const center = means.mul(sizes.expandDims(1)).sum(0).div(sizes.sum())
  const apart = means.sub(center).mul(occurs.expandDims(1))
  const between = apart.square().sum(1).mul(sizes).sum()
  const byChance = occurs.sum().sub(1).mul(variance)
  const kept = byChance.div(between.maximum(1e-300)).neg().add(1).maximum(0)
  return apart.mul(kept).add(center)
}

/**
 * Weight of the identity, from 0 to 1, in the covariance of least expected error (Ledoit and Wolf 2004, lemma 3.2 to 3.4): the variance of
 * the entries of the sample covariance over its squared distance from a multiple of the identity.
 *
 * @param rest residuals `[n, width]`, 0 in excluded rows
 * @param count number of included rows
 * @param d columns of the data
 */
function shrinkage(rest: Tensor, covariance: Tensor, count: Tensor, d: number): Tensor {
  const square = covariance.square().sum()
  const distance = square.sub(covariance.trace().square().div(d)).maximum(1e-300)
  const fourth = rest.square().sum(1).square().sum().div(count)
  const variance = fourth.sub(square).maximum(0).div(count)
  return variance.div(distance).minimum(1)
}
