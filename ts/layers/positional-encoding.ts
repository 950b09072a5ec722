import { literal } from '../core/create.js'
import { ShapeError } from '../core/errors.js'
import { above, type Checks, checkOptions, whole } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Options of {@link PositionalEncoding}. */
export interface PositionalEncodingOptions extends NameOptions {
  /** The longest wavelength is 2 pi times `base` steps. Default 10000. */
  base?: number
  /** Position of the first step. Default 0. */
  offset?: number
}

const checks: Checks<PositionalEncodingOptions> = { ...nameChecks, base: above(1), offset: whole(0) }

/**
 * Adds an encoding of its position to each step (Vaswani et al. 2017): at step t, `sin(t / base^(2i / features))` to feature 2i and
 * `cos(t / base^(2i / features))` to feature 2i + 1. `[batch, time, features]` to the same shape.
 */
export class PositionalEncoding extends Layer {
  readonly #options: PositionalEncodingOptions

  constructor(options: PositionalEncodingOptions = {}) {
    const given = checkOptions('PositionalEncoding', options, checks)
    super({ kind: 'positional_encoding', name: given.name })
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    if (inputShape.length === 2) return inputShape
    throw new ShapeError(`${this.name}: expected an input [time, features], received [${inputShape}]`)
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    if (x.rank !== 3) {
      throw new ShapeError(`${this.name}: expected an input [batch, time, features], received [${x.shape}]`)
    }
    const [, time, features] = x.shape as [number, number, number]
    const { base = 10_000, offset = 0 } = this.#options
    const waves = Float64Array.from({ length: time * features }, (_, at) => {
      const feature = at % features
      const angle = (Math.floor(at / features) + offset) / base ** ((feature - (feature % 2)) / features)
      return feature % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
    })
    return x.add(literal(waves, [time, features]).cast(x.dtype))
  }

  protected override settings() {
    return [this.#options]
  }
}
