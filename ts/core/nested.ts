/** Conversion between nested JavaScript arrays and flat typed arrays. */
import { getHeapStatistics } from 'node:v8'
import {
  allocate,
  type DType,
  integerRange,
  isFloat,
  isTypedArray,
  type Shape,
  showShape,
  sizeOf,
  type TypedArray,
} from './dtype.js'
import { DataError, DeviceError, DTypeError, describe } from './errors.js'
import { isList as isPlainList, isPlainObject } from './options.js'
import { nextTurn, type Work } from './turns.js'

/** Numbers nested to any depth. */
export type NestedArray = number | NestedArray[]

/** Data of {@link tensor}: numbers, booleans or bigints, nested to any equal depth. */
export type NestedInput = number | boolean | bigint | readonly NestedInput[] | TypedArray

/** An n-dimensional array in memory, last axis fastest. */
export interface ArrayData {
  readonly dtype: DType
  /** Lengths of the axes; empty for a single number. */
  readonly shape: Shape
  /** As many values as the product of `shape`. */
  readonly data: TypedArray
}

/** Whether a value has the form of {@link ArrayData}; the reader checks that its parts match. Never throws. */
export function isArrayData(value: unknown): value is ArrayData {
  if (!isPlainObject(value)) return false
  const { data, shape } = value as Partial<ArrayData>
  return ArrayBuffer.isView(data) && isPlainList(shape)
}

/** Maximum length of a JavaScript array: V8 aborts the process when an array grows beyond twice the length. */
const longestRow = 2 ** 26

/**
 * Nests `values` (row-major) along `shape`.
 *
 * @throws {DeviceError} if JavaScript does not have enough memory for so many numbers in arrays
 */
export function nest(values: TypedArray, shape: Shape): NestedArray {
  checkNesting(shape)
  let at = 0
  const level = (axis: number): NestedArray => {
    const extent = shape[axis]
    if (extent === undefined) return Number(values[at++])
    return Array.from({ length: extent }, () => level(axis + 1))
  }
  return level(0)
}

/** Numbers (and rows) that are nested in one turn of the event loop: a few milliseconds. */
const perTurn = 1 << 15

/**
 * Like {@link nest}, in chunks, so that the event loop is not blocked.
 *
 * @throws {DeviceError} (rejects) if JavaScript does not have enough memory for so many numbers in arrays
 */
export async function nestInTurns(values: TypedArray, shape: Shape): Promise<NestedArray> {
  // Elements below one entry of each axis; an empty row counts as one, since it is an array too.
  const below = shape.map((_, axis) => sizeOf(shape.slice(axis + 1).map((extent) => Math.max(1, extent))))
  if ((below[0] ?? 0) * (shape[0] ?? 0) <= perTurn) return nest(values, shape)
  checkNesting(shape)
  const level = async (axis: number, offset: number): Promise<NestedArray> => {
    const [extent, width] = [shape[axis] as number, below[axis] as number]
    const inner = shape.slice(axis + 1)
    const step = sizeOf(inner)
    const rows: NestedArray[] = []
    const piece = Math.max(1, Math.floor(perTurn / width))
    for (let from = 0; from < extent; from += piece) {
      if (width > perTurn) {
        rows.push(await level(axis + 1, offset + from * step))
        continue
      }
      const to = Math.min(extent, from + piece)
      const part = values.subarray(offset + from * step, offset + to * step)
      for (const row of nest(part, [to - from, ...inner]) as NestedArray[]) rows.push(row)
      await nextTurn()
    }
    return rows
  }
  return level(0, 0)
}

/** Refuses arrays that would fill the heap: V8 would abort the process, which cannot be caught. */
function checkNesting(shape: Shape): void {
  let rows = 1
  let bytes = 0
  for (const extent of shape) {
    // An array grows by half, with old and new elements in memory; its own size is 64 bytes.
    bytes += rows * (64 + 20 * extent)
    rows *= extent
  }
  if (bytes < 1 << 20) return
  const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics()
  if (bytes < limit - used && shape.every((extent) => extent <= longestRow)) return
  throw new DeviceError(
    `array: a tensor ${showShape(shape)} as nested arrays needs up to ${bytes} bytes of JavaScript's heap, which has ${limit - used} left ` +
      `(and an array at most ${longestRow} elements); read it with data(), or slice it first`,
  )
}

function isList(value: unknown): value is ArrayLike<NestedInput> {
  return isPlainList(value) || isTypedArray(value)
}

function where(path: readonly number[]): string {
  return path.length === 0 ? 'the data' : `data${path.map((i) => `[${i}]`).join('')}`
}

/** Maximum nesting of data. */
const deepest = 64

