/** Effective dimensions of a layer. */
import { tidy } from '../core/memory.js'
import { between, type Checks, checkOptions, flag } from '../core/options.js'
import { checkRows } from '../estimators/check.js'
import type { SampleData } from '../estimators/data.js'
import { where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { rowsFrom } from './read.js'
import { basisOf, singularParts } from './singular.js'

/** Options of {@link spectrum}. */
export interface SpectrumOptions {
  /** Subtract the mean of each column first. Default true. */
  center?: boolean
  /** Smallest singular value for `rank`, as a fraction of the largest. Default 1e-3. */
  tolerance?: number
}

const checks: Checks<SpectrumOptions> = { center: flag, tolerance: between(0, 1) }

/** Singular values s of a layer's activations, and effective dimensions. All are 0 if every singular value is 0. */
export interface Spectrum {
  /** Largest first; 0 below the numerical rank. */
  readonly singularValues: readonly number[]
  /** exp of the entropy of s / sum s (Roy and Vetterli 2007). From 1 to the rank. */
  readonly effectiveRank: number
  /** exp of the entropy of s^2 / sum s^2: the same for the shares of variance. */
  readonly effectiveRankOfVariance: number
  /** (sum s^2)^2 / sum s^4 (Gao et al. 2017): number of directions that share the variance. */
  readonly participationRatio: number
  /** sum s^2 / s_1^2 (Rudelson and Vershynin 2007). */
  readonly stableRank: number
  /** sum s / s_1. */
  readonly nuclearRank: number
  /** Singular values above max(n, d) 2^-52 s_1. */
  readonly numericalRank: number
  /** Singular values above `tolerance` s_1. */
  readonly rank: number
}

/**
 * The singular values of samples and the effective dimensions; no unit, invariant to rotation and scale.
 *
 * @param x `[n, d]`
 * @throws DTypeError for class labels; DataError for values that are not finite
 */
export async function spectrum(x: SampleData, options: SpectrumOptions = {}): Promise<Spectrum> {
  const { center = true, tolerance = 1e-3 } = checkOptions('spectrum', options, checks)
  const rows = await rowsFrom('spectrum: x', x)
  using used = tidy(() => (center ? rows.sub(rows.mean(0)) : rows.add(0)))
  const { values, rank, basis } = await basisOf(used)
  basis.dispose()
  const [first = 0] = values
  const variances = values.map((s) => (first === 0 ? 0 : (s / first) ** 2))
  const shares = values.map((s) => (first === 0 ? 0 : s / first))
  const total = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0)
  const squares = total(variances.map((v) => v * v))
  return {
    singularValues: values,
    effectiveRank: exponentialEntropy(shares),
    effectiveRankOfVariance: exponentialEntropy(variances),
    participationRatio: squares === 0 ? 0 : total(variances) ** 2 / squares,
    stableRank: total(variances),
    nuclearRank: total(shares),
    numericalRank: rank,
    rank: values.filter((s) => s > tolerance * first).length,
  }
}

/** exp of the entropy of numbers divided by their sum; 0 if all are 0. */
function exponentialEntropy(weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total === 0) return 0
  const entropy = weights.reduce((sum, weight) => {
    const p = weight / total
    return p === 0 ? sum : sum - p * Math.log(p)
  }, 0)
  return Math.exp(entropy)
}

/**
 * Participation ratio (sum l)^2 / sum l^2 of the eigenvalues l of the covariance (Gao et al. 2017), computed from traces: lazy, cheap and
 * differentiable, so it can be a term of a loss. 0 if all samples are equal.
 *
 * @param x `[n, d]`
 * @returns scalar of the dtype of x
 */
export function participationRatio(x: Tensor): Tensor {
  checkRows('participationRatio: x', x)
  const centered = x.sub(x.mean(0))
  const [n, d] = x.shape as [number, number]
  const products = centered.matmulT(centered, n < d ? { transposeB: true } : { transposeA: true })
  const squares = products.square().sum()
  return where(
    squares.greater(0),
    products
      .trace()
      .square()
      .div(where(squares.greater(0), squares, 1)),
    0,
  )
}

/**
 * Effective rank (Roy and Vetterli 2007): exp of the entropy of the singular values of the centered samples divided by their sum. Lazy;
 * differentiable if the singular values differ. For wide and large samples use {@link spectrum}. 0 if all samples are equal.
 *
 * @param x `[n, d]` of floats
 * @returns scalar of the dtype of x
 */
export function effectiveRank(x: Tensor): Tensor {
  checkRows('effectiveRank: x', x)
  const exact = x.cast('float64')
  const { values } = singularParts(exact.sub(exact.mean(0)))
  const total = values.sum()
  const isSome = total.greater(0)
  const shares = values.div(where(isSome, total, 1))
  const entropy = shares
    .mul(where(shares.greater(0), shares, 1).log())
    .sum()
    .neg()
  return where(isSome, entropy.exp(), 0).cast(x.dtype)
}
