import { scope } from '../memory.js'
import { oneHot } from '../ops/index.js'
import { key, permutation } from '../random.js'
import { eye, type Tensor } from '../tensor.js'
import { checkWhole } from './check.js'
import { entropyOf } from './counts.js'
import type { Findings } from './details.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { noteEntropies } from './limits.js'
import { checkClasses, classCounts, classesOf, unlessNumbers } from './samples.js'

/** Options of {@link DiscriminantMI}. */
export interface DiscriminantOptions {
  /** Parts of the cross-validation. Default 10. */
  folds?: number
  /** Decides which samples are in which part. Default 0. */
  seed?: number
}

/** Added to the diagonal of the covariance, relative to its mean: for columns that are combinations of others. */
const ridge = 1e-9

/** Samples a column below which the covariance is shrunk. */
const samplesPerColumn = 2

/**
 * Lower bound on the information of numbers about a class, from linear discriminant analysis:
 *
 *   I(X; Y) >= H(Y) - CE
 *
 * (Barber and Agakov 2003), CE the mean of -ln q(y | x) over samples that took no part in the fit: k-fold cross-validated, q from
 * normal classes with a common covariance. Nearly exact for such classes in any dimension; for others it errs downwards, below 0
 * where no linear rule tells the classes apart.
 *
 * With fewer than two samples a column the covariance is drawn towards a multiple of the identity, by the weight of Ledoit and Wolf 2004
 * (eq. 14), and the means of the classes towards that of all, by that of James and Stein 1961; with more columns than samples the rule is computed in the n dimensions that the samples span. A measurement, in float64,
 * O(n^2 d + folds n min(n, d)^2).
 *
 * `y` that hold numbers (hardly a value given twice) have no classes: `estimate` refuses them, and as an evaluator it records NaN.
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

  protected override get isLimited(): boolean {
    return true
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    // Values are not known here, so there is room for as many classes as samples.
    const value = scope(this.name, () => discriminantBound(x, y, x.shape[0] as number, this.params))
    return unlessNumbers(value, y)
  }

  /** With values at hand, there is room for the classes that occur. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkCounts(x, y)
    this.checkNumbers(x)
    using classes = classesOf(`${this.name}: y`, y)
    await checkClasses(this.name, classes)
    const count = (await classes.max().item()) + 1
    await noteEntropies(x, classes, findings)
    using nats = scope(this.name, () => discriminantBound(x, classes, count, this.params))
    findings.lower = await nats.item()
    return this.finished(findings.lower, findings)
  }
}

function discriminantBound(
  x: Tensor,
  classes: Tensor,
  count: number,
  { folds, seed }: Required<DiscriminantOptions>,
): Tensor {
  const [n, d] = x.shape as [number, number]
  const centered = x.sub(x.mean(0))
  const rows = d > n ? spanned(centered) : centered
  const isWide = samplesPerColumn * d > n
  const members = oneHot(classes, count, 'float64')
  const fold = permutation(key(seed), n).rem(folds)
  let lost: Tensor | undefined
  for (let part = 0; part < folds; part++) {
    const isTested = fold.equal(part).cast('float64')
    const logs = logPosterior(rows, members, isTested.neg().add(1), d, isWide)
    const own = logs.mul(members).sum(1).mul(isTested).sum().neg()
    lost = lost === undefined ? own : lost.add(own)
  }
  return entropyOf(classCounts(classes), n).sub((lost as Tensor).div(n))
}

/**
 * Coordinates `[n, n]` of rows `[n, d]`, d above n, in the space that they span: their inner products, which are all that the rule depends
 * on, are the same.
 */
function spanned(rows: Tensor): Tensor {
  const n = rows.shape[0] as number
  const products = rows.matmulT(rows, { transposeB: true })
  // Centred rows have at most n - 1 dimensions; what the factorisation rounds must not become a negative pivot.
  const rounding = products
    .trace()
    .mul(n * Number.EPSILON)
    .maximum(1e-300)
  return products.add(eye(n, n, { dtype: 'float64' }).mul(rounding)).cholesky()
}

/**
 * ln q(class | x) of every row, with the rule fitted to the rows of weight 1: `[n, classes]`.
 *
 * @param d columns of the data, of which `rows` may be coordinates; @param isWide whether to shrink the covariance
 */
function logPosterior(rows: Tensor, members: Tensor, weights: Tensor, d: number, isWide: boolean): Tensor {
  const [width, count] = [rows.shape[1] as number, members.shape[1] as number]
  const used = members.mul(weights.expandDims(1))
  const sizes = used.sum(0)
  const means = used.matmulT(rows, { transposeA: true }).div(sizes.maximum(1).expandDims(1))
  const rest = rows.sub(members.matmul(means)).mul(weights.expandDims(1))
  const degrees = sizes.sum().sub(sizes.greater(0).cast('float64').sum()).maximum(1)
  const covariance = rest.matmulT(rest, { transposeA: true }).div(degrees)
  const level = covariance.trace().div(d)
  const weight = isWide ? shrinkage(rest, covariance, weights.sum(), d) : level.mul(0)
  const jitter = level.mul(weight.add(ridge)).maximum(1e-300)
  const identity = eye(width, width, { dtype: 'float64' })
  const factor = covariance.mul(weight.neg().add(1)).add(identity.mul(jitter)).cholesky()
  const centers = isWide ? drawnTogether(means, sizes, level.mul(d)) : means
  const directions = centers.transpose().choleskySolve(factor)
  const offsets = directions.mul(centers.transpose()).sum(0).div(-2)
  // Half a sample more for every class that occurs anywhere, so that none is impossible.
  const occurs = members.sum(0).greater(0)
  const priors = sizes.add(0.5).log()
  const scores = rows.matmul(directions).add(offsets).add(priors)
  const masked = occurs.cast('float64').sub(1).mul(1e300).add(scores)
  return count === 1 ? masked.mul(0) : masked.logSoftmax(1).maximum(-1e3)
}

/**
 * Means of classes drawn towards the mean of all, by the positive part of James and Stein's estimate: as far as they lie apart by chance. With many
 * columns chance is most of it, and a rule that took it for real would be sure of what it cannot know.
 *
 * @param means `[classes, width]`; @param sizes samples of each class; @param variance within classes, summed over columns
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
 * Weight of the identity, from 0 to 1, in the covariance of least expected error (Ledoit and Wolf 2004, lemma 3.2 to 3.4): the variance of the
 * entries of the sample's own over their distance from a multiple of the identity.
 *
 * @param rest residuals `[n, width]`, rows that do not count being 0; @param count how many count; @param d columns of the data
 */
function shrinkage(rest: Tensor, covariance: Tensor, count: Tensor, d: number): Tensor {
  const square = covariance.square().sum()
  const distance = square.sub(covariance.trace().square().div(d)).maximum(1e-300)
  const fourth = rest.square().sum(1).square().sum().div(count)
  const variance = fourth.sub(square).maximum(0).div(count)
  return variance.div(distance).minimum(1)
}
