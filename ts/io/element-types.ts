/**
 * The element types of files, and their names in each format: one row per type.
 *
 * Typed arrays have the byte order of the machine. The formats here are little-endian, and so is every supported machine.
 */

import { type DType, dtypes, showShape, type TypedArray } from '../core/dtype.js'
import { ArgumentError, DTypeError, describe, ShapeError, unknownName } from '../core/errors.js'
import type { ArrayData } from '../core/nested.js'
import { Variable } from '../core/variable.js'
import { Tensor } from '../ops/tensor.js'

export type { ArrayData } from '../core/nested.js'

interface Row {
  /** Bytes of one value. */
  readonly bytes: number
  /** Name in a safetensors header. */
  readonly safetensors: string
  /** Type string in an .npy header. */
  readonly npy: string
  /** Name in Zarr metadata; Zarr's own booleans are read and written as bytes. */
  readonly zarr: 'float32' | 'float64' | 'int32' | 'int64' | 'uint8' | 'uint32'
  readonly array: {
    readonly name: string
    new (buffer: ArrayBuffer, byteOffset?: number, length?: number): TypedArray
  }
}

/** Every element type. To add one, add a row. */
export const elementTypes: { readonly [K in DType]: Row } = {
  float32: { bytes: 4, safetensors: 'F32', npy: '<f4', zarr: 'float32', array: Float32Array },
  float64: { bytes: 8, safetensors: 'F64', npy: '<f8', zarr: 'float64', array: Float64Array },
  int32: { bytes: 4, safetensors: 'I32', npy: '<i4', zarr: 'int32', array: Int32Array },
  int64: { bytes: 8, safetensors: 'I64', npy: '<i8', zarr: 'int64', array: BigInt64Array },
  uint8: { bytes: 1, safetensors: 'U8', npy: '|u1', zarr: 'uint8', array: Uint8Array },
  bool: { bytes: 1, safetensors: 'BOOL', npy: '|b1', zarr: 'uint8', array: Uint8Array },
  uint32: { bytes: 4, safetensors: 'U32', npy: '<u4', zarr: 'uint32', array: Uint32Array },
}

/** Number of elements of `shape`, or NaN if a length is not a whole number >= 0 or the product exceeds 2^53. */
export function elementCount(shape: readonly unknown[]): number {
  let count = 1
  let safe = true
  for (const length of shape) {
    if (!Number.isSafeInteger(length) || (length as number) < 0) return Number.NaN
    count *= length as number
    safe &&= Number.isSafeInteger(count)
  }
  return safe ? count : Number.NaN
}

/** Typed array of `dtype` that takes over all of `buffer`. */
export function typedArray(dtype: DType, buffer: ArrayBuffer): TypedArray {
  return new elementTypes[dtype].array(buffer)
}

/** The bytes of a typed array, without a copy. */
export function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Position of the first byte that is neither 0 nor 1, or -1. */
export function firstNonBoolean(data: Uint8Array): number {
  // Four bytes at a time, aligned to four bytes.
  const lead = Math.min(data.length, -data.byteOffset & 3)
  const words = new Uint32Array(data.buffer, data.byteOffset + lead, (data.length - lead) >> 2)
  let whole = 0
  while (whole < words.length && ((words[whole] as number) & 0xfefefefe) === 0) whole++
  for (const [from, to] of [
    [0, lead],
    [lead + 4 * whole, data.length],
  ] as const) {
    for (let i = from; i < to; i++) if ((data[i] as number) > 1) return i
  }
  return -1
}

const fields: readonly string[] = ['dtype', 'shape', 'data'] satisfies (keyof ArrayData)[]

/**
 * Checks an array before it is written, with each value of booleans.
 *
 * @param what caller and array, for the message
 * @throws as {@link checkForm}; DTypeError for booleans other than 0 and 1
 */
export function checkArray(what: string, array: ArrayData): void {
  checkForm(what, array)
  if (array.dtype === 'bool') checkBooleans(what, array.data as Uint8Array)
}

/** Throws DTypeError for a byte that is not a boolean; the first byte has index `start` in the array. */
export function checkBooleans(what: string, bytes: Uint8Array, start = 0): void {
  const at = firstNonBoolean(bytes)
  if (at < 0) return
  throw new DTypeError(
    `${what}: bool data must be 0 or 1, given ${bytes[at]} at ${start + at}; use dtype 'uint8'`,
  )
}

/**
 * Checks an array before it is written, except its values.
 *
 * @param what caller and array, for the message
 * @throws ArgumentError, also for a Tensor, whose values are not available, and for unknown fields; DTypeError, ShapeError
 */
export function checkForm(what: string, array: ArrayData): void {
  const given: unknown = array
  if (given instanceof Tensor || given instanceof Variable) {
    throw new ArgumentError(
      `${what}: given a ${given instanceof Tensor ? 'Tensor' : 'Variable'}, expected { dtype, shape, data } with its values: ` +
        '{ dtype: t.dtype, shape: t.shape, data: await t.data() }',
    )
  }
  if (typeof array !== 'object' || array === null || !Array.isArray(array.shape)) {
    throw new ArgumentError(`${what}: expected { dtype, shape, data }, given ${describe(array)}`)
  }
  const stranger = Object.keys(array).find((name) => !fields.includes(name))
  if (stranger !== undefined) throw unknownName(`field of the array of ${what}`, stranger, fields)
  const { dtype, shape, data } = array
  // Only strings: another value would be converted to a string, which may throw.
  if (typeof dtype !== 'string' || !Object.hasOwn(elementTypes, dtype)) {
    throw new DTypeError(`${what}: unknown dtype ${describe(dtype)}; use one of ${dtypes.join(', ')}`)
  }
  const wanted = elementTypes[dtype].array
  if (!(data instanceof wanted)) {
    const given = Object.prototype.toString.call(data).slice(8, -1)
    throw new DTypeError(`${what}: dtype ${dtype} needs a ${wanted.name}, given ${given}`)
  }
  const count = elementCount(shape)
  if (Number.isNaN(count)) {
    throw new ShapeError(`${what}: shape ${showShape(shape)} must be whole numbers >= 0, below 2^53 in total`)
  }
  if (count !== data.length) {
    const gone = data.length === 0 ? ' (their buffer may have been transferred)' : ''
    throw new ShapeError(
      `${what}: shape ${showShape(shape)} has ${count} elements, the data have ${data.length}${gone}; make them agree`,
    )
  }
}
