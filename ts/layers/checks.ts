/** Checks of the options of several layers. */

import { type Check, type Checks, nameOrFunction, text } from '../core/options.js'
import { type Initializer, type InitializerName, initializerNames } from '../nn/initializers.js'
import { type ActivationName, activationNames } from '../ops/activations.js'
import type { Tensor } from '../ops/tensor.js'

/** An activation: any function of a tensor. */
export type ActivationFunction = (x: Tensor) => Tensor

/** Options of a layer with no other option than its name. */
export interface NameOptions {
  /** Name of the layer. Default: the kind and a number, given by the model. */
  name?: string
}

/** The name of an activation, or a function. */
export const activation: Check<ActivationName | ActivationFunction> = nameOrFunction<
  ActivationName,
  ActivationFunction
>(activationNames)

/** The initial value of weights: the name of an initializer, or a function. */
export const initializer: Check<InitializerName | Initializer> = nameOrFunction<InitializerName, Initializer>(
  initializerNames,
)

export const nameChecks: Checks<NameOptions> = { name: text }
