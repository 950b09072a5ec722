import { ArgumentError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, flag, whole } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { softmax } from '../ops/index.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Conv2d } from './conv.js'
import { Layer } from './layer.js'
import { SpectralNorm } from './spectral-norm.js'
import { checkSpatialInput } from './windows.js'

/** Options of {@link SelfAttention2d}. */
export interface SelfAttention2dOptions extends NameOptions {
  /** The input's features divided by the features of queries and keys. Default 8. */
  reduction?: number
  /** Divide the three kernels by their largest singular values. Default false. */
  useSpectralNorm?: boolean
}

const checks: Checks<SelfAttention2dOptions> = { ...nameChecks, reduction: whole(1), useSpectralNorm: flag }

/** Result of {@link SelfAttention2d.attend}. */
export interface SelfAttention {
  /** `[batch, channels, height, width]`. */
  readonly output: Tensor
  /** `[batch, pixels, pixels]`: the attention weights of each pixel; they sum to 1 over the last axis. */
  readonly attention: Tensor
}

/**
 * Self-attention between the pixels of an image (Zhang et al. 2019): `gamma * attention(x) + x`. Queries, keys and values come from 1 x 1
 * convolutions, `query.*`, `key.*` and `value.*`; `gamma` is initially 0, which makes the layer the identity.
 * `[batch, channels, height, width]` to the same shape.
 */
export class SelfAttention2d extends Layer {
  readonly #options: SelfAttention2dOptions
  #projections: readonly Layer[] = []

  constructor(options: SelfAttention2dOptions = {}) {
    const given = checkOptions('SelfAttention2d', options, checks)
    super({ kind: 'self_attention2d', name: given.name })
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    checkSpatialInput(this.name, inputShape, 2)
    const channels = inputShape[0] as number
    const { reduction = 8, useSpectralNorm = false } = this.#options
    if (channels % reduction !== 0) {
      throw new ArgumentError(
        `${this.name}: ${channels} channels cannot be divided by the reduction ${reduction}; give another reduction`,
      )
    }
    const widths = { query: channels / reduction, key: channels / reduction, value: channels }
    this.#projections = Object.entries(widths).map(([name, width]) => {
      const conv = new Conv2d(width, 1)
      const projection = this.child(name, useSpectralNorm ? new SpectralNorm(conv) : conv)
      projection.declare(inputShape)
      return projection
    })
    this.param('gamma', [1], 'zeros')
    return inputShape
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    return this.attend(weights, x, ctx).output
  }

  /** The output and the attention weights. */
  attend(weights: Weights, x: Tensor, ctx: Context): SelfAttention {
    checkInputs(this.name, weights, x, ['gamma'])
    if (x.rank !== 4) {
      throw new ShapeError(
        `${this.name}: expected an input [batch, channels, height, width], received [${x.shape}]`,
      )
    }
    const [query, key, value] = this.#projections.map((projection) =>
      this.runChild(projection, weights, x, ctx).flatten(2),
    ) as [Tensor, Tensor, Tensor]
    const attention = softmax(query.matmulT(key, { transposeA: true }))
    const attended = value.matmulT(attention, { transposeB: true }).reshape(x.shape)
    const { gamma } = weights as { gamma: Tensor }
    const factor = gamma.rank === 2 ? gamma.reshape([-1, 1, 1, 1]) : gamma
    return { output: attended.mul(factor).add(x), attention }
  }

  protected override settings() {
    return [this.#options]
  }
}
