import { sizeOf } from '../core/dtype.js'
import { type Checks, checkOptions, elsewhere, flag, whole } from '../core/options.js'
import type { Initializer, InitializerName } from '../nn/initializers.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer, type ActivatedOptions, activatedChecks } from './activated.js'
import { checkRank, wholeNumber } from './arguments.js'
import { initializer } from './checks.js'
import { convolved } from './convolved.js'
import {
  checkGroups,
  checkPadding,
  checkSpatialInput,
  groupsOf,
  type Padding,
  paddingPairs,
  type Window,
  windowExtents,
  windowOf,
} from './windows.js'

/** Options of {@link Conv1d}, {@link Conv2d} and {@link Conv3d}. Numbers, or one value per spatial axis. */
export interface ConvOptions extends ActivatedOptions {
  /** Default 1. */
  stride?: number | readonly number[]
  /** Zeros around the input. Default 0. */
  padding?: Padding
  /** Distance between neighboring kernel entries. Default 1. */
  dilation?: number | readonly number[]
  /** Number of independent groups of channels. Default 1. */
  groups?: number
  /** Default true. */
  useBias?: boolean
  /** Default uniform within +-1/sqrt(inputs of one output). */
  kernelInitializer?: InitializerName | Initializer
  /** Default: the kernel's default. */
  biasInitializer?: InitializerName | Initializer
}

const checks: Checks<ConvOptions> = {
  ...activatedChecks,
  stride: elsewhere(),
  padding: elsewhere(),
  dilation: elsewhere(),
  groups: whole(1),
  useBias: flag,
  kernelInitializer: initializer,
  biasInitializer: initializer,
}

/** `kernel` (filters, channels / groups, ...kernel); `bias` (filters). With a leading batch axis: weights per sample. */
export type ConvWeights = { kernel: Tensor; bias?: Tensor }

/**
 * Convolution over `rank` spatial axes (in fact cross-correlation: the kernel is not flipped):
 * `[batch, channels, ...extents]` to `[batch, filters, ...output extents]`.
 */
export abstract class Conv extends ActivatedLayer<ConvWeights> {
  /** Number of output channels. */
  readonly filters: number
  /** Number of spatial axes. */
  readonly rank: number
  readonly window: Window
  readonly groups: number
  protected readonly options: ConvOptions

  constructor(
    rank: 1 | 2 | 3,
    filters: number,
    kernelSize: number | readonly number[],
    options: ConvOptions,
  ) {
    checkRank('Conv', rank)
    const what = `Conv${rank}d`
    const given = checkOptions(what, options, checks)
    super(what.toLowerCase(), given)
    this.rank = rank
    this.filters = wholeNumber(`${what}: filters`, filters)
    this.window = windowOf(what, rank, kernelSize, given)
    this.groups = groupsOf(what, filters, given.groups)
    checkPadding(what, given.padding, this.window)
    this.options = given
  }

  build(inputShape: Shape): Shape {
    checkSpatialInput(this.name, inputShape, this.rank)
    const [channels, ...spatial] = inputShape as [number, ...number[]]
    checkGroups(this.name, inputShape, this.groups)
    const extents = windowExtents(this.name, spatial, this.window, this.#pairs(spatial))
    const kernelShape = [this.filters, channels / this.groups, ...this.window.kernel]
    const fanIn = sizeOf(kernelShape.slice(1))
    const {
      kernelInitializer = 'uniformFanIn',
      biasInitializer = 'uniformFanIn',
      useBias = true,
    } = this.options
    this.param('kernel', kernelShape, kernelInitializer)
    if (useBias) this.param('bias', [this.filters], biasInitializer, { fanIn, fanOut: this.filters })
    return [this.filters, ...extents]
  }

  preActivation(weights: ConvWeights, x: Tensor): Tensor {
    const { name, window, groups } = this
    return convolved(x, weights, { name, window, groups, padding: this.options.padding ?? 0 })
  }

  protected override settings() {
    return [this.filters, this.window.kernel, this.options]
  }

  #pairs(spatial: Shape): [number, number][] {
    return paddingPairs(this.name, this.options.padding ?? 0, this.window, spatial)
  }
}

/** Convolution of `[batch, channels, length]`. */
export class Conv1d extends Conv {
  constructor(filters: number, kernelSize: number | readonly number[], options: ConvOptions = {}) {
    super(1, filters, kernelSize, options)
  }
}

/**
 * Convolution of `[batch, channels, height, width]`.
 *
 *     new Conv2d(16, 3, { padding: 1, activation: 'relu' })
 */
export class Conv2d extends Conv {
  constructor(filters: number, kernelSize: number | readonly number[], options: ConvOptions = {}) {
    super(2, filters, kernelSize, options)
  }
}

/** Convolution of `[batch, channels, depth, height, width]`. */
export class Conv3d extends Conv {
  constructor(filters: number, kernelSize: number | readonly number[], options: ConvOptions = {}) {
    super(3, filters, kernelSize, options)
  }
}
