import { DTypeError, ShapeError } from '../core/errors.js'
import { tensorOnly } from '../core/operands.js'
import { above, type Checks, checkOptions, flag } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import { softmax, where } from '../ops/index.js'
import { arange, type Tensor } from '../ops/tensor.js'

/** Options of {@link scaledDotProductAttention}. */
export interface AttentionOptions {
  /** Bool, true where a query may attend to a key: `[batch, heads, queries, keys]` or a shape that broadcasts to it. Default: everywhere. */
  mask?: Tensor
  /** Numbers added to the scores: `[batch, heads, queries, keys]` or a shape that broadcasts to it. Default: none. */
  bias?: Tensor
  /** Query t attends only to keys up to t. Default false. */
  causal?: boolean
  /** Factor of the scores. Default 1 / sqrt(features of a key). */
  scale?: number
}

const checks: Checks<AttentionOptions> = { mask: tensorOnly, bias: tensorOnly, causal: flag, scale: above(0) }

/** Result of attention. */
export interface Attention {
  /** `[batch, heads, queries, features of a value]`. */
  readonly output: Tensor
  /** The attention weights `[batch, heads, queries, keys]`; the weights of a query sum to 1. */
  readonly attention: Tensor
}

/**
 * Scaled dot-product attention (Vaswani et al. 2017): means of the values, weighted by `softmax(query key' * scale)`. A query without
 * allowed keys gets zeros.
 *
 * @param query `[batch, heads, queries, features]`; @param key `[batch, heads, keys, features]`
 * @param value `[batch, heads, keys, features of a value]`
 * @throws ShapeError if the shapes do not agree
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Attention {
  const given = checkOptions('scaledDotProductAttention', options, checks)
  checkHeads(query, key, value)
  const [queries, features] = query.shape.slice(2) as [number, number]
  const keys = key.shape[2] as number
  const { mask, bias, causal = false, scale = 1 / Math.sqrt(features) } = given
  if (mask !== undefined && mask.dtype !== 'bool') {
    throw new DTypeError(
      `scaledDotProductAttention: the mask is ${mask.dtype}, expected bool, true where a query may attend; give numbers that are added to the scores as bias`,
    )
  }
  const products = query.matmulT(key, { transposeB: true }).mul(scale)
  const scores = bias === undefined ? products : products.add(bias)
  let allowed = mask
  if (causal) {
    const places = (count: number) => arange(count, { dtype: 'int32' })
    const past = places(queries).expandDims(1).greaterEqual(places(keys))
    allowed = allowed === undefined ? past : allowed.logicalAnd(past)
  }
  const attention = allowed === undefined ? softmax(scores) : maskedSoftmax(scores, allowed)
  return { output: attention.matmul(value), attention }
}

/** Score of a key that is not allowed: finite, so that a query without allowed keys has no NaN before its zeros. */
const lowest = -3.4e38

/** Softmax over the allowed entries of the last axis; 0 at other entries, and in rows without allowed entries. */
function maskedSoftmax(scores: Tensor, allowed: Tensor): Tensor {
  return where(allowed, softmax(where(allowed, scores, lowest)), 0)
}

function checkHeads(query: Tensor, key: Tensor, value: Tensor): void {
  const all = Object.entries({ query, key, value })
  for (const [name, x] of all) {
    idOf(`scaledDotProductAttention: ${name}`, x)
    if (x.rank === 4) continue
    throw new ShapeError(
      `scaledDotProductAttention: expected a ${name} [batch, heads, length, features], received [${x.shape}]`,
    )
  }
  const leading = (x: Tensor) => String(x.shape.slice(0, 2))
  const isFit =
    leading(query) === leading(key) &&
    leading(key) === leading(value) &&
    query.shape[3] === key.shape[3] &&
    key.shape[2] === value.shape[2]
  if (isFit) return
  throw new ShapeError(
    `scaledDotProductAttention: query [${query.shape}], key [${key.shape}] and value [${value.shape}] must share batch and heads, query and key their features, key and value their length`,
  )
}
