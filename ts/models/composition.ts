/** The layers of a network and their composition: all of a network except training. */
import { deviceNamed } from '../core/devices.js'
import { ArgumentError, DeviceError, describe, StateError } from '../core/errors.js'
import { isInstance } from '../core/options.js'
import { Variable } from '../core/variable.js'
import type { SaveDynamics } from '../dynamics/save.js'
import { Layer } from '../layers/layer.js'
import type { FloatDType } from '../nn/initializers.js'
import type { Module } from '../nn/module.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import { foldIn, key, splitKey } from '../ops/random.js'
import type { Device, DeviceRequest, Shape, Tensor } from '../ops/tensor.js'
import { checkIdle, disposeState, exclusively, stateOf, TrainingState } from '../train/state.js'
import type { ForwardContext, ForwardPass, ForwardResult, LayerEntry } from './forward.js'
import { nameLayer } from './layer-names.js'
import { type NetworkOptions, resolveNetwork, type Segment } from './network-options.js'
import { type ApplyOptions, applyRequest, type PassRequest, passOf } from './pass.js'
import { NetworkModule } from './root.js'

/** Ends of the messages that refuse a change during fit. */
const mode = 'in between, apply({}, x) gives outputs in evaluation mode'
const frozen = 'call fit once for each set of layers to train'

/** Layers with their weights and state, composed by `forward`, on one device. {@link Network} trains it. */
export abstract class Composition {
  readonly seed: number
  readonly dtype: FloatDType
  readonly trackDynamics: boolean
  readonly saveDynamics: Readonly<Required<SaveDynamics>> | undefined
  readonly segment: Segment
  readonly compat: 'doubleSoftmax' | undefined
  /** State of the model's training. @internal */
  readonly trainingState: TrainingState
  /** Whether the network has no weights of its own, see {@link NetworkOptions.noWeights}. */
  readonly noWeights: boolean
  /** The network as a module: its layers are the children, `layers.0` and so on, and hold all weights and state. */
  readonly module: Module

  readonly #root: NetworkModule
  readonly #inputShape: Shape
  readonly #entries = new Map<Layer, LayerEntry>()
  #device: Device
  readonly #rootKey: Tensor

