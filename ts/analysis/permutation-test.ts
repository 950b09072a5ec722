/** Permutation test of dependence. */

import { isFloat } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { evaluate, tidy } from '../core/memory.js'
import { signal as anySignal, type Checks, checkOptions, oneOf, whole } from '../core/options.js'
import { adviseOnCopies } from '../estimators/copies.js'
import { releaseSamples, type SampleData, samplesFrom } from '../estimators/data.js'
import { HSIC } from '../estimators/hsic.js'
import { isWidthUsed } from '../estimators/kernel-options.js'
import { medianSigma, type Sigma } from '../estimators/kernels.js'
import type { Tensor } from '../ops/tensor.js'
import { deviationOf, meanOf } from './distributions.js'
import { sameCount } from './read.js'
import {
  checkRounds,
  checkStatistic,
  inAnyOrder,
  type Repeated,
  type Rounds,
  repeated,
  roundsCheck,
  type Statistic,
  valuesOf,
} from './statistic.js'

/** Options of {@link permutationTest}. */
export interface PermutationTestOptions {
  /** Shuffles of y. Default 999. */
  permutations?: number
  /** Extreme values: at least as large as the statistic (`greater`, default), at most as large (`less`), or either. */
  alternative?: 'greater' | 'less' | 'twoSided'
  /** Seed of the shuffles. Default 0. */
  seed?: number
  /** Row indices of y in each shuffle, instead of random ones. */
  orders?: Rounds
  /** Ends the test early; the promise rejects with its reason. */
  signal?: AbortSignal
}

const checks: Checks<PermutationTestOptions> = {
  permutations: whole(1, 1e7),
  alternative: oneOf('greater', 'less', 'twoSided'),
  seed: whole(0),
  orders: roundsCheck,
  signal: anySignal,
}

/** Result of {@link permutationTest}. */
export interface PermutationTest {
  /** The statistic of the samples. */
  readonly value: number
  /** (1 + count) / (1 + shuffles); for `twoSided` twice the smaller of both sides, at most 1. */
  readonly pValue: number
  /** Number of shuffles as extreme as the statistic; for `twoSided` on the side with fewer. */
  readonly count: number
  /** Mean of the statistic over shuffles: its value by chance. */
  readonly nullMean: number
  /** Standard deviation over shuffles. */
  readonly nullDeviation: number
  /** The statistic of every shuffle. */
  readonly nullValues: Float64Array
}

/**
 * Permutation test of independence for any measure of dependence (Fisher 1935; Davison and Hinkley 1997; Phipson and Smyth 2010): compares
 * the measure of x and y with the measure of x and shuffled y. Exact for samples that are independent draws. Equal values count as extreme,
 * to 1e-12 relative. Repeated pairs look like dependence; a warning says so once (`HYPERGLOW_REPEATED_SAMPLES`).
 *
 *     await permutationTest(x, y, new HSIC({ sigma: 'median' }))
 *     await permutationTest(x, labels, new DiscreteMI())
 *
 * @param x n samples
 * @param y the same draws
 * @param statistic an estimator, or a function from two tensors to a scalar
 * @throws ArgumentError for another type of statistic; ShapeError for different numbers of samples; NumericalError if a shuffle has no
 *   value; the reason of `signal` if it is aborted
 */
export async function permutationTest(
  x: SampleData,
  y: SampleData,
  statistic: Statistic,
  options: PermutationTestOptions = {},
): Promise<PermutationTest> {
  const name = 'permutationTest'
  const given = checkOptions(name, options, checks)
  checkStatistic(name, statistic)
  const a = await samplesFrom(`${name}: x`, x)
  try {
    const b = await samplesFrom(`${name}: y`, y)
    try {
      return await tested(name, a, b, statistic, given)
    } finally {
      releaseSamples(b, y)
    }
  } finally {
    releaseSamples(a, x)
  }
}

