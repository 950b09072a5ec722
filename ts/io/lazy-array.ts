/** Arrays that are read on demand, completely or some rows at a time. */

import { allocate, type Shape } from '../core/dtype.js'
import { ArgumentError, describe } from '../core/errors.js'
import { nextTurn } from '../core/turns.js'
import type { ArrayData } from './element-types.js'

/** Rows `from` up to and without `to`, counted from 0. */
export type RowRange = readonly [from: number, to: number]

/** An array that is read on demand. */
export interface LazyArray {
  /** Stored element type, such as `'float16'`; {@link read} returns a type that holds all its values. */
  readonly dtype: string
  /** Lengths of the axes; the first is the number of rows. */
  readonly shape: Shape
  /**
   * Reads the array, or some of its rows.
   *
   * @param rows rows along the first axis. Default all
   * @throws ArgumentError for missing rows; IOError and DataError if the file cannot be read or is damaged
   */
  read(rows?: RowRange): Promise<ArrayData>
  /**
   * All rows in order, `rows` at a time: one pass, while each call of `read` would decompress a file from its beginning. Missing if `read`
   * is as fast.
   */
  blocks?(rows: number): AsyncGenerator<ArrayData>
  /** Number of rows that are read together in any case, such as those of a chunk. Default: enough rows for an efficient read. */
  readonly band?: number
  /** True if all earlier rows must be decompressed first. */
  readonly isSequential?: boolean
}

/** An array in memory as a lazy array; its values are not copied. */
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
 * The requested rows, checked; all rows by default.
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

/** Bytes of an efficient read: fewer bytes take as long. */
export const worthReading = 1 << 18
/** Bytes of a block in a pass through an array. */
export const blockBytes = 1 << 25

/**
 * Some rows of an array in memory; at most these and a block are held at a time.
 *
 * @param rows row indices, ascending
 */
export async function takeRows(array: LazyArray, rows: Int32Array): Promise<ArrayData> {
  const width = array.shape.slice(1).reduce((product, length) => product * length, 1)
  let into: ArrayData | undefined
  let done = 0
  for await (const { from, block } of array.isSequential ? passOver(array) : bandsOf(array, rows)) {
    into ??= {
      dtype: block.dtype,
      shape: [rows.length, ...array.shape.slice(1)],
      data: allocate(block.dtype, rows.length * width),
    }
    const end = from + (block.shape[0] as number)
    for (let moved = 0; done < rows.length && (rows[done] as number) < end; done++) {
      const at = ((rows[done] as number) - from) * width
      into.data.set(block.data.subarray(at, at + width) as never, done * width)
      moved += width
      if (moved < 1 << 18) continue
      moved = 0
      await nextTurn()
    }
    if (done === rows.length) break
  }
  return into ?? array.read([0, 0])
}

interface Block {
  readonly from: number
  readonly block: ArrayData
}

async function* passOver(array: LazyArray): AsyncGenerator<Block> {
  let from = 0
  for await (const block of blocksOf(array, blockBytes)) {
    yield { from, block }
    from += block.shape[0] as number
  }
}

/** The parts of an array with requested rows; rows in one band are read together. */
async function* bandsOf(array: LazyArray, rows: Int32Array): AsyncGenerator<Block> {
  const band = array.band ?? rowsWithin(array, worthReading)
  const most = Math.max(band, rowsWithin(array, blockBytes))
  for (let at = 0; at < rows.length; ) {
    const first = rows[at] as number
    let last = at
    while (last + 1 < rows.length) {
      const next = rows[last + 1] as number
      const bands = Math.floor(next / band) - Math.floor((rows[last] as number) / band)
      if (bands > 1 || (bands === 1 && next - first >= most)) break
      last++
    }
    yield { from: first, block: await array.read([first, (rows[last] as number) + 1]) }
    at = last + 1
  }
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

/** Number of rows with at most `bytes` bytes, at 8 bytes per value; at least one. */
export function rowsWithin({ shape }: Pick<LazyArray, 'shape'>, bytes: number): number {
  const width = shape.slice(1).reduce((product, length) => product * length, 1)
  return Math.max(1, Math.floor(bytes / (8 * Math.max(1, width))))
}
