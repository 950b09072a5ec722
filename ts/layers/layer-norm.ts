import { ShapeError } from '../core/errors.js'
import { above, type Checks, checkOptions, flag, whole } from '../core/options.js'
import { inverseRoot, narrow, standardized, wide } from '../ops/moments.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'
import { aligned } from './scaled-rows.js'

/** Options of {@link LayerNorm} and {@link RMSNorm}. */
export interface RowNormOptions extends NameOptions {
  /** Number of last axes that are normalized together. Default 1: the features. */
  axes?: number
  /** Added to the variance or mean square. Default 1e-5. */
  eps?: number
  /** Learn a factor `gamma` for each entry. Default true. */
  useScale?: boolean
}

/** Options of {@link LayerNorm}. */
export interface LayerNormOptions extends RowNormOptions {
  /** Learn a shift `beta` for each entry. Default true. */
  useBias?: boolean
}

const rowChecks: Checks<RowNormOptions> = { ...nameChecks, axes: whole(1), eps: above(0), useScale: flag }
const checks: Checks<LayerNormOptions> = { ...rowChecks, useBias: flag }

/** `gamma` and `beta`, each of the shape of the normalized axes, with a leading batch axis if every sample has its own. */
export type NormWeights = { gamma?: Tensor; beta?: Tensor }

/** Base of the layers that normalize each sample over its last axes. */
export abstract class RowNorm<W extends NormWeights> extends Layer<W> {
  /** Number of last axes that are normalized together. */
  readonly axes: number
  readonly eps: number

  constructor(kind: string, { name, axes = 1, eps = 1e-5 }: RowNormOptions) {
    super({ kind, name })
    this.axes = axes
    this.eps = eps
  }

  protected extents(inputShape: Shape): Shape {
    if (inputShape.length >= this.axes) return inputShape.slice(-this.axes)
    throw new ShapeError(
      `${this.name}: expected an input of at least ${this.axes} ${this.axes === 1 ? 'axis' : 'axes'}, received [${inputShape}]`,
    )
  }

  /** The normalized axes of an input with a batch axis. */
  protected last(x: Tensor): number[] {
    this.extents(x.shape.slice(1))
    return x.shape.map((_, axis) => axis).slice(-this.axes)
  }

  /** A weight in a shape that broadcasts to the input. */
  protected meeting(weight: Tensor, x: Tensor): Tensor {
    return aligned(weight, this.axes, x.rank, x.rank - this.axes)
  }
}

/**
 * Layer normalization (Ba et al. 2016): `(x - mean) / sqrt(variance + eps) * gamma + beta`, the moments over the last axes of each sample
 * (population variance). The output has the shape of the input. In float32 the moments are computed in float64, so any finite input has
 * finite moments.
 *
 *     new LayerNorm()            // over the features of [time, features]
 *     new LayerNorm({ axes: 3 }) // over a whole [channels, height, width]
 */
export class LayerNorm extends RowNorm<NormWeights> {
  readonly #options: LayerNormOptions

  constructor(options: LayerNormOptions = {}) {
    const given = checkOptions('LayerNorm', options, checks)
    super('layer_norm', given)
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    const extents = this.extents(inputShape)
    const { useScale = true, useBias = true } = this.#options
    if (useScale) this.param('gamma', extents, 'ones')
    if (useBias) this.param('beta', extents, 'zeros')
    return inputShape
  }

  apply(weights: NormWeights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    const { gamma, beta } = weights
    const y = narrow(standardized(wide(x), this.last(x), this.eps), x.dtype)
    const scaled = gamma === undefined ? y : y.mul(this.meeting(gamma, x))
    return beta === undefined ? scaled : scaled.add(this.meeting(beta, x))
  }

  protected override settings() {
    return [this.#options]
  }
}

/** Options of {@link RMSNorm}. */
export type RMSNormOptions = RowNormOptions

/** `gamma`, absent without a scale. */
export type RMSNormWeights = { gamma?: Tensor }

/**
 * Root mean square normalization (Zhang and Sennrich 2019): `x / sqrt(mean(x^2) + eps) * gamma`, the mean over the last axes of each sample.
 * The output has the shape of the input. In float32 the mean is computed in float64, so any finite input has a finite mean.
 */
export class RMSNorm extends RowNorm<RMSNormWeights> {
  readonly #options: RMSNormOptions

  constructor(options: RMSNormOptions = {}) {
    const given = checkOptions('RMSNorm', options, rowChecks)
    super('rms_norm', given)
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    const extents = this.extents(inputShape)
    if (this.#options.useScale ?? true) this.param('gamma', extents, 'ones')
    return inputShape
  }

  apply(weights: RMSNormWeights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    const { gamma } = weights
    const exact = wide(x)
    const square = exact.square().mean(this.last(x), { keepDims: true })
    const y = narrow(exact.mul(inverseRoot(square, this.eps)), x.dtype)
    return gamma === undefined ? y : y.mul(this.meeting(gamma, x))
  }

  protected override settings() {
    return [this.#options]
  }
}
