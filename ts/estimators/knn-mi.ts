import { whole } from '../core/options.js'
import { concat, type DistanceMetric } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { noteCopies } from './copies.js'
import type { Findings } from './details.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { entropy, metricCheck } from './kl-entropy.js'
import { noteFunctions } from './limits.js'
import { inRange } from './magnitude.js'
import { advisedForNeighbors, checkApart, unlessConstant } from './nearest.js'
import { Ross } from './ross.js'
import { isLabels, numbersOf } from './samples.js'
import { type ScaleOptions, scaleChecks, scaleDefaults, scaled } from './scale.js'
import { digammaOf } from './special.js'

/** Options of {@link KNN}. */
export interface KNNOptions extends ScaleOptions {
  /** Index of the neighbor. Default 3. */
  k?: number
  /** Metric of distances. Default 'maximum'. */
  metric?: DistanceMetric
}

/**
 * Mutual information as H(x) + H(y) - H(x, y), each entropy by {@link KLEntropy}.
 *
 * The biases of the three entropies do not cancel, so KSG is better in all but special cases. A measurement: no gradient. Needs
 * k + 1 samples without repeats. Class labels: {@link Ross}.
 */
export class KNN extends InformationEstimator<KNNOptions> {
  constructor(options: KNNOptions & InformationOptions = {}) {
    super(
      options,
      { k: 3, metric: 'maximum', ...scaleDefaults },
      { k: whole(1), metric: metricCheck, ...scaleChecks },
    )
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

  protected override forClasses(): InformationEstimator {
    const { k, base, clip, standardize, jitter, seed } = this.params
    return new Ross({ k, base, clip, standardize, seed, ...(jitter > 0 ? { jitter } : {}) })
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const { k, metric } = this.params
    const sides = this.params.standardize ? [x, y] : inRange(x, y)
    const [a, b] = sides.map((side, part) => scaled(side, this.params, part)) as [Tensor, Tensor]
    const parts = entropy(a, k, metric).add(entropy(b, k, metric))
    return unlessConstant(parts.sub(entropy(concat([a, b], 1), k, metric)), x, y)
  }

  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    const result = await super.value(x, y, findings)
    if (!isLabels(x) && !isLabels(y)) {
      await noteCopies(this.name, x, y, findings)
      const n = x.shape[0] as number
      const most = digammaOf(n) - digammaOf(this.params.k)
      const by = `${findings.formula('psi(n) - psi(k)')} of ${n} samples`
      noteFunctions(this.name, result * this.natsPerUnit, most, by, findings)
    }
    if (!Number.isFinite(result)) {
      for (const data of [x, y]) {
        if (isLabels(data)) continue
        await checkApart(this.name, this.params.k, scaled(numbersOf(this.name, data), this.params, 0))
      }
    }
    return result
  }
}
