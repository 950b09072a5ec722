import { between } from '../core/options.js'
import { Variable } from '../core/variable.js'
import { type Device, type Tensor, zeros } from '../ops/tensor.js'
import { donskerVaradhan, logMeanExpApart, mineObjective } from './bounds.js'
import type { InformationOptions } from './information.js'
import { type CriticOptions, ScoreBound } from './score-bound.js'

/** Options of {@link MINE}. */
export interface MINEOptions {
  /** Weight of a batch in the moving average that corrects the gradient. Default 0.01. */
  rate?: number
}

/**
 * Mutual information neural estimation (Belghazi et al. 2018): the bound of Donsker and Varadhan. A moving average of mean exp f, kept as a
 * logarithm, corrects the bias of its gradient (eq. 12). A lower bound up to the variance of its second term; evaluated on held-out
 * samples.
 */
export class MINE extends ScoreBound<MINEOptions> {
  constructor(options: MINEOptions & CriticOptions & InformationOptions = {}) {
    super(options, { rate: 0.01 }, { rate: between(0, 1, 'low') })
  }

  /** ln of the moving average. */
  protected override memory(device: Device): Variable {
    return new Variable(zeros([]), { name: 'logAverage', trainable: false, device })
  }

  protected override get bounds() {
    return 'lower' as const
  }

  protected ofScores(scores: Tensor): Tensor {
    return donskerVaradhan(scores)
  }

  protected override objectiveOfScores(scores: Tensor, memory: Variable | undefined): Tensor {
    const average = memory as Variable
    const { rate } = this.params
    const batch = logMeanExpApart(scores).stopGradient()
    // ln((1 - a) e^old + a e^new), from the larger of the two.
    const old = average.value
    const top = old.maximum(batch)
    const next = top.add(
      old
        .sub(top)
        .exp()
        .mul(1 - rate)
        .add(batch.sub(top).exp().mul(rate))
        .log(),
    )
    average.assign(next)
    return mineObjective(scores, next)
  }
}
