import { checkOptions } from '../core/options.js'
import type { ActivationName } from '../ops/activations.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer, type ActivationFunction } from './activated.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'

/** An activation as a layer of its own. The output has the shape of the input. */
export class Activation extends ActivatedLayer {
  readonly #activation: ActivationName | ActivationFunction

  /** @param activation name such as `'relu'`, or any function of a tensor */
  constructor(activation: ActivationName | ActivationFunction, options: NameOptions = {}) {
    const { name } = checkOptions('Activation', options, nameChecks)
    super('activation', name === undefined ? { activation } : { activation, name })
    this.#activation = activation
  }

  build(inputShape: Shape): Shape {
    return inputShape
  }

  preActivation(weights: Record<string, Tensor>, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    return x
  }

  protected override settings() {
    return [this.#activation, this.naming()]
  }
}
