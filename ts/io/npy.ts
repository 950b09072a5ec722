/**
 * Single arrays in NumPy's .npy format (versions 1 to 3 are read, version 1 is written).
 *
 *   "\x93NUMPY" | major, minor | header length: u16 (version 1) or u32 | header, a Python dict as text | values
 *
 * Arrays in Fortran order are turned into C order on reading. Objects and records are refused: reading the
 * former would run code of the file's author.
 */

import { type DType, dtypes, type Shape, showShape, type TypedArray } from '../dtype.js'
import { DataError, DTypeError } from '../errors.js'
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

const magic = '\x93NUMPY'
/** Longest header that is read, in bytes; NumPy's own are below 200. */
const maxHeaderBytes = 1 << 20

/**
 * Writes an array as .npy, in one step; `numpy.load` reads it.
 *
 * @throws ArgumentError, DTypeError, ShapeError before anything is written; IOError where writing fails
 */
export async function writeNpy(path: string, array: ArrayData): Promise<void> {
  checkArray('writeNpy', array)
  const { dtype, shape, data } = array
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const dict = `{'descr': '${elementTypes[dtype].npy}', 'fortran_order': False, 'shape': ${tuple}, }`
  // Padded so that the values begin at a multiple of 64 bytes, as NumPy does for memory mapping.
  const total = Math.ceil((10 + dict.length + 1) / 64) * 64
  const header = Buffer.alloc(total, ' ')
  header.write(`${magic}\x01\x00`, 'latin1')
  header.writeUInt16LE(total - 10, 8)
  header.write(dict, 10, 'latin1')
  header.write('\n', total - 1)
  await writeAtomic(path, [header, bytesOf(data)])
}

/**
 * Reads an array from an .npy file.
 *
 * @throws IOError where the file cannot be read; DataError where it is not a sound .npy file; DTypeError where
 *   its element type is not one of {@link DType} in little-endian order
 */
export async function readNpy(path: string): Promise<ArrayData> {
  return FileReader.use(path, async (file) => {
    const { text, start } = await readHeader(file)
    const { dtype, fortranOrder, shape } = parseHeader(path, text)
    const count = elementCount(shape)
    const bytes = count * elementTypes[dtype].bytes
    if (Number.isNaN(count) || bytes !== file.size - start) {
      throw broken(
        path,
        `shape ${showShape(shape)} of ${dtype} needs ${Number.isNaN(bytes) ? 'over 2^53' : bytes} bytes, it has ${file.size - start}`,
      )
    }
    const raw = await file.bytes(start, bytes)
    if (dtype === 'bool' && firstNonBoolean(raw) >= 0) {
      throw broken(path, 'it is of booleans but has bytes other than 0 and 1')
    }
    const data = typedArray(dtype, raw.buffer)
    return { dtype, shape, data: fortranOrder && shape.length > 1 ? toCOrder(data, shape) : data }
  })
}

async function readHeader(file: FileReader): Promise<{ text: string; start: number }> {
  if (file.size < 10) throw broken(file.path, `it has only ${file.size} bytes`)
  const prefix = Buffer.from(await file.bytes(0, Math.min(12, file.size)))
  if (prefix.toString('latin1', 0, 6) !== magic) throw broken(file.path, 'it does not begin with \\x93NUMPY')
  const version = prefix[6] as number
  if (version < 1 || version > 3) throw broken(file.path, `its version ${version} is not 1, 2 or 3`)
  if (version > 1 && file.size < 12) throw broken(file.path, `it has only ${file.size} bytes`)
  const length = version === 1 ? prefix.readUInt16LE(8) : prefix.readUInt32LE(8)
  if (length > maxHeaderBytes) throw broken(file.path, `its header claims ${length} bytes`)
  const begin = version === 1 ? 10 : 12
  const header = Buffer.from(await file.bytes(begin, length))
  return { text: header.toString(version === 3 ? 'utf8' : 'latin1'), start: begin + length }
}

function parseHeader(path: string, text: string) {
  const dict = text.trim()
  const descr = /['"]descr['"]\s*:\s*(?:'([^']*)'|"([^"]*)"|\[)/.exec(dict)
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(dict)
  const tuple = /['"]shape['"]\s*:\s*\(([\d\sL,]*)\)/.exec(dict)
  if (!dict.startsWith('{') || !dict.endsWith('}') || !descr || !order || !tuple) {
    throw broken(path, `its header ${JSON.stringify(dict.slice(0, 200))} lacks descr, fortran_order or shape`)
  }
  // Python 2 wrote long integers as '3L'.
  const parts = (tuple[1] as string).split(',').map((part) => part.trim().replace(/L$/, ''))
  const shape = parts.filter((part) => part !== '').map(Number)
  return {
    dtype: dtypeOf(path, descr[1] ?? descr[2] ?? 'a record'),
    fortranOrder: order[1] === 'True',
    shape,
  }
}

function dtypeOf(path: string, descr: string): DType {
  const wanted = descr.replace(/^[<=|]/, '')
  const found = dtypes.find((type) => elementTypes[type].npy.slice(1) === wanted)
  if (found !== undefined) return found
  const known = dtypes.map((type) => elementTypes[type].npy).join(', ')
  throw new DTypeError(
    `${path}: element type ${descr} is not read; convert it in NumPy with .astype to one of ${known}`,
  )
}

/** Values of an array whose first axis runs fastest, with the last axis fastest. */
function toCOrder(data: TypedArray, shape: Shape): TypedArray {
  const sorted = data.slice()
  const index = shape.map(() => 0)
  for (let from = 0; from < data.length; from++) {
    let to = 0
    for (let axis = 0; axis < shape.length; axis++)
      to = to * (shape[axis] as number) + (index[axis] as number)
    sorted[to] = data[from] as number & bigint
    for (let axis = 0; axis < shape.length; axis++) {
      const next = (index[axis] as number) + 1
      index[axis] = next === shape[axis] ? 0 : next
      if (next !== shape[axis]) break
    }
  }
  return sorted
}

function broken(path: string, what: string): DataError {
  return new DataError(`${path} is not a sound .npy file: ${what}; save it again with numpy.save or writeNpy`)
}
