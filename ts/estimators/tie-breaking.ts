/** Random order of equal values. */
import { foldIn, key, uniform } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { doubledRanks } from './ranks.js'

/** Rounds of tie-breaking whose estimates are averaged. */
const tieBreakings = 5

/**
 * The ranks of each column plus noise that changes only the order of equal values. A column is a function of the result, and the noise is
 * independent of other variables, so mutual information does not change: tie-breaking is exact, while formulas for densities fail for
 * repeated values. Columns without equal values keep their order.
 *
 * @param x `[n, d]` float64
 * @param noise a random key
 * @returns `[n, d]` float64, in the order of x and all different within a column
 */
export function withTiesBroken(x: Tensor, noise: Tensor): Tensor {
  // Doubled ranks of different values are at least 2 apart; the noise is below 1.
  return doubledRanks(x).add(uniform(noise, x.shape, { dtype: 'float64' }))
}

/**
 * The mean estimate over five rounds of tie-breaking, or one round if there are no ties.
 *
 * @param estimate called with random keys of the round, for x and for y
 */
export async function overTieBreakings(
  seed: number,
  hasTies: boolean,
  estimate: (forX: Tensor, forY: Tensor) => Promise<number>,
): Promise<number> {
  const rounds = hasTies ? tieBreakings : 1
  let sum = 0
  for (let round = 0; round < rounds; round++) {
    const noise = foldIn(key(seed), round)
    sum += await estimate(foldIn(noise, 0), foldIn(noise, 1))
  }
  return sum / rounds
}
