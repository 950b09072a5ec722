/** An array in a file, with the strides of its header. */

import { type Shape, showShape, sizeOf, withRoom } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import type { ByteSource, ByteStore } from './byte-source.js'
import { type ArrayData, elementCount } from './element-types.js'
import {
  blockBytes,
  checkRows,
  type LazyArray,
  lazyOf,
  type RowRange,
  rowsOf,
  rowsWithin,
  worthReading,
} from './lazy-array.js'
import { decodeStored, type StoredType, storedBytes } from './stored-types.js'
import { copyStrided } from './strided.js'

/** Layout of the elements of an array. */
export interface Layout {
  readonly type: StoredType
  readonly bigEndian?: boolean
  readonly shape: Shape
  /** Stride of each axis, in elements. */
  readonly steps: Shape
  /** Position of the first element in bytes. */
  readonly start: number
}

/** Strides of an array whose last axis is the fastest. */
export function denseSteps(shape: Shape): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)))
}

/** Strides of an array whose first axis is the fastest. */
export function fortranSteps(shape: Shape): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(0, axis)))
}

/** Elements from the first to the last one; 0 for an array without elements. */
export function spanOf({ shape, steps }: Pick<Layout, 'shape' | 'steps'>): number {
  if (shape.includes(0)) return 0
  return 1 + shape.reduce((sum, length, axis) => sum + (length - 1) * (steps[axis] as number), 0)
}

/** An array in a store. */
export class StoredArray implements LazyArray {
  readonly dtype: string
  readonly shape: Shape
  readonly #what: string
  readonly #store: ByteStore
  readonly #layout: Layout

  /**
   * @param what file and name of the array, for messages
   * @param store bytes of the file
   * @throws DataError if the store ends before the array does
   */
  constructor(what: string, store: ByteStore, layout: Layout) {
    const end = layout.start + spanOf(layout) * storedBytes(layout.type)
    if (!(end <= store.size)) {
      throw new DataError(
        `${what}: shape ${showShape(layout.shape)} of ${layout.type} ends at byte ${end} of ${store.size}: truncated, write it again`,
      )
    }
    this.dtype = layout.type
    this.shape = layout.shape
    this.#what = what
    this.#store = store
    this.#layout = layout
  }

