import { ShapeError } from '../core/errors.js'
import { checkOptions } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Base of the layers that reduce each channel to one number. */
abstract class GlobalPool extends Layer {
  constructor(what: string, kind: string, options: NameOptions) {
    const { name } = checkOptions(what, options, nameChecks)
    super({ kind, name })
  }

  protected abstract reduce(x: Tensor, axes: number[]): Tensor

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
    return this.reduce(
      x,
      x.shape.slice(2).map((_, axis) => axis + 2),
    )
  }

  protected override settings() {
    return [this.naming()]
  }
}

/** Mean of each channel over all spatial axes: `[batch, channels, ...extents]` to `[batch, channels]`. */
export class GlobalAvgPool extends GlobalPool {
  constructor(options: NameOptions = {}) {
    super('GlobalAvgPool', 'global_avg_pool', options)
  }

  protected reduce(x: Tensor, axes: number[]): Tensor {
    return x.mean(axes)
  }
}

/** Largest value of each channel over all spatial axes: `[batch, channels, ...extents]` to `[batch, channels]`. */
export class GlobalMaxPool extends GlobalPool {
  constructor(options: NameOptions = {}) {
    super('GlobalMaxPool', 'global_max_pool', options)
  }

  protected reduce(x: Tensor, axes: number[]): Tensor {
    return x.max(axes)
  }
}
