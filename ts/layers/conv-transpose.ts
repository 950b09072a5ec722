import { sizeOf } from '../core/dtype.js'
import { ArgumentError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, flag, whole } from '../core/options.js'
import type { Initializer, InitializerName } from '../nn/initializers.js'
import { convTranspose } from '../ops/index.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer, type ActivatedOptions, activatedChecks } from './activated.js'
import { checkInputs, checkRank, perAxis, wholeNumber } from './arguments.js'
import { initializer } from './checks.js'
import type { ConvWeights } from './conv.js'
import { checkGroups, checkSpatialInput, groupsOf, type Window, windowOf } from './windows.js'

/** Options of {@link ConvTranspose1d}, {@link ConvTranspose2d} and {@link ConvTranspose3d}. Numbers, or one value per spatial axis. */
export interface ConvTransposeOptions extends ActivatedOptions {
  /** Factor between the extents of output and input. Default 1. */
  stride?: number | readonly number[]
  /** Padding of the transposed convolution: removed from both ends of the output. Default 0. */
  padding?: number | readonly number[]
  /** Added at the end of each axis of the output; below the stride or the dilation. Default 0. */
  outputPadding?: number | readonly number[]
  /** Distance between neighboring kernel entries. Default 1. */
  dilation?: number | readonly number[]
  /** Number of independent groups of channels. Default 1. */
  groups?: number
  /** Default true. */
  useBias?: boolean
  /** Default uniform within +-1/sqrt(filters / groups * kernel entries), as in PyTorch. */
  kernelInitializer?: InitializerName | Initializer
  /** Default: the kernel's default. */
  biasInitializer?: InitializerName | Initializer
}

const checks: Checks<ConvTransposeOptions> = {
  ...activatedChecks,
  stride: elsewhere(),
  padding: elsewhere(),
  outputPadding: elsewhere(),
  dilation: elsewhere(),
  groups: whole(1),
  useBias: flag,
  kernelInitializer: initializer,
  biasInitializer: initializer,
}

/**
 * Transposed convolution over `rank` spatial axes, the gradient of a convolution in its input: `[batch, channels, ...extents]` to
 * `[batch, filters, ...]`, with `(extent - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1` on each axis.
 *
 * The kernel is `(channels, filters / groups, ...kernel)`; with a leading batch axis every sample has its own kernel.
 */
export abstract class ConvTranspose extends ActivatedLayer<ConvWeights> {
  /** Number of output channels. */
  readonly filters: number
  /** Number of spatial axes. */
  readonly rank: number
  readonly window: Window
  readonly padding: readonly number[]
  readonly outputPadding: readonly number[]
  readonly groups: number
  protected readonly options: ConvTransposeOptions

  constructor(
    rank: 1 | 2 | 3,
    filters: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeOptions,
  ) {
    checkRank('ConvTranspose', rank)
    const what = `ConvTranspose${rank}d`
    const given = checkOptions(what, options, checks)
    super(`conv_transpose${rank}d`, given)
    this.rank = rank
    this.filters = wholeNumber(`${what}: filters`, filters)
    this.window = windowOf(what, rank, kernelSize, given)
    this.padding = perAxis(`${what}: padding`, given.padding ?? 0, rank, 0)
    this.outputPadding = perAxis(`${what}: outputPadding`, given.outputPadding ?? 0, rank, 0)
    this.groups = groupsOf(what, filters, given.groups)
    const { stride, dilation } = this.window
    if (this.outputPadding.some((n, i) => n >= Math.max(stride[i] as number, dilation[i] as number))) {
      throw new ArgumentError(
        `${what}: outputPadding [${this.outputPadding}] must be below the stride [${stride}] or the dilation [${dilation}]`,
      )
    }
    this.options = given
  }

  build(inputShape: Shape): Shape {
    checkSpatialInput(this.name, inputShape, this.rank)
    const [channels, ...spatial] = inputShape as [number, ...number[]]
    checkGroups(this.name, inputShape, this.groups)
    const extents = this.#extents(spatial)
    if (extents.some((extent) => extent < 1)) {
      throw new ShapeError(
        `${this.name}: padding [${this.padding}] leaves the output extents [${extents}] of the input [${inputShape}]; pad less`,
      )
    }
    const kernelShape = [channels, this.filters / this.groups, ...this.window.kernel]
    const taps = sizeOf(this.window.kernel)
    const fanIn = (this.filters / this.groups) * taps
    const fans = { fanIn, fanOut: channels * taps }
    const {
      kernelInitializer = 'uniformFanIn',
      biasInitializer = 'uniformFanIn',
      useBias = true,
    } = this.options
    this.param('kernel', kernelShape, kernelInitializer, fans)
    if (useBias) this.param('bias', [this.filters], biasInitializer, { fanIn, fanOut: this.filters })
    return [this.filters, ...extents]
  }

  preActivation(weights: ConvWeights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x, ['kernel'])
    const { kernel, bias } = weights
    const perSample = kernel.rank === this.rank + 3
    const channels = kernel.shape[perSample ? 1 : 0] as number
    if (x.rank !== this.rank + 2 || x.shape[1] !== channels) {
      throw new ShapeError(
        `${this.name}: expected an input [batch, ${channels}, ...${this.rank} spatial], received [${x.shape}]`,
      )
    }
    const y = perSample ? this.#perSample(x, kernel) : this.#transpose(x, kernel, this.groups)
    if (bias === undefined) return y
    return y.add(bias.reshape([...bias.shape, ...this.window.kernel.map(() => 1)]))
  }

  protected override settings() {
    return [this.filters, this.window.kernel, this.options]
  }

  #extents(spatial: Shape): number[] {
    const { kernel, stride, dilation } = this.window
    return spatial.map((extent, i) => {
      const reach = (dilation[i] as number) * ((kernel[i] as number) - 1) + 1
      const extra = (this.outputPadding[i] as number) - 2 * (this.padding[i] as number)
      return (extent - 1) * (stride[i] as number) + reach + extra
    })
  }

  #transpose(x: Tensor, kernel: Tensor, groups: number): Tensor {
    const { stride, dilation } = this.window
    const { padding, outputPadding } = this
    return convTranspose(x, kernel, { stride, dilation, padding, outputPadding, groups })
  }

  /** Samples become groups of one wide convolution. */
  #perSample(x: Tensor, kernel: Tensor): Tensor {
    const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]]
    const wide = x.reshape([1, batch * channels, ...spatial])
    const y = this.#transpose(wide, kernel.reshape([-1, ...kernel.shape.slice(2)]), batch * this.groups)
    return y.reshape([batch, -1, ...y.shape.slice(2)])
  }
}

/** Transposed convolution of `[batch, channels, length]`. */
export class ConvTranspose1d extends ConvTranspose {
  constructor(filters: number, kernelSize: number | readonly number[], options: ConvTransposeOptions = {}) {
    super(1, filters, kernelSize, options)
  }
}

/**
 * Transposed convolution of `[batch, channels, height, width]`.
 *
 *     new ConvTranspose2d(16, 4, { stride: 2, padding: 1 }) // twice as high and wide
 */
export class ConvTranspose2d extends ConvTranspose {
  constructor(filters: number, kernelSize: number | readonly number[], options: ConvTransposeOptions = {}) {
    super(2, filters, kernelSize, options)
  }
}

/** Transposed convolution of `[batch, channels, depth, height, width]`. */
export class ConvTranspose3d extends ConvTranspose {
  constructor(filters: number, kernelSize: number | readonly number[], options: ConvTransposeOptions = {}) {
    super(3, filters, kernelSize, options)
  }
}
