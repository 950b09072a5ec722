import { scope } from '../memory.js'
import { oneHot } from '../ops/index.js'
import { key, permutation } from '../random.js'
import { eye, type Tensor } from '../tensor.js'
import { checkWhole } from './check.js'
import { entropyOf } from './counts.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { classCounts, classesOf } from './samples.js'

/** Options of {@link DiscriminantMI}. */
export interface DiscriminantOptions {
  /** Parts of the cross-validation. Default 10. */
  folds?: number
  /** Decides which samples are in which part. Default 0. */
  seed?: number
}

/** Added to the diagonal of the covariance, relative to its mean: for columns that are combinations of others. */
const ridge = 1e-9

/**
 * Lower bound on the information of numbers about a class, from linear discriminant analysis:
 *
 *   I(X; Y) >= H(Y) - CE
 *
 * (Barber and Agakov 2003), CE the mean of -ln q(y | x) over samples that took no part in the fit: k-fold cross-validated, q from
 * normal classes with a common covariance. Nearly exact for such classes in any dimension; for others it errs downwards, below 0
 * where no linear rule tells the classes apart. A measurement, in float64, O(folds n d^2).
 */
export class DiscriminantMI extends InformationEstimator<DiscriminantOptions> {
  constructor(options: DiscriminantOptions & InformationOptions = {}) {
    super(options, { folds: 10, seed: 0 })
    checkWhole('DiscriminantMI: folds', this.params.folds, 2)
    checkWhole('DiscriminantMI: seed', this.params.seed, 0)
  }

  override get minimumSamples(): number {
    return 2 * this.params.folds
  }

  override get takes() {
    return { x: 'numbers', y: 'classes' } as const
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    // Values are not known here, so there is room for as many classes as samples.
    return scope(this.name, () => discriminantBound(x, y, x.shape[0] as number, this.params))
  }

  /** With values at hand, there is room for the classes that occur. */
  protected override async value(x: Tensor, y: Tensor): Promise<number> {
    this.checkCounts(x, y)
    using classes = classesOf(`${this.name}: y`, y)
    const count = (await classes.max().item()) + 1
    using value = this.inUnits(discriminantBound(x, classes, count, this.params))
    return await value.item()
  }
}

function discriminantBound(
  x: Tensor,
  classes: Tensor,
  count: number,
  { folds, seed }: Required<DiscriminantOptions>,
): Tensor {
  const n = x.shape[0] as number
  const rows = x.sub(x.mean(0))
  const members = oneHot(classes, count, 'float64')
  const fold = permutation(key(seed), n).rem(folds)
  let lost: Tensor | undefined
  for (let part = 0; part < folds; part++) {
    const isTested = fold.equal(part).cast('float64')
    const logs = logPosterior(rows, members, isTested.neg().add(1))
    const own = logs.mul(members).sum(1).mul(isTested).sum().neg()
    lost = lost === undefined ? own : lost.add(own)
  }
  return entropyOf(classCounts(classes), n).sub((lost as Tensor).div(n))
}

/** ln q(class | x) of every row, with the rule fitted to the rows of weight 1: `[n, classes]`. */
function logPosterior(rows: Tensor, members: Tensor, weights: Tensor): Tensor {
  const [d, count] = [rows.shape[1] as number, members.shape[1] as number]
  const used = members.mul(weights.expandDims(1))
  const sizes = used.sum(0)
  const means = used.matmulT(rows, { transposeA: true }).div(sizes.maximum(1).expandDims(1))
  const rest = rows.sub(members.matmul(means)).mul(weights.expandDims(1))
  const degrees = sizes.sum().sub(sizes.greater(0).cast('float64').sum()).maximum(1)
  const covariance = rest.matmulT(rest, { transposeA: true }).div(degrees)
  const jitter = covariance
    .trace()
    .mul(ridge / d)
    .maximum(1e-300)
  const factor = covariance.add(eye(d, d, { dtype: 'float64' }).mul(jitter)).cholesky()
  const directions = means.transpose().choleskySolve(factor)
  const offsets = directions.mul(means.transpose()).sum(0).div(-2)
  // Half a sample more for every class that occurs anywhere, so that none is impossible.
  const occurs = members.sum(0).greater(0)
  const priors = sizes.add(0.5).log()
  const scores = rows.matmul(directions).add(offsets).add(priors)
  const masked = occurs.cast('float64').sub(1).mul(1e300).add(scores)
  return count === 1 ? masked.mul(0) : masked.logSoftmax(1).maximum(-1e3)
}
