/** Losses of the angle between vectors. */
import { ShapeError } from '../../core/errors.js'
import { above, between, type Checks, checkOptions } from '../../core/options.js'
import { idOf } from '../../core/tensor.js'
import { logSoftmax } from '../../ops/activations.js'
import { concat, normalize, where } from '../../ops/index.js'
import { arange, type Tensor } from '../../ops/tensor.js'
import { checkSameShape, type LossOptions, lossChecks, reduce } from './reduction.js'

/**
 * Rows divided by their lengths; a row of 0 stays 0 with gradient 0. Entries are divided by the row's largest entry first, so that no square
 * overflows or underflows. Derivatives treat the largest entry as a constant, since the direction does not depend on it.
 */
function directions(rows: Tensor): Tensor {
  const largest = rows.abs().max(-1, { keepDims: true }).stopGradient()
  const isNone = largest.equal(0)
  const unit = normalize(where(isNone, 1, rows.div(where(isNone, 1, largest))))
  return where(isNone, 0, unit)
}

/** Cosine of the angle along the last axis; 0 where one side is 0. */
function cosine(a: Tensor, b: Tensor): Tensor {
  return directions(a).mul(directions(b)).sum(-1)
}

function checkRows(name: string, a: Tensor, b: Tensor): void {
  checkSameShape(name, a, b)
  if (a.rank === 0) throw new ShapeError(`${name}: expected [..., features], received []`)
}

/**
 * `1 - cos` of the angle between prediction and target along the last axis, from 0 to 2.
 *
 * @param pred `[batch, ..., features]`; @param target same shape
 * @returns scalar; with reduction 'none', `[batch, ...]`
 */
export function cosineDistance(pred: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction } = checkOptions('cosineDistance', options, lossChecks)
  checkRows('cosineDistance', pred, target)
  return reduce(cosine(pred, target).neg().add(1), reduction)
}

/** Options of {@link cosineEmbedding}. */
export interface CosineEmbeddingOptions extends LossOptions {
  /** Largest cosine of a pair with target -1 without loss, in [-1, 1]. Default 0. */
  margin?: number
}

const embeddingChecks: Checks<CosineEmbeddingOptions> = { ...lossChecks, margin: between(-1, 1) }

/**
 * Cosine loss of pairs: `1 - cos` for target 1, `max(0, cos - margin)` for target -1.
 *
 * @param first `[batch, ..., features]`; @param second same shape
 * @param target `[batch, ...]`, 1 or -1; the loss of other entries is NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 */
export function cosineEmbedding(
  first: Tensor,
  second: Tensor,
  target: Tensor,
  options: CosineEmbeddingOptions = {},
): Tensor {
  const { margin = 0, reduction } = checkOptions('cosineEmbedding', options, embeddingChecks)
  checkRows('cosineEmbedding', first, second)
  idOf('cosineEmbedding: target', target)
  if (String(target.shape) !== String(first.shape.slice(0, -1))) {
    throw new ShapeError(
      `cosineEmbedding: expected targets [${first.shape.slice(0, -1)}] for pairs of rows [${first.shape}], received [${target.shape}]`,
    )
  }
  const cos = cosine(first, second)
  const apart = where(target.equal(-1), cos.sub(margin).relu(), Number.NaN)
  return reduce(where(target.equal(1), cos.neg().add(1), apart), reduction)
}

/** Options of {@link ntXent}. */
export interface NtXentOptions extends LossOptions {
  /** Divisor of the similarities; with a small value only the nearest rows contribute. Default 0.5. */
  temperature?: number
}

const ntXentChecks: Checks<NtXentOptions> = { ...lossChecks, temperature: above(0) }

/**
 * Contrastive loss of two views (SimCLR, Chen et al. 2020): cross-entropy in nats of each row's other view among all rows
 * of both views, with cosines as scores.
 *
 * @param first `[batch, features]`; @param second the other view of the same samples
 * @returns scalar; with reduction 'none', `[2 batch]`, the rows of `first` first
 */
export function ntXent(first: Tensor, second: Tensor, options: NtXentOptions = {}): Tensor {
  const { temperature = 0.5, reduction } = checkOptions('ntXent', options, ntXentChecks)
  checkSameShape('ntXent', first, second)
  if (first.rank !== 2) {
    throw new ShapeError(`ntXent: expected two views [batch, features], received [${first.shape}]`)
  }
  const batch = first.shape[0] as number
  const rows = concat([directions(first), directions(second)], 0)
  const places = arange(2 * batch, { dtype: 'int32' })
  const at = (shift: number) => places.add(shift).rem(2 * batch)
  const isAt = (shift: number) => at(shift).expandDims(1).equal(places)
  const similarity = rows.matmulT(rows, { transposeB: true }).div(temperature)
  const logShares = logSoftmax(where(isAt(0), Number.NEGATIVE_INFINITY, similarity), 1)
  return reduce(where(isAt(batch), logShares, 0).sum(1).neg(), reduction)
}
