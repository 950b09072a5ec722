import { ArgumentError, describe, StateError } from '../core/errors.js'
import { checkOptions, isInstance, isList } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer, isTakenApart } from './activated.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/**
 * Checks a list of layers.
 *
 * @throws ArgumentError for an empty list, and for entries that are not layers; StateError for a layer that occurs twice
 */
export function checkLayers(what: string, layers: readonly Layer[]): readonly Layer[] {
  if (!isList(layers) || layers.length === 0) {
    throw new ArgumentError(`${what}: given ${describe(layers)}, expected an array of at least one layer`)
  }
  return Array.from(layers, (layer, index) => {
    if (layers.indexOf(layer) < index) {
      throw new StateError(
        `${what}: entries ${layers.indexOf(layer)} and ${index} are one layer; make one for each place`,
      )
    }
    if (isInstance(layer, Layer)) return layer
    throw new ArgumentError(
      `${what}: entry ${index} is ${describe(layer)}, expected a layer such as new Dense(8)`,
    )
  })
}

/** The layer itself, or a {@link Chain} of several. */
export function layerOf(what: string, given: Layer | readonly Layer[]): Layer {
  if (isList(given)) return new Chain(given as readonly Layer[])
  if (isInstance(given, Layer)) return given
  throw new ArgumentError(`${what}: given ${describe(given)}, expected a layer or an array of layers`)
}

/**
 * A sequence of layers as one layer. The first layer's weights are `0.kernel` and so on.
 *
 *     new Residual(new Chain([new Conv2d(8, 3, { padding: 1, activation: 'relu' }), new Conv2d(8, 3, { padding: 1 })]))
 */
export class Chain extends ActivatedLayer {
  /** In order. */
  readonly layers: readonly Layer[]

  constructor(layers: readonly Layer[], options: NameOptions = {}) {
    const given = checkOptions('Chain', options, nameChecks)
    super('chain', given)
    this.layers = checkLayers('Chain', layers)
    for (const [index, layer] of this.layers.entries()) this.child(String(index), layer)
  }

  /** The last layer, if its activation is separable from its other computation. */
  get #last(): ActivatedLayer<object> | undefined {
    const last = this.layers.at(-1) as Layer
    return isTakenApart(last) ? last : undefined
  }

  /** The activation's name of the last layer. */
  override get activationName(): string {
    return this.#last?.activationName ?? 'linear'
  }

  override activate(x: Tensor): Tensor {
    return this.#last?.activate(x) ?? super.activate(x)
  }

  build(inputShape: Shape): Shape {
    return this.layers.reduce((shape, layer) => layer.declare(shape), inputShape)
  }

  preActivation(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    const last = this.#last
    const before = last === undefined ? this.layers : this.layers.slice(0, -1)
    const y = before.reduce((h, layer) => this.runChild(layer, weights, h, ctx), x)
    return last === undefined
      ? y
      : this.within(last, weights, ctx, (own, inner) => last.preActivation(own, y, inner))
  }

  protected override settings() {
    return [this.layers, this.naming()]
  }
}
