import { tidy } from '../core/memory.js'
import { type Check, either, flag, isList, whole } from '../core/options.js'
import { concat, stack } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { noteCopies } from './copies.js'
import type { Findings } from './details.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { noteEntropies } from './limits.js'
import { inRange } from './magnitude.js'
import {
  advisedForNeighbors,
  distancesTo,
  distanceToKth,
  noteColumns,
  psi,
  psiOf,
  unlessConstant,
} from './nearest.js'
import { Ross } from './ross.js'
import { isLabels, numbersOf } from './samples.js'
import { type ScaleOptions, scaleChecks, scaleDefaults, scaled } from './scale.js'
import { digammaOf } from './special.js'

/** Options of {@link KSG}. */
export interface KSGOptions extends ScaleOptions {
  /** Index of the neighbor, or several whose estimates are averaged. Default 3. */
  k?: number | readonly number[]
  /** The first or the second estimator of the paper. Default 1. */
  variant?: 1 | 2
  /**
   * Replace each column by the normal scores of its ranks: the estimate then does not change under increasing maps of a column, and is
   * robust to heavy tails. Default false.
   */
  copula?: boolean
  /**
   * Standard deviation of the normal noise that separates equal values, relative to that of each column. Default 1e-10, as in other
   * programs: for repeated values, such as rounded numbers and relu units, the formula does not hold. 0 for none.
   */
  jitter?: number
}

const neighbors: Check<readonly number[]> = {
  expected: 'an array of at least one of them',
  accepts: (value) =>
    isList(value) &&
    (value as unknown[]).length > 0 &&
    Array.from(value as unknown[]).every(whole(1).accepts),
}
const firstOrSecond: Check<1 | 2> = { expected: '1 or 2', accepts: (value) => value === 1 || value === 2 }

/**
 * Mutual information by nearest neighbors (Kraskov, Stoegbauer and Grassberger 2004), in the maximum metric.
 *
 * Variant 1, eq. 8, with eps_i the distance in (x, y) to the k-th neighbor and n_x(i), n_y(i) the numbers of other samples
 * nearer than that in x, in y:
 *
 *   I = psi(k) + psi(n) - mean_i [psi(n_x(i) + 1) + psi(n_y(i) + 1)]
 *
 * Variant 2, eq. 9, with eps_x(i), eps_y(i) the largest distances in x and in y among those k neighbors, and n_x(i), n_y(i) the
 * numbers of other samples not further than that:
 *
 *   I = psi(k) - 1/k + psi(n) - mean_i [psi(n_x(i)) + psi(n_y(i))]
 *
 * Noise separates equal values of a column. It is independent of the other side, so the information does not change; with `jitter: 0`
 * repeated samples bias the estimate. Samples copied as a whole, x and y, remain neighbors on both sides and add spurious information:
 * `estimate` warns of both. Biased downward for high information or dimension: KSG needs about exp(I) samples, and is at most psi(n) -
 * psi(k). A measurement: no gradient. Needs k + 1 samples. Class labels: {@link Ross}.
 */
export class KSG extends InformationEstimator<KSGOptions> {
  constructor(options: KSGOptions & InformationOptions = {}) {
    super(
      options,
      { k: 3, variant: 1, copula: false, ...scaleDefaults, jitter: 1e-10 },
      {
        k: either(whole(1), neighbors),
        variant: firstOrSecond,
        copula: flag,
        ...scaleChecks,
      },
    )
  }

  override get hasGradient(): boolean {
    return false
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  get #ks(): readonly number[] {
    const { k } = this.params
    return Array.isArray(k) ? k : [k as number]
  }

  override get minimumSamples(): number {
    return Math.max(...this.#ks) + 1
  }

  override get advisedSamples(): number {
    return Math.max(advisedForNeighbors, this.minimumSamples)
  }

  protected override forClasses(): InformationEstimator {
    const { base, clip, standardize, jitter, seed } = this.params
    return new Ross({ k: this.#ks[0] as number, base, clip, standardize, jitter, seed })
  }

  protected override get isLimited(): boolean {
    return true
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const { a, b, near } = this.#neighbors(x, y)
    const one = this.params.variant === 1 ? first : second
    const estimates = this.#ks.map((k) => one(a, b, near, k))
    return unlessConstant(stack(estimates).mean(), x, y)
  }

  #neighbors(x: Tensor, y: Tensor): { a: Tensor; b: Tensor; near: Tensor } {
    const sides = this.params.standardize ? [x, y] : inRange(x, y)
    const [a, b] = sides.map((side, part) => scaled(side, this.params, part)) as [Tensor, Tensor]
    return { a, b, near: concat([a, b], 1).neighbors(Math.max(...this.#ks)) }
  }

  /** Warns, once, when samples coincide with k others. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    if (isLabels(x) || isLabels(y)) return super.value(x, y, findings)
    this.checkCounts(x, y)
    using both = tidy(() => {
      const rows = [x, y].map((data) => numbersOf(this.name, data)) as [Tensor, Tensor]
      const { a, b, near } = this.#neighbors(...rows)
      const distance = jointDistance(a, b, near, Math.min(...this.#ks))
      return stack([this.nats(...rows), distance.equal(0).cast('float64').sum()])
    })
    const [nats, repeated] = (await both.data()) as unknown as [number, number]
    if (repeated > 0) {
      findings.warn(
        `KSG: ${repeated} samples coincide with their k nearest neighbors, for which its formula does not hold; ` +
          'separate them with { jitter: 1e-10 }, or use MixedKSG or mutualInformation() for data with repeated values',
        'HYPERGLOW_REPEATED_SAMPLES',
      )
    }
    await noteCopies(this.name, x, y, findings)
    noteColumns(this.name, x.shape[0] as number, (x.size + y.size) / (x.shape[0] as number), findings)
    await noteEntropies(x, y, findings)
    const [n, k] = [x.shape[0] as number, Math.min(...this.#ks)]
    findings.limitToSamples(
      digammaOf(n) - digammaOf(k),
      `${findings.formula('psi(n) - psi(k)')} of ${n} samples, if the k nearest in x are those in y`,
    )
    return this.finished(nats, findings)
  }
}

/** Distance in (x, y) to the k-th neighbor, `[n]`. */
function jointDistance(x: Tensor, y: Tensor, near: Tensor, k: number): Tensor {
  return distanceToKth(x, near, k).maximum(distanceToKth(y, near, k))
}

function first(x: Tensor, y: Tensor, near: Tensor, k: number): Tensor {
  const radius = jointDistance(x, y, near, k)
  const counts = psiOf(x.countWithin(radius), 1).add(psiOf(y.countWithin(radius), 1))
  return psi(k)
    .add(psi(x.shape[0] as number))
    .sub(counts.mean())
}

function second(x: Tensor, y: Tensor, near: Tensor, k: number): Tensor {
  const those = near.slice([0, 0], [null, k])
  const within = (rows: Tensor) => rows.countWithin(distancesTo(rows, those).max(1), { closed: true })
  const counts = psiOf(within(x)).add(psiOf(within(y)))
  return psi(k)
    .sub(1 / k)
    .add(psi(x.shape[0] as number))
    .sub(counts.mean())
}
