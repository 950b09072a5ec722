import { atLeast } from '../../core/options.js'
import { div, sqrtAtZero } from '../../ops/index.js'
import { Optimizer } from './optimizer.js'
import { commonChecks, type OptimizerOptions, type OptimizerSetup, type ParameterGroup } from './options.js'
import { type Rule, withWeightDecay } from './rule.js'

/** Options of {@link Adagrad}. */
export interface AdagradOptions extends OptimizerOptions {
  /** The learning rate of step t is divided by `1 + (t - 1) * lrDecay`. Default 0. */
  lrDecay?: number
  /** Initial value of the sums of squares. Default 0. */
  initialAccumulator?: number
  /** Added to the root. Default 1e-10. */
  eps?: number
}

const SETUP: OptimizerSetup<AdagradOptions> = {
  title: 'Adagrad',
  defaults: {
    learningRate: 0.01,
    weightDecay: 0,
    lrDecay: 0,
    initialAccumulator: 0,
    eps: 1e-10,
  },
  checks: {
    ...commonChecks,
    lrDecay: atLeast(0),
    initialAccumulator: atLeast(0),
    eps: atLeast(0),
  },
}

/** Adagrad (Duchi, Hazan and Singer 2011): `s = s + g^2`, `p = p - learningRate * g / (sqrt(s) + eps)`. */
export class Adagrad extends Optimizer<AdagradOptions> {
  readonly name = 'adagrad'

  constructor(options: AdagradOptions = {}, groups: readonly ParameterGroup<AdagradOptions>[] = []) {
    super(SETUP, options, groups)
  }

  protected rule({ lrDecay, initialAccumulator, eps, weightDecay }: Required<AdagradOptions>): Rule {
    return {
      slots: { sum: initialAccumulator },
      step({ grad, param, slots, step, learningRate }) {
        const g = withWeightDecay(grad, param, weightDecay)
        const sum = (slots.sum ?? g).add(g.square())
        const rate = lrDecay === 0 ? learningRate : div(learningRate, step.sub(1).mul(lrDecay).add(1))
        return { delta: g.div(sqrtAtZero(sum).add(eps)).mul(rate).neg(), slots: { sum } }
      },
    }
  }
}
