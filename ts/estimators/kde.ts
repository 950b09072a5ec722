import { tidy } from '../core/memory.js'
import { above, checkOptions, oneOf } from '../core/options.js'
import { type NearRows, similaritySums } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { checkRows } from './check.js'
import type { Findings } from './details.js'
import { type SegmentOptions, segmentChecks, splitSegment } from './estimator.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { noteEntropies } from './limits.js'
import { classCounts, classesOf, isLabels, numbersOf } from './samples.js'

/** Bound of Kolchinsky and Tracey. */
export type KDEBound = 'upper' | 'lower'

/** Options of {@link KDE}. */
export interface KDEOptions {
  /** Variance v of the noise added to every activation. Default 1e-3, as in Saxe et al. 2018. */
  variance?: number
  /** Default 'upper'. */
  bound?: KDEBound
}

/**
 * Bounds of Kolchinsky and Tracey 2017 (sec. 4; used by Saxe et al. 2018) on the information in noisy activations
 * T = h(X) + N(0, v), for X uniform on the samples:
 *
 *   I(T; X) <= -mean_i ln mean_j exp(-|h_i - h_j|^2 / (2 v))
 *
 * The lower bound has 4 v instead of v. I(T; Y) is the bound minus its mean inside the classes of y: the difference of two bounds, which is
 * not a bound. Equal rows of y are one class, so inputs that all differ give I(T; X).
 *
 * The noise is not part of the network: v is a choice of the measurement, so report it. At most ln n. In nats, with v in squared units of
 * activation. Differentiable in x.
 */
export class KDE extends InformationEstimator<KDEOptions> {
  constructor(options: KDEOptions & InformationOptions = {}) {
    super(options, { variance: 1e-3, bound: 'upper' }, { variance: above(0), bound: oneOf('upper', 'lower') })
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get takes() {
    return { x: 'numbers', y: 'any' } as const
  }

  /** Only equality of the rows of y matters. */
  protected override takesLabelsAsNumbers(what: 'x' | 'y'): boolean {
    return what === 'x'
  }

  /** A record holds both bounds. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    if (findings.areWanted) {
      this.checkCounts(x, y)
      this.checkNumbers(x)
      await noteEntropies(x, y, findings)
      for (const bound of ['lower', 'upper'] as const) {
        const other = new KDE({ variance: this.params.variance, bound })
        using nats = tidy(() => other.criterion(x, y))
        findings[bound] = await nats.item()
      }
    }
    return super.value(x, y, findings)
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const [nats] = this.#natsOf(x, [y]) as [Tensor]
    return nats
  }

  /** With several classes one pass over the similarities of x serves them all. */
  #natsOf(x: Tensor, targets: readonly Tensor[]): Tensor[] {
    const n = x.shape[0] as number
    const classes = targets.map((y) => classesOf(this.name, y))
    const sets: NearRows[] = classes.map((rows) => ({ rows, similarity: { kind: 'equal' } }))
    const sums = similaritySums([near(x, this.params), ...sets], [[0], ...sets.map((_, i) => [0, i + 1])])
    const all = sums.slice([0], [1]).flatten(0)
    return classes.map((own, i) => {
      const inside = sums.slice([i + 1], [i + 2]).flatten(0)
      return inside.mul(n).div(classCounts(own).take(own).mul(all)).log().mean()
    })
  }

  /** Both sides of a layer from one pass over its similarities, which take most of the time. */
  override evaluateSegment(segment: readonly Tensor[], options: SegmentOptions = {}): Tensor[][] {
    checkOptions(`${this.name}: evaluateSegment`, options, segmentChecks)
    const { x, hidden, y } = splitSegment(this.name, segment)
    return hidden.map((h) => {
      // criterion refuses labels.
      if (isLabels(h)) return [this.criterion(h, x), this.criterion(h, y)]
      for (const side of [x, y]) this.checkCounts(h, side)
      const both = this.#natsOf(numbersOf(this.name, h), [x, y])
      return both.map((nats, i) => {
        const isNarrow = h.dtype === 'float32' && (i === 0 ? x : y).dtype !== 'float64'
        const value = this.inUnits(nats)
        return isNarrow ? value.cast('float32') : value
      })
    })
  }
}

/**
 * Bound on the differential entropy of T = h + N(0, v) in nats: the information bound plus d/2 (ln(2 pi v) + 1).
 *
 * @param x `[n, d]` activations; @returns scalar
 */
export function kdeEntropy(x: Tensor, options: KDEOptions = {}): Tensor {
  checkRows('kdeEntropy: x', x)
  const { params } = new KDE(options)
  const d = x.shape[1] as number
  const noise = (d / 2) * (Math.log(2 * Math.PI * params.variance) + 1)
  const densities = similaritySums([near(x, params)], [[0]]).div(x.shape[0] as number)
  return densities.log().mean().neg().add(noise).cast(x.dtype)
}

/** exp(-|a - b|^2 / (2 v)), or with 4 v. The similarity of a sample to itself is 1, so no row sum is 0. */
function near(rows: Tensor, { variance, bound }: Required<KDEOptions>): NearRows {
  const width = Math.sqrt(variance) * (bound === 'upper' ? 1 : 2)
  return { rows, similarity: { kind: 'gaussian', widths: [width] } }
}
