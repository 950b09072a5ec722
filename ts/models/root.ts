import { dryRun } from '../core/debug.js'
import { ShapeError } from '../core/errors.js'
import { tidy } from '../core/transforms.js'
import type { Layer } from '../layers/layer.js'
import type { Context } from '../nn/context.js'
import type { FloatDType } from '../nn/initializers.js'
import { type InitializeOptions, Module, type Weights } from '../nn/module.js'
import { type Shape, type Tensor, zeros } from '../ops/tensor.js'

/** Arguments of a {@link NetworkModule}. */
export interface Computation {
  readonly name: string
  readonly inputShape: Shape
  readonly dtype: FloatDType
  /** The output of the network, from weights by path. */
  run(weights: Weights, x: Tensor, ctx: Context): Tensor
}

/** The root module of a network: the layers are its children, and hold all weights and state. */
export class NetworkModule extends Module {
  readonly #computation: Computation

  constructor(computation: Computation) {
    super({ kind: 'network', name: computation.name })
    this.#computation = computation
  }

  /** Layers have names of their own. */
  protected override get namesChildren(): boolean {
    return false
  }

  build(inputShape: Shape): Shape {
    const { inputShape: own, dtype } = this.#computation
    if (String(inputShape) !== String(own)) {
      throw new ShapeError(`${this.name}: given inputs [${inputShape}], made for inputs [${own}]`)
    }
    return tidy(() =>
      dryRun(() => {
        const weights = Object.entries(this.paramShapes).map(([path, shape]) => [
          path,
          zeros(shape, { dtype }),
        ])
        const state = Object.entries(this.stateShapes).map(([path, shape]) => [path, zeros(shape, { dtype })])
        const ctx = { training: false, state: Object.fromEntries(state), update() {} }
        return this.apply(Object.fromEntries(weights), zeros([1, ...own], { dtype }), ctx).shape.slice(1)
      }),
    )
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    return this.#computation.run(weights, x, ctx)
  }

  /** Makes a layer a child, declares its shapes and makes its Variables. A failure changes nothing. */
  add(path: string, layer: Layer, inputShape: Shape, options: InitializeOptions): void {
    this.child(path, layer)
    try {
      layer.declare(inputShape)
      layer.initialize(options)
    } catch (error) {
      this.removeChild(path)
      throw error
    }
  }
}
