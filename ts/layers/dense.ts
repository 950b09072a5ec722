import { ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import type { Initializer, InitializerName } from '../nn/initializers.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer, type ActivatedOptions, activatedChecks } from './activated.js'
import { checkInputs, wholeNumber } from './arguments.js'
import { initializer } from './checks.js'

/** Options of {@link Dense}. */
export interface DenseOptions extends ActivatedOptions {
  /** Default true. */
  useBias?: boolean
  /** Default uniform within +-1/sqrt(inputs). */
  kernelInitializer?: InitializerName | Initializer
  /** Default uniform within +-1/sqrt(inputs). */
  biasInitializer?: InitializerName | Initializer
}

const checks: Checks<DenseOptions> = {
  ...activatedChecks,
  useBias: flag,
  kernelInitializer: initializer,
  biasInitializer: initializer,
}

/** `kernel` (units, inputs); `bias` (units). With a leading batch axis, every sample has its own weights. */
export type DenseWeights = { kernel: Tensor; bias?: Tensor }

/**
 * Fully connected layer, `y = activation(x kernel' + bias)`: `[batch, inputs]` to `[batch, units]`.
 *
 *     new Dense(500, { activation: 'relu' })
 */
export class Dense extends ActivatedLayer<DenseWeights> {
  /** Number of outputs. */
  readonly units: number
  readonly #options: DenseOptions

  /** @param kind kind of a subclass */
  constructor(units: number, options: DenseOptions = {}, kind = 'dense') {
    const given = checkOptions('Dense', options, checks)
    super(kind, given)
    this.units = wholeNumber('Dense: units', units)
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    if (inputShape.length !== 1) {
      throw new ShapeError(
        `${this.name}: expected an input of one axis [features], received [${inputShape}]; add a Flatten layer before it${inputShape.length === 2 ? `, or give each step of a sequence the same layer: new TimeDistributed(new Dense(${this.units}))` : ''}`,
      )
    }
    const fanIn = inputShape[0] as number
    const {
      kernelInitializer = 'uniformFanIn',
      biasInitializer = 'uniformFanIn',
      useBias = true,
    } = this.#options
    this.param('kernel', [this.units, fanIn], kernelInitializer)
    if (useBias) this.param('bias', [this.units], biasInitializer, { fanIn, fanOut: this.units })
    return [this.units]
  }

  preActivation(weights: DenseWeights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x, ['kernel'])
    const { kernel, bias } = weights
    const inputs = kernel.shape[kernel.rank - 1]
    if (x.rank !== 2 || x.shape[1] !== inputs) {
      throw new ShapeError(`${this.name}: expected an input [batch, ${inputs}], received [${x.shape}]`)
    }
    const product =
      kernel.rank === 3
        ? x.expandDims(1).matmulT(kernel, { transposeB: true }).squeeze(1)
        : x.matmulT(kernel, { transposeB: true })
    return bias === undefined ? product : product.add(bias)
  }

  protected override settings() {
    return [this.units, this.#options]
  }
}
