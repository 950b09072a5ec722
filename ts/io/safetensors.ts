/**
 * Weights and state in the safetensors format: named arrays after a JSON header, no code.
 *
 *   u64 (little-endian) n | n bytes of JSON, padded with spaces | the arrays, one after the other
 *   header: { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end] }, ...,
 *             "__metadata__": { "key": "text" } }
 *
 * Offsets count from the end of the header. The arrays fill the rest of the file without gaps or overlaps. Widest types come first, then
 * names in order: every array is aligned to its element size, and equal contents give equal bytes. NaN and infinities are valid values.
 */

import { ArgumentError, DataError, describe } from '../core/errors.js'
import { checkPath, replaceFile } from './atomic.js'
import { type ArrayData, checkForm } from './element-types.js'
import { FileReader } from './file-reader.js'
import { FileStore } from './file-store.js'
import { foreignBytes, foreignFile } from './foreign-files.js'
import { OpenArrays } from './open-arrays.js'
import { broken, maxHeaderBytes, parseHeader, planFile } from './safetensors-header.js'
import { checkSnapshot, piecesOf, releaseAll, type Snapshot, snapshotsOf } from './snapshot.js'
import { denseSteps, StoredArray } from './stored-array.js'
import { decodeStored } from './stored-types.js'

/** Contents of a safetensors file. */
export interface SafetensorsFile {
  /** Arrays by name, in the order of their bytes in the file. */
  readonly tensors: Map<string, ArrayData>
  /** Free text about the file; empty if it has none. */
  readonly metadata: Record<string, string>
}

/**
 * Writes named arrays to a safetensors file, atomically. The arrays are copied at the call: later changes do not reach the file.
 *
 * @param tensors arrays by name; `data` has as many values as the product of `shape`
 * @param metadata free text about the file
 * @throws ArgumentError, DTypeError, ShapeError before anything is written; IOError if writing fails, and the old file stays
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, ArrayData>> | ReadonlyMap<string, ArrayData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const who = 'writeSafetensors'
  checkPath(who, path)
  if (!isRecord(tensors)) {
    throw new ArgumentError(
      `${who}: given ${describe(tensors)} as tensors, expected arrays by name: { w: { dtype, shape, data } }`,
    )
  }
  if (!isRecord(metadata) || (metadata as unknown) instanceof Map) {
    throw new ArgumentError(`${who}: given ${describe(metadata)} as metadata, expected text by key`)
  }
  const named = tensors instanceof Map ? [...tensors] : Object.entries(tensors as Record<string, ArrayData>)
  const arrays = named.map(([name, array]) => {
    if (typeof name !== 'string') {
      throw new ArgumentError(`${who}: given ${describe(name)} as a name, expected text`)
    }
    checkForm(`${who}: '${name}'`, array)
    return { name, dtype: array.dtype, shape: [...array.shape], data: array.data }
  })
  const plan = planFile(arrays, metadata)
  const snapshots = snapshotsOf([plan.header, ...plan.arrays.map(({ data }) => data)])
  try {
    for (const [index, { name, dtype }] of plan.arrays.entries()) {
      if (dtype === 'bool') await checkSnapshot(`${who}: '${name}'`, snapshots[index + 1] as Snapshot)
    }
    await replaceFile(path, piecesOf(snapshots), plan.length)
  } finally {
    releaseAll(snapshots)
  }
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
}

/**
 * Reads a safetensors file, checking all of it. Types that the library does not have are widened: F16 and BF16 to float32, I8, I16 and U16
 * to int32, U64 to int64.
 *
 * @returns each array in separate memory
 * @throws IOError if the file cannot be read; DataError for an invalid safetensors file, or unsigned integers beyond int64; DTypeError for
 *   other element types
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  checkPath('readSafetensors', path)
  return FileReader.use(path, async (file) => {
    const headerBytes = await readHeader(file)
    const start = 8 + headerBytes.length
    const { entries, metadata } = parseHeader(path, headerBytes, file.size - start)
    const tensors = new Map<string, ArrayData>()
    for (const { name, type, shape, begin, end } of entries) {
      const bytes = await file.bytes(start + begin, end - begin)
      tensors.set(name, { shape, ...(await decodeStored(`${path}: '${name}'`, type, bytes)) })
    }
    return { tensors, metadata }
  })
}

/**
 * The lazy arrays of a safetensors file, in the order of their bytes.
 *
 * @throws IOError, DataError, DTypeError as {@link readSafetensors}
 */
export async function openSafetensors(path: string): Promise<OpenArrays> {
  checkPath('openSafetensors', path)
  return FileReader.use(path, async (file) => {
    const headerBytes = await readHeader(file)
    const start = 8 + headerBytes.length
    const store = new FileStore(file)
    const opened = new OpenArrays()
    for (const { name, type, shape, begin } of parseHeader(path, headerBytes, file.size - start).entries) {
      const layout = { type, shape, steps: denseSteps(shape), start: start + begin }
      await opened.add(name, () => new StoredArray(`${path}: '${name}'`, store, layout))
    }
    return opened
  })
}

async function readHeader(file: FileReader): Promise<Uint8Array> {
  const { path, size } = file
  if (size < 8) throw broken(path, `it has ${size} bytes, the shortest has 10`)
  const prefix = await file.bytes(0, Math.min(size, foreignBytes))
  const length = new DataView(prefix.buffer).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes) || length > BigInt(size - 8)) {
    const other = foreignFile(prefix)
    if (other !== undefined) throw new DataError(`${path} is not a safetensors file: ${other}`)
  }
  if (length > BigInt(maxHeaderBytes)) {
    throw broken(path, `its header claims ${length} bytes, at most ${maxHeaderBytes} are allowed`)
  }
  if (length > BigInt(size - 8)) {
    throw broken(path, `its header claims ${length} bytes, but only ${size - 8} follow: truncated`)
  }
  return file.bytes(8, Number(length))
}
