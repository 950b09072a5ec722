/** Sampling error of the measures of a dump: standard errors from halves of the samples, and p-values from shuffles. */

import type { Interval } from '../analysis/bootstrap.js'
import { deviationOf, normalQuantile } from '../analysis/distributions.js'
import { permutationTest } from '../analysis/permutation-test.js'
import { inTurns } from '../core/turns.js'
import { type Estimator, isUnanswered } from '../estimators/estimator.js'
import { HostRandom } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import type { EndTensors } from './dump-samples.js'
import { type Pair, pairsOf, readsSymbols, rowsAt } from './dump-values.js'

/** Sampling error of a value. */
export interface Uncertainty {
  /** Standard error; NaN if there is none. */
  readonly standardError: number
  /** Value minus and plus the standard error times the quantile of the level. */
  readonly interval: Interval
}

/** The same for both sides of a layer. */
export type PairOf<T> = readonly [x: T, y: T]

/**
 * Standard errors of an estimator's values by the delete-d jackknife with d = n / 2 (Shao and Wu 1989): each round leaves out half of the
 * samples, drawn without replacement, and the variance over rounds, times (n - d) / d, is the variance of the value of all n samples. A
 * bootstrap would draw copies, which bias every estimator that compares samples for equality or distance: neighbors, kernels and bins
 * alike.
 *
 * @param values estimates from all samples, by layer
 * @param rounds at least 2
 */
export async function halvesOf(
  estimator: Estimator,
  layers: readonly Tensor[],
  ends: EndTensors,
  values: readonly Pair[],
  {
    rounds,
    level,
    seed,
    signal,
  }: { rounds: number; level: number; seed: number; signal: AbortSignal | undefined },
): Promise<PairOf<Uncertainty>[]> {
  const n = layers[0]?.shape[0] as number
  const kept = Math.floor(n / 2)
  const scale = Math.sqrt(kept / (n - kept))
  const random = new HostRandom(seed)
  const found: Pair[][] = []
  for (let round = 0; round < rounds; round++) {
    signal?.throwIfAborted()
    const order = await inTurns(random.permuting(n))
    const [x, symbols, y, ...hidden] = await rowsAt(
      [ends.x, ends.symbols, ends.y, ...layers],
      order.slice(0, kept).sort(),
    )
    try {
      found.push(
        await pairsOf(estimator, hidden as Tensor[], { x, symbols, y, target: ends.target }, () => {}),
      )
    } finally {
      for (const tensor of [x, symbols, y, ...hidden]) tensor?.dispose()
    }
  }
  const reach = normalQuantile(0.5 + level / 2)
  return values.map((pair, l) => {
    const side = (at: 0 | 1): Uncertainty => {
      const halves = found.map((pairs) => pairs[l]?.[at] as number)
      const standardError = halves.every(Number.isFinite) ? spreadOf(halves) * scale : Number.NaN
      const value = pair[at]
      return { standardError, interval: [value - reach * standardError, value + reach * standardError] }
    }
    return [side(0), side(1)]
  })
}

/** Root mean square deviation from the mean. */
function spreadOf(values: readonly number[]): number {
  return deviationOf(values) * Math.sqrt(1 - 1 / values.length)
}

/**
 * P-values of both sides of layers. NaN if there is no value, and for (H, X) if every shuffle gives the same value because all inputs
 * differ and the estimator only compares them for equality.
 */
export async function pValuesOf(
  estimator: Estimator,
  layers: readonly Tensor[],
  { x, symbols, areDistinct, y }: EndTensors,
  values: readonly Pair[],
  { permutations, seed, signal }: { permutations: number; seed: number; signal: AbortSignal | undefined },
): Promise<PairOf<number>[]> {
  const isFixed = readsSymbols(estimator) && (x === undefined || areDistinct)
  const input = isFixed ? undefined : readsSymbols(estimator) ? symbols : x
  const test = async (h: Tensor, other: Tensor | undefined, value: number) => {
    signal?.throwIfAborted()
    if (other === undefined || Number.isNaN(value)) return Number.NaN
    try {
      return (
        await permutationTest(h, other, estimator, {
          permutations,
          seed,
          ...(signal === undefined ? {} : { signal }),
        })
      ).pValue
    } catch (error) {
      if (isUnanswered(error)) return Number.NaN
      throw error
    }
  }
  const found: PairOf<number>[] = []
  for (const [l, h] of layers.entries()) {
    const [a, b] = values[l] as Pair
    found.push([await test(h, input, a), await test(h, y, b)])
  }
  return found
}
