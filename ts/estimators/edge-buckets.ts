/** Buckets of the ensemble dependency graph estimator. */
import { where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { classCounts, classesOf, isLabels } from './samples.js'

/** One argument: columns to hash, and samples that are symbols. */
export interface Side {
  /** Columns of unit spread `[n, d]`; undefined for class labels. */
  readonly columns: Tensor | undefined
  /** A number for each different row, int32 `[n]`. */
  readonly symbols: Tensor
  /** Which samples are symbols rather than numbers, bool `[n]`. */
  readonly isSymbol: Tensor
  /** Which samples have a row that occurs again, bool `[n]`. */
  readonly isRepeated: Tensor
}

/**
 * The samples of an argument that count as symbols. A hash divides a column into about sqrt(n) cells. Columns with no more values than that
 * (or 20, for few samples), and values that alone fill a few cells (zeros of relu units, the level where a sensor saturates), are
 * identified by value, not by cell.
 *
 * @param x `[n, d]` float64 or labels `[n]`
 * @param columns the columns to hash
 */
export function sideOf(x: Tensor, columns: Tensor): Side {
  const n = x.shape[0] as number
  const symbols = classesOf('samples', x)
  const counts = classCounts(symbols)
  const occurrences = counts.take(symbols)
  const isRepeated = occurrences.greater(1)
  if (isLabels(x)) return { columns: undefined, symbols, isSymbol: symbols.greaterEqual(0), isRepeated }
  const different = counts.greater(0).cast('float64').sum()
  const isSymbol = different
    .lessEqual(Math.max(Math.sqrt(n), Math.min(20, n / 5)))
    .logicalOr(occurrences.greaterEqual(3 * Math.sqrt(n)))
  return { columns, symbols, isSymbol, isRepeated }
}

/**
 * The bucket of each sample, int32 `[n]`, numbered by first appearance: one per symbol, one per cell of numbers. @param cells int32 `[n]`,
 * below n
 */
export function bucketsOf({ symbols, isSymbol, columns }: Side, cells: (columns: Tensor) => Tensor): Tensor {
  if (columns === undefined) return symbols
  const n = symbols.shape[0] as number
  return classesOf('buckets', where(isSymbol, symbols.add(n), cells(columns)))
}
