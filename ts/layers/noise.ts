import { ShapeError, StateError } from '../core/errors.js'
import { atLeast, between, checkOptions, checkValue } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { normal } from '../ops/random.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkContext, checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { dropped } from './dropout.js'
import { Layer } from './layer.js'

/** In training, adds normal noise; in evaluation, the identity. The noise is a function of the call's key. */
export class GaussianNoise extends Layer {
  /** Standard deviation of the noise. */
  readonly std: number

  constructor(std: number, options: NameOptions = {}) {
    const { name } = checkOptions('GaussianNoise', options, nameChecks)
    super({ kind: 'gaussian_noise', name })
    this.std = checkValue('GaussianNoise: std', std, atLeast(0))
  }

  build(inputShape: Shape): Shape {
    return inputShape
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    checkContext(this.name, ctx)
    if (!ctx.training || this.std === 0) return x
    if (ctx.key === undefined) {
      throw new StateError(`${this.name}: noise in training draws random numbers; give the call a key`)
    }
    return x.add(normal(ctx.key, x.shape, { std: this.std, dtype: x.dtype as 'float32' | 'float64' }))
  }

  protected override settings() {
    return [this.std, this.naming()]
  }
}

/**
 * Dropout of whole channels (Tompson et al. 2015): in training, sets each channel of each sample to zero with probability `prob` and
 * multiplies the others by `1 / (1 - prob)`. `[batch, channels, ...extents]` to the same shape.
 */
export class SpatialDropout extends Layer {
  /** Probability of dropping a channel, in [0, 1). */
  readonly prob: number

  constructor(prob: number, options: NameOptions = {}) {
    const { name } = checkOptions('SpatialDropout', options, nameChecks)
    super({ kind: 'spatial_dropout', name })
    this.prob = checkValue('SpatialDropout: prob', prob, between(0, 1, 'high'))
  }

  build(inputShape: Shape): Shape {
    if (inputShape.length >= 2) return inputShape
    throw new ShapeError(
      `${this.name}: expected an input [channels, ...extents], received [${inputShape}]; use Dropout for features`,
    )
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    checkContext(this.name, ctx)
    if (x.rank < 3) {
      throw new ShapeError(`${this.name}: expected an input [batch, channels, ...], received [${x.shape}]`)
    }
    return dropped(this.name, x, this.prob, ctx, [...x.shape.slice(0, 2), ...x.shape.slice(2).map(() => 1)])
  }

  protected override settings() {
    return [this.prob, this.naming()]
  }
}
