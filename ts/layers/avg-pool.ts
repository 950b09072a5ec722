import { type Checks, flag } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import type { Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { Pool, type PoolOptions, poolChecks } from './pool.js'

/** Options of {@link AvgPool1d}, {@link AvgPool2d} and {@link AvgPool3d}. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether the mean includes the zeros of the padding. Default true. */
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
}

/** Mean over windows of `[batch, channels, length]`. */
export class AvgPool1d extends AvgPool {
  constructor(kernelSize: number | readonly number[], options: AvgPoolOptions = {}) {
    super(1, kernelSize, options)
  }
}

/** Mean over windows of `[batch, channels, height, width]`. */
export class AvgPool2d extends AvgPool {
  constructor(kernelSize: number | readonly number[], options: AvgPoolOptions = {}) {
    super(2, kernelSize, options)
  }
}

/** Mean over windows of `[batch, channels, depth, height, width]`. */
export class AvgPool3d extends AvgPool {
  constructor(kernelSize: number | readonly number[], options: AvgPoolOptions = {}) {
    super(3, kernelSize, options)
  }
}
