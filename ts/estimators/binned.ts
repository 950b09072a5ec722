import { ArgumentError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { atLeast, between, type Check, checkValue, flag, isList, text, whole } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import { where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { symbolInformation } from './counts.js'
import type { Advice, Findings } from './details.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { numbersOf } from './samples.js'

/** Tolerated share of activations outside the bins. */
const tolerated = 0.01

/** Options of {@link Binned}. */
export interface BinnedOptions {
  /** Number of bins of equal width. Default 30. */
  bins?: number
  /** Range of the bins: [low, high], or 'data' for the smallest and the largest activation in x. Default [-1, 1], for tanh. */
  range?: readonly [number, number] | 'data'
  /** Width of bins from 0 on, `floor(t / binSize)`, instead of a number of bins. Default 0: not used. */
  binSize?: number
  /** Add the correction of Miller and Madow to every entropy. Default false. */
  millerMadow?: boolean
}

const binRange: Check<readonly [number, number] | 'data'> = {
  expected: "[low, high] of finite numbers, low below high, or 'data'",
  accepts: (value) => {
    if (value === 'data') return true
    if (!isList(value) || (value as unknown[]).length !== 2) return false
    const [low, high] = Array.from(value as unknown[])
    return Number.isFinite(low) && Number.isFinite(high) && (low as number) < (high as number)
  },
}

/**
 * Information of binned activations (Shwartz-Ziv and Tishby 2017; Saxe et al. 2018): every unit's activation is replaced by the index of
 * its bin, each row of bins is one symbol T, and plug-in entropies give
 *
 *   I(T; Y) = H(T) - H(T | Y)
 *
 * where equal rows of y are one symbol. For inputs that are all different H(T | X) = 0, so I(T; X) = H(T), at most ln n: layers with many
 * units saturate there. The information of a deterministic network is infinite; this is the information of the bins, so report the bins.
 * With `range`, values outside belong to the outermost bins. So bins of [-1, 1] show a compression of relu networks that does not exist: a
 * warning says so once if more than 1 % lie outside (`HYPERGLOW_OUT_OF_RANGE`). For relu and other unbounded activations use `binSize`
 * (0.07 in the program of Saxe et al.): the bins are the same in all layers and epochs. `range: 'data'` follows the largest activation of
 * each batch, so its bins grow during training.
 *
 * Rows are compared entry by entry, so any number of units works. A measurement: it has no gradient.
 */
export class Binned extends InformationEstimator<BinnedOptions> {
  constructor(options: BinnedOptions & InformationOptions = {}) {
    super(
      options,
      { bins: 30, range: [-1, 1], binSize: 0, millerMadow: false },
      {
        bins: whole(1),
        range: binRange,
        binSize: atLeast(0),
        millerMadow: flag,
      },
    )
    const { binSize, bins, range } = options
    if (binSize !== undefined && binSize !== 0 && (bins !== undefined || range !== undefined)) {
      throw new ArgumentError('Binned: binSize was given together with bins or range; give one or the other')
    }
  }

  override get hasGradient(): boolean {
    return false
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get takes() {
    return { x: 'numbers', y: 'classes' } as const
  }

  /** Without the options that the other way of binning uses. */
  override get settings() {
    const { bins, range, binSize, ...others } = super.settings
    return binSize === 0 ? { bins, range, ...others } : { binSize, ...others }
  }

  protected override get isLimited(): boolean {
    return true
  }

  /** The bins follow from the row, so H(T) is at most the entropy of the rows; the plug-in information is at most H(T) and H(Y). */
  protected override get isWithinLimit(): boolean {
    return !this.params.millerMadow
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const symbols = this.bins(x).uniqueRows()
    return symbolInformation(symbols, y, this.params.millerMadow ? 'millerMadow' : 'none')
  }

  override doubt(h: Tensor): Tensor | undefined {
    idOf('Binned.doubt', h)
    const { range, binSize } = this.params
    if (binSize > 0 || range === 'data') return undefined
    return h.less(range[0]).logicalOr(h.greater(range[1])).cast('float32').mean()
  }

  override adviceOnDoubt(part: number, what: string): Advice | undefined {
    checkValue('adviceOnDoubt: doubt', part, between(0, 1))
    checkValue('adviceOnDoubt: what', what, text)
    if (!(part > tolerated)) return undefined
    const { range } = this.params
    return {
      code: 'HYPERGLOW_OUT_OF_RANGE',
      text:
        `Binned: ${Math.round(100 * part)} % of the activations of ${what} lie outside the bins on [${range}] and count as if at their ends, ` +
        'which can show a compression that does not exist; for relu and other unbounded activations use { binSize: 0.07 }, one width for all layers and epochs, ' +
        "or give { range: [low, high] } of all epochs, or { range: 'data' } of each batch",
    }
  }

  /** Warns, once, of activations outside of the range. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkNumbers(x)
    using part = tidy(() => this.doubt(x))
    const advice = part === undefined ? undefined : this.adviceOnDoubt(await part.item(), 'x')
    if (advice !== undefined) findings.warn(advice.text, advice.code)
    return super.value(x, y, findings)
  }

  /** The bin of every activation of rows `[n, d]`, whole numbers as float64 `[n, d]`. @param given `[n, ...]` */
  bins(given: Tensor): Tensor {
    const x = numbersOf('Binned', given)
    const { bins, range, binSize } = this.params
    if (binSize > 0) return x.div(binSize).floor()
    if (range !== 'data') return binsBetween(x, range[0], range[1], bins)
    const [low, high] = [x.min(), x.max()]
    const width = high.sub(low)
    const scaled = x
      .sub(low)
      .div(where(width.greater(0), width, 1))
      .mul(bins)
    return scaled.floor().clip(0, bins - 1)
  }
}

/** Bins with the edges low, low + w, ..., high: each contains its lower edge, the last one both. */
function binsBetween(x: Tensor, low: number, high: number, bins: number): Tensor {
  const width = (high - low) / bins
  const edge = (number: Tensor) => number.mul(width).add(low)
  const near = x
    .sub(low)
    .div(width)
    .floor()
    .clip(0, bins - 1)
  // The division may round an activation across an edge, so compare with the edges themselves.
  const below = x.less(edge(near)).cast('float64')
  const above = x.greaterEqual(edge(near.add(1))).cast('float64')
  return near
    .sub(below)
    .add(above)
    .clip(0, bins - 1)
}
