import { above, type Checks, checkOptions, checkValue, finite, flag } from '../core/options.js'
import { type ActivationName, celu, elu, gelu, hardTanh, leakyRelu } from '../ops/activations.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer } from './activated.js'
import { checkInputs } from './arguments.js'
import { type ActivationFunction, type NameOptions, nameChecks } from './checks.js'

/** Options of {@link Activation}: the options of the named function. */
export interface ActivationOptions extends NameOptions {
  /** For 'elu' and 'celu': minus the limit at -infinity. Default 1. */
  alpha?: number
  /** For 'leakyRelu': the slope below 0. Default 0.01. */
  slope?: number
  /** For 'gelu': the approximation by tanh. Default false. */
  approximate?: boolean
  /** For 'hardTanh': the smallest value. Default -1. */
  low?: number
  /** For 'hardTanh': the largest value. Default 1. */
  high?: number
}

/** The functions with options, and the checks of the options. */
const CONFIGURABLE: Partial<
  Record<
    ActivationName,
    { checks: Partial<Checks<ActivationOptions>>; with: (options: ActivationOptions) => ActivationFunction }
  >
> = {
  elu: {
    checks: { alpha: finite },
    with:
      ({ alpha }) =>
      (x) =>
        elu(x, alpha),
  },
  celu: {
    checks: { alpha: above(0) },
    with:
      ({ alpha }) =>
      (x) =>
        celu(x, alpha),
  },
  leakyRelu: {
    checks: { slope: finite },
    with:
      ({ slope }) =>
      (x) =>
        leakyRelu(x, slope),
  },
  gelu: {
    checks: { approximate: flag },
    with:
      ({ approximate = false }) =>
      (x) =>
        gelu(x, { approximate }),
  },
  hardTanh: {
    checks: { low: finite, high: finite },
    with:
      ({ low, high }) =>
      (x) =>
        hardTanh(x, low, high),
  },
}

/**
 * An activation as a layer. The output has the shape of the input.
 *
 *     new Activation('relu')
 *     new Activation('leakyRelu', { slope: 0.2 })
 */
export class Activation extends ActivatedLayer {
  readonly #activation: ActivationName | ActivationFunction
  readonly #options: ActivationOptions

  /** @param activation name such as `'relu'`, or any function of a tensor */
  constructor(activation: ActivationName | ActivationFunction, options: ActivationOptions = {}) {
    const known = typeof activation === 'string' && Object.hasOwn(CONFIGURABLE, activation)
    const own = known ? CONFIGURABLE[activation] : undefined
    const given = checkOptions<ActivationOptions>('Activation', options, {
      ...nameChecks,
      ...own?.checks,
    } as Checks<ActivationOptions>)
    const { name, ...parameters } = given
    // A check of one option cannot compare two options.
    if (activation === 'hardTanh') checkValue('Activation: high', given.high ?? 1, above(given.low ?? -1))
    const isPlain = own === undefined || Object.keys(parameters).length === 0
    const fn = isPlain ? activation : own.with(parameters)
    super('activation', name === undefined ? { activation: fn } : { activation: fn, name })
    this.#activation = activation
    this.#options = given
  }

  override get activationName(): string {
    return typeof this.#activation === 'string' ? this.#activation : super.activationName
  }

  build(inputShape: Shape): Shape {
    return inputShape
  }

  preActivation(weights: Record<string, Tensor>, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    return x
  }

  protected override settings() {
    return [this.#activation, this.#options]
  }
}
