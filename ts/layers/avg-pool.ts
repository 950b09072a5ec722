import { type Checks, flag } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { poolChecks } from './checks.js'
import type { Weights } from './layer.js'
import { Pool, type PoolOptions } from './pool.js'

/** Options of {@link AvgPool1d}, {@link AvgPool2d} and {@link AvgPool3d}. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether zeros of the padding count in the mean. Default true. */
  countIncludePad?: boolean
}

const checks: Checks<AvgPoolOptions> = { ...poolChecks, countIncludePad: flag }

/** Mean of each window. */
export abstract class AvgPool extends Pool<AvgPoolOptions> {
  readonly countIncludePad: boolean

  constructor(rank: 1 | 2 | 3, kernelSize: number | readonly number[], options: AvgPoolOptions) {
    super('AvgPool', rank, kernelSize, options, checks)
    this.countIncludePad = this.options.countIncludePad ?? true
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    return x.avgPool({ ...this.geometry(), countIncludePad: this.countIncludePad })
  }

  /** Everything needed to make the same layer again. */
  protected settings(): AvgPoolOptions {
    const { kernelSize: _, ...options } = this.geometry()
    return { ...options, countIncludePad: this.countIncludePad, ...this.naming() }
  }
}

/** Mean over windows of `[batch, channels, length]`. */
export class AvgPool1d extends AvgPool {
  constructor(kernelSize: number | readonly number[], options: AvgPoolOptions = {}) {
    super(1, kernelSize, options)
  }

  override clone(): AvgPool1d {
    return new AvgPool1d(this.window.kernel, this.settings())
  }
}

/** Mean over windows of `[batch, channels, height, width]`. */
export class AvgPool2d extends AvgPool {
  constructor(kernelSize: number | readonly number[], options: AvgPoolOptions = {}) {
    super(2, kernelSize, options)
  }

  override clone(): AvgPool2d {
    return new AvgPool2d(this.window.kernel, this.settings())
  }
}

/** Mean over windows of `[batch, channels, depth, height, width]`. */
export class AvgPool3d extends AvgPool {
  constructor(kernelSize: number | readonly number[], options: AvgPoolOptions = {}) {
    super(3, kernelSize, options)
  }

  override clone(): AvgPool3d {
    return new AvgPool3d(this.window.kernel, this.settings())
  }
}
