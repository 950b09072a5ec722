import { sizeOf } from '../core/dtype.js'
import { checkOptions } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Joins all axes of a sample, row-major: `[batch, ...shape]` to `[batch, product of shape]`. */
export class Flatten extends Layer {
  constructor(options: NameOptions = {}) {
    const { name } = checkOptions('Flatten', options, nameChecks)
    super({ kind: 'flatten', name })
  }

  build(inputShape: Shape): Shape {
    return [sizeOf(inputShape)]
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    return x.flatten(1)
  }

  protected override settings() {
    return [this.naming()]
  }
}
