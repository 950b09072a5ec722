/** Representational similarity: agreement of the distances between samples in two layers. */
import type { SampleData } from '../../estimators/data.js'
import { doubledRanks } from '../../estimators/ranks.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { rowsFrom, sameCount, scalarsOf } from '../read.js'

/** Result of {@link representationalSimilarity}: correlations of the dissimilarities of all pairs of samples, from -1 to 1. */
export interface RepresentationalSimilarity {
  /** Dissimilarity 1 - correlation of two samples over units, compared by Pearson's correlation. */
  readonly correlationPearson: number
  /** The same, compared by Spearman's rank correlation; equal values have the mean of their ranks. */
  readonly correlationSpearman: number
  /** Euclidean distances, compared by Pearson's correlation. */
  readonly euclideanPearson: number
  readonly euclideanSpearman: number
}

/** The dissimilarity of samples and the correlation of dissimilarities. */
export type DissimilarityKind = keyof RepresentationalSimilarity

/**
 * Representational similarity analysis (Kriegeskorte, Mur and Bandettini 2008): the correlation of the dissimilarities of all pairs of
 * samples in x with those in y. NaN if it is undefined on one side (a constant layer, or a single unit for correlations over units).
 * O(n^2).
 *
 * @param x `[n, dx]`, n of at least 3
 * @param y the same samples
 * @throws DTypeError for class labels; ShapeError for different numbers of samples; DataError for fewer than 3
 */
export async function representationalSimilarity(
  x: SampleData,
  y: SampleData,
): Promise<RepresentationalSimilarity> {
  const name = 'representationalSimilarity'
  const [a, b] = [await rowsFrom(`${name}: x`, x, 3), await rowsFrom(`${name}: y`, y, 3)]
  sameCount(name, a, b)
  return scalarsOf(() => ({
    correlationPearson: similarityOf('correlationPearson', a, b),
    correlationSpearman: similarityOf('correlationSpearman', a, b),
    euclideanPearson: similarityOf('euclideanPearson', a, b),
    euclideanSpearman: similarityOf('euclideanSpearman', a, b),
  }))
}

/** One of the similarities, lazily. */
export function similarityOf(kind: DissimilarityKind, x: Tensor, y: Tensor): Tensor {
  const of = kind.startsWith('euclidean') ? distances : dissimilarities
  const [p, q] = [of(x), of(y)].map(apart) as [Tensor, Tensor]
  return kind.endsWith('Pearson') ? pearson(p, q) : pearson(ranks(p), ranks(q))
}

/**
 * The off-diagonal entries of a symmetric matrix `[n, n]`, in one row. Each pair occurs twice, which changes neither correlation: means
 * stay the same, and the rank of an entry becomes 2 r - 1/2.
 */
function apart(matrix: Tensor): Tensor {
  const n = matrix.shape[0] as number
  const same = matrix.add(matrix.transpose()).div(2)
  // After the first entry the diagonal is the last column of rows of length n + 1.
  return same
    .flatten(0)
    .slice([1])
    .reshape([n - 1, n + 1])
    .slice([0, 0], [null, n])
    .flatten(0)
}

/** Pearson's correlation of two vectors; NaN if one is constant. Lazy. */
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
