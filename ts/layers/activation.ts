import type { ActivationName } from '../activations.js'
import { checkOptions } from '../options.js'
import type { Shape, Tensor } from '../tensor.js'
import { ActivatedLayer, type ActivationFunction } from './activated.js'

/** An activation as a layer of its own. The output has the shape of the input. */
export class Activation extends ActivatedLayer {
  readonly #activation: ActivationName | ActivationFunction

  /** @param activation name such as `'relu'`, or any function of a tensor */
  constructor(activation: ActivationName | ActivationFunction, options: { name?: string } = {}) {
    checkOptions('Activation', options, ['name'])
    super('activation', { ...options, activation })
    this.#activation = activation
  }

  build(inputShape: Shape): Shape {
    return inputShape
  }

  preActivation(_weights: Record<string, Tensor>, x: Tensor): Tensor {
    return x
  }

  override clone(): Activation {
    return new Activation(this.#activation, this.named ? { name: this.name } : {})
  }
}