/**
 * The extents along the first elements.
 *
 * @throws {DataError} for endless nesting
 */
export function shapeAlongFirst(data: NestedInput): number[] {
  const shape: number[] = []
  const around = new Set<unknown>()
  let level: unknown = data
  while (isList(level)) {
    const holdsItself = around.has(level)
    if (holdsItself || shape.length === deepest) {
      throw new DataError(
        `tensor: the data ${holdsItself ? `holds itself at ${where(shape.map(() => 0))}` : `is nested deeper than ${deepest} levels`}; ` +
          'give numbers in rows of equal length, a level of nesting for each axis',
      )
    }
    around.add(level)
    shape.push(level.length)
    level = level[0]
  }
  return shape
}

type Leaf = number | boolean | bigint

/** The element type of plain data: bool, int64 for bigints, otherwise float32. */
function dtypeOfLeaf(leaf: Leaf): DType {
  if (typeof leaf === 'boolean') return 'bool'
  return typeof leaf === 'bigint' ? 'int64' : 'float32'
}

/** Refuses values that `dtype` cannot hold. Beyond 2^53 an int64 must be a bigint, since numbers there are not exact. */
function checkLeaf(leaf: Leaf, dtype: DType, path: readonly number[]): void {
  const range = integerRange(dtype)
  if (range === undefined || typeof leaf === 'boolean') return
  const isExact = typeof leaf === 'bigint' || (Number.isInteger(leaf) && Math.abs(leaf) <= 2 ** 53)
  if (isExact && leaf >= range[0] && leaf <= range[1]) return
  if (dtype === 'bool') {
    throw new DataError(
      `tensor: ${where(path)} is ${leaf}, which bool cannot hold; give true or false, 1 or 0, or tensor(data).notEqual(0)`,
    )
  }
  if (dtype === 'int64' && Number.isInteger(leaf) && leaf >= range[0] && leaf <= range[1]) {
    throw new DataError(
      `tensor: ${where(path)} is the number ${leaf}, beyond 2^53, where numbers are not exact; give all elements as bigint: ${BigInt(leaf)}n`,
    )
  }
  const hint = dtype === 'int64' ? ' (those beyond 2^53 as bigint)' : ''
  throw new DataError(
    `tensor: ${where(path)} is ${leaf}, which ${dtype} cannot hold; ` +
      `give integers from ${range[0]} to ${range[1]}${hint}, or another dtype`,
  )
}

/** Nested data in flat form. */
export interface Flat {
  readonly values: TypedArray
  readonly shape: Shape
  readonly dtype: DType
}

/** Numbers (or rows) that are read in one turn of the event loop: a few milliseconds. */
const readPerTurn = 1 << 17

/**
 * Flattens nested data.
 *
 * @param wanted the element type; by default bool for booleans, int64 for bigints, otherwise float32
 * @throws {DataError} if rows differ in length or an element is not a number, with its path; if the data contain themselves
 * @throws {DeviceError} if there is not enough memory for so many elements
 */
export function* flattening(data: NestedInput, wanted: DType | undefined): Work<Flat> {
  const shape = shapeAlongFirst(data)
  let seen = 0
  // All rows are checked before memory is allocated for the shape of the first ones.
  for (const _ of rowsOf(data, shape)) if (++seen % readPerTurn === 0) yield
  const first = firstLeaf(data)
  const start = shape.map(() => 0)
  const dtype =
    wanted ?? (first === undefined ? 'float32' : dtypeOfLeaf(checkKind(first, typeof first, start)))
  const values = allocate(dtype, sizeOf(shape))
  const path: number[] = []
  const rest = restOf(wanted, typeof first, values, dtype)
  const isPlain = typeof first === 'number' && isFloat(dtype)
  const width = shape.at(-1) ?? 1
  let [at, begun] = [0, 0]
  for (const row of rowsOf(data, shape, path)) {
    for (let from = 0; from < width; from += readPerTurn) {
      const to = Math.min(width, from + readPerTurn)
      const done = isPlain ? copyNumbers(row, from, to, values, at) : from
      if (done < to) rest(row, done, to, at, path)
      if (at + to - begun < readPerTurn) continue
      begun = at + to
      yield
    }
    at += width
  }
  return { values, shape, dtype }
}

/** Copies plain numbers of a row that begins at `at`; returns the index of the first other element, or `to`. */
function copyNumbers(
  row: ArrayLike<unknown>,
  from: number,
  to: number,
  values: TypedArray,
  at: number,
): number {
  for (let i = from; i < to; i++) {
    const value = row[i]
    if (typeof value !== 'number') return i
    values[at + i] = value
  }
  return to
}

