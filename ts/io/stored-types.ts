/**
 * The element types of values in files: those of the library, and types whose values a library type can hold.
 *
 *   float16, bfloat16 -> float32    int8, int16, uint16 -> int32    uint64 -> int64 where the values fit
 */

import type { DType } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { bytesPerTurn, nextTurn } from '../core/turns.js'
import type { ArrayData } from './element-types.js'
import { elementTypes, firstNonBoolean, typedArray } from './element-types.js'

/** A type of values in a file. */
export type StoredType = DType | 'float16' | 'bfloat16' | 'int8' | 'int16' | 'uint16' | 'uint64'

/** Element types by NumPy's kind and number of bytes: its type strings after the byte order, which Zarr v2 uses too. */
export const numpyTypes: Readonly<Record<string, StoredType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
}

/** A type that the library does not have, and its wider type. `widen` takes the stored numbers and returns the bits of the wider ones. */
interface Widening {
  readonly bytes: 1 | 2
  readonly dtype: 'float32' | 'int32'
  readonly stored: new (buffer: ArrayBuffer) => Int8Array | Int16Array | Uint16Array
  readonly widen: (value: number) => number
}

const widenings: Partial<Record<StoredType, Widening>> = {
  float16: { bytes: 2, dtype: 'float32', stored: Uint16Array, widen: floatOfHalf },
  bfloat16: { bytes: 2, dtype: 'float32', stored: Uint16Array, widen: (bits) => bits << 16 },
  int8: { bytes: 1, dtype: 'int32', stored: Int8Array, widen: (value) => value },
  int16: { bytes: 2, dtype: 'int32', stored: Int16Array, widen: (value) => value },
  uint16: { bytes: 2, dtype: 'int32', stored: Uint16Array, widen: (value) => value },
}

/** Number of values converted in one turn of the event loop: a few milliseconds. */
const turn = 1 << 19

/** Bytes of one stored value. */
export function storedBytes(type: StoredType): number {
  return widenings[type]?.bytes ?? (type === 'uint64' ? 8 : elementTypes[type as DType].bytes)
}

/** The element type to which stored values are converted. */
export function dtypeOfStored(type: StoredType): DType {
  return widenings[type]?.dtype ?? (type === 'uint64' ? 'int64' : (type as DType))
}

/**
 * The values in the bytes of a file; the bytes are overwritten.
 *
 * @param what file and array, for messages
 * @param raw the bytes, all of their buffer
 * @throws DataError for booleans other than 0 and 1, and for unsigned integers beyond int64
 */
export async function decodeStored(
  what: string,
  type: StoredType,
  raw: Uint8Array<ArrayBuffer>,
  { bigEndian = false } = {},
): Promise<Pick<ArrayData, 'dtype' | 'data'>> {
  const width = storedBytes(type)
  if (bigEndian && width > 1) await swap(raw, width)
  const dtype = dtypeOfStored(type)
  const widening = widenings[type]
  if (widening !== undefined) return { dtype, data: await widened(widening, raw.buffer) }
  if (type === 'bool') await checkStoredBooleans(what, raw)
  if (type === 'uint64') await checkUnsigned(what, raw.buffer)
  return { dtype, data: typedArray(dtype, raw.buffer) }
}

async function checkStoredBooleans(what: string, raw: Uint8Array): Promise<void> {
  for (let start = 0; start < raw.length; start += bytesPerTurn) {
    if (start > 0) await nextTurn()
    const at = start + firstNonBoolean(raw.subarray(start, start + bytesPerTurn))
    if (at < start) continue
    throw new DataError(`${what} is of booleans but has bytes other than 0 and 1: ${raw[at]} at ${at}`)
  }
}

/** Refuses unsigned integers that int64 cannot hold. */
async function checkUnsigned(what: string, buffer: ArrayBuffer): Promise<void> {
  const words = new Int32Array(buffer)
  // The upper word of each value; int64 has no room for its highest bit.
  for (let i = 1; i < words.length; i += 2) {
    if ((words[i] as number) < 0) {
      const value = new BigUint64Array(buffer)[(i - 1) / 2]
      throw new DataError(
        `${what} has the unsigned integer ${value} at ${(i - 1) / 2}, beyond int64; convert it in NumPy: a.astype(numpy.float64)`,
      )
    }
    if ((i + 1) % (8 * turn) === 0) await nextTurn()
  }
}

async function widened({ dtype, stored, widen }: Widening, buffer: ArrayBuffer) {
  const from = new stored(buffer)
  const bits = new Int32Array(from.length)
  for (let start = 0; start < from.length; start += turn) {
    const end = Math.min(from.length, start + turn)
    for (let i = start; i < end; i++) bits[i] = widen(from[i] as number)
    if (end < from.length) await nextTurn()
  }
  return typedArray(dtype, bits.buffer)
}

/** Reverses the bytes of each value. */
async function swap(raw: Uint8Array<ArrayBuffer>, width: number): Promise<void> {
  for (let start = 0; start < raw.length; start += turn * 8) {
    const part = Buffer.from(raw.buffer, start, Math.min(turn * 8, raw.length - start))
    if (width === 2) part.swap16()
    else if (width === 4) part.swap32()
    else part.swap64()
    if (start + turn * 8 < raw.length) await nextTurn()
  }
}

/** Bits of the float32 that equals a float16 with these bits. */
function floatOfHalf(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13)
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13)
  if (fraction === 0) return sign
  // A subnormal number: as a float32 it is normal.
  const shift = Math.clz32(fraction) - 21
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)
}
