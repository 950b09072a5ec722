/**
 * Weights and state in the safetensors format: named arrays behind a JSON header, no code inside.
 *
 *   u64 (little-endian) n | n bytes of JSON, padded with spaces | the arrays, one after the other
 *   header: { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end] }, ...,
 *             "__metadata__": { "key": "text" } }
 *
 * Offsets count from the end of the header. The arrays fill the rest of the file without a hole or an overlap,
 * so every byte is accounted for. Widest types come first, then names in order: every array is aligned to its
 * element size, and equal contents give equal bytes. NaN and infinities are values like any other.
 */

import { type DType, dtypes, type Shape, showShape } from '../dtype.js'
import { ArgumentError, DataError } from '../errors.js'
import { writeAtomic } from './atomic.js'
import {
  type ArrayData,
  bytesOf,
  checkArray,
  elementCount,
  elementTypes,
  firstNonBoolean,
  typedArray,
} from './element-types.js'
import { FileReader } from './file-reader.js'

/** Longest header that is read or written, in bytes; the same bound as the reference implementation's. */
export const maxHeaderBytes = 100_000_000

const metadataKey = '__metadata__'

/** Contents of a safetensors file. */
export interface SafetensorsFile {
  /** Arrays by name, in the order of their bytes in the file. */
  readonly tensors: Map<string, ArrayData>
  /** Free text about the file; empty where it has none. */
  readonly metadata: Record<string, string>
}

/** One array of the header. */
interface Entry {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
  /** Offsets from the end of the header, in bytes. */
  readonly begin: number
  readonly end: number
}

