import { ArgumentError, describe, describeList, ShapeError, StateError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { floatDType, tensorOnly } from '../core/operands.js'
import { atLeast, type Checks, checkOptions, checkValue, flag, isList, text } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import { Variable } from '../core/variable.js'
import {
  constant,
  type FloatDType,
  fans,
  type Initializer,
  type InitializerName,
  resolveInitializer,
} from '../nn/initializers.js'
import { foldIn, key as randomKey } from '../ops/random.js'
import { type Shape, Tensor } from '../ops/tensor.js'
import { type Context, evalContext } from './context.js'

/** Named weights, as `apply` receives them. */
export type Weights = Record<string, Tensor>

/** How a layer's parameters are made. */
export interface InitializeOptions {
  /** Random key for the initial weights. Default `key(0)`. */
  key?: Tensor
  /** Dtype of parameters and state. Default 'float32'. */
  dtype?: FloatDType
}

/** Options of one parameter. */
export interface ParamOptions {
  /** Default true. */
  trainable?: boolean
  /** Inputs that one output sums over; default from the shape, read as `[out, in, ...kernel]`. */
  fanIn?: number
  /** Outputs that one input reaches; default from the shape. */
  fanOut?: number
}

/** Options of one call of a layer. */
export interface CallOptions {
  /** Whether dropout drops and statistics move. Default false. */
  training?: boolean
  /** Random key of the call, for layers that draw numbers. */
  key?: Tensor
}

const initializeChecks: Checks<InitializeOptions> = { key: tensorOnly, dtype: floatDType }
const paramChecks: Checks<ParamOptions> = { trainable: flag, fanIn: atLeast(0), fanOut: atLeast(0) }
const callChecks: Checks<CallOptions> = { training: flag, key: tensorOnly }

/**
 * One layer of a network: shapes and parameters in `build`, mathematics in `apply`.
 *
 * `apply` is pure. It gets its weights as an argument and never reads the layer's own Variables, so it works just as well with
 * weights that another network made, and can be differentiated any number of times.
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
 * Shapes of a layer leave out the batch axis, which always comes first.
 */
export abstract class Layer<W extends object = Weights> {
  /** What sort of layer this is, e.g. `'conv2d'`; automatic names begin with it. */
  readonly kind: string
  /** True when the user gave the name, false when it is automatic. */
  readonly named: boolean
  /** Trained parameters and other weights, by name. Empty before `initialize`. */
  readonly params: Map<string, Variable> = new Map()
  /** What the layer remembers besides weights, such as running statistics. */
  readonly state: Map<string, Variable> = new Map()
  /** Throws where the layer's network does not allow a change now. @internal */
  guard: (() => void) | undefined

  #trainable = true
  #name: string
  #inputShape: Shape | undefined
  #outputShape: Shape | undefined
  #key: Tensor | undefined
  #dtype: FloatDType = 'float32'
  #declared = 0

  constructor(options: { name?: string | undefined; kind?: string } = {}) {
    this.kind = options.kind ?? snakeCase(new.target.name || 'layer')
    if (options.name !== undefined) checkValue(`${this.kind}: name`, options.name, text)
    this.named = options.name !== undefined
    this.#name = options.name ?? this.kind
  }

  /** When false, training leaves the parameters as they are. Setting it throws StateError while the network is in the middle of fit. */
  get trainable(): boolean {
    return this.#trainable
  }

  set trainable(trainable: boolean) {
    this.guard?.()
    this.#trainable = trainable
  }

  /** Name in messages, summaries and paths of weights. A model numbers unnamed layers before it initializes them. */
  get name(): string {
    return this.#name
  }

  set name(name: string) {
    if (this.built) throw new StateError(`layer '${this.#name}' is in use; its name can no longer change`)
    this.#name = checkValue(`${this.kind}: name`, name, text)
  }

  /** Shape of one input sample, once initialized. */
  get inputShape(): Shape | undefined {
    return this.#inputShape
  }

  /** Shape of one output sample, once initialized. */
  get outputShape(): Shape | undefined {
    return this.#outputShape
  }

  /** True after `initialize`. */
  get built(): boolean {
    return this.#outputShape !== undefined
  }

  /** Whether the layer is a point of the information plane: true exactly when it has parameters. */
  get countsInDynamics(): boolean {
    return this.params.size > 0
  }

  /** Name of the function that `activate` applies: 'linear' unless the layer has an activation. */
  get activationName(): string {
    return 'linear'
  }

  /**
   * Declares parameters and state with `this.param` and `this.stateVar`, checks the input shape, and returns the output shape.
   * Called once, by `initialize`.
   */
  abstract build(inputShape: Shape): Shape

  /**
   * The layer as a pure function.
   *
   * @param weights this layer's weights by name
   * @param x `[batch, ...inputShape]`
   * @returns `[batch, ...outputShape]`
   */
  abstract apply(weights: W, x: Tensor, ctx: Context): Tensor

  /**
   * The output before the activation; `activate(preActivation(...))` is `apply(...)`. A model whose last activation is softmax
   * computes cross-entropy from this, so that the softmax is applied once and stays accurate.
   */
  preActivation(weights: W, x: Tensor, ctx: Context): Tensor {
    return this.apply(weights, x, ctx)
  }

  /** The activation alone; the identity for a layer without one. */
  activate(x: Tensor): Tensor {
    idOf(this.name, x)
    return x
  }

  /** An independent layer of the same configuration, not yet initialized. */
  clone(): Layer<W> {
    throw new ArgumentError(
      `layer '${this.name}' (${this.constructor.name}) cannot be copied: give the class a clone() that returns a new instance`,
    )
  }

  /**
   * Fixes the input shape and creates the parameters. Models call this when a layer is added.
   *
   * @returns the output shape
   * @throws StateError when the layer is already initialized; ShapeError when it cannot take the input shape
   */
  initialize(inputShape: Shape, options: InitializeOptions = {}): Shape {
    const given = checkOptions(`${this.name}: initialize`, options, initializeChecks)
    if (this.built) {
      throw new StateError(
        `layer '${this.name}' is already part of a network (input shape [${this.#inputShape}]); make a new layer instead of adding it twice`,
      )
    }
    checkExtents(inputShape, () => `${this.name}: input shape`)
    this.#key = given.key ?? randomKey(0)
    this.#dtype = given.dtype ?? 'float32'
    let outputShape: Shape
    try {
      outputShape = this.build(inputShape)
      if (!Array.isArray(outputShape)) {
        throw new ShapeError(
          `${this.name}: build() must return the output shape without the batch axis, received ${describe(outputShape)}`,
        )
      }
      checkExtents(outputShape, () => `${this.name}: output shape for the input shape [${inputShape}]`)
    } catch (error) {
      for (const variable of [...this.params.values(), ...this.state.values()]) variable.dispose()
      this.params.clear()
      this.state.clear()
      this.#declared = 0
      throw error
    } finally {
      this.#key = undefined
    }
    this.#inputShape = Object.freeze([...inputShape])
    this.#outputShape = Object.freeze([...outputShape])
    return this.#outputShape
  }

  /** Current values of the parameters, in the form that `apply` takes. */
  weights(): W {
    return valuesOf(this.params) as W
  }

  /** Current values of the state. */
  stateValues(): Record<string, Tensor> {
    return valuesOf(this.state)
  }

  /** Number of entries over all parameters. */
  countParams(): number {
    let total = 0
    for (const variable of this.params.values()) {
      total += variable.shape.reduce((product, extent) => product * extent, 1)
    }
    return total
  }

  /**
   * Runs the layer on its own Variables; in training, its state is updated. A layer that is not initialized takes its input
   * shape from `x`.
   */
  call(x: Tensor, options: CallOptions = {}): Tensor {
    const { training = false, key } = checkOptions(`${this.name}: call`, options, callChecks)
    idOf(this.name, x)
    if (!this.built) {
      this.initialize(x.shape.slice(1), { dtype: x.dtype === 'float64' ? 'float64' : 'float32' })
    }
    if (!training) return this.apply(this.weights(), x, evalContext(this.stateValues()))
    const updates: [Variable, Tensor][] = []
    const y = this.apply(this.weights(), x, {
      training: true,
      ...(key === undefined ? {} : { key }),
      state: this.stateValues(),
      update: (name, value) => updates.push([this.#stateNamed(name), value]),
    })
    for (const [variable, value] of updates) variable.assign(value)
    return y
  }

  /** Declares a parameter; only inside `build`. A tensor or number as initial value is broadcast to the shape. */
  protected param(
    name: string,
    shape: Shape,
    initial: Initializer | InitializerName | Tensor | number = 'uniformFanIn',
    options: ParamOptions = {},
  ): Variable {
    const given = checkOptions(`${this.name}: parameter '${name}'`, options, paramChecks)
    return this.#declare(this.params, name, shape, initial, given)
  }

  /** Declares an entry of the state, which training does not differentiate; only inside `build`. */
  protected stateVar(
    name: string,
    shape: Shape,
    initial: Initializer | InitializerName | Tensor | number = 'zeros',
  ): Variable {
    return this.#declare(this.state, name, shape, initial, { trainable: false })
  }

  #declare(
    target: Map<string, Variable>,
    name: string,
    shape: Shape,
    initial: Initializer | InitializerName | Tensor | number,
    options: ParamOptions,
  ): Variable {
    if (this.#key === undefined) {
      throw new StateError(
        `${this.name}: '${name}' was declared outside build(); declare parameters in build() and start it with initialize()`,
      )
    }
    if (this.params.has(name) || this.state.has(name)) {
      throw new ArgumentError(`${this.name}: '${name}' is declared twice; give each parameter its own name`)
    }
    checkExtents(shape, () => `${this.name}: shape of parameter '${name}'`)
    const key = this.#key
    const variable = tidy(() => {
      const value = this.#initialValue(foldIn(key, this.#declared++), shape, initial, options)
      if (value.shape.length !== shape.length || value.shape.some((extent, axis) => extent !== shape[axis])) {
        throw new ShapeError(
          `${this.name}: the initializer of '${name}' gave shape [${value.shape}], expected [${shape}]`,
        )
      }
      return new Variable(value, { name: `${this.name}.${name}`, trainable: options.trainable ?? true })
    })
    target.set(name, variable)
    return variable
  }

  #initialValue(
    key: Tensor,
    shape: Shape,
    initial: Initializer | InitializerName | Tensor | number,
    options: ParamOptions,
  ): Tensor {
    if (initial instanceof Tensor) return initial.cast(this.#dtype).broadcastTo(shape)
    const defaults = fans(shape)
    const initializer = typeof initial === 'number' ? constant(initial) : resolveInitializer(initial)
    const { fanIn = defaults.fanIn, fanOut = defaults.fanOut } = options
    return initializer(key, shape, fanIn, fanOut, this.#dtype)
  }

  #stateNamed(name: string): Variable {
    const variable = this.state.get(name)
    if (variable === undefined) {
      throw new ArgumentError(
        `${this.name}: update of an unknown state '${name}'; declared are ${[...this.state.keys()].join(', ') || 'none'}`,
      )
    }
    return variable
  }
}

function valuesOf(variables: Map<string, Variable>): Record<string, Tensor> {
  return Object.fromEntries([...variables].map(([name, variable]) => [name, variable.value]))
}

function checkExtents(shape: Shape, what: () => string): void {
  if (!isList(shape)) {
    throw new ShapeError(`${what()} must be an array of extents such as [3], received ${describe(shape)}`)
  }
  // findIndex visits holes too.
  const bad = shape.findIndex((extent) => !Number.isSafeInteger(extent) || extent < 1)
  if (bad >= 0) {
    throw new ShapeError(
      `${what()} must hold positive whole extents, received ${describeList(shape)} (axis ${bad})`,
    )
  }
}

function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])([A-Z])/g, '_$1').toLowerCase()
}
