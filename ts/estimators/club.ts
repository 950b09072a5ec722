import { foldIn } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { club } from './bounds.js'
import { type CriticValues, type CriticWeights, dense, denseWeights } from './critic.js'
import type { Findings } from './details.js'
import type { InformationOptions } from './information.js'
import { TrainedEstimator, type TrainedOptions } from './trained.js'

/**
 * CLUB (Cheng et al. 2020): an upper bound on information by a fitted conditional density q(y | x), normal with mean and diagonal
 * covariance from networks of x, trained by maximum likelihood. An upper bound only if q is right. At most the entropy of class labels; not
 * capped for numbers, where it may be hundreds of nats (`HYPERGLOW_BEYOND_SAMPLES` above ln n).
 */
export class CLUB extends TrainedEstimator {
  constructor(options: TrainedOptions & InformationOptions = {}) {
    super(options, {}, {})
  }

  /**
   * An upper bound may exceed the limit of the samples, and a capped one would not be a bound; class labels limit the information itself.
   */
  protected override get isLimited(): boolean {
    return false
  }

  protected override get bounds() {
    return 'upper' as const
  }

  protected override note(nats: number, n: number, _block: number, findings: Findings): void {
    if (nats <= Math.log(n) || Number.isFinite(findings.limit)) return
    findings.warn(
      `CLUB: ${findings.withUnit(nats)} are more than ${n} samples could show (${findings.formula('ln n')} = ${findings.inUnit(Math.log(n))}): y is nearly a function of x, ` +
        'or its density is far from normal given x, and then this is no bound; InfoNCE is a lower bound',
      'HYPERGLOW_BEYOND_SAMPLES',
    )
  }

  protected weights(from: Tensor, dx: number, dy: number): CriticWeights {
    const { hidden } = this.params
    return {
      ...denseWeights('mean', foldIn(from, 0), dx, hidden, dy),
      ...denseWeights('spread', foldIn(from, 1), dx, hidden, dy),
    }
  }

  /** Mean log-likelihood up to a constant. */
  protected objective(values: CriticValues, x: Tensor, y: Tensor): Tensor {
    const { mean, logVariance } = conditional(values, x)
    return y.sub(mean).square().mul(logVariance.neg().exp()).add(logVariance).sum(1).mean().div(-2)
  }

  protected override score(values: CriticValues, x: Tensor, y: Tensor): Tensor {
    return this.objective(values, x, y)
  }

  protected bound(values: CriticValues, x: Tensor, y: Tensor): Tensor {
    const { mean, logVariance } = conditional(values, x)
    return club(mean.cast('float64'), logVariance.cast('float64'), y.cast('float64'))
  }
}

function conditional(values: CriticValues, x: Tensor): { mean: Tensor; logVariance: Tensor } {
  // tanh keeps the variance within e^-8 and e^8, so an outlier cannot make training diverge.
  return { mean: dense(values, 'mean', x), logVariance: dense(values, 'spread', x).tanh().mul(8) }
}
