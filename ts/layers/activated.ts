import {
  elu,
  gelu,
  leakyRelu,
  linear,
  logSigmoid,
  logSoftmax,
  relu,
  selu,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from '../activations.js'
import { unknownName } from '../errors.js'
import type { Tensor } from '../tensor.js'
import type { Context } from './context.js'
import { Layer, type Weights } from './layer.js'

/** Activations by name. Softmax and log-softmax run over axis 1: the features, or the channels of a feature map. */
const ACTIVATIONS = {
  linear: (x: Tensor) => linear(x),
  relu: (x: Tensor) => relu(x),
  sigmoid: (x: Tensor) => sigmoid(x),
  tanh: (x: Tensor) => tanh(x),
  softmax: (x: Tensor) => softmax(x, 1),
  logSoftmax: (x: Tensor) => logSoftmax(x, 1),
  softplus: (x: Tensor) => softplus(x),
  leakyRelu: (x: Tensor) => leakyRelu(x),
  elu: (x: Tensor) => elu(x),
  selu: (x: Tensor) => selu(x),
  gelu: (x: Tensor) => gelu(x),
  silu: (x: Tensor) => silu(x),
  logSigmoid: (x: Tensor) => logSigmoid(x),
} satisfies Record<string, (x: Tensor) => Tensor>

/** Activations that can be asked for by name. */
export type ActivationName = keyof typeof ACTIVATIONS

/** Any function of a tensor can be an activation. */
export type ActivationFunction = (x: Tensor) => Tensor

/** The names that `activation` accepts. */
export const activationNames = Object.keys(ACTIVATIONS) as readonly ActivationName[]

/** The function of a name, with that name; a function is called 'custom'. Throws UnknownNameError for another name. */
export function resolveActivation(activation: ActivationName | ActivationFunction = 'linear'): {
  name: string
  fn: ActivationFunction
} {
  if (typeof activation === 'function') return { name: 'custom', fn: activation }
  if (!Object.hasOwn(ACTIVATIONS, activation)) {
    throw unknownName('activation', String(activation), activationNames)
  }
  return { name: activation, fn: ACTIVATIONS[activation] }
}

/** Options of every layer that ends in an activation. */
export interface ActivatedOptions {
  /** Name or function applied to the output. Default 'linear'. */
  activation?: ActivationName | ActivationFunction
  /** Name of the layer. Default: the kind and a number, given by the model. */
  name?: string
}

/** Base of layers of the form `activation(f(weights, x))`; a subclass defines `f` as `preActivation`. */
export abstract class ActivatedLayer<W extends object = Weights> extends Layer<W> {
  readonly #activation: { name: string; fn: ActivationFunction }

  constructor(kind: string, options: ActivatedOptions) {
    super({ kind, name: options.name })
    this.#activation = resolveActivation(options.activation)
  }

  override get activationName(): string {
    return this.#activation.name
  }

  abstract override preActivation(weights: W, x: Tensor, ctx: Context): Tensor

  override activate(x: Tensor): Tensor {
    return this.#activation.fn(x)
  }

  apply(weights: W, x: Tensor, ctx: Context): Tensor {
    return this.activate(this.preActivation(weights, x, ctx))
  }
}
