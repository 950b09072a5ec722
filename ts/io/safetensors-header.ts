/** The header of a safetensors file: the layout of the arrays. See safetensors.ts for the format. */

import { type DType, type Shape, showShape } from '../core/dtype.js'
import { ArgumentError, DataError, DTypeError } from '../core/errors.js'
import { elementCount, elementTypes } from './element-types.js'
import { type StoredType, storedBytes } from './stored-types.js'

/** Maximum length of a header in bytes; the same bound as in the reference implementation. */
export const maxHeaderBytes = 100_000_000

const metadataKey = '__metadata__'

/** Element types by their names in the header. */
const types = new Map<string, StoredType>([
  ...Object.entries(elementTypes).map(([type, { safetensors }]) => [safetensors, type as DType] as const),
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I8', 'int8'],
  ['I16', 'int16'],
  ['U16', 'uint16'],
  ['U64', 'uint64'],
])

/** One array of the header. */
export interface Entry {
  readonly name: string
  readonly type: StoredType
  readonly shape: Shape
  /** Offsets from the end of the header, in bytes. */
  readonly begin: number
  readonly end: number
}

/** Type and shape of an array. */
export interface ArraySpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
}

/** A file to be written: its header, the arrays in the order of their bytes, and the total length. */
export interface FilePlan<A extends ArraySpec> {
  readonly header: Uint8Array
  readonly arrays: readonly A[]
  readonly length: number
}

/**
 * Lays out a file: widest types first, then names in order, so that every array is aligned to its element size and equal contents give
 * equal bytes.
 *
 * @param order of arrays of equal width: by 'name' (default), or as 'given', if the order has a meaning
 * @throws ArgumentError for a name reserved by the format, for metadata that are not text, for text with half of a surrogate pair, and for
 *   a header beyond the bound
 */
export function planFile<A extends ArraySpec>(
  arrays: readonly A[],
  metadata: Readonly<Record<string, string>>,
  order: 'name' | 'given' = 'name',
): FilePlan<A> {
  if (arrays.some(({ name }) => name === metadataKey)) {
    throw new ArgumentError(`writeSafetensors: the name '${metadataKey}' belongs to the format; use another`)
  }
  for (const { name } of arrays) checkText(`the name ${JSON.stringify(name)}`, name)
  const sorted = [...arrays].sort((a, b) => {
    const width = elementTypes[b.dtype].bytes - elementTypes[a.dtype].bytes
    if (width !== 0 || order === 'given') return width
    return a.name < b.name ? -1 : 1
  })
  const header: [string, unknown][] = []
  const texts = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [key, text] of texts) {
    checkText(`the key ${JSON.stringify(key)} of the metadata`, key)
    if (typeof text === 'string') {
      checkText(`metadata '${key}'`, text)
      continue
    }
    throw new ArgumentError(
      `writeSafetensors: metadata '${key}' must be text, given ${typeof text}; use JSON.stringify for other values`,
    )
  }
  if (texts.length > 0) header.push([metadataKey, Object.fromEntries(texts)])
  let begin = 0
  for (const { name, dtype, shape } of sorted) {
    const end = begin + elementCount(shape) * elementTypes[dtype].bytes
    header.push([name, { dtype: elementTypes[dtype].safetensors, shape, data_offsets: [begin, end] }])
    begin = end
  }
  const bytes = encode(header)
  return { header: bytes, arrays: sorted, length: bytes.length + begin }
}

/** Refuses text that has no UTF-8 form: half of a surrogate pair. */
function checkText(what: string, text: string): void {
  const at = text.search(/\p{Surrogate}/u)
  if (at < 0) return
  throw new ArgumentError(
    `writeSafetensors: ${what} has half of a surrogate pair at ${at}, which UTF-8 cannot encode; use text.toWellFormed()`,
  )
}