/**
 * Writes named arrays to a safetensors file, in one step.
 *
 * @param tensors arrays by name; `data` has as many values as the product of `shape`
 * @param metadata free text to keep with them
 * @throws ArgumentError, DTypeError, ShapeError before anything is written; IOError where writing fails
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, ArrayData>> | ReadonlyMap<string, ArrayData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const named: [string, ArrayData][] = tensors instanceof Map ? [...tensors] : Object.entries(tensors)
  for (const [name, array] of named) {
    if (name === metadataKey) {
      throw new ArgumentError(
        `writeSafetensors: the name '${metadataKey}' belongs to the format; use another`,
      )
    }
    checkArray(`writeSafetensors: '${name}'`, array)
  }
  named.sort(([nameA, a], [nameB, b]) => {
    const width = elementTypes[b.dtype].bytes - elementTypes[a.dtype].bytes
    return width !== 0 ? width : nameA < nameB ? -1 : 1
  })
  const pieces = named.map(([, array]) => bytesOf(array.data))
  await writeAtomic(path, [encodeHeader(named, metadata), ...pieces])
}

function encodeHeader(
  named: readonly (readonly [string, ArrayData])[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const header: [string, unknown][] = []
  const texts = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [key, text] of texts) {
    if (typeof text !== 'string') {
      throw new ArgumentError(
        `writeSafetensors: metadata '${key}' must be text, given ${typeof text}; use JSON.stringify for other values`,
      )
    }
  }
  if (texts.length > 0) header.push([metadataKey, Object.fromEntries(texts)])
  let begin = 0
  for (const [name, { dtype, shape, data }] of named) {
    const end = begin + data.byteLength
    header.push([name, { dtype: elementTypes[dtype].safetensors, shape, data_offsets: [begin, end] }])
    begin = end
  }
  // Pairs written by hand: an object would move names such as '10' to the front.
  const members = header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const json = Buffer.from(`{${members.join(',')}}`)
  const length = Math.ceil(json.length / 8) * 8
  if (length > maxHeaderBytes) {
    throw new ArgumentError(
      `writeSafetensors: the header would have ${length} bytes, at most ${maxHeaderBytes} are allowed; use fewer or shorter names`,
    )
  }
  const bytes = Buffer.alloc(8 + length, ' ')
  bytes.writeBigUInt64LE(BigInt(length))
  json.copy(bytes, 8)
  return bytes
}

/**
 * Reads a safetensors file after checking all of it.
 *
 * @returns each array in memory of its own
 * @throws IOError where the file cannot be read; DataError where it is not a sound safetensors file or holds an
 *   element type outside {@link DType}
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  return FileReader.use(path, async (file) => {
    const headerBytes = await readHeader(file)
    const { entries, metadata } = parseHeader(path, headerBytes)
    const start = 8 + headerBytes.length
    checkCover(path, entries, file.size - start)
    const tensors = new Map<string, ArrayData>()
    for (const { name, dtype, shape, begin, end } of entries) {
      const bytes = await file.bytes(start + begin, end - begin)
      const data = typedArray(dtype, bytes.buffer)
      if (dtype === 'bool' && firstNonBoolean(bytes) >= 0) {
        throw broken(path, `'${name}' is BOOL but has bytes other than 0 and 1`)
      }
      tensors.set(name, { dtype, shape, data })
    }
    return { tensors, metadata }
  })
}

async function readHeader(file: FileReader): Promise<Uint8Array> {
  if (file.size < 8) throw broken(file.path, `it has ${file.size} bytes, the shortest has 10`)
  const prefix = await file.bytes(0, 8)
  const length = new DataView(prefix.buffer).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes)) {
    throw broken(file.path, `its header claims ${length} bytes, at most ${maxHeaderBytes} are allowed`)
  }
  if (length > BigInt(file.size - 8)) {
    throw broken(file.path, `its header claims ${length} bytes, but only ${file.size - 8} follow: truncated`)
  }
  return file.bytes(8, Number(length))
}

function parseHeader(path: string, bytes: Uint8Array) {
  let header: unknown
  try {
    if (bytes[0] !== 0x7b) throw new Error('it does not begin with {')
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw broken(path, `its header is not JSON: ${(cause as Error).message}`, cause)
  }
  let metadata: Record<string, string> = {}
  const entries: Entry[] = []
  for (const [name, value] of Object.entries(header as object)) {
    if (name === metadataKey) metadata = checkMetadata(path, value)
    else entries.push(parseEntry(path, name, value))
  }
  return { entries: entries.sort((a, b) => a.begin - b.begin || a.end - b.end), metadata }
}

function checkMetadata(path: string, value: unknown): Record<string, string> {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isMap || Object.values(value).some((text) => typeof text !== 'string')) {
    throw broken(path, `its ${metadataKey} is not a map of text`)
  }
  return value as Record<string, string>
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const { dtype: label, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>
  const dtype = dtypes.find((type) => elementTypes[type].safetensors === label)
  if (dtype === undefined) {
    const known = dtypes.map((type) => elementTypes[type].safetensors).join(', ')
    throw broken(path, `'${name}' has dtype ${JSON.stringify(label)}; those read are ${known}`)
  }
  const count = Array.isArray(shape) ? elementCount(shape) : Number.NaN
  if (Number.isNaN(count)) throw broken(path, `'${name}' has a bad shape ${JSON.stringify(shape)}`)
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : []
  if (!isOffset(begin) || !isOffset(end) || begin > end) {
    throw broken(path, `'${name}' has bad data_offsets ${JSON.stringify(offsets)}`)
  }
  const bytes = count * elementTypes[dtype].bytes
  if (end - begin !== bytes) {
    throw broken(
      path,
      `'${name}' has ${end - begin} bytes, but ${label} of shape ${showShape(shape as Shape)} needs ${bytes}`,
    )
  }
  return { name, dtype, shape: shape as Shape, begin, end }
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Checks that the arrays, in order of their offsets, fill `size` bytes exactly. */
function checkCover(path: string, entries: readonly Entry[], size: number): void {
  let covered = 0
  for (const { name, begin, end } of entries) {
    if (begin < covered)
      throw broken(path, `'${name}' begins at ${begin} and overlaps what ends at ${covered}`)
    if (begin > covered)
      throw broken(path, `bytes ${covered} to ${begin}, before '${name}', belong to no array`)
    if (end > size)
      throw broken(path, `'${name}' ends at ${end}, but there are ${size} bytes of data: truncated`)
    covered = end
  }
  if (covered !== size) throw broken(path, `${size - covered} bytes after the last array belong to none`)
}

function broken(path: string, what: string, cause?: unknown): DataError {
  return new DataError(`${path} is not a sound safetensors file: ${what}; write or copy it again`, { cause })
}
