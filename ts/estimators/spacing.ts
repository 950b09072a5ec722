/** Spacing of the values of a column. */
import { concat } from '../ops/index.js'
import { type Tensor, zeros } from '../ops/tensor.js'
import { columnsInRange } from './magnitude.js'

/** Number of gaps on each side that a gap is compared with. */
const around = 10

/**
 * Threshold of the mean log ratio of a gap between neighbors to the mean gap around it: -0.577 (Euler's constant) for random draws, 0 for a
 * grid.
 */
const evenness = -0.577 / 2

/** Number of samples of each column that share their value with another sample, float64 `[d]`. */
export function repeatedValues(x: Tensor): Tensor {
  const [n, d] = x.shape as [number, number]
  const sorted = x.sort(0)
  const same = sorted
    .slice([1])
    .equal(sorted.slice([0], [n - 1]))
    .cast('float64')
  const none = zeros([1, d], { dtype: 'float64' })
  return concat([none, same])
    .maximum(concat([same, none]))
    .sum(0)
}

/**
 * Whether the values of each column are more even than random draws: times, grids, ranks and smooth functions of them. bool `[d]`.
 * Entropies by nearest neighbors assume the gaps of a Poisson process (Kozachenko and Leonenko 1987), so they are wrong for such columns.
 */
export function areEven(x: Tensor): Tensor {
  const n = x.shape[0] as number
  const reach = Math.min(around, Math.floor((n - 2) / 2))
  const sorted = columnsInRange(x).sort(0)
  const gap = sorted.slice([reach + 1], [n - reach]).sub(sorted.slice([reach], [n - reach - 1]))
  const width = 2 * reach + 1
  const mean = sorted
    .slice([width])
    .sub(sorted.slice([0], [n - width]))
    .div(width)
  // Equal values, of which there may be a few, count as close ones.
  const ratio = gap.div(mean.maximum(1e-300)).maximum(1e-3)
  return ratio.log().mean(0).greater(evenness)
}
