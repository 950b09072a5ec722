import { ArgumentError, describe } from '../core/errors.js'
import { type Checks, checkOptions, isInstance } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { quantize } from '../ops/index.js'
import { type QuantizeOptions, quantizeChecks } from '../ops/quantize.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/**
 * Options of {@link Quantized}: those of `quantize`. Defaults: 2 levels, range 'data', rule 'floor'. The range 'data' goes from the least to the largest
 * output of each batch, so levels differ from batch to batch; give a range for the same levels in all batches.
 */
export interface QuantizedOptions extends QuantizeOptions, NameOptions {}

const checks: Checks<QuantizedOptions> = { ...quantizeChecks, ...nameChecks }

/**
 * A layer whose outputs are rounded to a few levels, with a straight-through gradient (`quantize`), so that its point in the information plane is exact by
 * counting (Lorenzen, Igel and Nielsen 2022): see `quantizedPlane`. The weights are `layer.*`.
 *
 *     new Quantized(new Dense(10, { activation: 'tanh' }), { levels: 4, range: [-1, 1] })
 */
export class Quantized extends Layer {
  readonly layer: Layer
  readonly #options: QuantizedOptions
  readonly #quantization: QuantizeOptions

  constructor(layer: Layer, options: QuantizedOptions = {}) {
    const given = checkOptions('Quantized', options, checks)
    super({ kind: 'quantized', name: given.name })
    if (!isInstance(layer, Layer)) {
      throw new ArgumentError(`Quantized: given ${describe(layer)}, expected a layer such as new Dense(8)`)
    }
    this.layer = this.child('layer', layer)
    this.#options = given
    const { name: _, ...quantization } = given
    this.#quantization = quantization
  }

  build(inputShape: Shape): Shape {
    return this.layer.declare(inputShape)
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    return quantize(this.runChild(this.layer, weights, x, ctx), this.#quantization)
  }

  protected override settings() {
    return [this.layer, this.#options]
  }
}
