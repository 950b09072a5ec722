/** Information in noisy activations, with bounds. */
import { tidy } from '../core/memory.js'
import { above, type Checks, checkOptions, whole } from '../core/options.js'
import { logarithmBase } from '../estimators/check.js'
import { type SampleData, samplesFrom } from '../estimators/data.js'
import { KDE } from '../estimators/kde.js'
import { classesOf } from '../estimators/samples.js'
import { where } from '../ops/index.js'
import { foldIn, key, normal } from '../ops/random.js'
import { arange, type Tensor } from '../ops/tensor.js'
import { entriesOf, rowsFrom, sameCount, scalarsOf } from './read.js'

/** Options of {@link noisyInformation}. */
export interface NoisyInformationOptions {
  /** Variance v of the noise, in squared units of activation. Default 1e-3. */
  variance?: number
  /** Draws of the noise for each sample. Default 4. */
  draws?: number
  /** Seed of the noise. Default 0. */
  seed?: number
  /** Base of the logarithm: Math.E for nats (default), 2 for bits. */
  base?: number
}

const checks: Checks<NoisyInformationOptions> = {
  variance: above(0),
  draws: whole(1, 1e6),
  seed: whole(0),
  base: logarithmBase,
}

/** Information with its bounds; nats, or the unit of `base`. */
export interface BoundedInformation {
  /** Monte Carlo estimate. */
  readonly value: number
  /** Of the value, over the draws. */
  readonly standardError: number
  /** Lower bound of the information itself, not of its estimate. */
  readonly lower: number
  /** Upper bound of the information itself. */
  readonly upper: number
}

/** Result of {@link noisyInformation}. */
export interface NoisyInformation {
  /** I(T; X) of the noisy activations T, X uniform on the samples: at most ln n. 0 of constant activations. */
  readonly withInput: BoundedInformation
  /** I(T; Y), if labels were given: at most H(Y). */
  readonly withTarget?: BoundedInformation
}

/**
 * The information in noisy activations T = h(X) + N(0, v), for X uniform on the samples: its value by Monte Carlo,
 *
 *   I(T; X) = E[ln N(T; h(X), v) - ln mean_j N(T; h_j, v)]
 *
 * with only the Monte Carlo error, and the bounds of Kolchinsky and Tracey 2017. For labels the bounds combine the bound of H(T) with the
 * opposite bound of H(T | Y), so they are bounds, unlike the difference of two upper bounds. Both are limited to 0 and to the maximum of
 * the samples: ln n and H(Y). O(draws n^2).
 *
 * @param t activations `[n, d]`
 * @param labels class labels, or rows of which equal ones are one class
 * @throws DTypeError for class labels as t; ShapeError for different numbers of samples
 */
export async function noisyInformation(
  t: SampleData,
  labels?: SampleData,
  options: NoisyInformationOptions = {},
): Promise<NoisyInformation> {
  const name = 'noisyInformation'
  const { variance = 1e-3, draws = 4, seed = 0, base = Math.E } = checkOptions(name, options, checks)
  const rows = await rowsFrom(`${name}: t`, t, 2)
  const given = labels === undefined ? undefined : await samplesFrom(`${name}: labels`, labels)
  if (given !== undefined) sameCount(name, rows, given)
  const n = rows.shape[0] as number
  using classes = tidy(() =>
    given === undefined ? arange(n, { dtype: 'int32' }) : classesOf(`${name}: labels`, given),
  )
  const limits = await boundsOf(rows, classes, variance)
  const simulated = await simulate(rows, classes, variance, draws, seed)
  const unit = Math.log(base)
  const bounded = (sums: Sums, lower: number, upper: number, most: number): BoundedInformation => ({
    value: sums.mean / unit,
    standardError: sums.error / unit,
    lower: Math.max(0, lower) / unit,
    upper: Math.min(most, upper) / unit,
  })
  const { lower, upper, lowerInside, upperInside } = limits
  const withInput = bounded(simulated.input, lower, upper, Math.log(n))
  if (given === undefined) return { withInput }
  const entropy = await scalarsOf(() => {
    const same = classes.expandDims(1).equal(classes).cast('float64').mean(1)
    return { ofY: same.log().mean().neg() }
  })
  return {
    withInput,
    withTarget: bounded(simulated.target, lower - upperInside, upper - lowerInside, entropy.ofY),
  }
}

/** Bounds on I(T; X), and on the mean of I(T; X) within classes; nats. */
async function boundsOf(rows: Tensor, classes: Tensor, variance: number) {
  const found = await scalarsOf(() => {
    const each = arange(rows.shape[0] as number, { dtype: 'int32' })
    const of = (bound: 'lower' | 'upper', y: Tensor) => new KDE({ variance, bound }).criterion(rows, y)
    return {
      lower: of('lower', each),
      upper: of('upper', each),
      lowerGain: of('lower', classes),
      upperGain: of('upper', classes),
    }
  })
  const { lower, upper, lowerGain, upperGain } = found
  return { lower, upper, lowerInside: lower - lowerGain, upperInside: upper - upperGain }
}

interface Sums {
  readonly mean: number
  readonly error: number
}

/** Number of entries of the distance matrix that are computed at a time. */
const blockSize = 4e6

/** Means over draws of the two pointwise informations. */
async function simulate(rows: Tensor, classes: Tensor, variance: number, draws: number, seed: number) {
  const n = rows.shape[0] as number
  const size = Math.max(1, Math.floor(blockSize / n))
  const input: number[] = []
  const target: number[] = []
  for (let draw = 0; draw < draws; draw++) {
    for (let start = 0; start < n; start += size) {
      const end = Math.min(n, start + size)
      const from = foldIn(key(seed), draw * n + start)
      const points = await entriesOf(() => informationAt(rows, classes, variance, start, end, from))
      input.push(...points.input)
      target.push(...points.target)
    }
  }
  return { input: summed(input), target: summed(target) }
}

/** ln N(t; h_i, v) - ln p(t), and ln p(t | y_i) - ln p(t), at a draw t for each sample i of a block; lazy. */
function informationAt(
  rows: Tensor,
  classes: Tensor,
  variance: number,
  start: number,
  end: number,
  from: Tensor,
): { input: Tensor; target: Tensor } {
  const noise = normal(from, [end - start, rows.shape[1] as number], { dtype: 'float64' })
  const points = rows.slice([start], [end]).add(noise.mul(Math.sqrt(variance)))
  const logs = points.squaredDistances(rows).div(-2 * variance)
  const isSame = classes.slice([start], [end]).expandDims(1).equal(classes)
  const n = rows.shape[0] as number
  const all = logs.logSumExp(1).sub(Math.log(n))
  const inside = where(isSame, logs, Number.NEGATIVE_INFINITY)
    .logSumExp(1)
    .sub(isSame.cast('float64').sum(1).log())
  return { input: noise.square().sum(1).div(-2).sub(all), target: inside.sub(all) }
}

function summed(values: readonly number[]): Sums {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, error: Math.sqrt(squares / Math.max(1, count - 1) / count) }
}