  constructor(options: NetworkOptions) {
    const settings = resolveNetwork(options)
    this.#inputShape = settings.inputShape
    this.#device = settings.device
    this.seed = settings.seed
    this.dtype = settings.dtype
    this.trackDynamics = settings.trackDynamics
    this.saveDynamics = settings.saveDynamics
    this.segment = settings.segment
    this.compat = settings.compat
    this.noWeights = settings.noWeights
    const root = key(this.seed)
    this.#rootKey = foldIn(root, 0)
    this.trainingState = new TrainingState(this.seed, settings.device)
    root.dispose()
    this.#root = new NetworkModule({
      name: this.constructor.name,
      inputShape: settings.inputShape,
      dtype: settings.dtype,
      run: (weights, x, { training, key: own = null, state, update }) =>
        this.forward(x, this.pass({ weights, training, key: own, state, update, tracking: false })).output,
    })
    this.module = this.#root
    this.module.guard = (change) => checkIdle(this, change, frozen)
  }

  /**
   * The arguments of the constructor, which `save` writes into the file for `load(path)`. A class whose constructor takes other arguments
   * overrides it.
   */
  settings(): readonly unknown[] {
    const { inputShape, seed, dtype, trackDynamics, saveDynamics, segment, compat, noWeights } = this
    return [{ inputShape, seed, dtype, trackDynamics, saveDynamics, segment, compat, noWeights }]
  }

  /** Shape of one input. */
  get inputShape(): Shape {
    return this.#inputShape
  }

  /** Device of weights, state and computation. */
  get device(): Device {
    return this.#device
  }

  /** The registered layers in order. */
  get layers(): readonly Layer[] {
    return [...this.#entries.keys()]
  }

  /** Number of layers, those without parameters included. */
  get numLayers(): number {
    return this.#entries.size
  }

  /** Whether the weights are on a CUDA device. */
  get isGpu(): boolean {
    return /^cuda/.test(this.device)
  }

  /** Whether the model is in training mode, in which `forward` drops out and uses batch statistics. */
  get training(): boolean {
    return stateOf(this).training
  }

  /** Changes to training mode. Throws StateError during fit, which sets the mode itself. */
  train(): this {
    checkIdle(this, 'train', mode)
    stateOf(this).training = true
    return this
  }

  /** Changes to evaluation mode, the mode of a new model. Throws StateError during fit. */
  eval(): this {
    checkIdle(this, 'eval', mode)
    stateOf(this).training = false
    return this
  }

  /** Weights by path, such as `layers.2.kernel`, in the order of the layers. Empty for a network without weights of its own. */
  get weights(): Record<string, Variable> {
    stateOf(this)
    return Object.fromEntries(this.module.params)
  }

  /** The weights that training changes. */
  get trainableWeights(): Record<string, Variable> {
    stateOf(this)
    return Object.fromEntries(this.module.trainableParams)
  }

  /** State of the layers besides weights, such as running statistics, by path. */
  get stateVariables(): Record<string, Variable> {
    stateOf(this)
    return Object.fromEntries(this.module.state)
  }

  /** Shapes of the weights by path, in order, of the network's own weights or of the weights that `apply` needs. */
  get paramShapes(): Readonly<Record<string, Shape>> {
    return this.module.paramShapes
  }

  /** All trainable Variables. */
  parameters(): Variable[] {
    return Object.values(this.trainableWeights)
  }

  /** Number of weights. */
  countParams(): number {
    return this.module.countParams()
  }

  /**
   * Freezes weights: `freeze('layers.0')`, `freeze('**.bias')`. `*` matches any part of a name, `**` any number of names, and the path of a layer
   * all of the layer's weights.
   *
   * @returns the paths of the matching weights
   * @throws UnknownNameError if no weight matches; StateError during fit
   */
  freeze(pattern: string): string[] {
    return this.module.freeze(pattern)
  }

  /** Unfreezes weights; arguments and errors are those of `freeze`. */
  unfreeze(pattern: string): string[] {
    return this.module.unfreeze(pattern)
  }

  /**
   * Makes a layer part of the network and creates its weights; its path is `layers.N`, in order, unless it is named.
   *
   * @param inputShape shape of one input of the layer; default the network's input shape
   * @param name path of its weights in place of `layers.N`, such as 'encoder'
   * @returns the layer
   * @throws StateError after `compile` or for a layer that is in use; ShapeError if the layer cannot take the shape
   */
  register<L extends Layer>(layer: L, inputShape: Shape = this.inputShape, name?: string): L {
    const state = stateOf(this)
    if (state.compiled !== undefined) {
      throw new StateError('a layer was added after compile; add all layers first, then compile')
    }
    if (!isInstance(layer, Layer))
      throw new ArgumentError(`given ${describe(layer)} as a layer, expected a Layer`)
    const index = this.#entries.size
    const path = name ?? `layers.${index}`
    if (!layer.declared) nameLayer(layer, this.layers)
    const { device, dtype, noWeights } = this
    using ownKey = foldIn(this.#rootKey, index)
    this.#root.add(path, layer, inputShape, { key: ownKey, dtype, noWeights, device })
    this.#entries.set(layer, { path, layer })
    state.predictor?.dispose()
    state.predictor = undefined
    return layer
  }

  /**
   * The network as a composition of its layers. Each kind of network overrides it, and runs layers with `ctx.run(layer, x)`, so that
   * the pass chooses weights, mode and random numbers.
   *
   * @param x `[batch, ...inputShape]`; @param ctx default `this.context()`, the network's own weights in its current mode
   */
  abstract forward(x: Tensor, ctx?: ForwardContext): ForwardResult

  /** A pass over the network's own weights, in its current mode, that tracks `hidden`. In training mode the layers' state is updated at once. */
  context(): ForwardContext {
    return this.pass({ training: this.training, tracking: true })
  }

  /**
   * A pass over given weights. @internal
   *
   * @param options weights and state by path, by default the network's own; `key` null for no key, by default the next key of the
   * network's own stream
   */
  pass(options: PassRequest): ForwardPass {
    const { rng } = stateOf(this).record
    const drawKey = () => {
      const [use, next] = splitKey(rng.value) as [Tensor, Tensor]
      rng.assign(next)
      return use
    }
    const { tracking = this.trackDynamics } = options
    const passed = { ...options, tracking }
    return passOf(
      { name: this.constructor.name, module: this.module, entries: this.#entries, drawKey },
      passed,
    )
  }

  /** Output for a batch, with the network's own weights in its current mode. */
  call(x: Tensor): Tensor {
    return this.forward(x, this.pass({ training: this.training, tracking: false })).output
  }

  /**
   * The network as a pure function of its weights, differentiable any number of times.
   *
   *     const { value, grads } = valueAndGrad((w) => loss(net.apply(w, x), y), net.weights)
   *
   * @param weights tensors by path, as in `weights`; a missing path stands for the network's own weight
   * @param x `[batch, ...inputShape]`
   * @returns `[batch, ...outputShape]`
   * @throws UnknownNameError for a path that is not a weight
   */
  apply(weights: Readonly<Record<string, Tensor>>, x: Tensor, options: ApplyOptions = {}): Tensor {
    const request = applyRequest('apply', this.paramShapes, weights, options)
    stateOf(this)
    return this.forward(x, this.pass(request)).output
  }

  /**
   * Moves the network to another device: weights, state, the random key and the state of its optimizer. Compiled steps are traced again. Tensors read
   * before do not move.
   *
   *     await model.to('reference')
   *
   * @returns this network, after all copies are complete and the former memory is released
   * @throws StateError (rejects) during training or evaluation of the model; DeviceError for a missing device, or without memory on it, before anything
   *   is changed
   */
  async to(device: DeviceRequest): Promise<this> {
    const what = `${this.constructor.name}: to`
    // From JavaScript: without a device the network would silently move to the default device.
    if ((device as unknown) === undefined) {
      throw new DeviceError(
        `${what}: given no device; name one: await model.to('reference'), or 'auto' for the default device`,
      )
    }
    const wanted = deviceNamed(what, device)
    await exclusively(this, 'to', async () => {
      const state = stateOf(this)
      await Variable.move(what, this.#variables(), wanted)
      this.#device = wanted
      state.predictor?.dispose()
      state.predictor = undefined
    })
    return this
  }

  /**
   * Refuses `JSON.stringify`: weights are not JSON.
   *
   * @throws ArgumentError
   */
  toJSON(): never {
    throw new ArgumentError(
      `JSON: a ${this.constructor.name} has weights, which are not JSON; write it to a file with await model.save(path), and read it with load(path)`,
    )
  }

  /** The optimizers by the prefixes of their arrays' names in files. @internal */
  ownOptimizers(): ReadonlyMap<string, Optimizer> {
    const { compiled } = stateOf(this)
    return new Map(compiled === undefined ? [] : [['optimizer', compiled.optimizer]])
  }

  /** All Variables on the network's device. */
  #variables(): Variable[] {
    const { params, state } = this.module
    const trained = [...this.ownOptimizers().values()].flatMap((optimizer) => [
      ...optimizer.stateVariables().values(),
    ])
    return [...params.values(), ...state.values(), stateOf(this).record.rng, ...trained]
  }

  /**
   * Releases the memory of the model at once: weights, state, the optimizer's state and the compiled function of `predict`. A second call does
   * nothing. `layers`, `numLayers`, `inputShape` and `countParams()` stay readable, as do tensors of dynamics that were read before; all other uses
   * throw {@link DisposedError}. The garbage collector releases a model that was dropped without `dispose`.
   *
   * @throws StateError during training or evaluation of the model
   */
  dispose(): void {
    disposeState(this)
    this.#rootKey.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
