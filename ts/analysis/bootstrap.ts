/** Sampling error of a statistic. */
import { ArgumentError, DataError, describe } from '../core/errors.js'
import {
  signal as anySignal,
  between,
  type Checks,
  checkOptions,
  flag,
  isInstance,
  isList,
  whole,
} from '../core/options.js'
import { releaseSamples, type SampleData, samplesFrom } from '../estimators/data.js'
import { Estimator } from '../estimators/estimator.js'
import type { Tensor } from '../ops/tensor.js'
import { deviationOf, meanOf, normalBelow, normalQuantile, quantileOf } from './distributions.js'
import { sameCount } from './read.js'
import {
  checkRounds,
  checkStatistic,
  type Rounds,
  repeated,
  roundsCheck,
  type Statistic,
  valuesOf,
  withReplacement,
} from './statistic.js'

/** Options of {@link bootstrap}. */
export interface BootstrapOptions {
  /** Resamples. Default 1000. */
  resamples?: number
  /** Nominal coverage of the intervals. Default 0.95. */
  level?: number
  /** Seed of the resamples. Default 0. */
  seed?: number
  /** Also compute the BCa interval, which needs one more evaluation of the statistic per sample. Default true. */
  bca?: boolean
  /** Row indices of each resample, instead of random ones. */
  indices?: Rounds
  /** Ends the resamples early; the promise rejects with its reason. */
  signal?: AbortSignal
}

const checks: Checks<BootstrapOptions> = {
  resamples: whole(2, 1e7),
  level: between(0, 1, 'both'),
  seed: whole(0),
  bca: flag,
  indices: roundsCheck,
  signal: anySignal,
}

/** Lower and upper bound. */
export type Interval = readonly [low: number, high: number]

/** Result of {@link bootstrap}. */
export interface Bootstrap {
  /** The statistic of the samples. */
  readonly value: number
  /** Standard deviation of the statistic over resamples. */
  readonly standardError: number
  /** Mean over resamples minus the value. */
  readonly bias: number
  /** Quantiles over resamples. */
  readonly percentile: Interval
  /** 2 value minus the upper and the lower quantile. */
  readonly basic: Interval
  /** Bias-corrected and accelerated (Efron 1987); undefined with `bca: false`. */
  readonly bca?: Interval
  /** Bias correction of BCa, in standard normal units. */
  readonly z0?: number
  /** Acceleration of BCa, from the jackknife. */
  readonly acceleration?: number
}

/**
 * Bootstrap intervals of a statistic (Efron and Tibshirani 1993) over samples, or over runs, where each run is a sample.
 *
 *     await bootstrap([x, y], new GaussianMI())
 *     await bootstrap([accuracies], (a) => a.mean(), { level: 0.9 })
 *
 * Rows of all arguments are drawn together, with replacement. Quantiles are interpolated (type 7). Intervals are in the unit of the
 * statistic.
 *
 * The bootstrap of n out of n samples is valid for smooth functions of means, such as a correlation or {@link GaussianMI} of dependent
 * variables of few columns. It is refused where it is wrong (`isBiasedByCopies`), with {@link halfJackknife} and the bootstrap over runs as
 * alternatives:
 *
 * - neighbors (KSG, MixedKSG, KNN, Ross, ResidualMI): a copy is the nearest neighbor, at distance 0 on both sides.
 * - kernels and distances (HSIC, CKA, DistanceCorrelation, KDE, RenyiMI), the unbiased forms too: a pair of copies adds a diagonal entry of
 *   both matrices, which is the bias of the V-statistic once more. For unrelated samples these statistics are degenerate, and their bootstrap
 *   does not converge (Bickel and Freedman 1981; Arcones and Gine 1992).
 * - counts and bins (DiscreteMI, Binned, EDGE): a resample has the bias (r - 1)(c - 1) / (2 n) of the table once more, and unrelated symbols
 *   are degenerate too.
 * - held-out samples (DiscriminantMI, MINE and others with a critic) have copies among the samples that train.
 *
 * Other statistics warn once (`HYPERGLOW_BOOTSTRAP_BIAS`) if the resamples lie beside the value by more than a quarter of the standard error,
 * which is the limit of Efron and Tibshirani 1993 (sec. 10.3), plus three deviations of the resampling: intervals are then shifted.
 * GaussianMI of 10 and 10 columns of 200 unrelated samples is such a case.
 *
 * @param data arguments of the statistic, each n samples
 * @param statistic an estimator (of two arguments), or a function from tensors to a scalar
 * @throws ArgumentError for another type of statistic and for an estimator that copies bias; ShapeError for different numbers of samples; NumericalError if a resample has no
 *   value; the reason of `signal` if it is aborted
 */
