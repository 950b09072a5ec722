import { ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import type { Initializer, InitializerName } from '../nn/initializers.js'
import { constant } from '../nn/initializers.js'
import { where } from '../ops/index.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { initializer, type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'
import { aligned } from './scaled-rows.js'

/** Options of {@link PReLU}. */
export interface PReLUOptions extends NameOptions {
  /** One slope for all channels. Default false: one slope for each channel. */
  shared?: boolean
  /** Default 0.25. */
  slopeInitializer?: InitializerName | Initializer
}

const checks: Checks<PReLUOptions> = { ...nameChecks, shared: flag, slopeInitializer: initializer }

/** `slope` (channels), or (1) for a shared slope; with a leading batch axis, every sample has its own. */
export type PReLUWeights = { slope: Tensor }

/**
 * A rectifier with a learned slope below 0 (He et al. 2015): `x` where positive, else `slope * x`.
 * `[batch, channels, ...extents]` to the same shape. For a fixed slope use `new Activation('leakyRelu', { slope: 0.2 })`.
 */
export class PReLU extends Layer<PReLUWeights> {
  readonly #options: PReLUOptions

  constructor(options: PReLUOptions = {}) {
    const given = checkOptions('PReLU', options, checks)
    super({ kind: 'prelu', name: given.name })
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    if (inputShape.length === 0) {
      throw new ShapeError(`${this.name}: expected an input [channels, ...extents], received []`)
    }
    const { shared = false, slopeInitializer = constant(0.25) } = this.#options
    this.param('slope', [shared ? 1 : (inputShape[0] as number)], slopeInitializer)
    return inputShape
  }

  apply(weights: PReLUWeights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x, ['slope'])
    if (x.rank < 2) {
      throw new ShapeError(`${this.name}: expected an input [batch, channels, ...], received [${x.shape}]`)
    }
    return where(x.greater(0), x, aligned(weights.slope, 1, x.rank, 1).mul(x))
  }

  protected override settings() {
    return [this.#options]
  }
}
