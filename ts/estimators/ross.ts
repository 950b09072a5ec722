import { whole } from '../core/options.js'
import { concat, where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { noteCopies } from './copies.js'
import type { Findings } from './details.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { inRange } from './magnitude.js'
import {
  advisedForNeighbors,
  distancesTo,
  noteColumns,
  noteScales,
  orCoinciding,
  psiOf,
  unlessConstant,
} from './nearest.js'
import { checkClasses, classCounts, classesOf, unlessNumbers } from './samples.js'
import { type ScaleOptions, scaleChecks, scaleDefaults, scaled } from './scale.js'

/** Options of {@link Ross}. */
export interface RossOptions extends ScaleOptions {
  /** Give every column mean 0 and variance 1. Default false, as published. */
  standardize?: boolean
  /**
   * Standard deviation of the normal noise that separates equal values, relative to that of each column. Default 1e-10, as in scikit-learn:
   * if distances tie, as for rounded numbers, bits and relu activations, the counts are meaningless.
   */
  jitter?: number
  /** Index of the neighbor within the class; smaller classes use all samples. Default 3. */
  k?: number
}

/**
 * Mutual information of numbers x and classes y by nearest neighbors (Ross 2014, with the counts of scikit-learn, which are the same if no
 * samples coincide), in the maximum metric. r_i is the distance to the k_i-th neighbor within the class of sample i, k_i = min(k, n_i - 1)
 * for n_i samples of that class, m_i - 1 the number of other samples of any class nearer than r_i, and
 *
 *   I = psi(n) + mean_i [psi(k_i) - psi(n_i) - psi(m_i)]
 *
 * Samples that are alone in their class are left out. Noise separates equal values; it is independent of y, so the information does not
 * change, unless whole samples were copied: `estimate` warns of copies. With `jitter: 0` and r_i = 0, m_i counts the samples at distance 0.
 * At most the entropy of y in the samples. A measurement: no gradient. Needs 2 samples, and a class with two of them. `y` that holds
 * numbers (hardly a value occurs twice) is refused by `estimate`; as an evaluator it records NaN.
 */
export class Ross extends InformationEstimator<RossOptions> {
  constructor(options: RossOptions & InformationOptions = {}) {
    super(
      options,
      { k: 3, ...scaleDefaults, standardize: false, jitter: 1e-10 },
      { k: whole(1), ...scaleChecks },
    )
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

  override get advisedSamples(): number {
    return advisedForNeighbors
  }

  protected override needsClasses(): boolean {
    return true
  }

  protected override get isLimited(): boolean {
    return true
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const n = x.shape[0] as number
    const k = Math.min(this.params.k, n - 1)
    const rows = scaled(inRange(x)[0], this.params, 0)
    const size = classCounts(y).take(y)
    const alone = size.equal(1)
    // One more coordinate moves classes further apart than any two samples.
    const beyond = rows.max().sub(rows.min()).add(1).mul(2)
    const coordinate = y.cast('float64').mul(beyond).expandDims(1)
    const near = concat([rows, coordinate], 1).neighbors(k)
    const own = size.sub(1).clip(1, k)
    const kth = near.takeAlong(own.sub(1).cast('int32').expandDims(1), 1)
    const radius = orCoinciding(distancesTo(rows, kth).flatten(0))
    // Excluded samples are moved far from all others.
    const away = coordinate.add(beyond).mul(alone.cast('float64').expandDims(1))
    const counts = concat([rows.slice([0, 0], [null, 1]).add(away), rows.slice([0, 1])], 1).countWithin(
      radius,
    )
    const kept = where(alone, 0, 1).cast('float64')
    const total = kept.sum()
    const terms = own.digamma().sub(size.digamma()).sub(psiOf(counts, 1))
    const mean = where(alone, 0, terms).sum().div(total)
    return unlessNumbers(unlessConstant(total.digamma().add(mean), x, y), y)
  }

  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkCounts(x, y)
    this.checkNumbers(x)
    await checkClasses('Ross', classesOf('Ross: y', y))
    await noteCopies(this.name, x, y, findings)
    noteColumns(this.name, x.shape[0] as number, x.size / (x.shape[0] as number), findings)
    if (!this.params.standardize) await noteScales(this.name, [x], findings)
    return super.value(x, y, findings)
  }
}
