import { scope } from '../core/memory.js'
import { whole } from '../core/options.js'
import { oneHot } from '../ops/index.js'
import { key, permutation } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { calibratedLoss } from './calibration.js'
import { entropyOf } from './counts.js'
import type { Findings } from './details.js'
import { discriminantScores, spanned } from './discriminant-rule.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { noteEntropies } from './limits.js'
import { inRange } from './magnitude.js'
import { unlessConstant } from './nearest.js'
import { normalScores } from './ranks.js'
import { checkClasses, classCounts, classesOf, unlessNumbers } from './samples.js'
import { unitOf } from './scale.js'
import { standardized } from './standardized.js'

/** Options of {@link DiscriminantMI}. */
export interface DiscriminantOptions {
  /** Folds of the cross-validation. Default 10. */
  folds?: number
  /** Seed of the folds. Default 0. */
  seed?: number
}

/** Samples per column below which the covariance is shrunk. */
const samplesPerColumn = 2

/**
 * Lower bound on the information of numbers about a class, from linear discriminant analysis:
 *
 *   I(X; Y) >= H(Y) - CE
 *
 * (Barber and Agakov 2003), CE the mean of -ln q(y | x) over held-out samples of a k-fold cross-validation, q from normal classes with a
 * common covariance. Nearly exact for such classes in any dimension; biased downward for others.
 *
 * The classifier is fitted twice: to columns in units of their standard deviations, and to their normal scores, which are robust to
 * outliers and saturated activations. The other folds choose one of the two and calibrate its confidence: the slope of its scores
 * (temperature scaling; Guo et al. 2017) and the weight of the priors. So a classifier that is right for 999 samples in 1,000 loses little
 * by the last one, and an uninformative classifier falls back on the priors: the estimate is then below 0 by about (classes - 1) / n.
 *
 * With fewer than two samples per column the covariance is shrunk toward a multiple of the identity, with the weight of Ledoit and Wolf
 * 2004 (eq. 14), and the class means toward the mean of all samples, with the weight of James and Stein 1961. With more columns than
 * samples the classifier is computed in the span of the n samples. Scale then matters, and columns in a common unit replace normal scores.
 * A measurement, in float64, O(n^2 d + folds n min(n, d)^2).
 *
 * `y` that holds numbers (hardly a value occurs twice) has no classes: `estimate` refuses it, and as an evaluator it records NaN.
 */
export class DiscriminantMI extends InformationEstimator<DiscriminantOptions> {
  constructor(options: DiscriminantOptions & InformationOptions = {}) {
    super(options, { folds: 10, seed: 0 }, { folds: whole(2), seed: whole(0) })
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get minimumSamples(): number {
    return 2 * this.params.folds
  }

  override get takes() {
    return { x: 'numbers', y: 'classes' } as const
  }

  protected override needsClasses(): boolean {
    return true
  }

  protected override get isLimited(): boolean {
    return true
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    // The values are not known here, so reserve as many classes as samples.
    const value = scope(this.name, () => discriminantBound(x, y, x.shape[0] as number, this.params))
    return unlessNumbers(value, y)
  }

  /** The values are known here: only the classes that occur. */
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
  const isWide = samplesPerColumn * d > n
  const data = [standardized(x), isWide ? inOneUnit(x) : standardized(normalScores(x))]
  const spaces = data.map((rows) => (d > n ? spanned(rows) : rows))
  const members = oneHot(classes, count, 'float64')
  const fold = permutation(key(seed), n).rem(folds)
  const inFold = oneHot(fold, folds, 'float64').transpose()
  const scores = spaces.map((rows) => {
    const parts = Array.from({ length: folds }, (_, part) => {
      const isTested = fold.equal(part).cast('float64')
      return discriminantScores(rows, members, isTested.neg().add(1), d, isWide).mul(isTested.expandDims(1))
    })
    return parts.reduce((sum, part) => sum.add(part))
  })
  const loss = calibratedLoss(scores, members, priorsWithout(inFold, members), inFold)
  return unlessConstant(entropyOf(classCounts(classes), n).sub(loss.div(n)), x)
}

/** Centered columns in a common unit in which their mean variance is 1. */
function inOneUnit(x: Tensor): Tensor {
  const [near] = inRange(x)
  const rows = near.sub(near.mean(0)).div(unitOf(near))
  return rows.div(rows.square().mean().sqrt().maximum(1e-150))
}

/**
 * Share of each class among the samples of the other folds, `[n, classes]`: half a sample is added to every class that occurs anywhere, so
 * that no share is 0.
 */
function priorsWithout(inFold: Tensor, members: Tensor): Tensor {
  const occurs = members.sum(0).greater(0).cast('float64')
  const others = inFold.neg().add(1).matmul(members).add(occurs.mul(0.5))
  return inFold.matmulT(others.div(others.sum(1, { keepDims: true })), { transposeA: true })
}
