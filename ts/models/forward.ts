/** A forward pass of a network: its weights, and the outputs of its layers. */
import { ArgumentError, describe, StateError } from '../core/errors.js'
import { checkValue, text } from '../core/options.js'
import { scope } from '../core/transforms.js'
import { isTakenApart } from '../layers/activated.js'
import type { Layer } from '../layers/layer.js'
import { type Context, childContext, evalContext } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { Tensor } from '../ops/tensor.js'

/** Return value of a network's `forward`. */
export interface ForwardResult {
  /** `[batch, ...outputShape]`. */
  output: Tensor
  /**
   * Outputs of the layers that are points of the information plane, without gradient, input side first. Empty if the context does not track
   * them; `network.context()`, the default, tracks them.
   */
  hidden: Tensor[]
}

/** Context with which a network's `forward` runs its layers. */
export interface ForwardContext {
  /** True in training: dropout is active, and batch normalization uses the statistics of the batch. */
  readonly training: boolean
  /** True if `forward` returns `hidden`. */
  readonly tracking: boolean
  /** Runs a registered layer with the weights, state and random key of this pass. */
  run(layer: Layer, x: Tensor): Tensor
  /** The tensor without gradient, for `hidden`. It keeps the name of the layer that computed it. */
  detach(output: Tensor): Tensor
  /**
   * Names a tensor that is not the output of a layer, such as a sum of outputs, so that evaluators and `activations` can refer to it.
   * Returns the tensor without gradient, for `hidden`.
   *
   * @throws ArgumentError if a layer or another point of the pass has the name
   */
  point(name: string, output: Tensor): Tensor
}

/** A registered layer with its path, such as `layers.2`. */
export interface LayerEntry {
  readonly path: string
  readonly layer: Layer
}

/** Arguments of a {@link ForwardPass}. */
export interface PassOptions {
  readonly entries: ReadonlyMap<Layer, LayerEntry>
  /** The network's module, whose children are the layers. Its state is read by `read`. */
  readonly context: Context
  readonly tracking: boolean
  /** Whether a layer runs in evaluation mode in a training pass. Default: no layer. */
  readonly evaluates?: ((layer: Layer) => boolean) | undefined
  /** Called with the name and output of every layer that is run, of nested layers by their path, and of every `point`. */
  readonly observe?: ((name: string, output: Tensor) => void) | undefined
  /** Values of weights and state by path, e.g. `layers.2.kernel`. */
  read(path: string): Tensor
}

/** Runs layers and records which layer computed each tensor. */
export class ForwardPass implements ForwardContext {
  readonly training: boolean
  readonly tracking: boolean
  readonly #options: PassOptions
  readonly #producers = new Map<Tensor, Layer>()
  readonly #logits = new Map<Tensor, Tensor>()
  /** Names given by `point`. */
  readonly #points = new Map<Tensor, string>()

  constructor(options: PassOptions) {
    this.#options = options
    this.training = options.context.training
    this.tracking = options.tracking
  }

  run(layer: Layer, x: Tensor): Tensor {
    const entry = this.#options.entries.get(layer)
    if (entry === undefined) {
      throw new StateError(
        `layer '${layer.name}' is run by a network that it was not registered with; call this.register(layer, inputShape) in the constructor`,
      )
    }
    return scope(entry.path, () => {
      if (!(x instanceof Tensor)) {
        throw new ArgumentError(
          `${layer.name}: given ${describe(x)}, expected a Tensor; make one with tensor(...)`,
        )
      }
      const output = this.#apply(entry, x)
      if (!(output instanceof Tensor)) {
        throw new ArgumentError(
          `${layer.name}: the layer or its activation returned ${describe(output)}, expected a Tensor`,
        )
      }
      this.#producers.set(output, layer)
      this.#options.observe?.(layer.name, output)
      return output
    })
  }

  #apply({ path, layer }: LayerEntry, x: Tensor): Tensor {
    const { context, entries, evaluates, read } = this.#options
    const values = (shapes: object) =>
      Object.fromEntries(Object.keys(shapes).map((name) => [name, read(`${path}.${name}`)]))
    const weights: Weights = values(layer.paramShapes)
    const index = [...entries.keys()].indexOf(layer)
    const state = values(layer.stateShapes)
    const { observe } = this.#options
    const looked = {
      observe:
        observe &&
        ((inner: string, output: unknown) => {
          if (output instanceof Tensor) observe(`${layer.name}.${inner}`, output)
        }),
    }
    const ctx = evaluates?.(layer)
      ? { ...evalContext(state), ...looked }
      : childContext(context, path, index, state, looked)
    if (!isTakenApart(layer) || layer.activationName !== 'softmax') return layer.apply(weights, x, ctx)
    const logits = layer.preActivation(weights, x, ctx)
    const output = layer.activate(logits)
    this.#logits.set(output, logits)
    return output
  }

  /** The layer that computed a tensor in this pass; undefined for other tensors. */
  producer(output: Tensor): Layer | undefined {
    return this.#producers.get(output)
  }

  /** The name of a point: that of the layer that computed it, or the one given to `point`. */
  nameOf(output: Tensor): string | undefined {
    return this.#points.get(output) ?? this.#producers.get(output)?.name
  }

  point(name: string, output: Tensor): Tensor {
    checkValue('point: name', name, text)
    if (!(output instanceof Tensor)) {
      throw new ArgumentError(`point: given ${describe(output)} as '${name}', expected a Tensor`)
    }
    const taken = [...this.#options.entries.keys()].some((layer) => layer.name === name)
    if (taken || [...this.#points.values()].includes(name)) {
      throw new ArgumentError(
        `point: the name '${name}' is that of ${taken ? 'a layer' : 'another point'}; give another`,
      )
    }
    const detached = output.stopGradient()
    this.#points.set(detached, name)
    this.#options.observe?.(name, detached)
    return detached
  }

  /** The input of the softmax layer that computed a tensor in this pass; undefined for other tensors. */
  logitsOf(output: Tensor): Tensor | undefined {
    return this.#logits.get(output)
  }

  detach(output: Tensor): Tensor {
    const detached = output.stopGradient()
    const layer = this.#producers.get(output)
    if (layer !== undefined) this.#producers.set(detached, layer)
    return detached
  }
}

/** @throws {ArgumentError} for a value that is not the context of a pass */
export function checkPass(ctx: ForwardContext): void {
  if (typeof ctx?.run === 'function') return
  throw new ArgumentError(
    `forward: given ${describe(ctx)} as context, expected that of a pass: model.context()`,
  )
}
