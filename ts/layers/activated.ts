import type { Checks } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { type ActivationName, logSoftmax, resolveActivation, softmax } from '../ops/activations.js'
import type { Tensor } from '../ops/tensor.js'
import { type ActivationFunction, activation, type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Activations along axis 1: the features, or the channels of a feature map. */
const OVER_FEATURES: Partial<Record<ActivationName, ActivationFunction>> = {
  softmax: (x) => softmax(x, 1),
  logSoftmax: (x) => logSoftmax(x, 1),
}

/** Options of every layer that ends in an activation. */
export interface ActivatedOptions extends NameOptions {
  /** Name or function applied to the output. Default 'linear'. */
  activation?: ActivationName | ActivationFunction
}

export const activatedChecks: Checks<ActivatedOptions> = { activation, ...nameChecks }

/** Base of layers of the form `activation(f(weights, x))`; a subclass defines `f` as `preActivation`. */
export abstract class ActivatedLayer<W extends object = Weights> extends Layer<W> {
  readonly #activation: ActivationName | ActivationFunction
  readonly #activate: ActivationFunction

  constructor(kind: string, options: ActivatedOptions) {
    super({ kind, name: options.name })
    const { activation = 'linear' } = options
    const fn = resolveActivation(activation)
    this.#activation = activation
    this.#activate = typeof activation === 'string' ? (OVER_FEATURES[activation] ?? fn) : fn
  }

  override get activationName(): string {
    return typeof this.#activation === 'string' ? this.#activation : 'custom'
  }

  abstract override preActivation(weights: W, x: Tensor, ctx: Context): Tensor

  override activate(x: Tensor): Tensor {
    idOf(this.name, x)
    return this.#activate(x)
  }

  apply(weights: W, x: Tensor, ctx: Context): Tensor {
    return this.activate(this.preActivation(weights, x, ctx))
  }
}

/** Whether `apply` is `activate(preActivation(...))`: false for a class that overrides `apply`. */
export function isTakenApart(layer: Layer<object>): layer is ActivatedLayer<object> {
  return layer instanceof ActivatedLayer && layer.apply === ActivatedLayer.prototype.apply
}
