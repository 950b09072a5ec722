/** An order of samples that depends on their values, not on the given order. */
import { evaluate } from '../core/memory.js'
import { where } from '../ops/index.js'
import { foldIn, key, uniform } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { doubledRanks } from './ranks.js'
import { isLabels } from './samples.js'

/** A pair of arguments, with the samples of both in one order. */
export interface Arguments {
  /** Labels `[n]` or float64 rows `[n, d]`. */
  readonly x: Tensor
  readonly y: Tensor
  /** Whether x and y were exchanged. */
  readonly isSwapped: boolean
}

/**
 * Samples, arguments and columns in a canonical order: it does not change if samples are permuted, x and y are exchanged, or columns are
 * mapped by monotone functions. Random numbers drawn per sample then give the same estimate for the same data.
 *
 * The sign of a column is such that samples with extreme ranks in other columns have high ranks in it. Samples are ordered by a random
 * combination of their ranks, in which only equal samples are equal. x is the argument that makes the third mixed moment of these
 * combinations positive.
 *
 * @param x labels `[n]` or float64 rows `[n, d]`
 * @param y likewise
 */
export async function inCanonicalOrder(x: Tensor, y: Tensor): Promise<Arguments> {
  const [a, b] = [centeredRanks(x), centeredRanks(y)]
  const spread = a.square().sum(1).add(b.square().sum(1)).expandDims(1)
  const [toward, onwards] = [directions(a, spread), directions(b, spread)]
  const [u, v] = [signature(a.mul(toward)), signature(b.mul(onwards))]
  const isSwapped = (await u.mul(v).mul(u.sub(v)).sum().item()) > 0
  const order = (isSwapped ? v.add(u.mul(Math.SQRT2)) : u.add(v.mul(Math.SQRT2))).argSort(0)
  const [first, second] = [ordered(x, toward, order), ordered(y, onwards, order)]
  // Evaluate here, so that the ranks of all columns are computed once.
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
