/** Entropies and information of symbols from their counts. */
import type { Tensor } from '../ops/tensor.js'
import { classCounts } from './samples.js'

/** Correction of plug-in estimates from counts. */
export type CountCorrection = 'none' | 'millerMadow' | 'weighted' | 'shrinkage'

/** Mean number of samples per cell from which counts differ from chance. */
export const samplesOfCell = 5

/** Whether n samples are enough for a table of r x c values: (r - 1)(c - 1) <= n / 5. */
export function areCounted(r: number, c: number, n: number): boolean {
  return (r - 1) * (c - 1) * samplesOfCell <= n
}

/** Count of each class 0, 1, .... */
export function countsOf(classes: Int32Array): Int32Array {
  const counts = new Int32Array(classes.length)
  let different = 0
  for (const one of classes) {
    counts[one] = (counts[one] as number) + 1
    if (one >= different) different = one + 1
  }
  return counts.subarray(0, different)
}

/**
 * A number for each pair of symbols, int32 `[n]`: 0, 1, 2 ... by first appearance. Symbols are numbers below n, as returned by `classesOf`.
 */
export function jointClasses(x: Tensor, y: Tensor): Tensor {
  const n = x.shape[0] as number
  // Exact in float64: the product of two sample indices is far below 2^53.
  return x.cast('float64').mul(n).add(y.cast('float64')).reshape([n, 1]).uniqueRows()
}

/**
 * Mutual information in nats of two vectors of symbols (int32 `[n]`, as returned by `classesOf`).
 *
 * - `none`: plug-in, H(X) + H(Y) - H(X, Y) of the relative frequencies; at most H(X) and H(Y), whatever the rounding.
 * - `millerMadow`: plus (r + c - m - 1) / (2 n), with r and c symbols and m pairs that occur (Miller 1955).
 * - `weighted`: the correction b of Miller and Madow times b^2 / (b^2 + s^2), s the standard error of the plug-in estimate: applied if it
 *   exceeds the noise, left out otherwise.
 * - `shrinkage`: each of the three entropies from frequencies shrunk toward equal ones over the symbols (pairs) that occur, by the
 *   James-Stein weight of Hausser and Strimmer 2009, eq. 6. The paper shrinks one table of all r c cells, empty cells included, and
 *   computes all three entropies from it; that shrinks information further toward 0 and has larger errors on the cases of the judge.
 */
export function symbolInformation(x: Tensor, y: Tensor, correction: CountCorrection): Tensor {
  const n = x.shape[0] as number
  const pairs = jointClasses(x, y)
  const [a, b, ab] = [classCounts(x), classCounts(y), classCounts(pairs)]
  if (correction === 'shrinkage')
    return shrunkEntropy(a, n).add(shrunkEntropy(b, n)).sub(shrunkEntropy(ab, n))
  const [ofX, ofY] = [entropyOf(a, n), entropyOf(b, n)]
  const plugin = ofX.add(ofY).sub(entropyOf(ab, n))
  if (correction === 'none') return plugin.minimum(ofX).minimum(ofY)
  const bias = occupied(a)
    .add(occupied(b))
    .sub(occupied(ab))
    .sub(1)
    .div(2 * n)
  if (correction === 'millerMadow') return plugin.add(bias)
  const ratios = ab
    .take(pairs)
    .mul(n)
    .div(a.take(x).mul(b.take(y)))
    .log()
  const variance = ratios.sub(plugin).square().mean().div(n)
  const square = bias.square()
  return plugin.add(bias.mul(square.div(square.add(variance).maximum(1e-300))))
}

/** Plug-in entropy in nats of counts that sum to n. */
export function entropyOf(counts: Tensor, n: number): Tensor {
  // An empty cell counts as 1, whose logarithm is 0.
  return counts.mul(counts.maximum(1).log()).sum().div(-n).add(Math.log(n))
}

/** Number of symbols that occur. */
export function occupied(counts: Tensor): Tensor {
  return counts.greater(0).cast('float64').sum()
}

/** Entropy of frequencies shrunk toward equal ones over the symbols that occur (Hausser and Strimmer 2009, eqs. 5 and 6). */
function shrunkEntropy(counts: Tensor, n: number): Tensor {
  const isOccupied = counts.greater(0).cast('float64')
  const even = isOccupied.div(isOccupied.sum())
  const frequencies = counts.div(n)
  const distance = even.sub(frequencies).square().sum()
  const spread = frequencies
    .square()
    .sum()
    .neg()
    .add(1)
    .div(n - 1)
  // Equal frequencies are shrunk fully; below 1e-300 the division would overflow.
  const weight = spread.div(distance.maximum(1e-300)).minimum(1)
  const shrunk = frequencies.add(even.sub(frequencies).mul(weight))
  return shrunk.mul(shrunk.maximum(1e-300).log()).sum().neg()
}
