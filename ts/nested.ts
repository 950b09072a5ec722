/** Between nested JavaScript arrays and flat typed arrays. */
import {
  allocate,
  type DType,
  integerRange,
  type Shape,
  showShape,
  sizeOf,
  type TypedArray,
} from './dtype.js'
import { DataError, DTypeError, describe } from './errors.js'

/** Numbers nested to any depth. */
export type NestedArray = number | NestedArray[]

/** What {@link tensor} takes: numbers, booleans or bigints, nested to any equal depth. */
export type NestedInput = number | boolean | bigint | readonly NestedInput[] | TypedArray

/** Nests `values` (row-major) along `shape`. */
export function nest(values: TypedArray, shape: Shape): NestedArray {
  let at = 0
  const level = (axis: number): NestedArray => {
    const extent = shape[axis]
    if (extent === undefined) return Number(values[at++])
    return Array.from({ length: extent }, () => level(axis + 1))
  }
  return level(0)
}

function isList(value: unknown): value is ArrayLike<NestedInput> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}

function where(path: readonly number[]): string {
  return path.length === 0 ? 'the data' : `data${path.map((i) => `[${i}]`).join('')}`
}

/** The extents along the first elements. */
function shapeAlongFirst(data: NestedInput): number[] {
  const shape: number[] = []
  let level: unknown = data
  while (isList(level)) {
    shape.push(level.length)
    level = level[0]
  }
  return shape
}

type Leaf = number | boolean | bigint

/** The element type that plain data gets: bool, int64 for bigints, else float32. */
function dtypeOfLeaf(leaf: Leaf): DType {
  if (typeof leaf === 'boolean') return 'bool'
  return typeof leaf === 'bigint' ? 'int64' : 'float32'
}

/** Refuses what `dtype` cannot hold. Beyond 2^53 an int64 is given as bigint, since numbers there are not exact. */
function checkLeaf(leaf: Leaf, dtype: DType, path: readonly number[]): void {
  const range = dtype === 'bool' ? undefined : integerRange(dtype)
  if (range === undefined || typeof leaf === 'boolean') return
  const isExact = typeof leaf === 'bigint' || (Number.isInteger(leaf) && Math.abs(leaf) <= 2 ** 53)
  if (isExact && leaf >= range[0] && leaf <= range[1]) return
  const hint = dtype === 'int64' ? ' (those beyond 2^53 as bigint)' : ''
  throw new DataError(
    `tensor: ${where(path)} is ${leaf}, which ${dtype} cannot hold; ` +
      `give integers from ${range[0]} to ${range[1]}${hint}, or another dtype`,
  )
}

/**
 * Flattens nested data.
 *
 * @param wanted the element type; by default bool for booleans, int64 for bigints, else float32
 * @throws {DataError} where rows differ in length or an element is not a number, with its path
 */
export function flattenNested(
  data: NestedInput,
  wanted: DType | undefined,
): { values: TypedArray; shape: Shape; dtype: DType } {
  const shape = shapeAlongFirst(data)
  const leaves: Leaf[] = []
  const path: number[] = []
  const visit = (value: unknown): void => {
    if (path.length < shape.length) {
      const expected = shape[path.length]
      if (!isList(value) || value.length !== expected) {
        const given = isList(value) ? `has ${value.length} elements` : `is ${describe(value)}`
        throw new DataError(
          `tensor: ${where(path)} ${given}, expected ${expected} elements as in the first row; ` +
            `every row must have the same length to make a tensor ${showShape(shape)}`,
        )
      }
      for (let i = 0; i < value.length; i++) {
        path.push(i)
        visit(value[i])
        path.pop()
      }
      return
    }
    if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'bigint') {
      const given = isList(value)
        ? `an array of ${value.length}, deeper than the first element`
        : describe(value)
      throw new DataError(`tensor: ${where(path)} is ${given}, expected a number`)
    }
    if (wanted !== undefined || typeof value === 'bigint') checkLeaf(value, wanted ?? 'int64', path)
    const first = leaves[0] ?? value
    if (typeof value !== typeof first) {
      throw new DataError(
        `tensor: ${where(path)} is a ${typeof value} among ${typeof first}s; give elements of one kind`,
      )
    }
    leaves.push(value)
  }
  visit(data)
  const dtype = wanted ?? (leaves[0] === undefined ? 'float32' : dtypeOfLeaf(leaves[0]))
  return { values: pack(leaves, dtype), shape, dtype }
}

function pack(leaves: readonly Leaf[], dtype: DType): TypedArray {
  const values = allocate(dtype, leaves.length)
  if (values instanceof BigInt64Array) {
    for (let i = 0; i < leaves.length; i++) values[i] = BigInt(leaves[i] as Leaf)
  } else if (dtype === 'bool') {
    for (let i = 0; i < leaves.length; i++) values[i] = leaves[i] ? 1 : 0
  } else {
    for (let i = 0; i < leaves.length; i++) values[i] = Number(leaves[i])
  }
  return values
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

/** Values as nested brackets; long axes of big tensors are cut to their ends. */
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
