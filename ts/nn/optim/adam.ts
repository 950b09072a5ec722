import { atLeast, flag, pairOf } from '../../core/options.js'
import { div, maximum, sqrt, sqrtAtZero } from '../../ops/index.js'
import { Optimizer } from './optimizer.js'
import {
  commonChecks,
  decayRate,
  type OptimizerOptions,
  type OptimizerSetup,
  type ParameterGroup,
} from './options.js'
import { biasCorrection, decay, type Rule, withWeightDecay } from './rule.js'

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions extends OptimizerOptions {
  /** Decay rates of the averages of the gradient and of its square, in [0, 1). Default [0.9, 0.999]. */
  betas?: readonly [number, number]
  /** Added to the root of the second average. Default 1e-8. */
  eps?: number
  /** Divide by the largest second average so far (Reddi, Kale and Kumar 2018). Default false. */
  amsgrad?: boolean
}

const SETUP: OptimizerSetup<AdamOptions> = {
  title: 'Adam',
  defaults: {
    learningRate: 0.001,
    weightDecay: 0,
    betas: [0.9, 0.999],
    eps: 1e-8,
    amsgrad: false,
  },
  checks: {
    ...commonChecks,
    betas: pairOf(decayRate),
    eps: atLeast(0),
    amsgrad: flag,
  },
}

/**
 * Adam (Kingma and Ba 2015, algorithm 1):
 *
 *     m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2
 *     p = p - learningRate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
 *
 * Weight decay is added to the gradient; see {@link AdamW} for decoupled weight decay.
 */
export class Adam extends Optimizer<AdamOptions> {
  readonly name: string = 'adam'

  constructor(options: AdamOptions = {}, groups: readonly ParameterGroup<AdamOptions>[] = []) {
    super(SETUP, options, groups)
  }

  protected rule(options: Required<AdamOptions>): Rule {
    return adamRule(options, false)
  }
}

const DECOUPLED: OptimizerSetup<AdamOptions> = {
  ...SETUP,
  title: 'AdamW',
  defaults: { ...SETUP.defaults, weightDecay: 0.01 },
}

/** Adam with weight decay outside the averages, `p = p - learningRate * weightDecay * p` (Loshchilov and Hutter 2019). */
export class AdamW extends Optimizer<AdamOptions> {
  readonly name: string = 'adamw'

  constructor(options: AdamOptions = {}, groups: readonly ParameterGroup<AdamOptions>[] = []) {
    super(DECOUPLED, options, groups)
  }

  protected rule(options: Required<AdamOptions>): Rule {
    return adamRule(options, true)
  }
}

function adamRule(options: Required<AdamOptions>, decoupled: boolean): Rule {
  const { betas, eps, amsgrad, weightDecay } = options
  const [beta1, beta2] = betas
  return {
    slots: { mean: 0, square: 0, ...(amsgrad ? { largest: 0 } : {}) },
    step({ grad, param, slots, step, learningRate }) {
      const g = decoupled ? grad : withWeightDecay(grad, param, weightDecay)
      const { mean: oldMean, square: oldSquare, largest: oldLargest } = slots
      const mean = decay(oldMean ?? g, g, beta1)
      const square = decay(oldSquare ?? g, g.square(), beta2)
      const largest = oldLargest === undefined ? square : maximum(oldLargest, square)
      // Factors of the whole parameter are computed once, so that an entry costs one division and one root.
      const root = sqrtAtZero(largest)
        .mul(div(1, sqrt(biasCorrection(beta2, step))))
        .add(eps)
      const move = mean.mul(div(learningRate, biasCorrection(beta1, step))).div(root)
      const full = decoupled && weightDecay !== 0 ? move.add(param.mul(weightDecay).mul(learningRate)) : move
      return {
        delta: full.neg(),
        slots: { mean, square, ...(oldLargest === undefined ? {} : { largest }) },
      }
    },
  }
}