export async function bootstrap(
  data: readonly SampleData[],
  statistic: Statistic,
  options: BootstrapOptions = {},
): Promise<Bootstrap> {
  const given = checkOptions('bootstrap', options, checks)
  checkStatistic('bootstrap', statistic)
  checkCopies(statistic)
  if (!isList(data) || data.length === 0) {
    throw new ArgumentError(
      `bootstrap: data is ${describe(data)}, expected an array of the arguments of the statistic`,
    )
  }
  const parts = Array.from(data)
  const samples: Tensor[] = []
  try {
    for (const [i, part] of parts.entries()) {
      samples.push(await samplesFrom(`bootstrap: data[${i}]`, part))
    }
    return await resampled(samples, statistic, given)
  } finally {
    for (const [i, part] of samples.entries()) releaseSamples(part, parts[i] as SampleData)
  }
}

/** Refuses an estimator for which the copies in a resample are dependence. */
function checkCopies(statistic: Statistic): void {
  if (!isInstance(statistic, Estimator) || !statistic.isBiasedByCopies) return
  throw new ArgumentError(
    `bootstrap: resamples hold copies of samples, which ${statistic.name} counts as dependence, so its intervals would be wrong; ` +
      `use halfJackknife(x, y, estimator), which draws no copies, or the bootstrap over runs: bootstrap([estimates], (v) => v.mean())`,
  )
}

/** Bias in standard errors up to which intervals are right enough. */
const toleratedBias = 0.25

const advised = new WeakSet<Statistic>()

/** Warns, once for each statistic, that the resamples lie beside the value. */
function adviseOnBias(
  statistic: Statistic,
  { bias, standardError }: Pick<Bootstrap, 'bias' | 'standardError'>,
  count: number,
): void {
  const ratio = bias / standardError
  if (!(Math.abs(ratio) > toleratedBias + 3 / Math.sqrt(count)) || advised.has(statistic)) return
  advised.add(statistic)
  const instead = isInstance(statistic, Estimator)
    ? 'use halfJackknife(x, y, estimator), which draws no copies, or'
    : 'use'
  process.emitWarning(
    `bootstrap: the values of resamples are ${Math.abs(ratio).toPrecision(2)} standard errors ${ratio > 0 ? 'above' : 'below'} that of the samples on average, so copies of samples change the statistic and the intervals are shifted; ${instead} the bootstrap over runs`,
    { type: 'HyperglowWarning', code: 'HYPERGLOW_BOOTSTRAP_BIAS' },
  )
}

/** The bootstrap of samples that were read. */
async function resampled(
  samples: readonly Tensor[],
  statistic: Statistic,
  given: BootstrapOptions,
): Promise<Bootstrap> {
  const { level = 0.95, seed = 0, bca = true, signal } = given
  const n = sameCount('bootstrap', ...samples)
  if (n < 2) throw new DataError(`bootstrap: needs at least 2 samples, received ${n}`)
  const indices = given.indices && checkRounds('bootstrap: indices', given.indices, n, false)
  const count = indices?.length ?? given.resamples ?? 1000
  const pick = (rows: Tensor) => samples.map((x) => x.take(rows))
  const values = repeated('bootstrap', statistic, pick, withReplacement(n), seed)
  try {
    const all = Int32Array.from({ length: n }, (_, i) => i)
    const [value] = (await valuesOf('bootstrap', 1, () => values.of(all))) as unknown as [number]
    const found = await valuesOf(
      'bootstrap',
      count,
      (b) => (indices === undefined ? values.drawn(b) : values.of(indices[b] as Int32Array)),
      signal,
    )
    const sorted = found.slice().sort()
    const ends = (low: number, high: number): Interval => [quantileOf(sorted, low), quantileOf(sorted, high)]
    const alpha = (1 - level) / 2
    const percentile = ends(alpha, 1 - alpha)
    const common = {
      value,
      standardError: deviationOf(found),
      bias: meanOf(found) - value,
      percentile,
      basic: [2 * value - percentile[1], 2 * value - percentile[0]] as const,
    }
    adviseOnBias(statistic, common, count)
    if (!bca) return common
    const left = await valuesOf('bootstrap', n, (i) => values.of(all.filter((row) => row !== i)), signal)
    const acceleration = accelerationOf(left)
    const z0 = normalQuantile(sharesBelow(found, value))
    const corrected = (p: number) => {
      const z = z0 + normalQuantile(p)
      return normalBelow(z0 + z / (1 - acceleration * z))
    }
    return { ...common, bca: ends(corrected(alpha), corrected(1 - alpha)), z0, acceleration }
  } finally {
    values.dispose()
  }
}

/** The share of values below one, ties counting half; kept away from 0 and 1, which have no quantile. */
function sharesBelow(values: Float64Array, value: number): number {
  const margin = 1e-12 * Math.abs(value)
  let twice = 0
  for (const one of values) twice += Number(one < value - margin) + Number(one <= value + margin)
  const least = 0.5 / values.length
  return Math.min(1 - least, Math.max(least, twice / (2 * values.length)))
}

/** Efron 1987, from the jackknife values. */
function accelerationOf(left: Float64Array): number {
  const mean = meanOf(left)
  let [squares, cubes] = [0, 0]
  for (const value of left) {
    squares += (mean - value) ** 2
    cubes += (mean - value) ** 3
  }
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5)
}
