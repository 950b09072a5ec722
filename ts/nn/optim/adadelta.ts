import { atLeast } from '../../core/options.js'
import { Optimizer } from './optimizer.js'
import {
  commonChecks,
  decayRate,
  type OptimizerOptions,
  type OptimizerSetup,
  type ParameterGroup,
} from './options.js'
import { decay, type Rule, withWeightDecay } from './rule.js'

/** Options of {@link Adadelta}. */
export interface AdadeltaOptions extends OptimizerOptions {
  /** Decay rate of both averages of squares, in [0, 1). Default 0.9. */
  rho?: number
  /** Added under both roots. Default 1e-6. */
  eps?: number
}

const SETUP: OptimizerSetup<AdadeltaOptions> = {
  title: 'Adadelta',
  defaults: { learningRate: 1, weightDecay: 0, rho: 0.9, eps: 1e-6 },
  checks: {
    ...commonChecks,
    rho: decayRate,
    eps: atLeast(0),
  },
}

/**
 * Adadelta (Zeiler 2012, algorithm 1): the gradient times the ratio of two root mean squares, of past steps and of past gradients.
 * The learning rate (default 1) multiplies the result.
 */
export class Adadelta extends Optimizer<AdadeltaOptions> {
  readonly name = 'adadelta'

  constructor(options: AdadeltaOptions = {}, groups: readonly ParameterGroup<AdadeltaOptions>[] = []) {
    super(SETUP, options, groups)
  }

  protected rule({ rho, eps, weightDecay }: Required<AdadeltaOptions>): Rule {
    return {
      slots: { square: 0, squaredStep: 0 },
      step({ grad, param, slots, learningRate }) {
        const g = withWeightDecay(grad, param, weightDecay)
        const past = slots.squaredStep ?? g
        const square = decay(slots.square ?? g, g.square(), rho)
        const move = past.add(eps).sqrt().div(square.add(eps).sqrt()).mul(g)
        return {
          delta: move.mul(learningRate).neg(),
          slots: { square, squaredStep: decay(past, move.square(), rho) },
        }
      },
    }
  }
}
