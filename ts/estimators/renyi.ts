import { above, type Check, type Checks, checkOptions, either, flag, oneOf } from '../core/options.js'
import { squaredDistances, where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { checkRows } from './check.js'
import type { SampleData } from './data.js'
import { samplesFrom } from './data.js'
import type { Findings } from './details.js'
import { type SegmentOptions, segmentParts } from './estimator.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { inRange } from './magnitude.js'
import { classesOf, numbersOf } from './samples.js'

/**
 * Bandwidth of the Gaussian kernel: a number; 'silverman', `spread * n^(-1 / (4 + d))` with the spread the root of the mean variance of the
 * columns times sqrt(d); or 'neighbors', the mean distance to the 10 nearest neighbors (Yu et al. 2020).
 */
export type RenyiWidth = number | 'silverman' | 'neighbors'

/** Options of {@link RenyiMI}. */
export interface RenyiOptions {
  /** Order of the entropy. Default 1.01, near Shannon's; 2 needs no eigenvalues. */
  alpha?: number
  /** Default 'silverman'. A constant for the gradient. */
  sigma?: RenyiWidth
  /** Factor on a bandwidth from the data (about 5 for images). Default 1. */
  widthFactor?: number
  /**
   * Treat arguments of more than two axes as `[n, C, ...]`, C channels with a kernel matrix each (Yu et al. 2020); in a segment, only
   * layers. Default false: one matrix of flattened rows.
   */
  channels?: boolean
}

const order: Check<number> = {
  expected: 'a finite number above 0 other than 1, where the formula is 0 / 0 (use 1.01)',
  accepts: (value) => above(0).accepts(value) && value !== 1,
}
const checks: Checks<RenyiOptions> = {
  alpha: order,
  sigma: either(above(0), oneOf('silverman', 'neighbors')),
  widthFactor: above(0),
  channels: flag,
}

/**
 * Matrix-based Renyi mutual information (Giraldo, Rao and Principe 2015; Yu, Giraldo, Jenssen and Principe 2019):
 *
 *   S(A) = ln(sum_i lambda_i(A)^alpha) / (1 - alpha),  A_ij = K_ij / (n sqrt(K_ii K_jj))
 *   I(X; Y) = S(A) + S(B) - S(A o B / tr(A o B))
 *
 * with Gaussian kernel matrices, and for labels the matrix of equal classes. With `channels`, A is the normalized product A_1 o ... o A_C;
 * with many channels it approaches the identity, and I its maximum ln n. S is in [0, ln n].
 *
 * The value depends on the bandwidth, so report it. Differentiable. In float64, O(n^3) (alpha = 2: O(n^2)). 0 if an argument is constant.
 */
export class RenyiMI extends InformationEstimator<RenyiOptions> {
  constructor(options: RenyiOptions & InformationOptions = {}) {
    super(options, { alpha: 1.01, sigma: 'silverman', widthFactor: 1, channels: false }, checks)
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get takes() {
    return { x: 'any', y: 'any' } as const
  }

  protected override samples(what: 'x' | 'y', data: SampleData, beside: unknown): Promise<Tensor> {
    const { device, channels } = this.params
    return samplesFrom(`${this.name}: ${what}`, data, { device, beside, keepShape: channels })
  }

  /** With `channels`, layer outputs of more than two axes keep their axes. */
  override evaluateSegment(segment: readonly Tensor[], options: SegmentOptions = {}): Tensor[][] {
    if (!this.params.channels) return super.evaluateSegment(segment, options)
    const { x, hidden, y } = segmentParts(this.name, segment)
    const target = options.target === 'classes' ? classesOf('target', y) : y
    return hidden.map((h) => [this.criterion(h, x.flatten(1)), this.criterion(h, target)])
  }

  protected override numbers(what: string, data: Tensor): Tensor {
    if (!this.params.channels || data.rank < 3) return numbersOf(what, data)
    const rows = data.flatten(2)
    return rows.dtype === 'float64' ? rows : rows.cast('float64')
  }

  protected override value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    const n = x.shape[0] as number
    findings.limitToSamples(Math.log(n), `${findings.formula('ln n')} of ${n} samples`)
    return super.value(x, y, findings)
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const [a, b] = [this.#matrix(x), this.#matrix(y)]
    return this.entropy(a)
      .add(this.entropy(b))
      .sub(this.entropy(normalized(a.mul(b))))
  }

  /**
   * S(A) in nats.
   *
   * @param a `[n, n]` positive semi-definite of trace 1, as returned by {@link renyiMatrix}
   */
  entropy(a: Tensor): Tensor {
    checkRows('RenyiMI.entropy', a)
    const { alpha } = this.params
    if (alpha === 2) return a.square().sum().log().neg()
    const { values } = a.eigh()
    const isPositive = values.greater(0)
    const powers = where(isPositive, where(isPositive, values, 1).pow(alpha), 0)
    return powers
      .sum()
      .log()
      .div(1 - alpha)
  }

  #matrix(x: Tensor): Tensor {
    if (x.rank === 1) {
      return normalized(x.expandDims(1).equal(x.expandDims(0)).cast('float64'))
    }
    if (x.rank === 2) return matrixOf(x, this.params)
    const channels = Array.from({ length: x.shape[1] as number }, (_, c) =>
      matrixOf(x.slice([null, c], [null, c + 1]).flatten(1), this.params),
    )
    return channels.reduce((product, a) => normalized(product.mul(a)))
  }
}

/** The Gaussian kernel matrix of rows `[n, d]` over its trace. */
export function renyiMatrix(x: Tensor, options: RenyiOptions = {}): Tensor {
  const given = checkOptions('renyiMatrix', options, checks)
  checkRows('renyiMatrix: x', x)
  return matrixOf(x, given)
}

function matrixOf(given: Tensor, options: RenyiOptions): Tensor {
  // A bandwidth relative to the samples needs squares that neither overflow nor underflow.
  const x = typeof options.sigma === 'number' ? given : inRange(given)[0]
  const squares = squaredDistances(x)
  const sigma = widthOf(x, squares, options)
  const scale = typeof sigma === 'number' ? 1 / (2 * sigma * sigma) : sigma.square().mul(2).reciprocal()
  return squares
    .mul(scale)
    .neg()
    .exp()
    .div(x.shape[0] as number)
}

function normalized(a: Tensor): Tensor {
  return a.div(a.trace())
}

function widthOf(
  x: Tensor,
  squares: Tensor,
  { sigma = 'silverman', widthFactor = 1 }: RenyiOptions,
): Tensor | number {
  if (typeof sigma === 'number') return sigma
  const [n, d] = x.shape as [number, number]
  const width =
    sigma === 'silverman'
      ? x
          .variance(0, { correction: 1 })
          .sum()
          .sqrt()
          .mul(n ** (-1 / (4 + d)))
      : meanNeighborDistance(squares, Math.min(10, n - 1))
  // All samples equal: every bandwidth gives the same matrix.
  return where(width.greater(0), width.mul(widthFactor), 1).stopGradient()
}

/** Mean distance of samples to their k nearest neighbors. */
function meanNeighborDistance(squares: Tensor, k: number): Tensor {
  const { values } = squares.stopGradient().topK(k + 1, 1, { largest: false })
  return values.sqrt().sum(1).mean().div(k)
}
