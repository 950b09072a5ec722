/**
 * Single arrays in NumPy's .npy format (versions 1 to 3 are read, version 1 is written).
 *
 *   "\x93NUMPY" | major, minor | header length: u16 (version 1) or u32 | header, a Python dict as text | values
 *
 * Arrays in Fortran order are converted to C order, big-endian arrays to the order of the machine. bfloat16 is read as ml_dtypes writes it
 * ('<V2'). Objects and records are refused: reading objects would run code of the file's author.
 */

import { showShape } from '../core/dtype.js'
import { DataError, DTypeError } from '../core/errors.js'
import { checkPath, replaceFile } from './atomic.js'
import type { ByteSource } from './byte-source.js'
import { type ArrayData, checkForm, elementCount, elementTypes } from './element-types.js'
import { FileReader } from './file-reader.js'
import { FileStore } from './file-store.js'
import { foreignBytes, foreignFile } from './foreign-files.js'
import type { LazyArray } from './lazy-array.js'
import { parseNpyHeader } from './npy-header.js'
import { checkSnapshot, piecesOf, Snapshot } from './snapshot.js'
import { denseSteps, fortranSteps, type Layout, readLayout, StoredArray } from './stored-array.js'
import { numpyTypes, type StoredType, storedBytes } from './stored-types.js'

const magic = '\x93NUMPY'
/** Maximum length of a header in bytes; NumPy's own are below 200. */
const maxHeaderBytes = 1 << 20

/**
 * Writes an array as .npy, atomically; `numpy.load` reads it. The array is copied at the call: later changes do not reach the file.
 *
 * @throws ArgumentError, DTypeError, ShapeError before anything is written; IOError if writing fails, and the old file stays
 */
export async function writeNpy(path: string, array: ArrayData): Promise<void> {
  checkPath('writeNpy', path)
  checkForm('writeNpy', array)
  using header = new Snapshot(npyHeader(array))
  using bytes = new Snapshot(array.data)
  if (array.dtype === 'bool') await checkSnapshot('writeNpy', bytes)
  await replaceFile(path, piecesOf([header, bytes]), header.length + bytes.length)
}

/** The bytes before the values of an array. */
export function npyHeader({ dtype, shape }: Pick<ArrayData, 'dtype' | 'shape'>): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const dict = `{'descr': '${elementTypes[dtype].npy}', 'fortran_order': False, 'shape': ${tuple}, }`
  // Padded so that the values begin at a multiple of 64 bytes, as NumPy does for memory mapping.
  const total = Math.ceil((10 + dict.length + 1) / 64) * 64
  const header = Buffer.alloc(total, ' ')
  header.write(`${magic}\x01\x00`, 'latin1')
  header.writeUInt16LE(total - 10, 8)
  header.write(dict, 10, 'latin1')
  header.write('\n', total - 1)
  return header
}

/**
 * Reads an array from an .npy file, of either byte order and axis order. Types that the library does not have are widened: float16 and
 * bfloat16 to float32, int8, int16 and uint16 to int32, uint64 to int64.
 *
 * @throws IOError if the file cannot be read; DataError for an invalid .npy file, or unsigned integers beyond int64; DTypeError for other
 *   element types
 */
export async function readNpy(path: string): Promise<ArrayData> {
  checkPath('readNpy', path)
  return FileReader.use(path, readArray)
}

/**
 * The array in an .npy file.
 *
 * @throws as {@link readNpy}
 */
export async function readArray(file: ByteSource): Promise<ArrayData> {
  return readLayout(file.path, file, await npyLayout(file))
}

/**
 * Layout of the values in an .npy file.
 *
 * @throws as {@link readNpy}
 */
export async function npyLayout(file: ByteSource): Promise<Layout> {
  const { path } = file
  const { text, version, start } = await readHeader(file)
  const { type, bigEndian, fortranOrder, shape } = parseHeader(path, text, version)
  const count = elementCount(shape)
  const bytes = count * storedBytes(type)
  if (Number.isNaN(count) || bytes !== file.size - start) {
    throw broken(
      path,
      `shape ${showShape(shape)} of ${type} needs ${Number.isNaN(bytes) ? 'over 2^53' : bytes} bytes, it has ${file.size - start}`,
    )
  }
  return { type, bigEndian, shape, steps: (fortranOrder ? fortranSteps : denseSteps)(shape), start }
}

