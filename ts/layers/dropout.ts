import { StateError } from '../core/errors.js'
import { between, checkOptions, checkValue } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { uniform } from '../ops/random.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkContext, checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/**
 * In training, sets each entry to zero with probability `prob` and multiplies the others by `1 / (1 - prob)`, so the expected
 * output is the input. In evaluation, the identity. The dropped entries are a function of the call's key.
 */
export class Dropout extends Layer {
  /** Probability of dropping an entry, in [0, 1). */
  readonly prob: number

  constructor(prob: number, options: NameOptions = {}) {
    const { name } = checkOptions('Dropout', options, nameChecks)
    super({ kind: 'dropout', name })
    this.prob = checkValue('Dropout: prob', prob, between(0, 1, 'high'))
  }

  build(inputShape: Shape): Shape {
    return inputShape
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    checkContext(this.name, ctx)
    return dropped(this.name, x, this.prob, ctx, x.shape)
  }

  protected override settings() {
    return [this.prob, this.naming()]
  }
}

/**
 * In training, x with entries set to zero with probability `prob` and the others multiplied by `1 / (1 - prob)`; else x.
 *
 * @param shape shape of the mask, which is broadcast to the shape of x
 */
export function dropped(name: string, x: Tensor, prob: number, ctx: Context, shape: Shape): Tensor {
  if (!ctx.training || prob === 0) return x
  if (ctx.key === undefined) {
    throw new StateError(`${name}: dropout in training draws random numbers; give the call a key`)
  }
  const keep = uniform(ctx.key, shape).greaterEqual(prob)
  return keep
    .cast(x.dtype)
    .mul(1 / (1 - prob))
    .mul(x)
}
