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
  /** Parts of the cross-validation. Default 10. */
  folds?: number
  /** Decides which samples are in which part. Default 0. */
  seed?: number
}

/** Samples a column below which the covariance is shrunk. */
const samplesPerColumn = 2

/**
 * Lower bound on the information of numbers about a class, from linear discriminant analysis:
 *
 *   I(X; Y) >= H(Y) - CE
 *
 * (Barber and Agakov 2003), CE the mean of -ln q(y | x) over samples that took no part in the fit: k-fold cross-validated, q from
 * normal classes with a common covariance. Nearly exact for such classes in any dimension; for others it errs downward.
 *
 * The rule is fitted twice: to columns in units of their deviations, and to their normal scores, where outliers and saturated activations do no harm. How sure it
 * may be is found on the other folds: the slope of its scores (temperature scaling; Guo et al. 2017), a part of the priors that is mixed in,
 * and which of the two. So a rule that is right of 999 samples in 1,000 loses little by the last one, and one that knows nothing falls back
 * on the priors: below 0 by (classes - 1) / n or so.
 *
 * With fewer than two samples a column the covariance is drawn toward a multiple of the identity, by the weight of Ledoit and Wolf 2004
 * (eq. 14), and the means of the classes toward that of all, by that of James and Stein 1961; with more columns than samples the rule is computed in
 * the n dimensions that the samples span. Scale then matters, and columns in a common unit take the place of normal scores. A measurement, in float64, O(n^2 d + folds n min(n, d)^2).
 *
 * `y` that hold numbers (hardly a value given twice) have no classes: `estimate` refuses them, and as an evaluator it records NaN.
 */
export class DiscriminantMI extends InformationEstimator<DiscriminantOptions> {
  constructor(options: DiscriminantOptions & InformationOptions = {}) {
    super(options, { folds: 10, seed: 0 }, { folds: whole(2), seed: whole(0) })
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

/** Centered columns in the one unit of which their mean variance is 1. */
function inOneUnit(x: Tensor): Tensor {
  const [near] = inRange(x)
  const rows = near.sub(near.mean(0)).div(unitOf(near))
  return rows.div(rows.square().mean().sqrt().maximum(1e-150))
}

/** Part of each class among the samples of the other folds, `[n, classes]`: half a sample more for every class that occurs anywhere, so that none is impossible. */
function priorsWithout(inFold: Tensor, members: Tensor): Tensor {
  const occurs = members.sum(0).greater(0).cast('float64')
  const others = inFold.neg().add(1).matmul(members).add(occurs.mul(0.5))
  return inFold.matmulT(others.div(others.sum(1, { keepDims: true })), { transposeA: true })
}