function encode(header: readonly (readonly [string, unknown])[]): Uint8Array {
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
 * The arrays and metadata of a header, checked against the bytes after it.
 *
 * @param bytes the header without its length
 * @param size bytes after it
 * @throws DataError for an invalid header; DTypeError for an unsupported element type
 */
export function parseHeader(path: string, bytes: Uint8Array, size: number) {
  let header: unknown
  let text = ''
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    if (!text.trimStart().startsWith('{')) throw new Error('it does not begin with {')
    header = JSON.parse(text)
  } catch (cause) {
    throw broken(path, `its header is not JSON: ${(cause as Error).message}`, cause)
  }
  const twice = repeatedName(text)
  if (twice !== undefined) throw broken(path, `its header names '${twice}' twice`)
  let metadata: Record<string, string> = {}
  const entries: Entry[] = []
  for (const [name, value] of Object.entries(header as object)) {
    if (name === metadataKey) metadata = readMetadata(path, value)
    else entries.push(parseEntry(path, name, value))
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  checkCover(path, entries, size)
  return { entries, metadata }
}

/** A name that the outermost object of a JSON text has twice: JSON.parse would silently keep the last. */
function repeatedName(json: string): string | undefined {
  const names = new Set<string>()
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    const sign = json[at]
    if (sign === '{' || sign === '[') depth++
    else if (sign === '}' || sign === ']') depth--
    else if (sign === '"') {
      const begin = at
      for (at++; json[at] !== '"'; at++) if (json[at] === '\\') at++
      if (depth !== 1 || !/^\s*:/.test(json.slice(at + 1, at + 100))) continue
      const name = JSON.parse(json.slice(begin, at + 1)) as string
      if (names.has(name)) return name
      names.add(name)
    }
  }
  return undefined
}

/** Texts by key. Other programs also write null for none, and numbers; numbers are returned as JSON. */
function readMetadata(path: string, value: unknown): Record<string, string> {
  if (value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw broken(path, `its ${metadataKey} is not a map of text`)
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, text]) => [key, typeof text === 'string' ? text : JSON.stringify(text)]),
  )
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const { dtype: label, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>
  const type = types.get(label as string)
  if (type === undefined) throw unread(path, name, label)
  const count = Array.isArray(shape) ? elementCount(shape) : Number.NaN
  if (Number.isNaN(count)) throw broken(path, `'${name}' has a bad shape ${JSON.stringify(shape)}`)
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : []
  if (!isOffset(begin) || !isOffset(end) || begin > end) {
    throw broken(path, `'${name}' has bad data_offsets ${JSON.stringify(offsets)}`)
  }
  const bytes = count * storedBytes(type)
  if (end - begin !== bytes) {
    throw broken(
      path,
      `'${name}' has ${end - begin} bytes, but ${label} of shape ${showShape(shape as Shape)} needs ${bytes}`,
    )
  }
  return { name, type, shape: shape as Shape, begin, end }
}

/** The error for an unsupported element type: a plausible name means a valid file. */
function unread(path: string, name: string, label: unknown): DataError | DTypeError {
  const known = [...types.keys()].join(', ')
  if (typeof label !== 'string') {
    return broken(path, `'${name}' has dtype ${JSON.stringify(label)}; supported are ${known}`)
  }
  const remedy = label.startsWith('C')
    ? 'complex numbers have two parts: save them as two arrays, tensor.real and tensor.imag'
    : 'convert it in Python: save_file({k: v.float() for k, v in load_file(path).items()}, path) of safetensors.torch'
  return new DTypeError(
    `${path}: '${name}' has dtype ${JSON.stringify(label)}, which is not supported; supported are ${known}; ${remedy}`,
  )
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Checks that the arrays, in order of their offsets, fill `size` bytes exactly. */
function checkCover(path: string, entries: readonly Entry[], size: number): void {
  let covered = 0
  for (const { name, begin, end } of entries) {
    if (begin < covered)
      throw broken(path, `'${name}' begins at ${begin} and overlaps the array that ends at ${covered}`)
    if (begin > covered)
      throw broken(path, `bytes ${covered} to ${begin}, before '${name}', belong to no array`)
    if (end > size)
      throw broken(path, `'${name}' ends at ${end}, but there are ${size} bytes of data: truncated`)
    covered = end
  }
  if (covered !== size) throw broken(path, `${size - covered} bytes after the last array belong to none`)
}

/** The error for an invalid file. */
export function broken(path: string, what: string, cause?: unknown): DataError {
  return new DataError(`${path} is not a valid safetensors file: ${what}; write or copy it again`, { cause })
}
