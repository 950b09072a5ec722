/** Statistics of the values of an array, in one pass, block by block. */

import { tidy } from '../core/memory.js'
import { blocksOf, type LazyArray, rowsOf } from '../io/lazy-array.js'
import { tensorInTurns } from '../io/uploads.js'
import { concat, isFinite as finite, where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'

/** Statistics of the scanned values. */
export interface Scan {
  /** Number of scanned values. */
  readonly values: number
  /** Smallest and largest finite value; NaN if there is none. */
  readonly least: number
  readonly largest: number
  /** Mean of the finite values. */
  readonly mean: number
  /** Number of NaN and infinite values. */
  readonly notFinite: number
  /** Number of zeros. */
  readonly zeros: number
  /**
   * Number of values at the bounds of a bounded activation: within 0.01 of -1 or 1 if all are in [-1, 1] and some are below 0, as for tanh;
   * within 0.01 of 0 or 1, without 0 itself, if all are in [0, 1], as for a sigmoid. Null if values lie outside.
   */
  readonly saturated: number | null
}

/** Bytes of a block. */
const blockBytes = 1 << 24
/** Distance from a bound within which values are saturated. */
const margin = 0.01

/** Sums over values, in the order of the plan's outputs. */
type Sums = readonly [
  values: number,
  least: number,
  largest: number,
  total: number,
  finite: number,
  zeros: number,
  outer: number,
  nearEnds: number,
]
const nothing: Sums = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0, 0, 0]

/** Scans arrays; at most one block is in memory. */
export class Scanner {
  #sums: Sums = nothing

  /** @param most maximum number of rows, from the first on */
  async add(array: LazyArray, most: number): Promise<void> {
    let left = Math.min(most, rowsOf(array))
    for await (const block of blocksOf(array, blockBytes)) {
      if (block.data.length === 0) return
      using given = await tensorInTurns(block)
      const rows = Math.min(left, block.shape[0] ?? 1)
      using sums = tidy(() => sumsOf(rows < (block.shape[0] ?? 1) ? given.slice([0], [rows]) : given))
      this.#add((await sums.data()) as unknown as Sums)
      left -= rows
      if (left <= 0) return
    }
  }

  #add(sums: Sums): void {
    const before = this.#sums
    const joined = sums.map((value, i) => (before[i] as number) + value)
    joined[1] = Math.min(before[1], sums[1])
    joined[2] = Math.max(before[2], sums[2])
    this.#sums = joined as unknown as Sums
  }

  get result(): Scan {
    const [values, least, largest, total, finite, zeros, outer, nearEnds] = this.#sums
    const isTanh = least >= -1 && least < 0 && largest <= 1
    const isSigmoid = least >= 0 && largest <= 1
    return {
      values,
      least: finite === 0 ? Number.NaN : least,
      largest: finite === 0 ? Number.NaN : largest,
      mean: total / finite,
      notFinite: values - finite,
      zeros,
      saturated: isTanh ? outer : isSigmoid && finite > 0 ? nearEnds : null,
    }
  }
}

function sumsOf(given: Tensor): Tensor {
  const x = given.cast('float64')
  const sound = finite(x)
  const count = (condition: Tensor) => condition.logicalAnd(sound).cast('float64').sum().reshape([1])
  const safe = where(sound, x, 0)
  const high = x.greaterEqual(1 - margin)
  return concat([
    sound.cast('float64').mul(0).add(1).sum().reshape([1]),
    where(sound, x, Number.POSITIVE_INFINITY).min().reshape([1]),
    where(sound, x, Number.NEGATIVE_INFINITY).max().reshape([1]),
    safe.sum().reshape([1]),
    sound.cast('float64').sum().reshape([1]),
    count(x.equal(0)),
    count(x.abs().greaterEqual(1 - margin)),
    count(high.logicalOr(x.greater(0).logicalAnd(x.lessEqual(margin)))),
  ])
}
