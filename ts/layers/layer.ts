import { tensorOnly } from '../core/operands.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import type { Variable } from '../core/variable.js'
import { type Context, evalContext, stateAt } from '../nn/context.js'
import { Module, type Weights } from '../nn/module.js'
import type { Tensor } from '../ops/tensor.js'

/** Options of one call of a layer. */
export interface CallOptions {
  /** Whether dropout drops and running statistics are updated. Default false. */
  training?: boolean
  /** Random key of the call, for layers that draw numbers. */
  key?: Tensor
}

const callChecks: Checks<CallOptions> = { training: flag, key: tensorOnly }

/**
 * One layer of a network: a module from one tensor to one tensor, both with a leading batch axis.
 *
 *     class Scale extends Layer<{ gain: Tensor }> {
 *       build(inputShape: Shape) {
 *         this.param('gain', inputShape, 'ones')
 *         return inputShape
 *       }
 *       apply({ gain }: { gain: Tensor }, x: Tensor) {
 *         return x.mul(gain)
 *       }
 *     }
 *
 * Layers may contain layers, see {@link Module}.
 */
export abstract class Layer<W extends object = Weights> extends Module<W> {
  /** Whether the layer is a point of the information plane: true if and only if it has parameters. */
  get countsInDynamics(): boolean {
    return Object.keys(this.paramShapes).length > 0
  }

  /** Name of the function of `activate`: 'linear' for a layer without activation. */
  get activationName(): string {
    return 'linear'
  }

  /**
   * The output before the activation; `activate(preActivation(...))` is `apply(...)`. A model whose last activation is softmax
   * computes cross-entropy from the pre-activation, so that the softmax is applied once and stays accurate.
   */
  preActivation(weights: W, x: Tensor, ctx: Context): Tensor {
    return this.apply(weights, x, ctx)
  }

  /** The activation alone; the identity for a layer without one. */
  activate(x: Tensor): Tensor {
    idOf(this.name, x)
    return x
  }

  /**
   * Runs the layer on its own Variables; in training, its state is updated. A layer that is not declared takes its input shape from
   * `x`, and initializes its weights with `key(0)`.
   */
  call(x: Tensor, options: CallOptions = {}): Tensor {
    const { training = false, key } = checkOptions(`${this.name}: call`, options, callChecks)
    idOf(this.name, x)
    if (!this.declared) this.declare(x.shape.slice(1))
    if (!this.initialized) this.initialize({ dtype: x.dtype === 'float64' ? 'float64' : 'float32' })
    if (!training) return this.apply(this.weights(), x, evalContext(this.stateValues()))
    const { state } = this
    const updates: [Variable, Tensor][] = []
    const y = this.apply(this.weights(), x, {
      training: true,
      ...(key === undefined ? {} : { key }),
      state: this.stateValues(),
      update: (path, value) => updates.push([stateAt(this.name, state, path), value]),
    })
    for (const [variable, value] of updates) variable.assign(value.stopGradient())
    return y
  }

  /** The name as an option, if the user gave one. */
  protected naming(): { name?: string } {
    return this.named ? { name: this.name } : {}
  }
}
