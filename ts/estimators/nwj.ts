import type { Tensor } from '../ops/tensor.js'
import { nguyenWainwrightJordan } from './bounds.js'
import type { InformationOptions } from './information.js'
import { type CriticOptions, ScoreBound } from './score-bound.js'

/** The lower bound of Nguyen, Wainwright and Jordan 2010 by a trained critic. Its variance grows with e^I. */
export class NWJ extends ScoreBound {
  constructor(options: CriticOptions & InformationOptions = {}) {
    super(options, {}, {})
  }

  protected override get bounds() {
    return 'lower' as const
  }

  protected ofScores(scores: Tensor): Tensor {
    return nguyenWainwrightJordan(scores)
  }
}
