import { sqrtAtZero, where } from '../ops/index.js'
import { checkOptions } from '../options.js'
import type { Tensor } from '../tensor.js'
import { centered, inner, uCentered } from './centring.js'
import { oneOf } from './check.js'
import { Estimator, type EstimatorOptions } from './estimator.js'
import { type Samples, samplesOf } from './samples.js'

/** Options of {@link DistanceCorrelation}. */
export interface DistanceCorrelationOptions extends EstimatorOptions {
  /** 'biased' (V-statistic, default) or 'unbiased' (U-statistic). */
  estimator?: 'biased' | 'unbiased'
  /** 'correlation' (default) or 'covariance', the numerator alone. */
  measure?: 'correlation' | 'covariance'
}

/**
 * Distance correlation of n pairs of samples, from Euclidean distance matrices A and B:
 *
 * - `biased` (Szekely, Rizzo and Bakirov 2007): with double-centred matrices dCov^2 = mean(A o B) and
 *   dCor = sqrt(dCov^2 / sqrt(dVar_x^2 dVar_y^2)), from 0 to 1. Its covariance is dCov^2.
 * - `unbiased` (Szekely and Rizzo 2014): with U-centred matrices dCov^2 = sum(A o B) / (n (n - 3)), and the bias-corrected dCor^2: the
 *   square, which may be negative. Needs 4 samples.
 *
 * 0 only for independent variables (in the population). 0 by convention when an argument is constant. Labels are compared as classes,
 * all equally far apart. O(n^2) time and memory, in float64. Differentiable.
 */
export class DistanceCorrelation extends Estimator<DistanceCorrelationOptions> {
  readonly #isUnbiased: boolean
  readonly #isCovariance: boolean

  constructor(options: DistanceCorrelationOptions = {}) {
    super(options)
    checkOptions('DistanceCorrelation', options, ['estimator', 'measure', 'device'])
    const { estimator = 'biased', measure = 'correlation' } = options
    this.#isUnbiased =
      oneOf('estimator of DistanceCorrelation', estimator, ['biased', 'unbiased']) === 'unbiased'
    this.#isCovariance =
      oneOf('measure of DistanceCorrelation', measure, ['correlation', 'covariance']) === 'covariance'
  }

  override get minimumSamples(): number {
    return this.#isUnbiased ? 4 : 2
  }

  criterion(x: Tensor, y: Tensor): Tensor {
    this.checkCounts(x, y)
    const n = x.shape[0] as number
    const [p, q] = [samplesOf(`${this.name}: x`, x), samplesOf(`${this.name}: y`, y)]
    const [a, b] = [this.#centered(p), this.#centered(q)]
    const covariance = inner(a, b).div(this.#isUnbiased ? n * (n - 3) : n * n)
    const dtype = p.dtype === 'float64' || q.dtype === 'float64' ? 'float64' : 'float32'
    return (this.#isCovariance ? covariance : this.#correlation(a, b)).cast(dtype)
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
