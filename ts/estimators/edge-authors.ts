import { stack, where } from '../ops/index.js'
import { indexAlong } from '../ops/movement.js'
import { foldIn, key } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { edgeInformation, median, projection } from './edge-parts.js'

/** Members of the ensemble in the published program. */
const members = 10

/** Bounds of log2 of an edge's ratio in the published program, in nats. */
const bounds = { least: 0.001 * Math.LN2, most: 20 * Math.LN2 }

/**
 * Estimate of the program that the authors of EDGE published (version 4.3.1), in nats: p-stable hashing with cells as wide as the mean
 * distance to the k-th neighbor in each projection, a median over ten members, and a second round with cells fitted to the first result.
 * Ratios of edges below 2^0.001 are raised to it, which adds a positive bias.
 *
 * @param x `[n, d]` float64 or int32 labels `[n]`
 * @param gamma scale of the cells
 */
export function authorsEstimate(x: Tensor, y: Tensor, gamma: number, seed: number): Tensor {
  const sides = [x, y].map((given, side) => projected(given, foldIn(key(seed), side)))
  const round = (factor: Tensor | number) => {
    const values = Array.from({ length: members }, (_, i) => {
      const grow = 1 + (0.1 * i) / (members - 1)
      const [a, b] = sides.map(({ rows, cells }) => {
        if (cells === undefined) return rows
        const width = cells.mul(factor).mul(gamma * grow)
        return rows
          .div(width)
          .add(i / members)
          .floor()
          .uniqueRows()
      }) as [Tensor, Tensor]
      return edgeInformation(a, b, bounds)
    })
    return median(stack(values))
  }
  const bits = round(1).div(Math.LN2)
  const exponent = bits.mul(2).sqrt().neg().add(bits.reciprocal().mul(0.5))
  return round(exponent.mul(Math.LN2).exp())
}

/** Projected rows and the width of their cells; labels are their own buckets. */
function projected(x: Tensor, from: Tensor): { rows: Tensor; cells?: Tensor } {
  if (x.rank === 1) return { rows: x }
  const [n, d] = x.shape as [number, number]
  const r = Math.min(d, Math.max(1, Math.floor(Math.log2(n / 10))))
  const spread = x.std(0)
  const directions = projection(from, d, r).div(where(spread.greater(0), spread, 1).expandDims(1))
  const rows = x.matmul(directions)
  const k = Math.min(n - 1, Math.max(1, Math.floor(0.43 * n ** (2 / 3 + (0.17 * d) / (d + 1)))))
  const distance = neighborDistances(rows, k).mean(0)
  // A projection without spread is one cell.
  return { rows, cells: where(distance.greater(0), distance.mul(3 * r * 0.9), 1) }
}

/** Distance of every entry to its k-th neighbor within the column, of sorted columns: `[n, r]`. */
function neighborDistances(x: Tensor, k: number): Tensor {
  const [n, r] = x.shape as [number, number]
  const sorted = x.sort(0)
  const row = indexAlong([n, r], 0).cast('int32')
  const at = (index: Tensor) => sorted.takeAlong(index, 0)
  // The k + 1 entries from `start` on hold the nearest entries; at the best `start` both ends are about equally far.
  let low = row.sub(k).maximum(0)
  let high = row.minimum(n - 1 - k)
  const [first, last] = [low, high]
  for (let span = k + 1; span > 0; span = Math.floor(span / 2)) {
    const middle = low.add(high).div(2).floor().cast('int32')
    const isRight = at(middle)
      .add(at(middle.add(k)))
      .greaterEqual(sorted.mul(2))
    high = where(isRight, middle, high)
    low = where(isRight, low, middle.add(1).minimum(high))
  }
  const reach = (start: Tensor) => sorted.sub(at(start)).maximum(at(start.add(k)).sub(sorted))
  return reach(high.minimum(last)).minimum(reach(high.sub(1).maximum(first)))
}