/**
 * The lazy array of an .npy file.
 *
 * @throws as {@link readNpy}, as far as the header is concerned
 */
export async function openNpy(path: string): Promise<LazyArray> {
  checkPath('openNpy', path)
  return FileReader.use(
    path,
    async (file) => new StoredArray(path, new FileStore(file), await npyLayout(file)),
  )
}

async function readHeader(file: ByteSource): Promise<{ text: string; version: number; start: number }> {
  const prefix = Buffer.from(await file.bytes(0, Math.min(foreignBytes, file.size)))
  if (prefix.toString('latin1', 0, 6) !== magic) {
    const other = foreignFile(prefix)
    if (other !== undefined) throw new DataError(`${file.path} is not an .npy file: ${other}`)
    const length = file.size < 10 ? `has only ${file.size} bytes and ` : ''
    throw broken(file.path, `it ${length}does not begin with \\x93NUMPY`)
  }
  const [version, minor] = prefix.subarray(6)
  if (file.size < (version === 1 ? 10 : 12)) throw broken(file.path, `it has only ${file.size} bytes`)
  if (version === undefined || version < 1 || version > 3 || minor !== 0)
    throw broken(file.path, `its version ${version}.${minor} is not 1.0, 2.0 or 3.0`)
  const length = version === 1 ? prefix.readUInt16LE(8) : prefix.readUInt32LE(8)
  if (length > maxHeaderBytes) throw broken(file.path, `its header claims ${length} bytes`)
  const begin = version === 1 ? 10 : 12
  const header = Buffer.from(await file.bytes(begin, length))
  return { text: header.toString(version === 3 ? 'utf8' : 'latin1'), version, start: begin + length }
}

function parseHeader(path: string, text: string, version: number) {
  const { descr, ...rest } = parseNpyHeader(text, version, (what) => broken(path, what))
  return { ...typeOf(path, descr), ...rest }
}

/** Stored type and byte order of a type string such as '<f4'. */
function typeOf(path: string, descr: string): { type: StoredType; bigEndian: boolean } {
  const [, order, kind = ''] = /^([<>=|]?)(.*)$/s.exec(descr) ?? []
  // bfloat16 of ml_dtypes (JAX, TensorFlow) has no name in NumPy: it is written as 2 bytes with a byte order. Bytes without a byte order
  // may be anything.
  if (kind === 'V2' && (order === '<' || order === '>')) return { type: 'bfloat16', bigEndian: order === '>' }
  if (Object.hasOwn(numpyTypes, kind))
    return { type: numpyTypes[kind] as StoredType, bigEndian: order === '>' }
  throw new DTypeError(`${path}: element type ${descr} is not supported; ${conversion(kind)}`)
}

/** How to convert an array of an unsupported kind, in Python. */
function conversion(kind: string): string {
  const save = (value: string) => `in NumPy: numpy.save(path, ${value})`
  if (kind.startsWith('O')) {
    return `it holds pickled Python objects, which may run code; convert them ${save('numpy.stack(a).astype(numpy.float32)')}`
  }
  if (kind.startsWith('c')) {
    return `complex numbers have two parts; convert them ${save('numpy.stack([a.real, a.imag], -1)')}`
  }
  if (kind.startsWith('V')) {
    return `it holds bytes of no named type; if it is bfloat16 that was read without ml_dtypes, convert it ${save('a.view(ml_dtypes.bfloat16).astype(numpy.float32)')}`
  }
  if (/^[US]/.test(kind)) {
    return `it holds text; convert it to numbers ${save('numpy.unique(a, return_inverse=True)[1]')}`
  }
  if (/^[mM]/.test(kind)) return `it holds times; convert them ${save('a.astype(numpy.int64)')}`
  if (kind === 'a record') return `save one field, ${save("a['name']")}`
  return `convert it ${save('a.astype(numpy.float64)')}`
}

function broken(path: string, what: string): DataError {
  return new DataError(`${path} is not a valid .npy file: ${what}; save it again with numpy.save or writeNpy`)
}
