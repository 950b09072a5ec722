/** An order of samples that depends on what they are, and not on how they were given. */
import { foldIn, key, uniform } from '../random.js'
import type { Tensor } from '../tensor.js'
import { doubledRanks } from './ranks.js'
import { isLabels } from './samples.js'

/** A pair of arguments, the samples of both in one order. */
export interface Arguments {
  readonly x: Tensor
  readonly y: Tensor
  /** Whether x and y have changed places. */
  readonly isSwapped: boolean
}

/**
 * The samples in an order, and the arguments in places, that stay the same when samples are permuted, x and y exchanged and columns mapped by
 * increasing functions. What draws random numbers sample by sample then has the same answer for the same data.
 *
 * Samples are ordered by a random combination of their ranks, in which equal samples alone are equal; x is the argument of which the third mixed moment of these
 * combinations is the smaller.
 *
 * @param x labels `[n]` or float64 rows `[n, d]`; @param y alike
 */
export async function inCanonicalOrder(x: Tensor, y: Tensor): Promise<Arguments> {
  const [u, v] = [signature(x), signature(y)]
  const isSwapped = (await u.mul(v).mul(u.sub(v)).sum().item()) > 0
  const order = (isSwapped ? v.add(u.mul(Math.SQRT2)) : u.add(v.mul(Math.SQRT2))).argSort(0)
  const [first, second] = isSwapped ? [y, x] : [x, y]
  return { x: first.take(order), y: second.take(order), isSwapped }
}

/** A number for each sample, float64 `[n]`, of mean 0: equal for equal samples. */
function signature(x: Tensor): Tensor {
  const n = x.shape[0] as number
  const rows = isLabels(x) ? x.cast('float64').expandDims(1) : x
  const weights = uniform(foldIn(key(0), 1), [rows.shape[1] as number], { dtype: 'float64' })
  return doubledRanks(rows)
    .div(n + 1)
    .sub(1)
    .mul(weights)
    .sum(1)
}
