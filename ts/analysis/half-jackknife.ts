/** Standard error for estimators that copied samples would bias. */
import { literal } from '../core/create.js'
import { signal as anySignal, between, type Checks, checkOptions, whole } from '../core/options.js'
import { inTurns } from '../core/turns.js'
import { releaseSamples, type SampleData, samplesFrom } from '../estimators/data.js'
import { checkEstimator, type Estimator } from '../estimators/estimator.js'
import { HostRandom } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import type { Interval } from './bootstrap.js'
import { deviationOf, normalQuantile } from './distributions.js'
import { sameCount } from './read.js'

/** Options of {@link halfJackknife}. */
export interface HalfJackknifeOptions {
  /** Number of random halves. Default 100. */
  rounds?: number
  /** Nominal coverage of the interval. Default 0.95. */
  level?: number
  /** Seed of the halves. Default 0. */
  seed?: number
  /** Ends the rounds early; the promise rejects with its reason. */
  signal?: AbortSignal
}

const checks: Checks<HalfJackknifeOptions> = {
  rounds: whole(2, 1e6),
  level: between(0, 1, 'both'),
  seed: whole(0),
  signal: anySignal,
}

/** Result of {@link halfJackknife}. */
export interface HalfJackknife {
  /** The estimate of all samples. */
  readonly value: number
  readonly standardError: number
  /** value -+ z standardError, z the quantile of the normal distribution. Does not include bias. */
  readonly interval: Interval
}

/**
 * Standard error and interval of an estimate by the delete-d jackknife with d = n / 2 (Shao and Wu 1989): the root mean square deviation of
 * the estimates of halves, drawn without replacement. A {@link bootstrap} draws copies, which bias estimators by neighbors, kernels and
 * bins; this function draws none. For unrelated samples an estimate by kernels, distances or counts is degenerate, its variance falls as
 * 1 / n^2, and the standard error is up to sqrt(3) times too large: it errs on the safe side.
 *
 *     const { value, interval } = await halfJackknife(x, y, new KSG())
 *
 * @param x n samples
 * @param y the same draws
 * @param estimator the results have its unit
 * @throws as `estimate` does; the reason of `signal` if it is aborted
 */
export async function halfJackknife(
  x: SampleData,
  y: SampleData,
  estimator: Estimator,
  options: HalfJackknifeOptions = {},
): Promise<HalfJackknife> {
  const name = 'halfJackknife'
  const given = checkOptions(name, options, checks)
  checkEstimator(`${name}: estimator`, estimator)
  const a = await samplesFrom(`${name}: x`, x)
  try {
    const b = await samplesFrom(`${name}: y`, y)
    try {
      return await ofHalves(name, a, b, estimator, given)
    } finally {
      releaseSamples(b, y)
    }
  } finally {
    releaseSamples(a, x)
  }
}

/** Estimates of halves of samples that were read. */
async function ofHalves(
  name: string,
  a: Tensor,
  b: Tensor,
  estimator: Estimator,
  { rounds = 100, level = 0.95, seed = 0, signal }: HalfJackknifeOptions,
): Promise<HalfJackknife> {
  const n = sameCount(name, a, b)
  const value = await estimator.estimate(a, b)
  const random = new HostRandom(seed)
  const halves: number[] = []
  for (let round = 0; round < rounds; round++) {
    signal?.throwIfAborted()
    const order = await inTurns(random.permuting(n))
    using rows = literal(Int32Array.from(order.slice(0, Math.floor(n / 2)).sort()))
    using left = a.take(rows)
    using right = b.take(rows)
    halves.push(await estimator.estimate(left, right))
  }
  const standardError = deviationOf(halves) * Math.sqrt(1 - 1 / rounds)
  const reach = normalQuantile(0.5 + level / 2) * standardError
  return { value, standardError, interval: [value - reach, value + reach] }
}
