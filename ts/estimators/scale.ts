import { atLeast, type Checks, flag, whole } from '../core/options.js'
import { where } from '../ops/index.js'
import { foldIn, normal } from '../ops/random.js'
import { arange, full, type Tensor } from '../ops/tensor.js'
import { columnsInRange, factorIntoRange, inRange } from './magnitude.js'
import { normalScores } from './ranks.js'

/** Options of estimators whose value depends on the scale of the columns. */
export interface ScaleOptions {
  /** Give every column mean 0 and variance 1. Default true. */
  standardize?: boolean
  /**
   * Standard deviation of the normal noise that separates equal samples, relative to that of each column. Default 0: none; 1e-10 is enough.
   */
  jitter?: number
  /** Seed of the noise. Default 0. */
  seed?: number
}

/** The defaults of {@link ScaleOptions}. */
export const scaleDefaults: Required<ScaleOptions> = { standardize: true, jitter: 0, seed: 0 }

/** The checks of {@link ScaleOptions}. */
export const scaleChecks: Checks<ScaleOptions> = { standardize: flag, jitter: atLeast(0), seed: whole(0) }

/**
 * Samples with noise, then as normal scores of their ranks (`copula`) or with mean 0 and variance 1. A constant column stays constant.
 *
 * @param x `[n, d]` float64
 * @param part index of the argument of an estimator, so that the noise of the arguments is independent
 */
export function scaled(
  x: Tensor,
  options: Required<ScaleOptions> & { readonly copula?: boolean },
  part: number,
): Tensor {
  const { standardize, jitter, seed } = options
  const factor = factorIntoRange(x, 0)
  const near = columnsInRange(x)
  const varies = x.max(0).notEqual(x.min(0)).cast('float64')
  const centered = near.sub(near.mean(0)).mul(varies)
  const deviation = where(varies.greater(0), centered.square().mean(0).sqrt(), 1)
  const apart = (rows: Tensor) => {
    if (jitter === 0) return rows
    const noise = normal(foldIn(constantKey(seed), full([], part, { dtype: 'int32' })), x.shape, {
      dtype: 'float64',
    })
    return rows.add(noise.mul(deviation.mul(varies).mul(jitter)))
  }
  if (standardize && !options.copula) return apart(centered).div(deviation)
  // Centered first, so that large values do not round the noise away.
  const rows = jitter === 0 ? x : apart(centered)
  if (options.copula) return normalScores(rows)
  return jitter === 0 ? rows : rows.div(factor)
}

/** The key of a seed, computed from constants, so that the noise of an argument in several pairs of a plan is computed once. */
function constantKey(seed: number): Tensor {
  const [low, high] = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)]
  return arange(2, { dtype: 'float64' })
    .mul(high - low)
    .add(low)
    .cast('uint32')
}

/**
 * The unit of a side's entries: the largest absolute entry of its centered columns, or 1 if they are constant. In this unit a product of
 * four entries neither overflows nor underflows. A constant for the gradient: use it for values that do not depend on the unit.
 *
 * @param rows `[n, d]`
 */
export function unitOf(rows: Tensor): Tensor {
  const factor = factorIntoRange(rows)
  const [near] = inRange(rows)
  const largest = near.sub(near.mean(0)).abs().max().stopGradient()
  return where(largest.greater(0), largest.div(factor).minimum(Number.MAX_VALUE), 1)
}
