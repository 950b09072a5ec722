/** Adjustment of p-values for multiple tests. */
import { isTypedArray } from '../core/dtype.js'
import { ArgumentError, DataError, describe } from '../core/errors.js'
import { between, type Checks, checkOptions, isList, oneOf } from '../core/options.js'

/** Options of {@link adjustPValues}. */
export interface MultipleTestingOptions {
  /**
   * - `benjaminiHochberg` (default): false discovery rate, for independent or positively dependent tests (1995).
   * - `benjaminiYekutieli`: the same for any dependence (2001).
   * - `holm`: family-wise error rate, for any dependence (1979).
   * - `bonferroni`: the same, with less power.
   */
  method?: 'benjaminiHochberg' | 'benjaminiYekutieli' | 'holm' | 'bonferroni'
  /** Largest adjusted p-value that is rejected. Default 0.05. */
  alpha?: number
}

const checks: Checks<MultipleTestingOptions> = {
  method: oneOf('benjaminiHochberg', 'benjaminiYekutieli', 'holm', 'bonferroni'),
  alpha: between(0, 1),
}

/** Result of {@link adjustPValues}. */
export interface AdjustedPValues {
  /** In the given order, at most 1. */
  readonly adjusted: readonly number[]
  /** Whether each is at most alpha. */
  readonly rejected: readonly boolean[]
}

/**
 * P-values adjusted for multiple tests.
 *
 * @param pValues one per test, from 0 to 1
 * @throws ArgumentError unless given an array; DataError for numbers that are not p-values
 */
export function adjustPValues(
  pValues: ArrayLike<number>,
  options: MultipleTestingOptions = {},
): AdjustedPValues {
  const { method = 'benjaminiHochberg', alpha = 0.05 } = checkOptions('adjustPValues', options, checks)
  const p = checked(pValues)
  const m = p.length
  const order = Array.from(p.keys()).sort((i, j) => (p[i] as number) - (p[j] as number))
  const adjusted = new Array<number>(m).fill(1)
  if (method === 'bonferroni') {
    for (let i = 0; i < m; i++) adjusted[i] = Math.min(1, m * (p[i] as number))
  } else if (method === 'holm') {
    let most = 0
    for (const [rank, i] of order.entries()) {
      most = Math.max(most, (m - rank) * (p[i] as number))
      adjusted[i] = Math.min(1, most)
    }
  } else {
    const factor = method === 'benjaminiYekutieli' ? harmonic(m) : 1
    let least = 1
    for (let rank = m; rank >= 1; rank--) {
      const i = order[rank - 1] as number
      least = Math.min(least, (factor * m * (p[i] as number)) / rank)
      adjusted[i] = least
    }
  }
  return { adjusted, rejected: adjusted.map((value) => value <= alpha) }
}

function checked(given: ArrayLike<number>): number[] {
  if (!isList(given) && !isTypedArray(given)) {
    throw new ArgumentError(`adjustPValues: given ${describe(given)}, expected an array of p-values`)
  }
  // By index, since a detached array cannot be iterated.
  const values = Array.from({ length: given.length }, (_, i) => given[i] as number)
  const bad = values.findIndex((p) => typeof p !== 'number' || !(p >= 0 && p <= 1))
  if (bad < 0) return values
  throw new DataError(
    `adjustPValues: ${describe(values[bad])} at index ${bad} is not a p-value; expected numbers from 0 to 1`,
  )
}

const harmonic = (m: number) => Array.from({ length: m }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b, 0)
