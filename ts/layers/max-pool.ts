import { type Checks, elsewhere } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import type { Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { Pool, type PoolOptions, poolChecks } from './pool.js'

/** Options of {@link MaxPool1d}, {@link MaxPool2d} and {@link MaxPool3d}. */
export interface MaxPoolOptions extends PoolOptions {
  /** Distance between neighboring window entries. Default 1. */
  dilation?: number | readonly number[]
}

const checks: Checks<MaxPoolOptions> = { ...poolChecks, dilation: elsewhere() }

/** Largest value of each window. */
export abstract class MaxPool extends Pool<MaxPoolOptions> {
  constructor(rank: 1 | 2 | 3, kernelSize: number | readonly number[], options: MaxPoolOptions) {
    super('MaxPool', rank, kernelSize, options, checks)
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    return x.maxPool({ ...this.geometry(), dilation: this.window.dilation })
  }
}

/** Maximum over windows of `[batch, channels, length]`. */
export class MaxPool1d extends MaxPool {
  constructor(kernelSize: number | readonly number[], options: MaxPoolOptions = {}) {
    super(1, kernelSize, options)
  }
}

/** Maximum over windows of `[batch, channels, height, width]`. */
export class MaxPool2d extends MaxPool {
  constructor(kernelSize: number | readonly number[], options: MaxPoolOptions = {}) {
    super(2, kernelSize, options)
  }
}

/** Maximum over windows of `[batch, channels, depth, height, width]`. */
export class MaxPool3d extends MaxPool {
  constructor(kernelSize: number | readonly number[], options: MaxPoolOptions = {}) {
    super(3, kernelSize, options)
  }
}
