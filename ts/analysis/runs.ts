/** Summary of several runs, and comparison of two settings. */
import { DataError } from '../core/errors.js'
import { between, type Check, type Checks, checkOptions, whole } from '../core/options.js'
import { settled } from '../core/turns.js'
import type { SampleData } from '../estimators/data.js'
import { HostRandom } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import type { Interval } from './bootstrap.js'
import { deviationOf, meanOf, quantileOf, studentAbove, studentQuantile } from './distributions.js'
import { entriesOf, rowsFrom, sameCount } from './read.js'
import { checkRounds, type Rounds, roundsCheck } from './statistic.js'

/** Options of {@link summarizeRuns}. */
export interface RunsOptions {
  /** Nominal coverage of the intervals. Default 0.95. */
  level?: number
}

const level: Check<number> = between(0, 1, 'both')
const runsChecks: Checks<RunsOptions> = { level }

/** Result of {@link summarizeRuns}: a number for each column. */
export interface RunsSummary {
  readonly mean: readonly number[]
  /** Over runs - 1. */
  readonly deviation: readonly number[]
  /** deviation / sqrt(runs). */
  readonly standardError: readonly number[]
  /** mean - t standardError, t the quantile of Student's distribution with runs - 1 degrees of freedom. */
  readonly low: readonly number[]
  readonly high: readonly number[]
}

/**
 * Mean, standard deviation and t interval (Student 1908) over runs, for each column (for example an epoch).
 *
 * @param values `[runs, columns]`, at least 2 runs
 * @throws DataError for fewer runs and for values that are not finite
 */
export async function summarizeRuns(values: SampleData, options: RunsOptions = {}): Promise<RunsSummary> {
  const given = checkOptions('summarizeRuns', options, runsChecks)
  const rows = await rowsFrom('summarizeRuns: values', values, 2)
  const runs = rows.shape[0] as number
  const { mean, deviation } = await entriesOf(() => ({
    mean: rows.mean(0),
    deviation: rows
      .sub(rows.mean(0))
      .square()
      .sum(0)
      .div(runs - 1)
      .sqrt(),
  }))
  const t = studentQuantile(0.5 + (given.level ?? 0.95) / 2, runs - 1)
  const standardError = deviation.map((sd) => sd / Math.sqrt(runs))
  const end = (sign: number) => mean.map((value, i) => value + sign * t * (standardError[i] as number))
  return { mean, deviation, standardError, low: end(-1), high: end(1) }
}

/** Options of {@link comparePaired}. */
export interface PairedOptions {
  /** Nominal coverage of the intervals. Default 0.95. */
  level?: number
  /** Resamples of the bootstrap interval. Default 1000. */
  resamples?: number
  /** Random flips of the sign-flip test of more than 12 pairs; of fewer pairs all flips are counted. Default 999. */
  flips?: number
  /** Seed of resamples and signs. Default 0. */
  seed?: number
  /** Row indices of each resample, instead of random ones. */
  indices?: Rounds
  /** Signs 1 and -1 of each flip, instead of random ones. */
  signs?: Rounds
}

const pairedChecks: Checks<PairedOptions> = {
  level,
  resamples: whole(2, 1e7),
  flips: whole(1, 1e7),
  seed: whole(0),
  indices: roundsCheck,
  signs: roundsCheck,
}

/** Result of {@link comparePaired}. */
export interface PairedComparison {
  /** Mean of a - b. */
  readonly difference: number
  /** Standard deviation of a - b over n - 1. */
  readonly deviation: number
  readonly standardError: number
  /** difference / standardError. */
  readonly t: number
  /** n - 1. */
  readonly degrees: number
  /** Two-sided, of Student's t test. */
  readonly pValue: number
  /** t interval of the difference. */
  readonly interval: Interval
  /** Percentile bootstrap interval of the difference. */
  readonly bootstrapInterval: Interval
  /** difference / deviation (Cohen's d_z). */
  readonly effectSize: number
  /** Number of flips whose mean is at least as far from 0. */
  readonly signFlipCount: number
  /**
   * Two-sided, of the sign-flip test (Fisher 1935), which needs no normal differences. Up to 12 pairs it is exact, count / 2^pairs; with more
   * pairs, or given `signs`, it is (1 + count) / (1 + flips).
   */
  readonly signFlipPValue: number
  /** The smallest p-value that the sign-flip test of so many pairs can have: 2 / 2^pairs, or 1 / (1 + flips). 3 pairs: 0.25. */
  readonly signFlipSmallestPValue: number
}

