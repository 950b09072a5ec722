/** Zarr metadata in a form that zarrita reads correctly, and element types that zarrita does not have. */

import type { AbsolutePath, AsyncReadable, RangeQuery } from '@zarrita/storage'
import { DataError, DTypeError, describe } from '../core/errors.js'
import { reason } from './atomic.js'
import type { FolderStore } from './folder-store.js'
import { decodeStored, numpyTypes, type StoredType } from './stored-types.js'
import { threadedCodecs, threadedCompressor } from './zarr-codecs.js'

/** Element types by their names in version 3, and by the end of their names in version 2. */
const types: Readonly<Record<string, StoredType>> = {
  float16: 'float16',
  bfloat16: 'bfloat16',
  float32: 'float32',
  float64: 'float64',
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'int64',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  bool: 'bool',
}

type Metadata = Record<string, unknown>

/**
 * A folder whose metadata zarrita can read: 16-bit types that zarrita does not have are renamed to uint16, and fill values are rewritten
 * accordingly.
 */
export class ZarrFolder implements AsyncReadable {
  /** Element types of the arrays, by the paths of their metadata. */
  readonly types = new Map<string, StoredType>()

  constructor(private readonly store: FolderStore) {}

  /** The element type of an opened array. */
  typeOf(path: string): StoredType | undefined {
    const below = path === '/' ? '' : path
    return this.types.get(`${below}/zarr.json`) ?? this.types.get(`${below}/.zarray`)
  }

  async get(key: AbsolutePath): Promise<Uint8Array | undefined> {
    const bytes = await this.store.get(key)
    const isVersion2 = key.endsWith('/.zarray')
    if (bytes === undefined || !(isVersion2 || key.endsWith('/zarr.json'))) return bytes
    const what = `${this.store.folder}${key}`
    const metadata = parsed(what, bytes)
    if (!isVersion2 && metadata.node_type !== 'array') return bytes
    const type = isVersion2 ? typeOfVersion2(what, metadata.dtype) : typeOfVersion3(what, metadata.data_type)
    this.types.set(key, type)
    const fill = await fillValue(what, type, metadata.fill_value)
    const isHalf = type === 'float16' || type === 'bfloat16'
    const changed: Metadata = { ...metadata, fill_value: fill }
    if (isVersion2) changed.compressor = threadedCompressor(metadata.compressor)
    else changed.codecs = threadedCodecs(metadata.codecs)
    if (isHalf && isVersion2) changed.dtype = `${String(metadata.dtype)[0]}u2`
    else if (isHalf) changed.data_type = 'uint16'
    return new TextEncoder().encode(JSON.stringify(changed))
  }

  getRange(key: AbsolutePath, range: RangeQuery): Promise<Uint8Array | undefined> {
    return this.store.getRange(key, range)
  }
}

function parsed(what: string, bytes: Uint8Array): Metadata {
  const text = new TextDecoder().decode(bytes)
  try {
    // Older writers of version 2 put NaN and Infinity into JSON, which has no such numbers.
    return JSON.parse(text.replaceAll(/(?<=[:[,]\s*)(-?Infinity|NaN)(?=\s*[,\]}])/g, '"$1"')) as Metadata
  } catch (cause) {
    throw new DataError(`${what} is not JSON: ${reason(cause)}; write or copy the array again`, { cause })
  }
}

function typeOfVersion2(what: string, dtype: unknown): StoredType {
  const [, order, kind = ''] = typeof dtype === 'string' ? (/^([<>|])(.+)$/.exec(dtype) ?? []) : []
  if (kind === 'V2' && order !== '|') return 'bfloat16'
  if (Object.hasOwn(numpyTypes, kind)) return numpyTypes[kind] as StoredType
  throw unread(what, dtype)
}

function typeOfVersion3(what: string, dtype: unknown): StoredType {
  if (typeof dtype === 'string' && Object.hasOwn(types, dtype)) return types[dtype] as StoredType
  throw unread(what, dtype)
}

function unread(what: string, dtype: unknown): DTypeError {
  const shown = typeof dtype === 'string' ? describe(dtype) : JSON.stringify(dtype)
  return new DTypeError(
    `${what}: element type ${shown} is not supported; convert it in Python: zarr.save(path, numpy.asarray(array).astype('float32'))`,
  )
}

/** The fill value in zarrita's form. */
async function fillValue(what: string, type: StoredType, given: unknown): Promise<unknown> {
  const isHalf = type === 'float16' || type === 'bfloat16'
  if (given === null || given === undefined) return type === 'bool' ? false : 0
  const isFloat = isHalf || type === 'float32' || type === 'float64'
  if (!isFloat) return given
  const value = typeof given === 'string' ? numberOf(given, type) : given
  if (typeof value !== 'number') {
    throw new DataError(`${what}: fill_value ${describe(given)} is not a ${type}; write the array again`)
  }
  if (isHalf) return bitsOf(what, type, value)
  return Number.isFinite(value) ? value : String(value)
}

/** The float in a text: a name, or its bits in hexadecimal digits. */
function numberOf(text: string, type: StoredType): number | undefined {
  if (['NaN', 'Infinity', '-Infinity'].includes(text)) return Number(text)
  if (!/^0x[0-9a-fA-F]+$/.test(text)) return undefined
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, BigInt(text))
  if (type === 'float64') return view.getFloat64(0)
  if (type === 'float32') return view.getFloat32(4)
  if (type === 'bfloat16') view.setUint32(0, view.getUint16(6) << 16)
  return type === 'bfloat16' ? view.getFloat32(0) : halfOf(view.getUint16(6))
}

function halfOf(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}

/** The bits of a 16-bit number: the first bits that decode to it. */
async function bitsOf(what: string, type: StoredType, value: number): Promise<number> {
  if (Object.is(value, 0)) return 0
  const all = Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits)
  const { data } = await decodeStored(what, type, new Uint8Array(all.buffer))
  const bits = (data as Float32Array).findIndex((one) => Object.is(one, value))
  if (bits >= 0) return bits
  throw new DataError(`${what}: fill_value ${value} is not a ${type}; write the array again`)
}
