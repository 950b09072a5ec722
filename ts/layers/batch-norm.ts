import { DataError, ShapeError } from '../core/errors.js'
import { above, between, type Checks, checkOptions, flag, orNull } from '../core/options.js'
import type { Context } from '../nn/context.js'
import { inverseRoot } from '../ops/moments.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkContext, checkInputs, checkRank } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'
import { checkSpatialInput } from './windows.js'

/** Options of {@link BatchNorm1d}, {@link BatchNorm2d} and {@link BatchNorm3d}. */
export interface BatchNormOptions extends NameOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number
  /** Weight of the newest batch in the running statistics; null for the mean over all batches so far. Default 0.1. */
  momentum?: number | null
  /** Learn a scale `gamma` and a shift `beta` per channel. Default true. */
  affine?: boolean
  /** Keep running statistics and use them in evaluation; otherwise batch statistics are always used. Default true. */
  trackRunningStats?: boolean
}

const checks: Checks<BatchNormOptions> = {
  eps: above(0),
  momentum: orNull(between(0, 1)),
  affine: flag,
  trackRunningStats: flag,
  ...nameChecks,
}

/** `gamma` (channels) and `beta` (channels), both absent unless `affine`. With a leading batch axis, every sample has its own. */
export type BatchNormWeights = { gamma?: Tensor; beta?: Tensor }

/**
 * Batch normalization (Ioffe and Szegedy 2015): `(x - mean) / sqrt(variance + eps) * gamma + beta`, with mean and variance per
 * channel over the batch and all spatial axes.
 *
 * The batch is normalized by its biased variance; the running variance averages the unbiased one. New running statistics are
 * passed to `ctx.update`, never written during the forward pass. They have a gradient like other results; models and `call` store them without
 * gradient.
 *
 * A frozen layer normalizes by its running statistics in training too, and does not change them, as in Keras; PyTorch changes them.
 */
export abstract class BatchNorm extends Layer<BatchNormWeights> {
  /** Number of spatial axes. */
  readonly rank: number
  protected readonly options: Required<Omit<BatchNormOptions, 'name'>> & { name?: string }

  constructor(rank: 1 | 2 | 3, options: BatchNormOptions) {
    checkRank('BatchNorm', rank)
    const given = checkOptions(`BatchNorm${rank}d`, options, checks)
    super({ kind: `batch_norm${rank}d`, name: given.name })
    this.rank = rank
    this.options = { eps: 1e-5, momentum: 0.1, affine: true, trackRunningStats: true, ...given }
  }

  build(inputShape: Shape): Shape {
    if (this.rank > 1 || inputShape.length > 2) checkSpatialInput(this.name, inputShape, this.rank)
    if (inputShape.length < 1) {
      throw new ShapeError(`${this.name}: expected an input [channels] or [channels, length], received []`)
    }
    const channels = [inputShape[0] as number]
    if (this.options.affine) {
      this.param('gamma', channels, 'ones')
      this.param('beta', channels, 'zeros')
    }
    if (this.options.trackRunningStats) {
      this.stateVar('runningMean', channels, 'zeros')
      this.stateVar('runningVariance', channels, 'ones')
      this.stateVar('batchesTracked', [], 'zeros')
    }
    return inputShape
  }

  apply(weights: BatchNormWeights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    checkContext(this.name, ctx)
    if (x.rank < 2) {
      throw new ShapeError(`${this.name}: expected an input [batch, channels, ...], received [${x.shape}]`)
    }
    const { gamma, beta } = weights
    const channels = x.shape[1] as number
    const column = (perChannel: Tensor) =>
      perChannel.reshape([...perChannel.shape, ...new Array<number>(x.rank - 2).fill(1)])
    const { runningMean, runningVariance } = ctx.state
    let mean: Tensor
    let variance: Tensor
    const learns = this.learns(ctx)
    if (learns || runningMean === undefined || runningVariance === undefined) {
      const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1)
      mean = x.mean(axes)
      variance = x.sub(column(mean)).square().mean(axes)
      if (learns) this.#record(x.size / channels, mean, variance, ctx)
    } else {
      mean = runningMean
      variance = runningVariance
    }
    const scale = inverseRoot(variance, this.options.eps)
    const y = x.sub(column(mean)).mul(column(gamma === undefined ? scale : scale.mul(gamma)))
    return beta === undefined ? y : y.add(column(beta))
  }

  protected override settings() {
    return [this.options]
  }

  /** Checks that a training batch has enough values for its statistics, and updates the running statistics. */
  #record(perChannel: number, mean: Tensor, variance: Tensor, ctx: Context): void {
    if (perChannel < 2) {
      throw new DataError(
        `${this.name}: batch normalization in training needs more than one value per channel, received a batch of one; ` +
          'use a batch size that leaves no last batch of one sample, or evaluation mode',
      )
    }
    const { runningMean, runningVariance, batchesTracked } = ctx.state
    if (runningMean === undefined || runningVariance === undefined || batchesTracked === undefined) return
    const batches = batchesTracked.add(1)
    const rate = this.options.momentum ?? batches.reciprocal()
    const toward = (old: Tensor, now: Tensor) => old.add(now.sub(old).mul(rate))
    ctx.update('runningMean', toward(runningMean, mean))
    ctx.update('runningVariance', toward(runningVariance, variance.mul(perChannel / (perChannel - 1))))
    ctx.update('batchesTracked', batches)
  }
}

/** Batch normalization of `[batch, channels]` or `[batch, channels, length]`. */
export class BatchNorm1d extends BatchNorm {
  constructor(options: BatchNormOptions = {}) {
    super(1, options)
  }
}

/** Batch normalization of `[batch, channels, height, width]`. */
export class BatchNorm2d extends BatchNorm {
  constructor(options: BatchNormOptions = {}) {
    super(2, options)
  }
}

/** Batch normalization of `[batch, channels, depth, height, width]`. */
export class BatchNorm3d extends BatchNorm {
  constructor(options: BatchNormOptions = {}) {
    super(3, options)
  }
}
