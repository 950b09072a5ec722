/** Representational similarity: do two layers find the same samples alike? */
import { DataError } from '../../core/errors.js'
import type { SampleData } from '../../estimators/data.js'
import { doubledRanks } from '../../estimators/ranks.js'
import { where } from '../../ops/index.js'
import { type Tensor, tensor } from '../../ops/tensor.js'
import { rowsFrom, sameCount, scalarsOf } from '../read.js'

/** Result of {@link representationalSimilarity}: correlations of the dissimilarities of all pairs of samples, from -1 to 1. */
export interface RepresentationalSimilarity {
  /** Dissimilarity 1 - the correlation of two samples over units, compared by Pearson's correlation. */
  readonly correlationPearson: number
  /** The same compared by Spearman's correlation of ranks, equal values sharing the mean of their ranks. */
  readonly correlationSpearman: number
  /** Euclidean distances, compared by Pearson's correlation. */
  readonly euclideanPearson: number
  readonly euclideanSpearman: number
}

/** How samples are told apart, and by what dissimilarities are compared. */
export type DissimilarityKind = keyof RepresentationalSimilarity

/**
 * Representational similarity analysis (Kriegeskorte, Mur and Bandettini 2008): the correlation of the dissimilarities of all pairs of samples in
 * x with those in y. NaN where one side has none (a constant layer, or a single unit for correlations over units). O(n^2).
 *
 * @param x `[n, dx]`, n of at least 3; @param y the same samples
 * @throws DTypeError for class labels; ShapeError for different numbers of samples; DataError for fewer than 3
 */
export async function representationalSimilarity(
  x: SampleData,
  y: SampleData,
): Promise<RepresentationalSimilarity> {
  const name = 'representationalSimilarity'
  const [a, b] = [await rowsFrom(`${name}: x`, x, 3), await rowsFrom(`${name}: y`, y, 3)]
  const n = sameCount(name, a, b)
  using pairs = upperPairs(n)
  return scalarsOf(() => ({
    correlationPearson: similarityOf('correlationPearson', a, b, pairs),
    correlationSpearman: similarityOf('correlationSpearman', a, b, pairs),
    euclideanPearson: similarityOf('euclideanPearson', a, b, pairs),
    euclideanSpearman: similarityOf('euclideanSpearman', a, b, pairs),
  }))
}

/**
 * The places of the pairs i < j in a matrix `[n, n]` of one row after the other, int32.
 *
 * @throws DataError for more samples than int32 has places for
 */
export function upperPairs(n: number): Tensor {
  if (n > 46_340)
    throw new DataError(`dissimilarities of ${n} samples: expected at most 46340; take a part of them`)
  const places = new Int32Array((n * (n - 1)) / 2)
  let at = 0
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) places[at++] = i * n + j
  return tensor(places)
}

/** One of the similarities, lazily. */
export function similarityOf(kind: DissimilarityKind, x: Tensor, y: Tensor, pairs: Tensor): Tensor {
  const of = kind.startsWith('euclidean') ? distances : dissimilarities
  const [p, q] = [of(x), of(y)].map((matrix) => matrix.flatten(0).take(pairs)) as [Tensor, Tensor]
  return kind.endsWith('Pearson') ? pearson(p, q) : pearson(ranks(p), ranks(q))
}

/** Pearson's correlation of two vectors; NaN where one is constant. Lazy. */
export function pearson(x: Tensor, y: Tensor): Tensor {
  const [a, b] = [x.sub(x.mean()), y.sub(y.mean())]
  return a.mul(b).sum().div(a.square().sum().mul(b.square().sum()).sqrt())
}

const ranks = (x: Tensor) => doubledRanks(x.expandDims(1)).flatten(0)

function distances(x: Tensor): Tensor {
  const squares = x.sub(x.mean(0)).squaredDistances()
  return where(squares.greater(0), squares, 0).sqrt()
}

/** 1 - Pearson's correlation of samples over units. */
function dissimilarities(x: Tensor): Tensor {
  const centered = x.sub(x.mean(1, { keepDims: true }))
  const unit = centered.div(centered.square().sum(1, { keepDims: true }).sqrt())
  return unit.matmulT(unit, { transposeB: true }).neg().add(1)
}
