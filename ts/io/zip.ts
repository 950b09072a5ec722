/**
 * The directory of a zip archive (with zip64), such as an .npz file: its members and their positions. Names are keys and never paths:
 * nothing is written to disk. zip-members.ts reads the members.
 *
 *   members: header, contents | central directory: an entry for each member | end of the directory, with the position of its begin
 *
 * All numbers are little-endian. Sizes are those of the directory; each is checked against the file before memory is allocated.
 */

import { DataError } from '../core/errors.js'
import type { FileReader } from './file-reader.js'
import { foreignFile } from './foreign-files.js'

/** An entry of the directory. */
export interface ZipEntry {
  readonly name: string
  /** Size of the contents, in bytes. */
  readonly size: number
  /** Size of the stored contents. */
  readonly storedSize: number
  readonly isDeflated: boolean
  readonly crc: number
  /** Position of its header. */
  readonly offset: number
}

/** Numbers in headers that mark a zip64 member. */
const none16 = 0xffff
const none32 = 0xffffffff
export const signatures = {
  local: 0x04034b50,
  entry: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
}
/** Maximum length of a directory in bytes. */
const maxDirectory = 1 << 26
/** Maximum compression ratio of deflate. */
const largestRatio = 1032

/**
 * The members of an archive.
 *
 * @throws DataError for an invalid zip archive, or unsupported features: encryption, other methods, several parts
 */
export async function readZipDirectory(file: FileReader): Promise<ZipEntry[]> {
  const { path, size } = file
  const { offset, length, count } = await findDirectory(file)
  if (length > maxDirectory || offset + length > size) {
    throw broken(path, `its directory claims ${length} bytes at ${offset}, of a file of ${size}`)
  }
  const bytes = Buffer.from((await file.bytes(offset, length)).buffer)
  const entries: ZipEntry[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 46 || bytes.readUInt32LE(at) !== signatures.entry) {
      throw broken(path, `its directory is damaged at byte ${at}`)
    }
    const [name, extra, comment] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ]
    const end = at + 46 + name + extra + comment
    if (end > bytes.length) throw broken(path, `its directory is damaged at byte ${at}`)
    entries.push(parseEntry(file, bytes.subarray(at, end), name, extra))
    at = end
  }
  if (entries.length !== count) {
    throw broken(path, `its directory has ${entries.length} members and claims ${count}`)
  }
  return entries
}

/** Position of the directory, found from the end of the file, after which a comment may follow. */
async function findDirectory(file: FileReader): Promise<{ offset: number; length: number; count: number }> {
  const { path, size } = file
  const from = Math.max(0, size - (22 + none16 + 20))
  const tail = Buffer.from((await file.bytes(from, size - from)).buffer)
  let at = tail.length - 22
  while (
    at >= 0 &&
    !(tail.readUInt32LE(at) === signatures.end && at + 22 + tail.readUInt16LE(at + 20) === tail.length)
  )
    at--
  if (at < 0) {
    const head = await file.bytes(0, Math.min(32, size))
    const isZip = head[0] === 0x50 && head[1] === 0x4b
    const other = isZip ? undefined : foreignFile(head)
    if (other !== undefined) throw new DataError(`${path} is not a zip archive: ${other}`)
    throw broken(path, 'it has no directory at its end: truncated, or not a zip archive')
  }
  const count = tail.readUInt16LE(at + 10)
  const length = tail.readUInt32LE(at + 12)
  const offset = tail.readUInt32LE(at + 16)
  if (tail.readUInt16LE(at + 4) !== 0 && tail.readUInt16LE(at + 4) !== none16) {
    throw broken(path, 'it is one part of several')
  }
  const isLarge = at >= 20 && tail.readUInt32LE(at - 20) === signatures.locator
  if (!isLarge) return { offset, length, count }
  const place = wide(path, tail, at - 20 + 8)
  if (place + 56 > size) throw broken(path, 'it has no directory where it says')
  const end = Buffer.from((await file.bytes(place, 56)).buffer)
  if (end.readUInt32LE(0) !== signatures.end64) throw broken(path, 'it has no directory where it says')
  return { count: wide(path, end, 32), length: wide(path, end, 40), offset: wide(path, end, 48) }
}

function parseEntry(
  { path, size: fileSize }: FileReader,
  entry: Buffer,
  nameLength: number,
  extraLength: number,
): ZipEntry {
  const flags = entry.readUInt16LE(8)
  const method = entry.readUInt16LE(10)
  const name = entry.toString(flags & 0x800 ? 'utf8' : 'latin1', 46, 46 + nameLength)
  if (flags & 1) throw broken(path, `'${name}' is encrypted`)
  if (method !== 0 && method !== 8) {
    throw broken(
      path,
      `'${name}' is packed by method ${method}, and only stored and deflated members are read`,
    )
  }
  const sizes = [24, 20, 42].map((field) => entry.readUInt32LE(field))
  const extra = entry.subarray(46 + nameLength, 46 + nameLength + extraLength)
  const [size, storedSize, offset] = widened(path, sizes, extra) as [number, number, number]
  const most = method === 0 ? storedSize : largestRatio * storedSize + 64
  if (offset + 30 + storedSize > fileSize || size > most || (method === 0 && size !== storedSize)) {
    throw broken(path, `'${name}' claims ${size} bytes from ${storedSize} at ${offset}, which is impossible`)
  }
  return { name, size, storedSize, isDeflated: method === 8, crc: entry.readUInt32LE(16), offset }
}

/** Numbers of an entry; those that do not fit come from its zip64 field. */
function widened(path: string, numbers: readonly number[], extra: Buffer): number[] {
  if (!numbers.includes(none32)) return [...numbers]
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue
    let next = at + 4
    return numbers.map((number) => {
      if (number !== none32) return number
      if (next + 8 > extra.length) throw broken(path, 'a field of zip64 is too short')
      next += 8
      return wide(path, extra, next - 8)
    })
  }
  return [...numbers]
}

/** A number of 64 bits. */
function wide(path: string, bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at))
  if (Number.isSafeInteger(value)) return value
  throw broken(path, 'it claims over 2^53 bytes')
}

/** The error for a damaged archive. */
export function broken(path: string, why: string): DataError {
  return new DataError(`${path} is not a valid zip archive: ${why}; write or copy it again`)
}
