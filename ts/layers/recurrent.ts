import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, flag, isList } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import type { Initializer, InitializerName } from '../nn/initializers.js'
import { type ActivationName, resolveActivation } from '../ops/activations.js'
import { stack } from '../ops/index.js'
import { type Shape, type Tensor, zeros } from '../ops/tensor.js'
import { checkInputs, wholeNumber } from './arguments.js'
import { type ActivationFunction, activation, initializer, type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Options of {@link RNN}, {@link LSTM} and {@link GRU}. */
export interface RecurrentOptions extends NameOptions {
  /** Return the output of every step, `[batch, time, units]`, instead of the last output. Default false. */
  returnSequences?: boolean
  /** Activation of the new state. Default 'tanh'. */
  activation?: ActivationName | ActivationFunction
  /** Default true. */
  useBias?: boolean
  /** Default uniform within +-1/sqrt(units). */
  kernelInitializer?: InitializerName | Initializer
  /** Default uniform within +-1/sqrt(units). */
  recurrentInitializer?: InitializerName | Initializer
  /** Default uniform within +-1/sqrt(units). */
  biasInitializer?: InitializerName | Initializer
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

/**
 * `kernel` (blocks * units, features), of the inputs; `recurrentKernel` (blocks * units, units), of the previous output; `bias`
 * (blocks * units). A block is one gate. With a leading batch axis, every sample has its own weights.
 */
export type RecurrentWeights = { kernel: Tensor; recurrentKernel: Tensor; bias?: Tensor }

/** State of a layer between steps, tensors `[batch, units]`: the output first, then the internal state. */
export type RecurrentState = readonly [output: Tensor, ...memory: Tensor[]]

/** Result of {@link Recurrent.run}. */
export interface RecurrentRun {
  /** The output `[batch, units]` of every step. */
  outputs: Tensor[]
  /** The state after the last step. */
  state: RecurrentState
}

/**
 * Base of layers that process `[batch, time, features]` step by step; a subclass defines one step. The loop over the steps is unrolled, so a
 * compiled program has a fixed number of steps.
 *
 * One product before the first step multiplies the inputs of all steps.
 */
export abstract class Recurrent<
  W extends RecurrentWeights = RecurrentWeights,
  O extends RecurrentOptions = RecurrentOptions,
> extends Layer<W> {
  /** Width of the output. */
  readonly units: number
  readonly returnSequences: boolean
  protected readonly options: O
  /** Activation of the new state. */
  protected readonly activation: ActivationFunction

  constructor(what: string, units: number, options: O, checks: Checks<O>) {
    const given = checkOptions(what, options, checks)
    super({ kind: what.toLowerCase(), name: given.name })
    this.units = wholeNumber(`${what}: units`, units)
    this.returnSequences = given.returnSequences ?? false
    this.activation = resolveActivation(given.activation ?? 'tanh')
    this.options = given
  }

  /** Number of gates, the blocks of the kernels. */
  protected abstract readonly blocks: number

  /** Number of tensors in the state. */
  protected abstract readonly carried: number

  /**
   * One step.
   *
   * @param inputs `kernel x + bias` of the step's input x, `[batch, blocks * units]`
   * @param state state before the step; @returns the state after the step
   */
  protected abstract step(weights: W, inputs: Tensor, state: RecurrentState): RecurrentState

  build(inputShape: Shape): Shape {
    if (inputShape.length !== 2) {
      throw new ShapeError(`${this.name}: expected an input [time, features], received [${inputShape}]`)
    }
    const [time, features] = inputShape as [number, number]
    const rows = this.blocks * this.units
    const fans = { fanIn: this.units, fanOut: this.units }
    const {
      kernelInitializer = 'uniformFanIn',
      recurrentInitializer = 'uniformFanIn',
      biasInitializer = 'uniformFanIn',
      useBias = true,
    } = this.options
    this.param('kernel', [rows, features], kernelInitializer, fans)
    this.param('recurrentKernel', [rows, this.units], recurrentInitializer, fans)
    if (useBias) this.param('bias', [rows], biasInitializer, fans)
    return this.returnSequences ? [time, this.units] : [this.units]
  }

  apply(weights: W, x: Tensor): Tensor {
    const { outputs, state } = this.run(weights, x)
    return this.returnSequences ? stack(outputs, 1) : state[0]
  }

  /**
   * Runs the layer over a sequence from a given state.
   *
   * @param x `[batch, time, features]`; @param initial initial state, default zeros
   */
  run(weights: W, x: Tensor, initial?: RecurrentState): RecurrentRun {
    checkInputs(this.name, weights, x, ['kernel', 'recurrentKernel'])
    if (initial !== undefined) this.#checkState(initial)
    const features = weights.kernel.shape.at(-1)
    if (x.rank !== 3 || x.shape[2] !== features) {
      throw new ShapeError(
        `${this.name}: expected an input [batch, time, ${features}], received [${x.shape}]`,
      )
    }
    const [batch, time] = x.shape as [number, number, number]
    const start = () => zeros([batch, this.units], { dtype: x.dtype as 'float32' | 'float64' })
    let state = initial ?? (Array.from({ length: this.carried }, start) as unknown as RecurrentState)
    const inputs = inputProducts(weights, x)
    const outputs: Tensor[] = []
    for (let t = 0; t < time; t++) {
      state = this.step(weights, inputs.slice([t], [t + 1]).squeeze(0), state)
      outputs.push(state[0])
    }
    return { outputs, state }
  }

  protected override settings() {
    return [this.units, this.options]
  }

  #checkState(state: RecurrentState): void {
    if (!isList(state) || state.length !== this.carried) {
      throw new ArgumentError(
        `${this.name}: the initial state is ${describe(state)}, expected an array of ${this.carried} tensors [batch, units]`,
      )
    }
    for (const part of state) idOf(`${this.name}: initial state`, part)
  }
}

/** The products of the kernel with the inputs of all steps, and the bias: `[time, batch, rows]`. */
function inputProducts({ kernel, bias }: RecurrentWeights, x: Tensor): Tensor {
  const [batch, time, features] = x.shape as [number, number, number]
  if (kernel.rank === 3) {
    const product = x.matmulT(kernel, { transposeB: true }).permute([1, 0, 2])
    return bias === undefined ? product : product.add(bias)
  }
  const rows = x.permute([1, 0, 2]).reshape([time * batch, features])
  const product = rows.matmulT(kernel, { transposeB: true })
  return (bias === undefined ? product : product.add(bias)).reshape([time, batch, -1])
}

/** `[batch, units]` times a recurrent kernel: `[batch, rows]`. */
export function recurrentProduct(output: Tensor, kernel: Tensor): Tensor {
  idOf('recurrentProduct', output)
  idOf('recurrentProduct', kernel)
  if (kernel.rank === 2) return output.matmulT(kernel, { transposeB: true })
  return output.expandDims(1).matmulT(kernel, { transposeB: true }).squeeze(1)
}

/**
 * Recurrent layer (Elman 1990), `h' = activation(W x + U h + b)`: `[batch, time, features]` to `[batch, units]`, or to
 * `[batch, time, units]` with returnSequences.
 */
export class RNN extends Recurrent {
  protected readonly blocks = 1
  protected readonly carried = 1

  constructor(units: number, options: RecurrentOptions = {}) {
    super('RNN', units, options, recurrentChecks)
  }

  protected step(
    { recurrentKernel }: RecurrentWeights,
    inputs: Tensor,
    [output]: RecurrentState,
  ): RecurrentState {
    return [this.activation(inputs.add(recurrentProduct(output, recurrentKernel)))]
  }
}