  /** If rows are not contiguous, a few rows cost a read of many. */
  get band(): number {
    return rowsWithin(this, this.#isRowByRow ? worthReading : blockBytes)
  }

  get #isRowByRow(): boolean {
    return this.shape.length < 2 || slowestAxis(this.#layout) <= 0
  }

  get isSequential(): boolean {
    return this.#store.isSequential
  }

  async read(rows?: RowRange): Promise<ArrayData> {
    const [from, to] = checkRows(this.#what, this.shape, rows)
    const isWhole = to - from === rowsOf(this)
    const source = await (isWhole ? this.#store.openWhole() : this.#store.open())
    try {
      return await this.#rows(source, from, to)
    } finally {
      await source.close()
    }
  }

  async *blocks(rows: number): AsyncGenerator<ArrayData> {
    const count = rowsOf(this)
    const together = this.#isRowByRow ? rows : Math.max(rows, rowsWithin(this, gatheredBytes))
    const source = await this.#store.open()
    try {
      for (let from = 0; from < count; from += together) {
        const part = await this.#rows(source, from, Math.min(count, from + together))
        const all = lazyOf(this.#what, part)
        for (let at = 0; at < rowsOf(part); at += rows) {
          yield await all.read([at, Math.min(rowsOf(part), at + rows)])
        }
      }
    } finally {
      await source.close()
    }
  }

  #rows(source: ByteSource, from: number, to: number): Promise<ArrayData> {
    const { shape, steps, start, type } = this.#layout
    if (shape.length === 0) return readLayout(this.#what, source, this.#layout)
    return readLayout(this.#what, source, {
      ...this.#layout,
      shape: [to - from, ...shape.slice(1)],
      start: start + from * (steps[0] as number) * storedBytes(type),
    })
  }
}

/** Bytes of the rows that are read together in a pass through an array whose rows are not contiguous: each of its columns is a read. */
const gatheredBytes = 1 << 27

/** Smallest share of requested elements in a span that is read at once; below it, parts are read separately. */
const leastShare = 1 / 4
/** Bytes that are read at once for any share. */
const readAnyway = 1 << 17

/**
 * The array of a layout in memory, last axis fastest.
 *
 * @throws DataError for damaged values; DeviceError if there is not enough memory
 */
export async function readLayout(what: string, source: ByteSource, layout: Layout): Promise<ArrayData> {
  const { shape, type, start, bigEndian = false } = layout
  const width = storedBytes(type)
  const count = sizeOf(shape)
  const bytes = isDense(layout)
    ? await source.bytes(start, count * width)
    : await gathered(source, layout, width, count)
  const { dtype, data } = await decodeStored(what, type, bytes, { bigEndian })
  return { dtype, shape, data }
}

function isDense({ shape, steps }: Pick<Layout, 'shape' | 'steps'>): boolean {
  const dense = denseSteps(shape)
  return shape.includes(0) || shape.every((length, axis) => length === 1 || steps[axis] === dense[axis])
}

/** Units in which stored elements are moved, independent of their type; 8 bytes are two units of 4. */
type Units = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>

/** Strided elements, and their bytes as units; strides count units. */
interface Pattern {
  readonly shape: Shape
  readonly steps: Shape
  /** Position of the first element in bytes. */
  readonly start: number
  /** Bytes of a unit. */
  readonly width: number
  /** Units of an element. */
  readonly lanes: 1 | 2
}

const unitsOf = (buffer: ArrayBuffer, width: number): Units =>
  width === 1 ? new Uint8Array(buffer) : width === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer)

/** The bytes of the elements of a layout, last axis fastest. */
async function gathered(
  source: ByteSource,
  { shape, steps, start }: Layout,
  width: number,
  count: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = withRoom(count * width, () => new Uint8Array(count * width))
  const lanes = width === 8 ? 2 : 1
  const inUnits = (list: readonly number[]) => list.map((step) => lanes * step)
  const pattern = { shape, steps: inUnits(steps), start, width: width / lanes, lanes } as const
  await gather(source, pattern, unitsOf(bytes.buffer, pattern.width), inUnits(denseSteps(shape)), 0)
  return bytes
}

/**
 * Reads a pattern: at once if its span is short, and if most of a longer span up to {@link blockBytes} is requested; otherwise along the axis
 * with the largest stride. So a whole array is read from its beginning to its end, and besides the result one block is in memory.
 */
async function gather(
  source: ByteSource,
  pattern: Pattern,
  into: Units,
  toSteps: readonly number[],
  to: number,
): Promise<void> {
  const { shape, steps, start, width, lanes } = pattern
  const length = spanOf(pattern) - 1 + lanes
  const isWanted = sizeOf(shape) * lanes >= leastShare * length
  const axis = slowestAxis(pattern)
  if (length * width <= readAnyway || (isWanted && length * width <= blockBytes) || axis < 0) {
    const values = unitsOf((await source.bytes(start, length * width)).buffer, width)
    await copyStrided(shape, { values, start: 0, steps }, { values: into, start: to, steps: toSteps }, lanes)
    return
  }
  const [extent, step] = [shape[axis] as number, steps[axis] as number]
  // As many indices along the axis as one read covers, at least one, and not all of them.
  const atOnce = isWanted ? blockBytes : readAnyway
  const most = Math.max(1, Math.min(extent - 1, Math.floor(atOnce / width / step)))
  for (let i = 0; i < extent; i += most) {
    const count = Math.min(most, extent - i)
    // An axis of one index is left out, so that the next one is divided.
    const kept = (list: readonly number[]) => (count === 1 ? list.filter((_, a) => a !== axis) : list)
    const lengths = shape.map((own, a) => (a === axis ? count : own))
    const part = { shape: kept(lengths), steps: kept(steps), start: start + i * step * width, width, lanes }
    await gather(source, part, into, kept(toSteps), to + i * (toSteps[axis] as number))
  }
}

/** The axis of more than one index with the largest stride. */
function slowestAxis({ shape, steps }: Pick<Layout, 'shape' | 'steps'>): number {
  const ofAxes = steps.map((step, axis) => ((shape[axis] as number) > 1 ? step : -1))
  return ofAxes.indexOf(Math.max(...ofAxes))
}
