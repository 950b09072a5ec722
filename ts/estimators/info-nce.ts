import type { Tensor } from '../ops/tensor.js'
import { infoNCE } from './bounds.js'
import type { Findings } from './details.js'
import type { InformationOptions } from './information.js'
import { type CriticOptions, ScoreBound } from './score-bound.js'

/**
 * The lower bound InfoNCE (van den Oord, Li and Vinyals 2018) by a trained critic. Small variance, but at most ln of the number of held-out
 * samples in a block (at most 512, so 6.2 nats).
 */
export class InfoNCE extends ScoreBound {
  constructor(options: CriticOptions & InformationOptions = {}) {
    super(options, {}, {})
  }

  protected override get bounds() {
    return 'lower' as const
  }

  protected override note(nats: number, n: number, block: number, findings: Findings): void {
    super.note(nats, n, block, findings)
    findings.limitToSamples(
      Math.log(block),
      `${findings.formula('ln n')} of the n = ${block} samples that are compared at a time`,
    )
  }

  protected ofScores(scores: Tensor): Tensor {
    return infoNCE(scores)
  }
}
