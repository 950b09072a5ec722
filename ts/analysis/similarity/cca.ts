/** Canonical correlations of two layers, and similarities based on them. */
import { tidy } from '../../core/memory.js'
import { between, type Checks, checkOptions } from '../../core/options.js'
import type { SampleData } from '../../estimators/data.js'
import type { Tensor } from '../../ops/tensor.js'
import { entriesOf, rowsFrom, sameCount } from '../read.js'
import { basisOf, singularParts } from '../singular.js'

/** Options of {@link canonicalCorrelations}. */
export interface CanonicalOptions {
  /** SVCCA: share of the squared singular values in the leading directions. Default 0.99, as in the paper. */
  variance?: number
}

/** The share of variance that SVCCA keeps. */
export const varianceCheck = between(0, 1, 'low')

const checks: Checks<CanonicalOptions> = { variance: varianceCheck }

/** Result of {@link canonicalCorrelations}. */
export interface CanonicalCorrelations {
  /** Canonical correlations of all directions, largest first: as many as the smaller rank. */
  readonly correlations: readonly number[]
  /** Their mean. */
  readonly mean: number
  /** The mean of their squares. */
  readonly meanSquare: number
  /** Mean of the correlations of the leading directions (SVCCA; Raghu, Gilmer, Yosinski and Sohl-Dickstein 2017). */
  readonly svcca: number
  readonly svccaCorrelations: readonly number[]
  /** Numbers of directions of x and of y in SVCCA. */
  readonly svccaDirections: readonly [number, number]
  /** Mean weighted by the share of x in each canonical variate of x (PWCCA; Morcos, Raghu and Bengio 2018). */
  readonly pwcca: number
  /** The same weighted by y. */
  readonly pwccaOfY: number
}

/**
 * Canonical correlations (Hotelling 1936) of two layers on the same samples: the correlations of the most correlated linear combinations,
 * and similarities based on them. From 0 to 1. Invertible linear maps of a side do not change the plain mean; rotations do not change
 * SVCCA; PWCCA depends on the axes of the side that weights it. Biased upward if columns are many relative to samples. A constant argument
 * has no direction: all means are 0.
 *
 * @param x `[n, dx]`
 * @param y the same samples
 * @throws DTypeError for class labels; ShapeError for different numbers of samples
 */
export async function canonicalCorrelations(
  x: SampleData,
  y: SampleData,
  options: CanonicalOptions = {},
): Promise<CanonicalCorrelations> {
  const name = 'canonicalCorrelations'
  const { variance = 0.99 } = checkOptions(name, options, checks)
  const [a, b] = [await rowsFrom(`${name}: x`, x), await rowsFrom(`${name}: y`, y)]
  sameCount(name, a, b)
  const [p, q] = [await directionsOf(a), await directionsOf(b)]
  try {
    const [full, leading] = [
      await pairOf(p, q),
      await correlationsOf(keeping(p, variance), keeping(q, variance)),
    ]
    return {
      correlations: full.correlations,
      mean: mean(full.correlations),
      meanSquare: mean(full.correlations.map((rho) => rho * rho)),
      svcca: mean(leading),
      svccaCorrelations: leading,
      svccaDirections: [keeping(p, variance).rank, keeping(q, variance).rank],
      pwcca: weighted(full.correlations, full.weightsX),
      pwccaOfY: weighted(full.correlations, full.weightsY),
    }
  } finally {
    release(p)
    release(q)
  }
}

/** A layer as an orthonormal basis. */
export interface Directions {
  /** Centered samples. */
  readonly rows: Tensor
  readonly values: readonly number[]
  readonly rank: number
  /** `[n, rank]`, orthonormal columns in descending order of the singular values. */
  readonly basis: Tensor
}

/** The directions of a layer; the caller {@link release}s them. */
export async function directionsOf(x: Tensor): Promise<Directions> {
  const rows = tidy(() => x.sub(x.mean(0)))
  return { rows, ...(await basisOf(rows)) }
}

/** Disposes of the tensors of directions. */
export function release({ rows, basis }: Directions): void {
  rows.dispose()
  basis.dispose()
}

/** The fewest leading directions with a share of the squared singular values. */
export function keeping(all: Directions, variance: number): Directions {
  const squares = all.values.map((value) => value * value)
  const total = squares.reduce((sum, square) => sum + square, 0)
  let rank = 0
  let sum = 0
  while (rank < all.rank && sum < variance * total * (1 - 1e-15)) {
    sum += squares[rank] as number
    rank++
  }
  return { ...all, rank }
}

/** Canonical correlations of the leading directions of two layers, largest first. */
export async function correlationsOf(x: Directions, y: Directions): Promise<number[]> {
  if (x.rank === 0 || y.rank === 0) return []
  const { values } = await entriesOf(() => ({ values: singularParts(crossOf(x, y)).values.minimum(1) }))
  return values
}

const crossOf = (x: Directions, y: Directions) =>
  x.basis.slice([0, 0], [null, x.rank]).matmulT(y.basis.slice([0, 0], [null, y.rank]), { transposeA: true })

/** Canonical correlations and the share of each side in their variates. */
export async function pairOf(
  x: Directions,
  y: Directions,
): Promise<{ correlations: number[]; weightsX: number[]; weightsY: number[] }> {
  if (x.rank === 0 || y.rank === 0) return { correlations: [], weightsX: [], weightsY: [] }
  return entriesOf(() => {
    const { values, left, right } = singularParts(crossOf(x, y))
    // Sums over units of |<h_i, x_j>|, h_i a canonical variate of unit length.
    const share = ({ basis, rows }: Directions, vectors: Tensor) =>
      basis.matmul(vectors).matmulT(rows, { transposeA: true }).abs().sum(1)
    return { correlations: values.minimum(1), weightsX: share(x, left), weightsY: share(y, right) }
  })
}

/** The mean of some numbers, 0 for none. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** A weighted mean, 0 for none. */
export function weighted(values: readonly number[], weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total === 0) return 0
  return values.reduce((sum, value, i) => sum + value * (weights[i] as number), 0) / total
}
