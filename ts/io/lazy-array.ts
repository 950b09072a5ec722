/** Arrays that are read when they are asked for, all at once or some rows at a time. */

import type { Shape } from '../core/dtype.js'
import { ArgumentError, describe } from '../core/errors.js'
import type { ArrayData } from './element-types.js'

/** Rows `from` up to and without `to`, counted from 0. */
export type RowRange = readonly [from: number, to: number]

/** An array whose values are read when they are asked for. */
export interface LazyArray {
  /** Element type as it is stored, such as `'float16'`; what {@link read} gives is of the type that holds all its values. */
  readonly dtype: string
  /** Lengths of the axes; the first one counts rows. */
  readonly shape: Shape
  /**
   * Reads the array, or some of its rows.
   *
   * @param rows rows along the first axis. Default all
   * @throws ArgumentError for rows that are not there; IOError and DataError where the file cannot be read or is damaged
   */
  read(rows?: RowRange): Promise<ArrayData>
  /**
   * All rows in order, `rows` of them at a time: one pass, where each call of `read` would unpack a compressed file from its beginning.
   * Left out where `read` does as well.
   */
  blocks?(rows: number): AsyncGenerator<ArrayData>
}

/** An array in memory as one that is read when it is asked for; its values are not copied. */
export function lazyOf(what: string, array: ArrayData): LazyArray {
  const { dtype, shape, data } = array
  return {
    dtype,
    shape,
    async read(rows) {
      const [from, to] = checkRows(what, shape, rows)
      if (rows === undefined || shape.length === 0) return array
      const width = shape.slice(1).reduce((product, length) => product * length, 1)
      return { dtype, shape: [to - from, ...shape.slice(1)], data: data.subarray(from * width, to * width) }
    },
  }
}

/** Number of rows: the first length, 1 for a single number. */
export function rowsOf({ shape }: Pick<LazyArray, 'shape'>): number {
  return shape[0] ?? 1
}

/**
 * Rows that were asked for, checked; all where none were named.
 *
 * @throws ArgumentError unless 0 <= from <= to <= rows
 */
export function checkRows(what: string, shape: Shape, rows: RowRange | undefined): RowRange {
  const count = shape[0] ?? 1
  if (rows === undefined) return [0, count]
  const [from, to] = Array.isArray(rows) ? (rows as unknown[]) : []
  const isWhole = Number.isSafeInteger(from) && Number.isSafeInteger(to)
  if (isWhole && (from as number) >= 0 && (from as number) <= (to as number) && (to as number) <= count) {
    return [from as number, to as number]
  }
  throw new ArgumentError(
    `${what}: given rows ${describe(rows)}, expected [from, to] with 0 <= from <= to <= ${count}`,
  )
}

/** All rows of an array in order, in blocks of about `bytes` bytes as they are stored in memory. */
export async function* blocksOf(array: LazyArray, bytes: number): AsyncGenerator<ArrayData> {
  const count = rowsOf(array)
  const step = rowsWithin(array, bytes)
  if (step >= count) {
    yield await array.read()
    return
  }
  if (array.blocks !== undefined) {
    yield* array.blocks(step)
    return
  }
  for (let from = 0; from < count; from += step) yield await array.read([from, Math.min(count, from + step)])
}

/** Rows that have no more than `bytes` bytes when 8 are reckoned for a value, at least one. */
export function rowsWithin({ shape }: Pick<LazyArray, 'shape'>, bytes: number): number {
  const width = shape.slice(1).reduce((product, length) => product * length, 1)
  return Math.max(1, Math.floor(bytes / (8 * Math.max(1, width))))
}