/**
 * Compares two settings that were run with the same seeds, or on the same data: paired runs differ only in the setting, and common effects
 * cancel in the differences. Few pairs bound the sign-flip test from below: 5 pairs cannot have p < 0.0625, 6 pairs have 0.03125 at best.
 *
 * @param a one number per run
 * @param b the runs with the same seeds, at least 2 pairs
 * @returns the difference a - b with intervals, in the unit of the numbers
 * @throws ShapeError for different numbers of runs; DataError for fewer than 2
 */
export async function comparePaired(
  a: SampleData,
  b: SampleData,
  options: PairedOptions = {},
): Promise<PairedComparison> {
  const name = 'comparePaired'
  const given = checkOptions(name, options, pairedChecks)
  const [p, q] = [await numbersFrom(`${name}: a`, a), await numbersFrom(`${name}: b`, b)]
  const n = sameCount(name, p, q)
  const { values } = await entriesOf(() => ({ values: p.sub(q) }))
  const degrees = n - 1
  const difference = meanOf(values)
  const deviation = deviationOf(values)
  const standardError = deviation / Math.sqrt(n)
  const t = difference === 0 ? 0 : difference / standardError
  const reach = studentQuantile(0.5 + (given.level ?? 0.95) / 2, degrees) * standardError
  const random = new HostRandom(given.seed ?? 0)
  const bootstrapInterval = await resampled(values, given, random)
  const signFlips = await flipped(values, given, random)
  return {
    difference,
    deviation,
    standardError,
    t,
    degrees,
    pValue: Math.min(1, 2 * studentAbove(Math.abs(t), degrees)),
    interval: [difference - reach, difference + reach],
    bootstrapInterval,
    effectSize: difference === 0 ? 0 : difference / deviation,
    signFlipCount: signFlips.count,
    signFlipPValue: signFlips.pValue,
    signFlipSmallestPValue: signFlips.smallest,
  }
}

async function numbersFrom(what: string, data: SampleData): Promise<Tensor> {
  const rows = await rowsFrom(what, data, 2)
  if (rows.shape[1] === 1) return rows.reshape([rows.size])
  throw new DataError(`${what} holds ${rows.shape[1]} numbers per run, expected one`)
}

/** Rounds of n numbers between two readings of the clock. */
const roundsPerTurn = (n: number) => Math.max(1, Math.floor(3e4 / n))

async function resampled(
  values: readonly number[],
  { indices, resamples = 1000, level: wanted = 0.95 }: PairedOptions,
  random: HostRandom,
): Promise<Interval> {
  const n = values.length
  const given = indices && checkRounds('comparePaired: indices', indices, n, false)
  const means = new Float64Array(given?.length ?? resamples)
  for (let b = 0; b < means.length; b++) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += values[given?.[b]?.[i] ?? random.int(n)] as number
    means[b] = sum / n
    if (b % roundsPerTurn(n) === 0) await settled()
  }
  means.sort()
  const alpha = (1 - wanted) / 2
  return [quantileOf(means, alpha), quantileOf(means, 1 - alpha)]
}

/** Largest number of pairs whose 2^pairs flips are all counted. */
const mostCounted = 12

interface SignFlips {
  readonly count: number
  readonly pValue: number
  readonly smallest: number
}

async function flipped(
  values: readonly number[],
  { signs, flips = 999 }: PairedOptions,
  random: HostRandom,
): Promise<SignFlips> {
  const n = values.length
  const given = signs && checkSigns(signs, n)
  const total = (sign: (i: number) => number) => Math.abs(values.reduce((sum, v, i) => sum + sign(i) * v, 0))
  // Ties are exact in theory, but not in floating point.
  const least = total(() => 1) * (1 - 1e-12)
  if (given === undefined && n <= mostCounted) {
    const all = 2 ** n
    let count = 0
    for (let flip = 0; flip < all; flip++) if (total((i) => ((flip >> i) & 1 ? -1 : 1)) >= least) count++
    return { count, pValue: count / all, smallest: 2 / all }
  }
  const rounds = given?.length ?? flips
  let count = 0
  for (let b = 0; b < rounds; b++) {
    if (total((i) => given?.[b]?.[i] ?? (random.int(2) === 0 ? -1 : 1)) >= least) count++
    if (b % roundsPerTurn(n) === 0) await settled()
  }
  return { count, pValue: (1 + count) / (1 + rounds), smallest: 1 / (1 + rounds) }
}

function checkSigns(signs: Rounds, n: number): Int8Array[] {
  return Array.from(signs, (given, round) => {
    const row = Array.from({ length: given.length }, (_, i): unknown => given[i])
    if (row.length === n && row.every((sign) => sign === 1 || sign === -1))
      return Int8Array.from(row as number[])
    throw new DataError(`comparePaired: signs[${round}] must be ${n} numbers, each 1 or -1`)
  })
}
