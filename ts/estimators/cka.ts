import { DataError } from '../errors.js'
import { tidy } from '../memory.js'
import { where } from '../ops/index.js'
import { checkOptions } from '../options.js'
import type { Tensor } from '../tensor.js'
import { centered, inner, uCentered } from './centring.js'
import { checkFlag, checkPositive, oneOf } from './check.js'
import { type SampleData, samplesFrom } from './data.js'
import { Estimator, type EstimatorOptions } from './estimator.js'
import { gaussianKernel, medianSigma } from './kernels.js'
import { isLabels, numbersOf, samplesOf } from './samples.js'

/** Options of {@link CKA}. */
export interface CKAOptions extends EstimatorOptions {
  /** 'linear' (default) or 'rbf'. */
  kernel?: 'linear' | 'rbf'
  /** rbf: width as a fraction of the median distance of each argument. Default 1; the paper has 0.2, 0.4 and 0.8. */
  fraction?: number
  /** Use the unbiased HSIC_1 in all three places. Default false. */
  unbiased?: boolean
}

/** The three sums that CKA is made of. */
type Sums = readonly [xy: Tensor, xx: Tensor, yy: Tensor]

/**
 * Centred kernel alignment (Kornblith, Norouzi, Lee and Hinton 2019): HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)).
 *
 * - `linear`: |Yc' Xc|^2 / (|Xc' Xc| |Yc' Yc|) in Frobenius norms, computed from the features where there are fewer of them than samples.
 * - `rbf`: Gaussian kernels, each width a fraction of the median distance.
 *
 * From 0 to 1 (the unbiased form may be a little outside), unchanged by rotating and by scaling x or y. The biased form nears 1 when
 * there are many more features than samples, whatever they are: use `unbiased` there. 0 by convention when an argument is constant.
 * In float64. Differentiable.
 */
export class CKA extends Estimator<CKAOptions> {
  readonly #isLinear: boolean
  readonly #fraction: number
  readonly #isUnbiased: boolean

  constructor(options: CKAOptions = {}) {
    super(options)
    checkOptions('CKA', options, ['kernel', 'fraction', 'unbiased', 'device'])
    const { kernel = 'linear', fraction = 1, unbiased = false } = options
    this.#isLinear = oneOf('kernel of CKA', kernel, ['linear', 'rbf']) === 'linear'
    checkPositive('CKA: fraction', fraction)
    checkFlag('CKA: unbiased', unbiased)
    this.#fraction = fraction
    this.#isUnbiased = unbiased
  }

  override get minimumSamples(): number {
    return this.#isUnbiased ? 4 : 2
  }

  criterion(x: Tensor, y: Tensor): Tensor {
    const dtype = x.dtype === 'float64' || y.dtype === 'float64' ? 'float64' : 'float32'
    return ratio(this.sums(x, y)).cast(dtype)
  }

  /**
   * Minibatch CKA (Nguyen, Raghu and Kornblith 2021): numerator and denominators are averaged over batches before they are divided.
   * Meant for `unbiased`, whose value does then not depend on the size of the batches.
   *
   * @param batches pairs of samples, of any number
   */
  async estimateBatches(
    batches: Iterable<readonly [SampleData, SampleData]> | AsyncIterable<readonly [SampleData, SampleData]>,
  ): Promise<number> {
    const totals = [0, 0, 0]
    let count = 0
    for await (const [left, right] of batches) {
      const x = await samplesFrom('CKA: x', left, this.params.device)
      const y = await samplesFrom('CKA: y', right, this.params.device)
      const sums = tidy(() => this.sums(x, y))
      for (const [i, sum] of sums.entries()) totals[i] = (totals[i] as number) + (await sum.item())
      for (const sum of sums) sum.dispose()
      count++
    }
    if (count === 0) throw new DataError('CKA: there are no batches to average over; give at least one')
    const [xy, xx, yy] = totals as [number, number, number]
    return xx * yy > 0 ? xy / Math.sqrt(xx * yy) : 0
  }

  /** HSIC(K, L), HSIC(K, K) and HSIC(L, L) up to a common factor. */
  protected sums(x: Tensor, y: Tensor): Sums {
    this.checkCounts(x, y)
    const n = x.shape[0] as number
    const isNarrow = (v: Tensor) => !isLabels(v) && v.size < n * n
    if (this.#isLinear && !this.#isUnbiased && isNarrow(x) && isNarrow(y))
      return featureSums(rows(x), rows(y))
    const [a, b] = [this.#matrix('x', x), this.#matrix('y', y)]
    // Batches of different sizes weigh alike, as means of pairs of samples.
    const pairs = this.#isUnbiased ? n * (n - 3) : (n - 1) ** 2
    return [inner(a, b).div(pairs), inner(a, a).div(pairs), inner(b, b).div(pairs)]
  }

  #matrix(what: string, x: Tensor): Tensor {
    const given = isLabels(x) ? x : rows(x)
    const samples = samplesOf(`${this.name}: ${what}`, given)
    const center = this.#isUnbiased ? uCentered : centered
    if (this.#isLinear) return center(samples.products(true).cast('float64'))
    if (isLabels(x)) return center(samples.equal().cast('float64'))
    const sigma = medianSigma(given).mul(this.#fraction)
    const scaled = given.div(sigma)
    return center(gaussianKernel({ sigma: 1 }).shifted(samplesOf(what, scaled)))
  }
}

function ratio([xy, xx, yy]: Sums): Tensor {
  const norm = xx.mul(yy)
  const isDefined = norm.greater(0)
  return where(isDefined, xy.div(where(isDefined, norm, 1).sqrt()), 0)
}

/** The sums for linear kernels without an `[n, n]` matrix: squared norms of products of centred features. */
function featureSums(x: Tensor, y: Tensor): Sums {
  const [p, q] = [x.sub(x.mean(0)), y.sub(y.mean(0))]
  const pairs = ((x.shape[0] as number) - 1) ** 2
  const square = (a: Tensor, b: Tensor) => a.matmulT(b, { transposeA: true }).square().sum().div(pairs)
  return [square(p, q), square(p, p), square(q, q)]
}

/** float64 rows `[n, d]`. */
function rows(x: Tensor): Tensor {
  return numbersOf('CKA', x)
}
