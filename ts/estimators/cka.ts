import { ArgumentError, DataError, describe } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { above, between, type Checks, checkOptions, checkValue, flag, oneOf, text } from '../core/options.js'
import { stack, where } from '../ops/index.js'
import { full, type Tensor } from '../ops/tensor.js'
import { centeredInner, type KernelSamples } from './centering.js'
import { checkMeeting, device as deviceCheck } from './check.js'
import { type SampleData, samplesFrom } from './data.js'
import type { Advice, Findings } from './details.js'
import { Estimator, type EstimatorOptions, flatRows, splitSegment } from './estimator.js'
import {
  checkAlignment,
  deltaKernel,
  gaussianKernel,
  isKernel,
  type Kernel,
  linearKernel,
  medianSigma,
} from './kernels.js'
import { isLabels, numbersOf, samplesOf } from './samples.js'
import { unitOf } from './scale.js'

/** Options of {@link CKA}. */
export interface CKAOptions extends EstimatorOptions {
  /** 'linear' (default), 'rbf', or a kernel made by a kernel function. */
  kernel?: 'linear' | 'rbf' | Kernel
  /** rbf: bandwidth of both kernels, instead of one from the data. */
  sigma?: number
  /** rbf: bandwidth as a fraction of the median distance of each argument. Default 1; the paper has 0.2, 0.4 and 0.8. */
  fraction?: number
  /** Use the unbiased HSIC_1 in numerator and denominator. Default false. */
  unbiased?: boolean
  /** Replace values below 0, which the unbiased form may have, by 0. Default false. */
  clip?: boolean
}

const names = oneOf('linear', 'rbf')
const checks: Checks<CKAOptions> = {
  kernel: {
    expected: `a kernel, or ${names.expected}`,
    accepts: (value) => names.accepts(value) || isKernel(value),
    names: ['linear', 'rbf'],
  },
  sigma: above(0),
  fraction: above(0),
  unbiased: flag,
  clip: flag,
  device: deviceCheck,
}

/** The three HSIC values of a CKA. */
type Sums = readonly [xy: Tensor, xx: Tensor, yy: Tensor]

/**
 * Centered kernel alignment (Kornblith, Norouzi, Lee and Hinton 2019): HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)).
 *
 * - `linear`: |Yc' Xc|^2 / (|Xc' Xc| |Yc' Yc|) in Frobenius norms, computed from the features if they are few.
 * - `rbf`: Gaussian kernels; each bandwidth is a fraction of the median distance, or `sigma`.
 * - any other {@link Kernel}.
 *
 * From 0 to 1 (the unbiased form may be slightly outside), unchanged by rotation and scaling of x or y. With many more features than
 * samples the biased form approaches 1 for any data: use `unbiased`. The biased linear form warns once (`HYPERGLOW_CKA_BIAS`) if unrelated
 * data of the same widths have more than 0.1 on average. 0 by convention if an argument is constant. In float64.
 * Differentiable.
 */
export class CKA extends Estimator<CKAOptions> {
  readonly #kernel: 'linear' | 'rbf' | Kernel
  readonly #fraction: number
  readonly #isUnbiased: boolean
  readonly #isClipped: boolean

