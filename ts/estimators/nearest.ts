/** Shared functions of the nearest-neighbor estimators. */
import { DataError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { concat, type DistanceMetric, stack, where } from '../ops/index.js'
import { arange, full, type Tensor } from '../ops/tensor.js'
import type { Findings } from './details.js'
import { numbersOf } from './samples.js'

/** Below this number of samples an estimate by neighbors is unreliable. */
export const advisedForNeighbors = 128

/** Distances from each row of x `[n, d]` to the rows with the given indices, `[n, k]`. */
export function distancesTo(x: Tensor, rows: Tensor, metric: DistanceMetric = 'maximum'): Tensor {
  const [n, k] = rows.shape as [number, number]
  const d = x.shape[1] as number
  const differences = x.take(rows.flatten(0)).reshape([n, k, d]).sub(x.expandDims(1))
  return metric === 'maximum' ? differences.abs().max(2) : differences.square().sum(2).sqrt()
}

/** Distances of each row of x `[n, d]` to its k-th neighbor (from 1), `[n]`, by {@link neighbors}. */
export function distanceToKth(
  x: Tensor,
  neighbors: Tensor,
  k: number,
  metric: DistanceMetric = 'maximum',
): Tensor {
  return distancesTo(x, neighbors.slice([0, k - 1], [null, k]), metric).flatten(0)
}

/** psi, the digamma function, of a number: scalar of float64. */
export function psi(value: number): Tensor {
  return full([], value, { dtype: 'float64' }).digamma()
}

/** psi(count + offset) of counts `[n]` up to n, float64 `[n]`. All counts of a plan share one table of psi. */
export function psiOf(counts: Tensor, offset = 0): Tensor {
  const n = counts.shape[0] as number
  return arange(offset, n + offset + 1, { dtype: 'float64' })
    .digamma()
    .take(counts)
}

/** `value`, but 0 if all rows (or class indices) are equal: constants have no information. */
export function unlessConstant(value: Tensor, ...data: readonly Tensor[]): Tensor {
  return data.reduce((result, x) => where(x.max(0).notEqual(x.min(0)).any(), result, 0), value)
}

/** Radii that include only coinciding points if they are 0. */
export function orCoinciding(radii: Tensor): Tensor {
  return radii.maximum(1e-300)
}

/**
 * Warns of more columns than nearest neighbors support: in d dimensions neighbors are near along every dimension only with 2^d or more
 * samples.
 */
export function noteColumns(name: string, n: number, columns: number, findings: Findings): void {
  if (columns <= Math.log2(n)) return
  findings.warn(
    `${name}: in ${columns} dimensions the nearest of ${n} samples are far away, so the estimate is biased downward; ` +
      'use mutualInformation(), GaussianCopulaMI or InfoNCE for numbers, DiscriminantMI for classes',
  )
}

/** Ratio of standard deviations from which columns are on different scales. */
const farScales = 20

/**
 * Warns of columns with very different standard deviations: only the wider columns decide the neighbors, and the others' information is
 * lost.
 */
export async function noteScales(name: string, sides: readonly Tensor[], findings: Findings): Promise<void> {
  using logarithms = tidy(() => {
    const deviations = concat(sides.map((x) => numbersOf(name, x).std(0)))
    const varies = deviations.greater(0)
    const logs = deviations.log()
    return stack([
      where(varies, logs, Number.NEGATIVE_INFINITY).max(),
      where(varies, logs, Number.POSITIVE_INFINITY).min(),
    ])
  })
  const [widest, narrowest] = (await logarithms.data()) as unknown as [number, number]
  const ratio = Math.exp(widest - narrowest)
  if (!(ratio > farScales)) return
  findings.warn(
    `${name}: one column varies ${ratio.toPrecision(2)} times as much as another, so only the wider columns decide the neighbors and the estimate is biased downward; ` +
      'bring the columns to one scale with { standardize: true }',
    'HYPERGLOW_SCALES',
  )
}

/**
 * @param remedy how to fix it, for the message
 * @throws DataError naming a sample that coincides with `k` others or more, so that its k nearest are at distance 0
 */
export async function checkApart(
  name: string,
  k: number,
  rows: Tensor,
  remedy = 'use MixedKSG for data with repeated values, or separate them with { jitter: 1e-10 }',
): Promise<void> {
  const counts = (await rows.countWithin(0, { closed: true }).data()) as Int32Array
  const sample = counts.findIndex((count) => count >= k)
  if (sample < 0) return
  throw new DataError(
    `${name}: sample ${sample} occurs ${(counts[sample] as number) + 1} times, so its ${k} nearest neighbors are at distance 0 ` +
      `and densities are infinite; ${remedy}`,
  )
}
