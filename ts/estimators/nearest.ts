/** What the estimators by nearest neighbors share. */
import { DataError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { concat, type DistanceMetric, stack, where } from '../ops/index.js'
import { arange, full, type Tensor } from '../ops/tensor.js'
import type { Findings } from './details.js'
import { numbersOf } from './samples.js'

/** Below this number of samples an estimate by neighbors means little. */
export const advisedForNeighbors = 128

/** Distances from each row of x `[n, d]` to the rows whose numbers are given, `[n, k]`. */
export function distancesTo(x: Tensor, rows: Tensor, metric: DistanceMetric = 'maximum'): Tensor {
  const [n, k] = rows.shape as [number, number]
  const d = x.shape[1] as number
  const differences = x.take(rows.flatten(0)).reshape([n, k, d]).sub(x.expandDims(1))
  return metric === 'maximum' ? differences.abs().max(2) : differences.square().sum(2).sqrt()
}

/** Distances of each row of x `[n, d]` to its k-th neighbor (from 1), `[n]`, by the neighbors of {@link neighbors}. */
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

/** psi of counts `[n]` of at most n plus a number, float64 `[n]`: one evaluation for each number that a count may be, which all counts of a plan share. */
export function psiOf(counts: Tensor, more = 0): Tensor {
  const n = counts.shape[0] as number
  return arange(more, n + more + 1, { dtype: 'float64' })
    .digamma()
    .take(counts)
}

/** `value`, but 0 where rows (or class numbers) are all the same: they then tell nothing. */
export function unlessConstant(value: Tensor, ...data: readonly Tensor[]): Tensor {
  return data.reduce((result, x) => where(x.max(0).notEqual(x.min(0)).any(), result, 0), value)
}

/** Radii inside which lie the coinciding points alone, where they are 0. */
export function orCoinciding(radii: Tensor): Tensor {
  return radii.maximum(1e-300)
}

/** Notes more columns than nearest neighbors can do with: in d dimensions a neighbor is near along each of them for 2^d samples or more. */
export function noteColumns(name: string, n: number, columns: number, findings: Findings): void {
  if (columns <= Math.log2(n)) return
  findings.warn(
    `${name}: in ${columns} dimensions the nearest of ${n} samples are far away, so the estimate errs downwards; ` +
      'use mutualInformation(), GaussianCopulaMI or InfoNCE for numbers, DiscriminantMI for classes',
  )
}

/** How many times one deviation exceeds another from where on columns count as being on different scales. */
const farScales = 20

/** Notes columns of so different deviations that neighbors are near along the wider ones alone, which hides what the others tell. */
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
    `${name}: one column varies ${ratio.toPrecision(2)} times as much as another, so that neighbors are near along the wider ones alone and the estimate errs downwards; ` +
      'bring them to one scale with { standardize: true }',
    'HYPERGLOW_SCALES',
  )
}

/**
 * @param mend what to do about it
 * @throws DataError naming a sample that coincides with `k` others or more, so that its k nearest are at distance 0
 */
export async function checkApart(
  name: string,
  k: number,
  rows: Tensor,
  mend = 'use MixedKSG for data with repeated values, or separate them with { jitter: 1e-10 }',
): Promise<void> {
  const counts = (await rows.countWithin(0, { closed: true }).data()) as Int32Array
  const sample = counts.findIndex((count) => count >= k)
  if (sample < 0) return
  throw new DataError(
    `${name}: sample ${sample} is given ${(counts[sample] as number) + 1} times, so its ${k} nearest neighbours are at distance 0 ` +
      `and densities are infinite; ${mend}`,
  )
}