/** Copies elements of any kind, and refuses invalid ones. */
function restOf(wanted: DType | undefined, kind: string, values: TypedArray, dtype: DType) {
  return (row: ArrayLike<unknown>, from: number, to: number, at: number, path: readonly number[]): void => {
    const place = [...path, 0]
    for (let i = from; i < to; i++) {
      place[path.length] = i
      const leaf = checkKind(row[i], kind, place)
      if (wanted !== undefined || typeof leaf === 'bigint') checkLeaf(leaf, wanted ?? 'int64', place)
      values[at + i] = stored(leaf, values, dtype) as never
    }
  }
}

function firstLeaf(data: NestedInput): unknown {
  let level: unknown = data
  while (isList(level)) level = level[0]
  return level
}

/**
 * The lists along the last axis, in order; a single number counts as a list of one. Each list must be as long as the first one of its axis,
 * so the shape determines the number of elements.
 *
 * @param path updated to the position of the last list
 * @throws {DataError} if rows differ in length, with the path
 */
function* rowsOf(level: unknown, shape: Shape, path: number[] = []): Generator<ArrayLike<unknown>> {
  const axis = path.length
  const last = shape.length - 1
  if (last < 0) {
    yield [level]
    return
  }
  const list = checkedRow(level, shape, path)
  if (axis === last) {
    yield list
    return
  }
  const extent = shape[axis] as number
  path.push(0)
  for (let i = 0; i < extent; i++) {
    path[axis] = i
    // A generator for each row would cost more than the row.
    if (axis + 1 === last) yield checkedRow(list[i], shape, path)
    else yield* rowsOf(list[i], shape, path)
  }
  path.pop()
}

/** A list at a position, which must be as long as the first one of its axis. */
function checkedRow(value: unknown, shape: Shape, path: readonly number[]): ArrayLike<unknown> {
  const expected = shape[path.length]
  if (isList(value) && value.length === expected) return value
  const given = isList(value) ? `has ${value.length} elements` : `is ${describe(value)}`
  throw new DataError(
    `tensor: ${where(path)} ${given}, expected ${expected} elements as in the first row; ` +
      `every row must have the same length to make a tensor ${showShape(shape)}`,
  )
}

/** The element, which must be a number of the same kind as the first one. */
function checkKind(value: unknown, kind: string, path: readonly number[]): Leaf {
  if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'bigint') {
    const given = isList(value)
      ? `an array of ${value.length}, deeper than the first element`
      : describe(value)
    throw new DataError(`tensor: ${where(path)} is ${given}, expected a number`)
  }
  if (typeof value === kind) return value
  throw new DataError(`tensor: ${where(path)} is a ${typeof value} among ${kind}s; give elements of one kind`)
}

/** An element in the form of its array. */
function stored(leaf: Leaf, values: TypedArray, dtype: DType): number | bigint {
  if (values instanceof BigInt64Array) return BigInt(leaf)
  if (dtype === 'bool') return leaf ? 1 : 0
  return Number(leaf)
}

/** The element type of a typed array. */
export function dtypeOfArray(data: TypedArray): DType {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof BigInt64Array) return 'int64'
  if (data instanceof Uint32Array) return 'uint32'
  if (data instanceof Uint8Array) return 'uint8'
  throw new DTypeError(
    `tensor: given ${describe(data)}, expected Float32Array, Float64Array, Int32Array, BigInt64Array, Uint8Array or Uint32Array; ` +
      'convert it, for instance Int32Array.from(data)',
  )
}

const edge = 3
const showAll = 200

function showNumber(value: number | bigint, dtype: DType): string {
  if (dtype === 'bool') return value ? 'true' : 'false'
  if (typeof value === 'bigint' || Number.isInteger(value)) return String(value)
  return String(Number(value.toPrecision(dtype === 'float64' ? 8 : 6)))
}

/** Values as nested brackets; long axes of large tensors are abbreviated. */
export function show(values: TypedArray, shape: Shape, dtype: DType): string {
  const cut = sizeOf(shape) > showAll
  const level = (axis: number, offset: number, indent: string): string => {
    const extent = shape[axis]
    if (extent === undefined) return showNumber(values[offset] as number | bigint, dtype)
    const stride = sizeOf(shape.slice(axis + 1))
    const parts: string[] = []
    for (let i = 0; i < extent; i++) {
      if (cut && extent > 2 * edge && i === edge) {
        parts.push('...')
        i = extent - edge
      }
      parts.push(level(axis + 1, offset + i * stride, `${indent} `))
    }
    const isRow = axis === shape.length - 1
    return `[${parts.join(isRow ? ', ' : `,\n${indent} `)}]`
  }
  return level(0, 0, '')
}
