import { atLeast, flag } from '../../core/options.js'
import { sqrtAtZero } from '../../ops/index.js'
import { Optimizer } from './optimizer.js'
import {
  commonChecks,
  decayRate,
  type OptimizerOptions,
  type OptimizerSetup,
  type ParameterGroup,
} from './options.js'
import { decay, type Rule, withWeightDecay } from './rule.js'

/** Options of {@link RMSprop}. */
export interface RMSpropOptions extends OptimizerOptions {
  /** Decay rate of the average of squares, in [0, 1). Default 0.99. */
  alpha?: number
  /** Added to the root. Default 1e-8. */
  eps?: number
  /** Factor of the previous direction. Default 0. */
  momentum?: number
  /** Divide by the standard deviation of the gradient instead of its root mean square. Default false. */
  centered?: boolean
}

const SETUP: OptimizerSetup<RMSpropOptions> = {
  title: 'RMSprop',
  defaults: {
    learningRate: 0.01,
    weightDecay: 0,
    alpha: 0.99,
    eps: 1e-8,
    momentum: 0,
    centered: false,
  },
  checks: {
    ...commonChecks,
    alpha: decayRate,
    eps: atLeast(0),
    momentum: atLeast(0),
    centered: flag,
  },
}

/**
 * RMSprop (Tieleman and Hinton 2012): `v = alpha v + (1 - alpha) g^2`, `p = p - learningRate * g / (sqrt(v) + eps)`; with
 * momentum, the quotient is added to a decaying direction. Centered (Graves 2013): `v - mean(g)^2` in place of `v`.
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  readonly name = 'rmsprop'

  constructor(options: RMSpropOptions = {}, groups: readonly ParameterGroup<RMSpropOptions>[] = []) {
    super(SETUP, options, groups)
  }

  protected rule({ alpha, eps, momentum, centered, weightDecay }: Required<RMSpropOptions>): Rule {
    return {
      slots: { square: 0, ...(centered ? { mean: 0 } : {}), ...(momentum === 0 ? {} : { momentum: 0 }) },
      step({ grad, param, slots, learningRate }) {
        const g = withWeightDecay(grad, param, weightDecay)
        const square = decay(slots.square ?? g, g.square(), alpha)
        const mean = slots.mean === undefined ? undefined : decay(slots.mean, g, alpha)
        const spread = mean === undefined ? square : square.sub(mean.square())
        const move = g.div(sqrtAtZero(spread).add(eps))
        const direction = slots.momentum === undefined ? undefined : slots.momentum.mul(momentum).add(move)
        return {
          delta: (direction ?? move).mul(learningRate).neg(),
          slots: {
            square,
            ...(mean === undefined ? {} : { mean }),
            ...(direction === undefined ? {} : { momentum: direction }),
          },
        }
      },
    }
  }
}