  constructor(options: CKAOptions = {}) {
    const given = checkOptions('CKA', options, checks)
    super(given)
    const { kernel = 'linear', fraction = 1, unbiased = false, clip = false } = given
    this.#kernel = kernel
    if (given.sigma !== undefined && given.fraction !== undefined) {
      throw new ArgumentError('CKA: sigma and fraction both set the bandwidth; give one of them')
    }
    for (const name of ['sigma', 'fraction'] as const) {
      if (given[name] === undefined || kernel === 'rbf') continue
      throw new ArgumentError(
        `CKA: ${name} is the bandwidth of kernel 'rbf', of which ${describe(kernel)} has none`,
      )
    }
    this.#fraction = fraction
    this.#isClipped = clip
    this.#isUnbiased = unbiased
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get minimumSamples(): number {
    return this.#isUnbiased ? 4 : 2
  }

  criterion(x: Tensor, y: Tensor): Tensor {
    this.checkCounts(x, y)
    return this.#ratio(this.#sumsOf([x, y], scalesOf([x, y]))(0, 1)).cast(resultType(x, y))
  }

  /** @throws ArgumentError for a custom kernel that is a distance */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    if (this.#isDoubtful && !isLabels(x) && !isLabels(y)) return this.#beside(x, y, findings)
    const value = await super.value(x, y, findings)
    if (value > 0 || this.#isUnbiased || typeof this.#kernel === 'string') return value
    using plain = tidy(() => ratio(this.#sumsOf([x, y], scalesOf([x, y]))(0, 1)))
    const names = [x, y].map((side) => this.#compared(side, side).kernel.name)
    checkAlignment(this.name, names, await plain.item())
    return value
  }

  /** The biased linear form, with a warning if it is high for unrelated data. */
  async #beside(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkCounts(x, y)
    using both = tidy(() => {
      const scales = scalesOf([x, y])
      const sums = this.#sumsOf([x, y], scales)(0, 1)
      const rows = [x, y].map((part, index) => this.#inUnits(part, scales[index] as Tensor))
      const value = this.#ratio(sums).cast(resultType(x, y)).cast('float64')
      return stack([value, chance(rows as [Tensor, Tensor], sums)], 0)
    })
    const [value, unrelated] = (await both.data()) as unknown as [number, number]
    const advice = this.adviceOnDoubt(Math.min(1, unrelated), 'x and y')
    if (advice !== undefined) findings.warn(advice.text, advice.code)
    return value
  }

  /** Whether values of wide samples are high by chance: those of the biased linear form. */
  get #isDoubtful(): boolean {
    return this.#kernel === 'linear' && !this.#isUnbiased
  }

  /** The highest mean of the biased linear form over unrelated data of the widths of a layer and of what it is compared with. */
  override doubt(h: Tensor, others: readonly Tensor[] = []): Tensor | undefined {
    const compared = others.filter((other) => other !== h && !isLabels(other))
    if (!this.#isDoubtful || isLabels(h) || compared.length === 0) return undefined
    const parts = [h, ...compared].map((part) => flatRows(part))
    const scales = scalesOf(parts)
    const sums = this.#sumsOf(parts, scales)
    const rows = parts.map((part, index) => this.#inUnits(part, scales[index] as Tensor))
    const means = rows.slice(1).map((row, at) => chance([rows[0] as Tensor, row], sums(0, at + 1)))
    return means.reduce((highest, mean) => highest.maximum(mean))
  }

  override adviceOnDoubt(unrelated: number, what: string): Advice | undefined {
    checkValue('adviceOnDoubt: doubt', unrelated, between(0, 1))
    checkValue('adviceOnDoubt: what', what, text)
    if (!(unrelated > highByChance)) return undefined
    const shown = Number(unrelated.toPrecision(2))
    return {
      code: 'HYPERGLOW_CKA_BIAS',
      text: `CKA of ${what} is biased: for unrelated data of these widths it is ${shown} on average; unbiased: true has 0`,
    }
  }

  #ratio(sums: Sums): Tensor {
    return this.#isClipped ? ratio(sums).maximum(0) : ratio(sums)
  }

  /**
   * Minibatch CKA (Nguyen, Raghu and Kornblith 2021): numerator and denominators are averaged over batches before the division. Use it with
   * `unbiased`, whose value then does not depend on the batch size.
   *
   * @param batches pairs of samples, of any number
   * @throws ArgumentError for another type; DataError for no batches, and for data that `estimate` refuses
   */
  async estimateBatches(
    batches: Iterable<readonly [SampleData, SampleData]> | AsyncIterable<readonly [SampleData, SampleData]>,
  ): Promise<number> {
    checkBatches(batches)
    const totals = [0, 0, 0]
    let count = 0
    // All batches in the units of the first, so that their sums can be added.
    let scales: readonly Tensor[] | undefined
    for await (const batch of batches) {
      checkPair(batch, count)
      const [left, right] = batch
      const { device } = this.params
      const x = await samplesFrom('CKA: x', left, { device, beside: right })
      const y = await samplesFrom('CKA: y', right, { device, beside: left })
      checkMeeting('CKA', x, y)
      this.checkCounts(x, y)
      scales ??= tidy(() => scalesOf([x, y]))
      if (count === 0) await this.#adviseOn(x, y)
      const units = scales
      const sums = tidy(() => this.#sumsOf([x, y], units)(0, 1))
      for (const [i, sum] of sums.entries()) totals[i] = (totals[i] as number) + (await sum.item())
      for (const sum of sums) sum.dispose()
      count++
    }
    for (const scale of scales ?? []) scale.dispose()
    if (count === 0) throw new DataError('CKA: there are no batches to average over; give at least one')
    const [xy, xx, yy] = totals as [number, number, number]
    if (!(xx * yy > 0)) return 0
    const value = xy / Math.sqrt(xx * yy)
    return this.#isClipped ? Math.max(0, value) : value
  }

  /** Warns, once, if the value of such data is high by chance. */
  async #adviseOn(x: Tensor, y: Tensor): Promise<void> {
    using doubt = tidy(() => this.doubt(x, [y]))
    if (doubt === undefined) return
    const advice = this.adviceOnDoubt(Math.min(1, await doubt.item()), 'each batch')
    if (advice !== undefined) this.advise(advice)
  }

  /** Kernel matrices of input and target are computed once and shared by all layers. */
  override evaluateSegment(segment: readonly Tensor[]): Tensor[][] {
    const { x, hidden, y } = splitSegment(this.name, segment)
    for (const other of [...hidden, y]) this.checkCounts(x, other)
    const parts = [x, y, ...hidden]
    const sums = this.#sumsOf(parts, scalesOf(parts))
    return hidden.map((h, layer) => [
      this.#ratio(sums(layer + 2, 0)).cast(resultType(h, x)),
      this.#ratio(sums(layer + 2, 1)).cast(resultType(h, y)),
    ])
  }

  /** HSIC(K, L), HSIC(K, K) and HSIC(L, L) of two parts, up to a common factor. */
  #sumsOf(parts: readonly Tensor[], scales: readonly Tensor[]): (a: number, b: number) => Sums {
    const n = (parts[0] as Tensor).shape[0] as number
    const rows = (part: Tensor, index: number) => this.#inUnits(part, scales[index] as Tensor)
    // Batches of different sizes have equal weights, as means over pairs of samples.
    const pairs = this.#isUnbiased ? n * (n - 3) : (n - 1) ** 2
    // n d^2 products for each of three norms, against n^2 d of a kernel matrix.
    const isNarrow = (v: Tensor) => !isLabels(v) && 3 * (v.size / n) <= n
    const byFeatures = this.#kernel === 'linear' && !this.#isUnbiased && parts.every(isNarrow)
    const product = byFeatures
      ? featureProducts(parts.map(rows))
      : centeredInner(
          parts.map((part, index) => this.#compared(part, rows(part, index))),
          this.#isUnbiased,
        )
    const of = (a: number, b: number) => product(a, b).div(pairs)
    return (a, b) => [of(a, b), of(a, a), of(b, b)]
  }

  /** float64 rows `[n, d]`, in units of `scale` if the kernel does not depend on units; labels unchanged. */
  #inUnits(x: Tensor, scale: Tensor): Tensor {
    if (isLabels(x)) return x
    const rows = numbersOf('CKA', x)
    const isFree = this.#kernel === 'linear' || (this.#kernel === 'rbf' && this.params.sigma === undefined)
    // Not a plain quotient: the planner would compute the sum of a mean before it, where it may overflow.
    return isFree ? where(scale.equal(1), rows, rows.div(scale)) : rows
  }

  /** Samples with their kernel; labels are compared as classes. */
  #compared(x: Tensor, given: Tensor): KernelSamples {
    if (isLabels(x)) return { samples: samplesOf(this.name, x), kernel: deltaKernel() }
    if (this.#kernel !== 'rbf') {
      const kernel = this.#kernel === 'linear' ? linearKernel() : this.#kernel
      return { samples: samplesOf(this.name, given), kernel }
    }
    const sigma = this.params.sigma ?? medianSigma(given).mul(this.#fraction)
    return { samples: samplesOf(this.name, given.div(sigma)), kernel: gaussianKernel({ sigma: 1 }) }
  }
}

const expectedBatches = 'expected pairs of samples: an iterable such as [[x1, y1], [x2, y2]]'

function checkBatches(batches: unknown): void {
  const given = Object(batches) as Partial<AsyncIterable<unknown> & Iterable<unknown>>
  const isIterable = [given[Symbol.asyncIterator], given[Symbol.iterator]].some(
    (f) => typeof f === 'function',
  )
  if (isIterable && typeof batches === 'object') return
  throw new ArgumentError(`CKA: batches is ${describe(batches)}, ${expectedBatches}`)
}

function checkPair(batch: unknown, index: number): void {
  if (Array.isArray(batch) && batch.length === 2) return
  throw new ArgumentError(`CKA: batch ${index} is ${describe(batch)}, ${expectedBatches}`)
}

/** The unit of each part's entries; 1 for labels. The ratio does not depend on it. */
function scalesOf(parts: readonly Tensor[]): Tensor[] {
  return parts.map((part) =>
    isLabels(part) ? full([], 1, { dtype: 'float64' }) : unitOf(numbersOf('CKA', part)),
  )
}

const resultType = (x: Tensor, y: Tensor) =>
  x.dtype === 'float64' || y.dtype === 'float64' ? 'float64' : 'float32'

function ratio([xy, xx, yy]: Sums): Tensor {
  const norm = xx.mul(yy)
  const isDefined = norm.greater(0)
  return where(isDefined, xy.div(where(isDefined, norm, 1).sqrt()), 0)
}

/** Value of unrelated data above which the biased form warns. */
const highByChance = 0.1

/**
 * Mean of the biased linear CKA over all orders of the samples of y: tr K tr L / ((n - 1) |K| |L|) for centered kernel matrices, since the mean of
 * tr(K P L P') over permutations P is tr K tr L / (n - 1).
 *
 * @param rows `[n, d]` each; @param sums |K|^2 and |L|^2 over (n - 1)^2 are its last two
 */
function chance(rows: readonly [Tensor, Tensor], [, xx, yy]: Sums): Tensor {
  const n = rows[0].shape[0] as number
  const [traceX, traceY] = rows.map((x) =>
    x
      .reshape([n, -1])
      .sub(x.reshape([n, -1]).mean(0))
      .square()
      .sum(),
  )
  return ratio([(traceX as Tensor).mul(traceY as Tensor).div((n - 1) ** 3), xx, yy])
}

/** Inner products of linear kernel matrices without an `[n, n]` matrix: squared norms of products of centered features. */
function featureProducts(parts: readonly Tensor[]): (a: number, b: number) => Tensor {
  const features = parts.map((x) => x.sub(x.mean(0)))
  return (a, b) =>
    (features[a] as Tensor)
      .matmulT(features[b] as Tensor, { transposeA: true })
      .square()
      .sum()
}
