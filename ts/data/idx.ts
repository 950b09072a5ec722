/**
 * The idx format of MNIST and its relatives, plain or compressed with gzip.
 *
 *   0, 0, element type, number of axes | length of each axis: u32 | values; all big-endian, last axis fastest
 */

import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { type DType, type Shape, showShape, type TypedArray } from '../core/dtype.js'
import { ArgumentError, DataError, DTypeError, describe, ShapeError } from '../core/errors.js'
import { checkPath, replaceFile } from '../io/atomic.js'
import { type ArrayData, bytesOf, checkArray, elementCount, elementTypes } from '../io/element-types.js'
import { foreignFile } from '../io/foreign-files.js'
import { decodeStored, type StoredType, storedBytes } from '../io/stored-types.js'
import { readPlain } from './source-files.js'

const compress = promisify(gzip)

/** Codes of the element types that are read; the library's own types are also written. */
const codes = new Map<number, StoredType>([
  [0x08, 'uint8'],
  [0x09, 'int8'],
  [0x0b, 'int16'],
  [0x0c, 'int32'],
  [0x0d, 'float32'],
  [0x0e, 'float64'],
])

/**
 * Reads an idx file. Compression is detected from its first bytes, not from its name.
 *
 * @throws IOError if it cannot be read; DataError for an invalid idx file; DTypeError for an element type that idx does not have
 */
export async function readIdx(path: string): Promise<ArrayData> {
  checkPath('readIdx', path)
  return decodeIdx(await readPlain(path), path)
}

/**
 * The array in the bytes of an uncompressed idx file: a view of the bytes for uint8, otherwise a copy. int8 and int16 become int32.
 *
 * @param name of the file in messages
 * @throws as {@link readIdx}
 */
export async function decodeIdx(bytes: Uint8Array, name: string): Promise<ArrayData> {
  if (bytes.length < 4) throw broken(name, `it has ${bytes.length} bytes, the shortest has 4`)
  const [zero, zeroToo, code = 0, rank = 0] = bytes
  if (zero !== 0 || zeroToo !== 0) {
    const other = foreignFile(bytes)
    if (other !== undefined) throw new DataError(`${name} is not an idx file: ${other}`)
    throw broken(
      name,
      `it begins with ${hex(bytes.subarray(0, 4))}, expected 00 00, a type and a number of axes`,
    )
  }
  const type = codes.get(code)
  if (type === undefined) {
    const known = [...codes].map(([key, type]) => `0x${hex([key])} (${type})`).join(', ')
    throw new DTypeError(
      `${name}: idx element type 0x${hex([code])} is not supported; supported are: ${known}`,
    )
  }
  const start = 4 + 4 * rank
  if (bytes.length < start) throw broken(name, `it ends within the lengths of its ${rank} axes: truncated`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const wanted = elementCount(shape) * storedBytes(type)
  const found = bytes.length - start
  if (found !== wanted) {
    const how = found > wanted ? 'bytes follow the last value' : 'truncated'
    throw broken(
      name,
      `${type} ${showShape(shape)} needs ${Number.isNaN(wanted) ? 'over 2^53' : wanted} bytes of values, it has ${found}: ${how}`,
    )
  }
  if (type === 'uint8') {
    return { dtype: type, shape, data: new Uint8Array(bytes.buffer, bytes.byteOffset + start, wanted) }
  }
  const raw = new Uint8Array(bytes.subarray(start))
  return { shape, ...(await decodeStored(name, type, raw, { bigEndian: true })) }
}

/**
 * The bytes of an idx file that holds `array`.
 *
 * @throws DTypeError for element types that idx does not have; ShapeError if shape and data do not match, or for more than 255 axes
 */
export function encodeIdx(array: { dtype?: DType; shape: Shape; data: TypedArray }): Uint8Array {
  if (typeof array !== 'object' || array === null) {
    throw new ArgumentError(`encodeIdx: expected { dtype, shape, data }, given ${describe(array)}`)
  }
  const { dtype = 'uint8', shape, data } = array
  checkArray('encodeIdx', { dtype, shape, data })
  const code = [...codes].find(([, type]) => type === dtype)?.[0]
  if (code === undefined) {
    throw new DTypeError(`encodeIdx: idx has no ${dtype}; use one of uint8, int32, float32, float64`)
  }
  if (shape.length > 255 || shape.some((length) => length >= 2 ** 32)) {
    throw new ShapeError(`encodeIdx: ${showShape(shape)} has more than 255 axes, or one of 2^32 or more`)
  }
  const start = 4 + 4 * shape.length
  const bytes = new Uint8Array(start + data.byteLength)
  bytes.set([0, 0, code, shape.length])
  const view = new DataView(bytes.buffer)
  for (const [axis, length] of shape.entries()) view.setUint32(4 + 4 * axis, length)
  bytes.set(bytesOf(data), start)
  swapBytes(bytes.subarray(start), elementTypes[dtype].bytes)
  return bytes
}

/**
 * Writes an idx file atomically, compressed if the name ends in .gz.
 *
 * @param array values with their shape; `dtype` is 'uint8' unless given
 * @throws as {@link encodeIdx}; IOError if it cannot be written
 */
export async function writeIdx(
  path: string,
  array: { dtype?: DType; shape: Shape; data: TypedArray },
): Promise<void> {
  checkPath('writeIdx', path)
  const bytes = encodeIdx(array)
  const stored = path.endsWith('.gz') ? await compress(bytes) : bytes
  await replaceFile(path, [stored], stored.length)
}

/** Reverses the bytes of each value, in place. */
function swapBytes(bytes: Uint8Array, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (width === 4) buffer.swap32()
  if (width === 8) buffer.swap64()
}

function hex(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

function broken(name: string, what: string): DataError {
  return new DataError(`${name} is not a valid idx file: ${what}; fetch or copy it again`)
}