/** The test of samples that were read. */
async function tested(
  name: string,
  a: Tensor,
  b: Tensor,
  statistic: Statistic,
  given: PermutationTestOptions,
): Promise<PermutationTest> {
  const { alternative = 'greater', seed = 0, signal } = given
  const n = sameCount(name, a, b)
  if (n < 2) throw new DataError(`${name}: needs at least 2 samples, received ${n}`)
  const orders = given.orders && checkRounds(`${name}: orders`, given.orders, n, true)
  const shuffles = orders?.length ?? given.permutations ?? 999
  await adviseOnCopies(name, a, b)
  const values = await shuffled(name, statistic, a, b, seed)
  try {
    const all = Int32Array.from({ length: n }, (_, i) => i)
    const [value] = (await valuesOf(name, 1, () => values.of(all))) as unknown as [number]
    const nullValues = await valuesOf(
      name,
      shuffles,
      (round) => (orders === undefined ? values.drawn(round) : values.of(orders[round] as Int32Array)),
      signal,
    )
    const margin = 1e-12 * Math.abs(value)
    const above = nullValues.reduce((sum, one) => sum + Number(one >= value - margin), 0)
    const below = nullValues.reduce((sum, one) => sum + Number(one <= value + margin), 0)
    const count = { greater: above, less: below, twoSided: Math.min(above, below) }[alternative]
    const share = (1 + count) / (1 + shuffles)
    return {
      value,
      pValue: alternative === 'twoSided' ? Math.min(1, 2 * share) : share,
      count,
      nullMean: meanOf(nullValues),
      nullDeviation: shuffles > 1 ? deviationOf(nullValues) : 0,
      nullValues,
    }
  } finally {
    values.dispose()
  }
}

/** The statistic of x and y in any order. */
async function shuffled(
  name: string,
  statistic: Statistic,
  x: Tensor,
  y: Tensor,
  seed: number,
): Promise<Repeated> {
  const n = x.shape[0] as number
  const settled = await settledWidths(statistic, x, y)
  if (!(settled instanceof HSIC) || !isWide(x, y)) {
    return repeated(name, settled, (rows: Tensor) => [x.add(0), y.take(rows)], inAnyOrder(n), seed)
  }
  const factors = tidy(() => settled.factors(x, y))
  const clip = settled.params.clip ?? false
  const product = (a: Tensor, b: Tensor) => (clip ? a.mul(b).sum().maximum(0) : a.mul(b).sum())
  const inOrder = (rows: Tensor) => [factors.x.add(0), factors.y.take(rows, 0).take(rows, 1)]
  const values = repeated(name, product, inOrder, inAnyOrder(n), seed)
  const dispose = () => {
    values.dispose()
    for (const factor of [factors.x, factors.y]) factor.dispose()
  }
  try {
    await evaluate(factors)
  } catch (error) {
    dispose()
    throw error
  }
  return { ...values, dispose }
}

/**
 * Whether similarities of samples are more expensive to compute than to permute: then matrices are computed once, if they take at most 256
 * MiB.
 */
function isWide(x: Tensor, y: Tensor): boolean {
  const n = x.shape[0] as number
  return (x.size + y.size) / n >= 256 && n <= 4096
}

/** HSIC with the bandwidths of its median rule for these samples, which shuffles do not change. Other statistics are returned unchanged. */
async function settledWidths(statistic: Statistic, x: Tensor, y: Tensor): Promise<Statistic> {
  if (!(statistic instanceof HSIC) || statistic.constructor !== HSIC) return statistic
  const { sigma, sigmaY = isWidthUsed(statistic.params, 'sigmaY') ? sigma : undefined } = statistic.params
  if (![sigma, sigmaY].includes('median') || !isFloat(x.dtype) || !isFloat(y.dtype)) return statistic
  const widthOf = async (given: Sigma | undefined, samples: Tensor) => {
    if (given !== 'median') return given
    using width = tidy(() => medianSigma(samples))
    return width.item()
  }
  const widths = { sigma: await widthOf(sigma, x), sigmaY: await widthOf(sigmaY, y) }
  // Beyond the range of float64 the rule scales the samples themselves.
  const isUsable = (width: unknown) => typeof width !== 'number' || (Number.isFinite(width) && width > 0)
  if (!isUsable(widths.sigma) || !isUsable(widths.sigmaY)) return statistic
  const given = Object.entries(widths).filter(([, width]) => width !== undefined)
  return new HSIC({ ...statistic.params, ...Object.fromEntries(given) })
}
