/** Statistics of a layer's activations: moments, dead and saturated units, sparsity. */
import { above, type Checks, checkOptions, finite } from '../core/options.js'
import type { SampleData } from '../estimators/data.js'
import { where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { entriesOf, rowsFrom } from './read.js'

/** Options of {@link layerStatistics}. */
export interface StatisticsOptions {
  /** Output of a dead unit on every sample: 0 for relu, -1 for tanh. Default 0. */
  deadValue?: number
  /** Absolute value beyond which an activation is saturated. Default 0.99, for tanh. */
  saturation?: number
}

const checks: Checks<StatisticsOptions> = { deadValue: finite, saturation: above(0) }

/** Moments over all entries and shares of units. */
export interface LayerStatistics {
  readonly mean: number
  /** Over N, the number of entries. */
  readonly variance: number
  /** Over N - 1. */
  readonly varianceUnbiased: number
  /** m3 / m2^(3/2), of moments over N; 0 for a constant. */
  readonly skewness: number
  /** m4 / m2^2, 3 for normal entries; 0 for a constant. */
  readonly kurtosis: number
  /** kurtosis - 3. */
  readonly excessKurtosis: number
  readonly min: number
  readonly max: number
  readonly unitMean: readonly number[]
  /** Over n. */
  readonly unitVariance: readonly number[]
  readonly meanUnitVariance: number
  readonly meanAbs: number
  /** Mean Euclidean length of a sample. */
  readonly meanNorm: number
  /** Share of entries that are 0. */
  readonly zeroShare: number
  /** Share of units with `deadValue` on every sample. */
  readonly deadShare: number
  /** Share of units with one value on every sample. */
  readonly constantShare: number
  /** Share of entries beyond `saturation`. */
  readonly saturatedShare: number
}

/**
 * Statistics of a layer's activations, in the unit of the activations.
 *
 * @param x `[n, units]`
 * @throws DTypeError for class labels; DataError for values that are not finite
 */
export async function layerStatistics(
  x: SampleData,
  options: StatisticsOptions = {},
): Promise<LayerStatistics> {
  const { deadValue = 0, saturation = 0.99 } = checkOptions('layerStatistics', options, checks)
  const rows = await rowsFrom('layerStatistics: x', x)
  const share = (which: Tensor) => which.cast('float64').mean()
  const { unitMean, unitVariance, ...numbers } = await entriesOf(() => {
    const centered = rows.sub(rows.mean())
    const power = (order: number) => centered.pow(order).mean()
    const variance = power(2)
    const varies = variance.greater(0)
    const safe = where(varies, variance, 1)
    return {
      mean: rows.mean(),
      variance,
      varianceUnbiased: centered
        .square()
        .sum()
        .div(Math.max(1, rows.size - 1)),
      skewness: where(varies, power(3).div(safe.pow(1.5)), 0),
      kurtosis: where(varies, power(4).div(safe.square()), 0),
      min: rows.min(),
      max: rows.max(),
      unitMean: rows.mean(0),
      unitVariance: rows.sub(rows.mean(0)).square().mean(0),
      meanUnitVariance: rows.sub(rows.mean(0)).square().mean(),
      meanAbs: rows.abs().mean(),
      meanNorm: rows.square().sum(1).sqrt().mean(),
      zeroShare: share(rows.equal(0)),
      deadShare: share(rows.equal(deadValue).all(0)),
      constantShare: share(rows.max(0).equal(rows.min(0))),
      saturatedShare: share(rows.abs().greater(saturation)),
    }
  })
  const first = Object.fromEntries(
    Object.entries(numbers).map(([name, [value]]) => [name, value]),
  ) as unknown as Omit<LayerStatistics, 'unitMean' | 'unitVariance' | 'excessKurtosis'>
  return { ...first, excessKurtosis: first.kurtosis - 3, unitMean, unitVariance }
}

/** Result of {@link sparsity}. */
export interface Sparsity {
  /** Hoyer 2004, (sqrt N - L1 / L2) / (sqrt N - 1), of each sample over its units: 0 for even entries, 1 for a single one. */
  readonly hoyerSamples: readonly number[]
  readonly hoyerSamplesMean: number
  /** The mean of the same of each unit over samples. */
  readonly hoyerUnitsMean: number
  /** The same of all entries. */
  readonly hoyerAll: number
  /** Treves and Rolls 1991, a = (mean r)^2 / mean r^2, of each unit over samples: **small for sparse**. */
  readonly trevesRollsUnits: readonly number[]
  readonly trevesRollsUnitsMean: number
  /** The mean of the same of each sample over units. */
  readonly trevesRollsSamplesMean: number
  /** Mean of (1 - a) / (1 - 1/n) of units (Vinje and Gallant 2000): large for sparse. */
  readonly lifetimeSparseness: number
  /** Mean of (1 - a) / (1 - 1/d) of samples. */
  readonly populationSparseness: number
  /** Share of entries that are 0. */
  readonly zeroShare: number
}

/**
 * Sparsity of a layer's activations, by the usual measures; no unit. For entries that are all 0 the Hoyer measure and a are 0.
 *
 * @param x `[n, units]`
 * @throws DTypeError for class labels; DataError for values that are not finite
 */
export async function sparsity(x: SampleData): Promise<Sparsity> {
  const rows = await rowsFrom('sparsity: x', x)
  const found = await entriesOf(() => {
    const [samples, units] = [hoyer(rows, 1), hoyer(rows, 0)]
    const [ofUnits, ofSamples] = [trevesRolls(rows, 0), trevesRolls(rows, 1)]
    const sparse = (a: Tensor, count: number) =>
      a
        .neg()
        .add(1)
        .div(1 - 1 / Math.max(2, count))
    const [n, d] = rows.shape as [number, number]
    return {
      hoyerSamples: samples,
      hoyerSamplesMean: samples.mean(),
      hoyerUnitsMean: units.mean(),
      hoyerAll: hoyer(rows.reshape([1, rows.size]), 1),
      trevesRollsUnits: ofUnits,
      trevesRollsUnitsMean: ofUnits.mean(),
      trevesRollsSamplesMean: ofSamples.mean(),
      lifetimeSparseness: sparse(ofUnits, n).mean(),
      populationSparseness: sparse(ofSamples, d).mean(),
      zeroShare: rows.equal(0).cast('float64').mean(),
    }
  })
  const { hoyerSamples, trevesRollsUnits, ...numbers } = found
  const first = Object.fromEntries(
    Object.entries(numbers).map(([name, [value]]) => [name, value]),
  ) as unknown as Omit<Sparsity, 'hoyerSamples' | 'trevesRollsUnits'>
  return { ...first, hoyerSamples, trevesRollsUnits }
}

function hoyer(rows: Tensor, axis: 0 | 1): Tensor {
  const root = Math.sqrt(rows.shape[axis] as number)
  if (root === 1) return rows.sum(axis).mul(0)
  const length = rows.square().sum(axis).sqrt()
  const isSome = length.greater(0)
  const ratio = rows
    .abs()
    .sum(axis)
    .div(where(isSome, length, 1))
  return where(
    isSome,
    ratio
      .neg()
      .add(root)
      .div(root - 1),
    0,
  )
}

function trevesRolls(rows: Tensor, axis: 0 | 1): Tensor {
  const squares = rows.square().mean(axis)
  const isSome = squares.greater(0)
  return where(
    isSome,
    rows
      .mean(axis)
      .square()
      .div(where(isSome, squares, 1)),
    0,
  )
}
