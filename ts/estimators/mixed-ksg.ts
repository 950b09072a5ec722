import { tidy } from '../core/memory.js'
import { flag, whole } from '../core/options.js'
import { concat, where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { noteCopies } from './copies.js'
import type { Findings } from './details.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { inRange } from './magnitude.js'
import {
  advisedForNeighbors,
  distanceToKth,
  noteColumns,
  noteScales,
  orCoinciding,
  psiOf,
  unlessConstant,
} from './nearest.js'
import { Ross } from './ross.js'
import { isLabels, numbersOf } from './samples.js'
import { digammaOf } from './special.js'
import { standardized } from './standardized.js'

/** Tolerated share of samples whose distances tie. */
const tolerated = 0.05

/** Options of {@link MixedKSG}. */
export interface MixedKSGOptions {
  /** Index of the neighbor. Default 5. */
  k?: number
  /** Give every column mean 0 and variance 1, so that units do not matter. Default false, as published. */
  standardize?: boolean
}

/**
 * Mutual information of data with atoms, densities or both (Gao, Kannan, Oh and Viswanath 2017, algorithm 1, with the counts of the
 * authors' program). rho_i is the distance in (x, y) to the k-th neighbor in the maximum metric, and
 *
 *   I = mean_i [psi(k_i) + ln n - psi(n_x(i)) - psi(n_y(i))]
 *
 * if rho_i > 0: k_i = k, and n_x(i), n_y(i) are the numbers of samples nearer than rho_i in x, in y, sample i included; if rho_i = 0: all
 * three are the numbers of samples at distance 0, sample i included.
 *
 * Columns keep their scale, as published: a discrete and a continuous column have no common scale, and another scale changes the estimate.
 * A warning names scales that are far apart (`HYPERGLOW_SCALES`). A measurement: no gradient. Needs k + 1 samples. Class labels: {@link
 * Ross}.
 */
export class MixedKSG extends InformationEstimator<MixedKSGOptions> {
  constructor(options: MixedKSGOptions & InformationOptions = {}) {
    super(options, { k: 5, standardize: false }, { k: whole(1), standardize: flag })
  }

  override get hasGradient(): boolean {
    return false
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get minimumSamples(): number {
    return this.params.k + 1
  }

  override get advisedSamples(): number {
    return Math.max(advisedForNeighbors, this.minimumSamples)
  }

  /** The estimator is made for repeated values. */
  protected override takesLabelsAsNumbers(): boolean {
    return false
  }

  protected override forClasses(): InformationEstimator {
    const { k, base, clip, standardize } = this.params
    return new Ross({ k, base, clip, standardize })
  }

  protected override get isLimited(): boolean {
    return true
  }

  protected nats(given: Tensor, other: Tensor): Tensor {
    const { k } = this.params
    const [x, y] = this.#rows(given, other)
    const joint = concat([x, y], 1)
    const rho = distanceToKth(joint, joint.neighbors(k), k)
    const radius = orCoinciding(rho)
    const count = (rows: Tensor) => rows.countWithin(radius).add(1)
    const neighbors = where(rho.equal(0), count(joint), k)
    const terms = psiOf(neighbors)
      .sub(psiOf(count(x)))
      .sub(psiOf(count(y)))
    return unlessConstant(terms.mean().add(Math.log(x.shape[0] as number)), x, y)
  }

  #rows(x: Tensor, y: Tensor): [Tensor, Tensor] {
    if (!this.params.standardize) return inRange(x, y)
    return [standardized(x), standardized(y)]
  }

  /** Warns, once, when distances tie, and when columns are on different scales. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    if (isLabels(x) || isLabels(y)) return super.value(x, y, findings)
    this.checkCounts(x, y)
    const n = x.shape[0] as number
    findings.limitToSamples(
      Math.log(n) - digammaOf(this.params.k),
      `${findings.formula('ln n - psi(k)')} of ${n} samples, if the k nearest in x are those in y`,
    )
    const value = await super.value(x, y, findings)
    await noteCopies(this.name, x, y, findings)
    if (!this.params.standardize) await noteScales(this.name, [x, y], findings)
    noteColumns(this.name, x.shape[0] as number, (x.size + y.size) / (x.shape[0] as number), findings)
    await this.#noteTies(x, y, findings)
    return value
  }

  /** On a lattice several samples are as far as the k-th neighbor, and the formula counts only some of them. */
  async #noteTies(x: Tensor, y: Tensor, findings: Findings): Promise<void> {
    const { k } = this.params
    const n = x.shape[0] as number
    if (n < k + 2) return
    using tied = tidy(() => {
      const joint = concat(this.#rows(numbersOf(this.name, x), numbersOf(this.name, y)), 1)
      const near = joint.neighbors(k + 1)
      const rho = distanceToKth(joint, near, k)
      const isTied = rho.greater(0).logicalAnd(rho.equal(distanceToKth(joint, near, k + 1)))
      return isTied.cast('float64').mean()
    })
    const part = await tied.item()
    if (part <= tolerated) return
    findings.warn(
      `MixedKSG: ${Math.round(100 * part)} % of the samples have several others exactly as far as their k-th neighbor, as in rounded numbers; ` +
        'its counts are then too small and the estimate too large or too low; use mutualInformation(), or KSG with { jitter: 1e-10 }',
      'HYPERGLOW_TIES',
    )
  }
}
