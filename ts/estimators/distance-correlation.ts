import { type Checks, checkOptions, flag, oneOf } from '../core/options.js'
import { sqrtAtZero, where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { centered, inner, uCentered } from './centering.js'
import { device } from './check.js'
import { Estimator, type EstimatorOptions } from './estimator.js'
import { inRange } from './magnitude.js'
import { isLabels, type Samples, samplesOf } from './samples.js'
import { unitOf } from './scale.js'

/** Options of {@link DistanceCorrelation}. */
export interface DistanceCorrelationOptions extends EstimatorOptions {
  /** 'biased' (V-statistic, default) or 'unbiased' (U-statistic). */
  estimator?: 'biased' | 'unbiased'
  /** 'correlation' (default) or 'covariance', only the numerator. */
  measure?: 'correlation' | 'covariance'
  /** Replace values below 0, which the unbiased form may have, by 0. Default false. */
  clip?: boolean
}

const checks: Checks<DistanceCorrelationOptions> = {
  estimator: oneOf('biased', 'unbiased'),
  measure: oneOf('correlation', 'covariance'),
  clip: flag,
  device,
}

/**
 * Distance correlation of n pairs of samples, from Euclidean distance matrices A and B:
 *
 * - `biased` (Szekely, Rizzo and Bakirov 2007): with double-centered matrices dCov^2 = mean(A o B) and
 *   dCor = sqrt(dCov^2 / sqrt(dVar_x^2 dVar_y^2)), from 0 to 1. Its covariance is dCov^2.
 * - `unbiased` (Szekely and Rizzo 2014): with U-centered matrices dCov^2 = sum(A o B) / (n (n - 3)), and the bias-corrected dCor^2: the
 *   square, which may be negative. Needs 4 samples.
 *
 * 0 only for independent variables (in the population). 0 by convention if an argument is constant. Labels are compared as classes at equal
 * distances. O(n^2) time and memory, in float64. Differentiable.
 */
export class DistanceCorrelation extends Estimator<DistanceCorrelationOptions> {
  readonly #isUnbiased: boolean
  readonly #isCovariance: boolean
  readonly #isClipped: boolean

  constructor(options: DistanceCorrelationOptions = {}) {
    const given = checkOptions('DistanceCorrelation', options, checks)
    super(given)
    const { estimator = 'biased', measure = 'correlation', clip = false } = given
    this.#isClipped = clip
    this.#isUnbiased = estimator === 'unbiased'
    this.#isCovariance = measure === 'covariance'
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get minimumSamples(): number {
    return this.#isUnbiased ? 4 : 2
  }

  criterion(x: Tensor, y: Tensor): Tensor {
    this.checkCounts(x, y)
    const n = x.shape[0] as number
    const [p, q] = [this.#samples('x', x), this.#samples('y', y)]
    const [a, b] = [this.#centered(p), this.#centered(q)]
    const value = this.#isCovariance
      ? inner(a, b).div(this.#isUnbiased ? n * (n - 3) : n * n)
      : this.#correlation(a, b)
    const dtype = p.dtype === 'float64' || q.dtype === 'float64' ? 'float64' : 'float32'
    return (this.#isClipped ? value.maximum(0) : value).cast(dtype)
  }

  /** A correlation does not depend on units, so use units of the largest entry: squares then neither underflow nor overflow. */
  #samples(what: 'x' | 'y', x: Tensor): Samples {
    const name = `${this.name}: ${what}`
    const samples = samplesOf(name, x)
    if (this.#isCovariance || isLabels(x)) return samples
    const [rows] = inRange(samples.rows)
    return samplesOf(name, rows.sub(rows.mean(0)).div(unitOf(rows)))
  }

  #centered(samples: Samples): Tensor {
    const distances = sqrtAtZero(samples.squaredDistances().cast('float64'))
    return this.#isUnbiased ? uCentered(distances) : centered(distances)
  }

  #correlation(a: Tensor, b: Tensor): Tensor {
    const norm = inner(a, a).mul(inner(b, b))
    const isDefined = norm.greater(0)
    const ratio = where(isDefined, inner(a, b).div(where(isDefined, norm, 1).sqrt()), 0)
    return this.#isUnbiased ? ratio : sqrtAtZero(ratio.maximum(0))
  }
}
