/** An array that lies in a file, element by element at steps that its header tells. */

import { allocate, type Shape, showShape, sizeOf, type TypedArray } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { nextTurn } from '../core/turns.js'
import type { ByteSource, ByteStore } from './byte-source.js'
import { type ArrayData, elementCount } from './element-types.js'
import { checkRows, type LazyArray, type RowRange, rowsOf } from './lazy-array.js'
import { decodeStored, dtypeOfStored, type StoredType, storedBytes } from './stored-types.js'

/** How the elements of an array lie. */
export interface Layout {
  readonly type: StoredType
  readonly bigEndian?: boolean
  readonly shape: Shape
  /** Elements between neighbors along each axis. */
  readonly steps: Shape
  /** Position of the first element in bytes. */
  readonly start: number
}

/** Steps of an array whose last axis runs fastest. */
export function denseSteps(shape: Shape): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)))
}

/** Steps of an array whose first axis runs fastest. */
export function fortranSteps(shape: Shape): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(0, axis)))
}

/** Elements from the first one to behind the last one; 0 for an array without elements. */
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
   * @throws DataError where the store ends before the array does
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
    const source = await this.#store.open()
    try {
      for (let from = 0; from < count; from += rows) {
        yield await this.#rows(source, from, Math.min(count, from + rows))
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

/** Of a span that is read, this share at least is wanted; else parts of it are read one by one. */
const leastShare = 1 / 4
/** Bytes that are read at once whatever share of them is wanted. */
const readAnyway = 1 << 20

/**
 * The array of a layout in memory, last axis fastest.
 *
 * @throws DataError where values are damaged; DeviceError where there is no room for them
 */
export async function readLayout(what: string, source: ByteSource, layout: Layout): Promise<ArrayData> {
  const { shape, type } = layout
  const dtype = dtypeOfStored(type)
  if (isDense(layout)) return { dtype, shape, data: await span(what, source, layout, sizeOf(shape)) }
  const into = allocate(dtype, sizeOf(shape))
  await gather(what, source, layout, into, denseSteps(shape), 0)
  return { dtype, shape, data: into }
}

function isDense({ shape, steps }: Layout): boolean {
  const dense = denseSteps(shape)
  return shape.includes(0) || shape.every((length, axis) => length === 1 || steps[axis] === dense[axis])
}

/** Elements that lie one after the other, as values. */
async function span(
  what: string,
  source: ByteSource,
  { type, bigEndian = false, start }: Layout,
  count: number,
): Promise<TypedArray> {
  const bytes = await source.bytes(start, count * storedBytes(type))
  return (await decodeStored(what, type, bytes, { bigEndian })).data
}

/** Reads a layout into its places: at once where most of its span is wanted, else along the axis with the largest steps. */
async function gather(
  what: string,
  source: ByteSource,
  layout: Layout,
  into: TypedArray,
  toSteps: readonly number[],
  to: number,
): Promise<void> {
  const { shape, steps, type, start } = layout
  const length = spanOf(layout)
  const bytes = length * storedBytes(type)
  if (bytes <= readAnyway || sizeOf(shape) >= leastShare * length) {
    const values = await span(what, source, layout, length)
    await copyStrided(shape, { values, start: 0, steps }, { values: into, start: to, steps: toSteps })
    return
  }
  const axis = steps.indexOf(Math.max(...steps.filter((_, a) => (shape[a] as number) > 1)))
  const without = <T>(list: readonly T[]) => list.filter((_, a) => a !== axis)
  for (let i = 0; i < (shape[axis] as number); i++) {
    const part = {
      ...layout,
      shape: without(shape),
      steps: without(steps),
      start: start + i * (steps[axis] as number) * storedBytes(type),
    }
    await gather(what, source, part, into, without(toSteps), to + i * (toSteps[axis] as number))
  }
}

/** Values that are moved in one turn of the event loop. */
const turn = 1 << 17

/** Values at steps: where the first one lies, and how far it is to the next along each axis. */
export interface Strided {
  readonly values: TypedArray
  readonly start: number
  readonly steps: readonly number[]
}

/** Copies the values of a shape from their places to others. */
export async function copyStrided(shape: readonly number[], from: Strided, to: Strided): Promise<void> {
  const last = shape.length - 1
  const [length, step, toStep] =
    last < 0 ? [1, 0, 0] : [shape[last] as number, from.steps[last] as number, to.steps[last] as number]
  const [source, target] = [from.values, to.values]
  const index = shape.slice(0, -1).map(() => 0)
  const lines = sizeOf(shape.slice(0, -1))
  let [at, into] = [from.start, to.start]
  for (let line = 0, moved = 0; line < lines; line++) {
    if (step === 1 && toStep === 1) {
      target.set(source.subarray(at, at + length) as never, into)
    } else {
      for (let i = 0; i < length; i++) target[into + i * toStep] = source[at + i * step] as number & bigint
    }
    moved += length
    if (moved >= turn) {
      moved = 0
      await nextTurn()
    }
    for (let axis = last - 1; axis >= 0; axis--) {
      const extent = shape[axis] as number
      const next = (index[axis] as number) + 1
      const isLast = next === extent
      index[axis] = isLast ? 0 : next
      at += (isLast ? 1 - extent : 1) * (from.steps[axis] as number)
      into += (isLast ? 1 - extent : 1) * (to.steps[axis] as number)
      if (!isLast) break
    }
  }
}
