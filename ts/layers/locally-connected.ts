import { sizeOf } from '../core/dtype.js'
import { ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, flag } from '../core/options.js'
import type { Initializer, InitializerName } from '../nn/initializers.js'
import { concat } from '../ops/index.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer, type ActivatedOptions, activatedChecks } from './activated.js'
import { checkInputs, wholeNumber } from './arguments.js'
import { initializer } from './checks.js'
import {
  checkPadding,
  checkSpatialInput,
  type Padding,
  paddingPairs,
  type Window,
  windowExtents,
  windowOf,
} from './windows.js'

/** Options of {@link LocallyConnected2d}. Numbers, or one value per spatial axis. */
export interface LocallyConnectedOptions extends ActivatedOptions {
  /** Default 1. */
  stride?: number | readonly number[]
  /** Zeros around the input. Default 0. */
  padding?: Padding
  /** Default true. */
  useBias?: boolean
  /** Default uniform within +-1/sqrt(inputs of one output). */
  kernelInitializer?: InitializerName | Initializer
  /** Default: the kernel's default. */
  biasInitializer?: InitializerName | Initializer
}

const checks: Checks<LocallyConnectedOptions> = {
  ...activatedChecks,
  stride: elsewhere(),
  padding: elsewhere(),
  useBias: flag,
  kernelInitializer: initializer,
  biasInitializer: initializer,
}

/**
 * `kernel` (filters, channels * kernel height * kernel width, positions) and `bias` (filters, positions); positions are the pixels of
 * the output, row by row. With a leading batch axis, every sample has its own weights.
 */
export type LocallyConnectedWeights = { kernel: Tensor; bias?: Tensor }

/**
 * A convolution without shared weights: every position of the output has its own kernel and bias.
 * `[batch, channels, height, width]` to `[batch, filters, output height, output width]`.
 */
export class LocallyConnected2d extends ActivatedLayer<LocallyConnectedWeights> {
  /** Number of output channels. */
  readonly filters: number
  readonly window: Window
  readonly #options: LocallyConnectedOptions

  constructor(
    filters: number,
    kernelSize: number | readonly number[],
    options: LocallyConnectedOptions = {},
  ) {
    const what = 'LocallyConnected2d'
    const given = checkOptions(what, options, checks)
    super('locally_connected2d', given)
    this.filters = wholeNumber(`${what}: filters`, filters)
    this.window = windowOf(what, 2, kernelSize, { stride: given.stride })
    checkPadding(what, given.padding, this.window)
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    checkSpatialInput(this.name, inputShape, 2)
    const [channels, ...spatial] = inputShape as [number, number, number]
    const extents = this.#extents(spatial)
    const places = sizeOf(extents)
    const fanIn = this.window.kernel.reduce((product, extent) => product * extent, channels)
    const fans = { fanIn, fanOut: this.filters }
    const {
      kernelInitializer = 'uniformFanIn',
      biasInitializer = 'uniformFanIn',
      useBias = true,
    } = this.#options
    this.param('kernel', [this.filters, fanIn, places], kernelInitializer, fans)
    if (useBias) this.param('bias', [this.filters, places], biasInitializer, fans)
    return [this.filters, ...extents]
  }

  preActivation(weights: LocallyConnectedWeights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x, ['kernel'])
    const { kernel, bias } = weights
    const [inputs, places] = kernel.shape.slice(-2) as [number, number]
    const extents = x.rank === 4 ? this.#extents(x.shape.slice(2)) : []
    const fanIn = this.window.kernel.reduce((product, extent) => product * extent, x.shape[1] ?? 0)
    if (x.rank !== 4 || fanIn !== inputs || extents[0] * extents[1] !== places) {
      throw new ShapeError(
        `${this.name}: expected an input [batch, ...${this.inputShape ?? 'shape'}] for a kernel [${kernel.shape}], received [${x.shape}]`,
      )
    }
    const y = kernel.rank === 4 ? this.#perSample(x, kernel, extents) : this.#local(x, kernel, extents)
    return bias === undefined ? y : y.add(bias.reshape([...bias.shape.slice(0, -1), ...extents]))
  }

  protected override settings() {
    return [this.filters, this.window.kernel, this.#options]
  }

  #local(x: Tensor, kernel: Tensor, extents: Shape): Tensor {
    const local = kernel.reshape([this.filters, x.shape[1] as number, ...this.window.kernel, ...extents])
    return x.localConv(local, { stride: this.window.stride, padding: this.#pairs(x.shape.slice(2)) })
  }

  /** One sample after the other: with its own weights, each sample is a separate product. */
  #perSample(x: Tensor, kernel: Tensor, extents: Shape): Tensor {
    const row = (of: Tensor, i: number) => of.slice([i], [i + 1])
    const samples = Array.from({ length: x.shape[0] as number }, (_, i) =>
      this.#local(row(x, i), row(kernel, i).squeeze(0), extents),
    )
    return concat(samples, 0)
  }

  #pairs(spatial: Shape): [number, number][] {
    return paddingPairs(this.name, this.#options.padding ?? 0, this.window, spatial)
  }

  #extents(spatial: Shape): [number, number] {
    return windowExtents(this.name, spatial, this.window, this.#pairs(spatial)) as [number, number]
  }
}
