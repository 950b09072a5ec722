/** An order of samples that depends on what they are, and not on how they were given. */
import { evaluate } from '../core/memory.js'
import { where } from '../ops/index.js'
import { foldIn, key, uniform } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { doubledRanks } from './ranks.js'
import { isLabels } from './samples.js'

/** A pair of arguments, the samples of both in one order. */
export interface Arguments {
  /** Labels `[n]` or float64 rows `[n, d]`. */
  readonly x: Tensor
  readonly y: Tensor
  /** Whether x and y have changed places. */
  readonly isSwapped: boolean
}

/**
 * The samples in an order, the arguments in places and the columns with signs that stay the same when samples are permuted, x and y exchanged and columns mapped by
 * monotone functions. What draws random numbers sample by sample then has the same answer for the same data.
 *
 * Columns point to where samples are far out in others, by ranks. Samples are ordered by a random combination of their ranks, in which equal samples alone are equal; x is the
 * argument that makes the third mixed moment of these combinations positive.
 *
 * @param x labels `[n]` or float64 rows `[n, d]`; @param y alike
 */
export async function inCanonicalOrder(x: Tensor, y: Tensor): Promise<Arguments> {
  const [a, b] = [centeredRanks(x), centeredRanks(y)]
  const spread = a.square().sum(1).add(b.square().sum(1)).expandDims(1)
  const [towards, onwards] = [directions(a, spread), directions(b, spread)]
  const [u, v] = [signature(a.mul(towards)), signature(b.mul(onwards))]
  const isSwapped = (await u.mul(v).mul(u.sub(v)).sum().item()) > 0
  const order = (isSwapped ? v.add(u.mul(Math.SQRT2)) : u.add(v.mul(Math.SQRT2))).argSort(0)
  const [first, second] = [ordered(x, towards, order), ordered(y, onwards, order)]
  // All that is asked of them begins here: the ranks of all columns are wanted once.
  await evaluate([first, second])
  return isSwapped ? { x: second, y: first, isSwapped } : { x: first, y: second, isSwapped }
}

/** Ranks of each column, between -1 and 1 `[n, d]`; labels are a column. */
function centeredRanks(x: Tensor): Tensor {
  const rows = isLabels(x) ? x.cast('float64').expandDims(1) : x
  return doubledRanks(rows)
    .div((x.shape[0] as number) + 1)
    .sub(1)
}

/** 1 or -1 for each column, `[d]`. */
function directions(ranks: Tensor, spread: Tensor): Tensor {
  return where(ranks.mul(spread).sum(0).less(0), -1, 1).cast('float64')
}

/** A number for each sample, float64 `[n]`: equal for equal samples. */
function signature(ranks: Tensor): Tensor {
  const weights = uniform(foldIn(key(0), 1), [ranks.shape[1] as number], { dtype: 'float64' })
  return ranks.mul(weights).sum(1)
}

function ordered(x: Tensor, signs: Tensor, order: Tensor): Tensor {
  return isLabels(x) ? x.take(order) : x.mul(signs).take(order)
}
