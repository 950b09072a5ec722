import { ShapeError } from '../core/errors.js'
import { checkOptions } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Mean of each channel over all spatial axes: `[batch, channels, ...extents]` to `[batch, channels]`. */
export class GlobalAvgPool extends Layer {
  constructor(options: NameOptions = {}) {
    const { name } = checkOptions('GlobalAvgPool', options, nameChecks)
    super({ kind: 'global_avg_pool', name })
  }

  build(inputShape: Shape): Shape {
    if (inputShape.length < 2) {
      throw new ShapeError(`${this.name}: expected an input [channels, ...extents], received [${inputShape}]`)
    }
    return inputShape.slice(0, 1)
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    if (x.rank < 3) {
      throw new ShapeError(
        `${this.name}: expected an input [batch, channels, ...extents], received [${x.shape}]`,
      )
    }
    return x.mean(x.shape.slice(2).map((_, axis) => axis + 2))
  }

  protected override settings() {
    return [this.naming()]
  }
}
