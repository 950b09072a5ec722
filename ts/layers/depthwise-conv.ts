import { sizeOf } from '../core/dtype.js'
import { type Checks, checkOptions, elsewhere, flag, whole } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Initializer, InitializerName } from '../nn/initializers.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer, type ActivatedOptions, activatedChecks } from './activated.js'
import { checkInputs, checkRank, wholeNumber } from './arguments.js'
import { initializer } from './checks.js'
import { Conv1d, Conv2d, type ConvWeights } from './conv.js'
import { convolved } from './convolved.js'
import {
  checkPadding,
  checkSpatialInput,
  type Padding,
  paddingPairs,
  type Window,
  windowExtents,
  windowOf,
} from './windows.js'

/** Options of {@link DepthwiseConv1d} and {@link DepthwiseConv2d}. Numbers, or one value per spatial axis. */
export interface DepthwiseConvOptions extends ActivatedOptions {
  /** Outputs for each input channel. Default 1. */
  multiplier?: number
  /** Default 1. */
  stride?: number | readonly number[]
  /** Zeros around the input. Default 0. */
  padding?: Padding
  /** Distance between neighboring kernel entries. Default 1. */
  dilation?: number | readonly number[]
  /** Default true. */
  useBias?: boolean
  /** Default uniform within +-1/sqrt(kernel entries). */
  kernelInitializer?: InitializerName | Initializer
  /** Default: the kernel's default. */
  biasInitializer?: InitializerName | Initializer
}

const checks: Checks<DepthwiseConvOptions> = {
  ...activatedChecks,
  multiplier: whole(1),
  stride: elsewhere(),
  padding: elsewhere(),
  dilation: elsewhere(),
  useBias: flag,
  kernelInitializer: initializer,
  biasInitializer: initializer,
}

/**
 * Convolution of each channel by itself: `[batch, channels, ...extents]` to `[batch, channels * multiplier, ...output extents]`, the outputs
 * of a channel adjacent. The kernel is `(channels * multiplier, 1, ...kernel)`; with a leading batch axis every sample has its own kernel.
 */
export abstract class DepthwiseConv extends ActivatedLayer<ConvWeights> {
  /** Number of spatial axes. */
  readonly rank: number
  readonly window: Window
  readonly multiplier: number
  protected readonly options: DepthwiseConvOptions

  constructor(rank: 1 | 2, kernelSize: number | readonly number[], options: DepthwiseConvOptions) {
    checkRank('DepthwiseConv', rank)
    const what = `DepthwiseConv${rank}d`
    const given = checkOptions(what, options, checks)
    super(`depthwise_conv${rank}d`, given)
    this.rank = rank
    this.multiplier = wholeNumber(`${what}: multiplier`, given.multiplier ?? 1)
    this.window = windowOf(what, rank, kernelSize, given)
    checkPadding(what, given.padding, this.window)
    this.options = given
  }

  build(inputShape: Shape): Shape {
    checkSpatialInput(this.name, inputShape, this.rank)
    const [channels, ...spatial] = inputShape as [number, ...number[]]
    const {
      kernelInitializer = 'uniformFanIn',
      biasInitializer = 'uniformFanIn',
      useBias = true,
    } = this.options
    const pairs = paddingPairs(this.name, this.options.padding ?? 0, this.window, spatial)
    const extents = windowExtents(this.name, spatial, this.window, pairs)
    const filters = channels * this.multiplier
    const fanIn = sizeOf(this.window.kernel)
    this.param('kernel', [filters, 1, ...this.window.kernel], kernelInitializer)
    if (useBias) this.param('bias', [filters], biasInitializer, { fanIn, fanOut: filters })
    return [filters, ...extents]
  }

  preActivation(weights: ConvWeights, x: Tensor): Tensor {
    const { name, window } = this
    checkInputs(name, weights, x, ['kernel'])
    const groups = x.shape[1] ?? 1
    return convolved(x, weights, { name, window, groups, padding: this.options.padding ?? 0 })
  }

  protected override settings() {
    return [this.window.kernel, this.options]
  }
}

/** Convolution of each channel of `[batch, channels, length]` by itself. */
export class DepthwiseConv1d extends DepthwiseConv {
  constructor(kernelSize: number | readonly number[], options: DepthwiseConvOptions = {}) {
    super(1, kernelSize, options)
  }
}

/** Convolution of each channel of `[batch, channels, height, width]` by itself. */
export class DepthwiseConv2d extends DepthwiseConv {
  constructor(kernelSize: number | readonly number[], options: DepthwiseConvOptions = {}) {
    super(2, kernelSize, options)
  }
}

/**
 * A convolution in two steps (Chollet 2017): each channel by itself, without bias, then all channels at each position. The weights are
 * `depthwise.kernel`, `pointwise.kernel` and `pointwise.bias`. `[batch, channels, ...extents]` to `[batch, filters, ...output extents]`.
 */
export abstract class SeparableConv extends ActivatedLayer {
  /** Number of output channels. */
  readonly filters: number
  readonly depthwise: DepthwiseConv
  readonly pointwise: Conv1d | Conv2d
  protected readonly options: DepthwiseConvOptions

  constructor(
    rank: 1 | 2,
    filters: number,
    kernelSize: number | readonly number[],
    options: DepthwiseConvOptions,
  ) {
    checkRank('SeparableConv', rank)
    const what = `SeparableConv${rank}d`
    const given = checkOptions(what, options, checks)
    super(`separable_conv${rank}d`, given)
    this.options = given
    this.filters = wholeNumber(`${what}: filters`, filters)
    const { name: _, activation: __, useBias, biasInitializer, ...first } = given
    const second = {
      ...(useBias === undefined ? {} : { useBias }),
      ...(biasInitializer === undefined ? {} : { biasInitializer }),
      ...(first.kernelInitializer === undefined ? {} : { kernelInitializer: first.kernelInitializer }),
    }
    const Depthwise = rank === 1 ? DepthwiseConv1d : DepthwiseConv2d
    const Pointwise = rank === 1 ? Conv1d : Conv2d
    this.depthwise = this.child('depthwise', new Depthwise(kernelSize, { ...first, useBias: false }))
    this.pointwise = this.child('pointwise', new Pointwise(filters, 1, second))
  }

  build(inputShape: Shape): Shape {
    return this.pointwise.declare(this.depthwise.declare(inputShape))
  }

  preActivation(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    return this.runChild(this.pointwise, weights, this.runChild(this.depthwise, weights, x, ctx), ctx)
  }

  protected override settings() {
    return [this.filters, this.depthwise.window.kernel, this.options]
  }
}

/** A separable convolution of `[batch, channels, length]`. */
export class SeparableConv1d extends SeparableConv {
  constructor(filters: number, kernelSize: number | readonly number[], options: DepthwiseConvOptions = {}) {
    super(1, filters, kernelSize, options)
  }
}

/** A separable convolution of `[batch, channels, height, width]`. */
export class SeparableConv2d extends SeparableConv {
  constructor(filters: number, kernelSize: number | readonly number[], options: DepthwiseConvOptions = {}) {
    super(2, filters, kernelSize, options)
  }
}
