import type { Check } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { jensenShannon, smile } from './bounds.js'
import type { InformationOptions } from './information.js'
import { type CriticOptions, ScoreBound } from './score-bound.js'

/** Options of {@link SMILE}. */
export interface SMILEOptions {
  /** exp f is clipped to [e^-tau, e^tau]. Default 5; 1 for less variance; Infinity for the bound of Donsker and Varadhan. */
  tau?: number
}

const tau: Check<number> = {
  expected: 'a number above 0, or Infinity',
  accepts: (value) => typeof value === 'number' && value > 0,
}

/** SMILE (Song and Ermon 2020): a critic trained by the Jensen-Shannon objective, evaluated with clipped ratios. Not a bound. */
export class SMILE extends ScoreBound<SMILEOptions> {
  constructor(options: SMILEOptions & CriticOptions & InformationOptions = {}) {
    super(options, { tau: 5 }, { tau })
  }

  protected ofScores(scores: Tensor): Tensor {
    return smile(scores, this.params.tau)
  }

  protected override objectiveOfScores(scores: Tensor): Tensor {
    return jensenShannon(scores)
  }
}
