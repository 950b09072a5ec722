import { ArgumentError } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, flag } from '../core/options.js'
import type { Shape } from '../ops/tensor.js'
import { checkRank, perAxis } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'
import { checkSpatialInput, type Window, windowExtents, windowOf } from './windows.js'

/** Options that all pooling layers share. Numbers, or one value per spatial axis. */
export interface PoolOptions extends NameOptions {
  /** Default: the kernel size, which makes windows adjacent. */
  stride?: number | readonly number[]
  /** Default 0; at most half the kernel. */
  padding?: number | readonly number[]
  /** Include a last partial window. Default false. */
  ceilMode?: boolean
}

export const poolChecks: Checks<PoolOptions> = {
  stride: elsewhere(),
  padding: elsewhere(),
  ceilMode: flag,
  ...nameChecks,
}

/** Further options of max pooling. */
interface WithDilation {
  dilation?: number | readonly number[]
}

/** Base of the pooling layers: `[batch, channels, ...extents]` to `[batch, channels, ...window counts]`. */
export abstract class Pool<O extends PoolOptions> extends Layer {
  /** Number of spatial axes. */
  readonly rank: number
  readonly window: Window
  readonly padding: readonly number[]
  readonly ceilMode: boolean
  /** The given options. */
  protected readonly options: O

  constructor(
    what: 'MaxPool' | 'AvgPool',
    rank: 1 | 2 | 3,
    kernelSize: number | readonly number[],
    options: O,
    checks: Checks<O>,
  ) {
    checkRank(what, rank)
    const title = `${what}${rank}d`
    const given: O & WithDilation = checkOptions(title, options, checks)
    super({ kind: `${what === 'MaxPool' ? 'max' : 'avg'}_pool${rank}d`, name: given.name })
    this.options = given
    this.rank = rank
    this.window = windowOf(title, rank, kernelSize, { ...given, stride: given.stride ?? kernelSize })
    const { kernel } = this.window
    this.padding = perAxis(`${title}: padding`, given.padding ?? 0, rank, 0)
    this.ceilMode = given.ceilMode ?? false
    if (this.padding.some((width, axis) => width > (kernel[axis] as number) / 2)) {
      throw new ArgumentError(
        `${title}: padding [${this.padding}] must be at most half the kernel size [${kernel}], or a window would hold padding only`,
      )
    }
  }

  build(inputShape: Shape): Shape {
    checkSpatialInput(this.name, inputShape, this.rank)
    const [channels, ...spatial] = inputShape as [number, ...number[]]
    const pairs = this.padding.map((width) => [width, width] as const)
    return [channels, ...windowExtents(this.name, spatial, this.window, pairs, this.ceilMode)]
  }

  /** The options of every pooling operation. */
  protected geometry() {
    const { kernel: kernelSize, stride } = this.window
    return { kernelSize, stride, padding: this.padding, ceilMode: this.ceilMode }
  }

  protected override settings() {
    return [this.window.kernel, this.options]
  }
}
