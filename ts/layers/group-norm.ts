import { ShapeError } from '../core/errors.js'
import { above, type Checks, checkOptions, flag } from '../core/options.js'
import { narrow, standardized, wide } from '../ops/moments.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs, wholeNumber } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'
import type { NormWeights } from './layer-norm.js'
import { aligned } from './scaled-rows.js'

/** Options of {@link GroupNorm} and {@link InstanceNorm}. */
export interface GroupNormOptions extends NameOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number
  /** Learn a scale `gamma` and a shift `beta` for each channel. Default true. */
  affine?: boolean
}

const checks: Checks<GroupNormOptions> = { ...nameChecks, eps: above(0), affine: flag }

/** Base of the layers that normalize groups of channels of each sample; a subclass defines the number of groups. */
abstract class ChannelNorm extends Layer<NormWeights> {
  protected readonly options: GroupNormOptions

  constructor(what: string, kind: string, options: GroupNormOptions) {
    const given = checkOptions(what, options, checks)
    super({ kind, name: given.name })
    this.options = given
  }

  protected abstract groupsOf(channels: number): number

  build(inputShape: Shape): Shape {
    const [channels] = inputShape
    if (channels === undefined) {
      throw new ShapeError(`${this.name}: expected an input [channels, ...extents], received []`)
    }
    const groups = this.groupsOf(channels)
    if (channels % groups !== 0) {
      throw new ShapeError(
        `${this.name}: ${channels} channels cannot be split into ${groups} groups; input shape [${inputShape}]`,
      )
    }
    if (this.options.affine ?? true) {
      this.param('gamma', [channels], 'ones')
      this.param('beta', [channels], 'zeros')
    }
    return inputShape
  }

  apply(weights: NormWeights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    const [batch, channels, ...extents] = x.shape
    const groups = channels === undefined ? 0 : this.groupsOf(channels)
    if (channels === undefined || channels % groups !== 0) {
      throw new ShapeError(
        `${this.name}: expected an input [batch, channels, ...] of ${groups} groups of channels, received [${x.shape}]`,
      )
    }
    const { gamma, beta } = weights
    const rows = wide(x).reshape([batch as number, groups, channels / groups, ...extents])
    const axes = rows.shape.map((_, axis) => axis).slice(2)
    const y = narrow(standardized(rows, axes, this.options.eps ?? 1e-5).reshape(x.shape), x.dtype)
    const scaled = gamma === undefined ? y : y.mul(aligned(gamma, 1, x.rank, 1))
    return beta === undefined ? scaled : scaled.add(aligned(beta, 1, x.rank, 1))
  }
}

/**
 * Group normalization (Wu and He 2018): `(x - mean) / sqrt(variance + eps) * gamma + beta`, the moments over the channels of a group and all
 * positions of each sample (population variance). A group is adjacent channels. `[batch, channels, ...extents]` to the same shape. In
 * float32 the moments are computed in float64, so any finite input has finite moments.
 */
export class GroupNorm extends ChannelNorm {
  readonly groups: number

  constructor(groups: number, options: GroupNormOptions = {}) {
    super('GroupNorm', 'group_norm', options)
    this.groups = wholeNumber('GroupNorm: groups', groups)
  }

  protected groupsOf(): number {
    return this.groups
  }

  protected override settings() {
    return [this.groups, this.options]
  }
}

/** Instance normalization (Ulyanov et al. 2016): {@link GroupNorm} with one channel in each group. */
export class InstanceNorm extends ChannelNorm {
  constructor(options: GroupNormOptions = {}) {
    super('InstanceNorm', 'instance_norm', options)
  }

  protected groupsOf(channels: number): number {
    return channels
  }

  protected override settings() {
    return [this.options]
  }
}
