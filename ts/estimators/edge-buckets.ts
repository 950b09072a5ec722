/** Buckets of the ensemble dependency graph estimator. */
import { where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { classCounts, classesOf, isLabels } from './samples.js'

/** One argument: what is hashed, and what is a symbol as it is. */
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
 * What of an argument counts as symbols. A hash cuts a column to some sqrt(n) cells; values that are no more than that (or 20, in few samples), and values that fill a few cells
 * by themselves (zeros of relu units, a level that a sensor stops at), are told apart by what they are, not by where cells end.
 *
 * @param x `[n, d]` float64 or labels `[n]`; @param columns what is to be hashed of it
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

/** The bucket of each sample, int32 `[n]`, numbered by first appearance: its own for a symbol, of its cell for numbers. @param cells int32 `[n]`, below n */
export function bucketsOf({ symbols, isSymbol, columns }: Side, cells: (columns: Tensor) => Tensor): Tensor {
  if (columns === undefined) return symbols
  const n = symbols.shape[0] as number
  return classesOf('buckets', where(isSymbol, symbols.add(n), cells(columns)))
}
