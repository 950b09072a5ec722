/** Checks of the options of several layers. */

import { type Check, type Checks, elsewhere, flag, nameOrFunction, text } from '../core/options.js'
import { type Initializer, type InitializerName, initializerNames } from '../nn/initializers.js'
import { type ActivationName, activationNames } from '../ops/activations.js'
import type { ActivatedOptions, ActivationFunction } from './activated.js'
import type { PoolOptions } from './pool.js'
import type { RecurrentOptions } from './recurrent.js'

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

export const activatedChecks: Checks<ActivatedOptions> = { activation, ...nameChecks }

export const poolChecks: Checks<PoolOptions> = {
  stride: elsewhere(),
  padding: elsewhere(),
  ceilMode: flag,
  ...nameChecks,
}

export const recurrentChecks: Checks<RecurrentOptions> = {
  returnSequences: flag,
  activation,
  useBias: flag,
  kernelInitializer: initializer,
  recurrentInitializer: initializer,
  biasInitializer: initializer,
  ...nameChecks,
}
