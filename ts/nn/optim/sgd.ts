import { ArgumentError } from '../../core/errors.js'
import { atLeast, finite, flag } from '../../core/options.js'
import { Optimizer } from './optimizer.js'
import { commonChecks, type OptimizerOptions, type OptimizerSetup, type ParameterGroup } from './options.js'
import { type Rule, withWeightDecay } from './rule.js'

/** Options of {@link SGD}. */
export interface SGDOptions extends OptimizerOptions {
  /** Factor of the previous direction. Default 0. */
  momentum?: number
  /** The gradient is multiplied by 1 - dampening, except in the first step. Default 0. */
  dampening?: number
  /** Look ahead along the direction (Nesterov); needs momentum and no dampening. Default false. */
  nesterov?: boolean
}

const SETUP: OptimizerSetup<SGDOptions> = {
  title: 'SGD',
  defaults: {
    learningRate: 0.001,
    weightDecay: 0,
    momentum: 0,
    dampening: 0,
    nesterov: false,
  },
  checks: {
    ...commonChecks,
    momentum: atLeast(0),
    dampening: finite,
    nesterov: flag,
  },
}

/**
 * Stochastic gradient descent with heavy-ball momentum:
 *
 *     b = momentum * b + (1 - dampening) * g      (b = g in the first step)
 *     p = p - learningRate * b                    (Nesterov: g + momentum * b instead of b)
 *
 * The learning rate multiplies the direction and not the gradient, unlike in Sutskever et al. 2013.
 */
export class SGD extends Optimizer<SGDOptions> {
  readonly name = 'sgd'

  constructor(options: SGDOptions = {}, groups: readonly ParameterGroup<SGDOptions>[] = []) {
    super(SETUP, options, groups)
  }

  protected rule({ momentum, dampening, nesterov, weightDecay }: Required<SGDOptions>): Rule {
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new ArgumentError(
        `SGD: nesterov needs a momentum above 0 and dampening 0, received momentum ${momentum} and dampening ${dampening}`,
      )
    }
    return {
      slots: momentum === 0 ? {} : { momentum: 0 },
      step({ grad, param, slots, step, learningRate }) {
        const g = withWeightDecay(grad, param, weightDecay)
        const before = slots.momentum
        if (momentum === 0 || before === undefined) return { delta: g.mul(learningRate).neg(), slots: {} }
        const fresh =
          dampening === 0
            ? g
            : g.mul(
                step
                  .equal(1)
                  .cast(param.dtype)
                  .mul(dampening)
                  .add(1 - dampening),
              )
        const direction = before.mul(momentum).add(fresh)
        const move = nesterov ? g.add(direction.mul(momentum)) : direction
        return { delta: move.mul(learningRate).neg(), slots: { momentum: direction } }
      },
    }
  }
}
