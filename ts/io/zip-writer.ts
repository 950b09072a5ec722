/** Writes zip archives of stored or deflated members. Equal contents give equal bytes: there are no dates. */

import { Readable } from 'node:stream'
import { crc32, createDeflateRaw } from 'node:zlib'
import { nextTurn } from '../core/turns.js'

/** Bytes that are checked in one turn of the event loop. */
const turnBytes = 1 << 22
/** The largest 16- and 32-bit numbers, which mark a zip64 member. */
const none16 = 0xffff
const none32 = 0xffffffff

/** Bytes that can be iterated repeatedly, in chunks, and that do not change. */
export interface ZipContents {
  readonly length: number
  pieces(): AsyncIterable<Uint8Array>
}

/** A member, ready to be written. */
export interface ZipMember {
  readonly name: string
  /** Its stored form. */
  readonly stored: readonly ZipContents[]
  readonly size: number
  readonly storedSize: number
  readonly isDeflated: boolean
  readonly crc: number
}

/** A member of consecutive contents; deflated contents stay in memory until they are written. */
export async function zipMember(
  name: string,
  contents: readonly ZipContents[],
  isDeflated: boolean,
): Promise<ZipMember> {
  const size = lengthOf(contents)
  let crc = 0
  for await (const piece of piecesOf(contents)) {
    for (let at = 0; at < piece.length; at += turnBytes) {
      await nextTurn()
      crc = crc32(piece.subarray(at, at + turnBytes), crc)
    }
  }
  if (!isDeflated) return { name, stored: contents, size, storedSize: size, isDeflated, crc }
  const packed: Uint8Array[] = []
  const deflate = createDeflateRaw({ chunkSize: 1 << 18 })
  for await (const piece of Readable.from(copies(contents)).pipe(deflate)) packed.push(piece as Uint8Array)
  const stored = packed.map(inMemory)
  return { name, stored, size, storedSize: lengthOf(stored), isDeflated, crc }
}

/** Bytes in memory as contents. */
function inMemory(bytes: Uint8Array): ZipContents {
  return {
    length: bytes.length,
    async *pieces() {
      yield bytes
    },
  }
}

async function* piecesOf(contents: readonly ZipContents[]): AsyncGenerator<Uint8Array> {
  for (const part of contents) yield* part.pieces()
}

/** Copies of chunks that are valid only until the next one, for a stream. */
async function* copies(contents: readonly ZipContents[]): AsyncGenerator<Uint8Array> {
  for await (const piece of piecesOf(contents)) yield piece.slice()
}

/** The bytes of an archive, in order. */
export function zipArchive(members: readonly ZipMember[]): ZipContents {
  const all: ZipContents[] = []
  const directory: Uint8Array[] = []
  let offset = 0
  for (const member of members) {
    directory.push(entryOf(member, offset))
    const parts = [inMemory(headerOf(member)), ...member.stored]
    all.push(...parts)
    offset += lengthOf(parts)
  }
  const end = endOf(members.length, lengthOf(directory), offset)
  for (const part of [...directory, end]) all.push(inMemory(part))
  return { length: lengthOf(all), pieces: () => piecesOf(all) }
}

const lengthOf = (parts: readonly { readonly length: number }[]) =>
  parts.reduce((total, { length }) => total + length, 0)

/** A zip64 field of 64-bit numbers. */
function wideField(numbers: readonly number[]): Buffer {
  if (numbers.length === 0) return Buffer.alloc(0)
  const field = Buffer.alloc(4 + 8 * numbers.length)
  field.writeUInt16LE(1, 0)
  field.writeUInt16LE(8 * numbers.length, 2)
  for (const [i, number] of numbers.entries()) field.writeBigUInt64LE(BigInt(number), 4 + 8 * i)
  return field
}

/** Common fields of header and entry: version, flags, method, date, checksum, sizes, length of the name. */
function common({ name, size, storedSize, isDeflated, crc }: ZipMember, isWide: boolean): Buffer {
  const fields = Buffer.alloc(24)
  fields.writeUInt16LE(isWide ? 45 : 20, 0)
  // Names are UTF-8.
  fields.writeUInt16LE(0x800, 2)
  fields.writeUInt16LE(isDeflated ? 8 : 0, 4)
  // The first day of the zip calendar.
  fields.writeUInt16LE(0x21, 8)
  fields.writeUInt32LE(crc, 10)
  fields.writeUInt32LE(isWide ? none32 : storedSize, 14)
  fields.writeUInt32LE(isWide ? none32 : size, 18)
  fields.writeUInt16LE(Buffer.byteLength(name), 22)
  return fields
}

const isWide = ({ size, storedSize }: ZipMember) => Math.max(size, storedSize) >= none32

function headerOf(member: ZipMember): Buffer {
  const extra = wideField(isWide(member) ? [member.size, member.storedSize] : [])
  const length = Buffer.alloc(2)
  length.writeUInt16LE(extra.length)
  return Buffer.concat([
    Buffer.from('PK\x03\x04', 'latin1'),
    common(member, isWide(member)),
    length,
    Buffer.from(member.name),
    extra,
  ])
}

function entryOf(member: ZipMember, offset: number): Buffer {
  const far = offset >= none32
  const extra = wideField([
    ...(isWide(member) ? [member.size, member.storedSize] : []),
    ...(far ? [offset] : []),
  ])
  const rest = Buffer.alloc(16)
  rest.writeUInt16LE(extra.length, 0)
  rest.writeUInt32LE(far ? none32 : offset, 12)
  const made = Buffer.from([isWide(member) || far ? 45 : 20, 3])
  return Buffer.concat([
    Buffer.from('PK\x01\x02', 'latin1'),
    made,
    common(member, isWide(member)),
    rest,
    Buffer.from(member.name),
    extra,
  ])
}

/** The end of the directory, preceded by that of zip64 if a number needs it. */
function endOf(count: number, length: number, offset: number): Buffer {
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  for (const at of [8, 10]) end.writeUInt16LE(Math.min(count, none16), at)
  end.writeUInt32LE(Math.min(length, none32), 12)
  end.writeUInt32LE(Math.min(offset, none32), 16)
  if (count < none16 && length < none32 && offset < none32) return end
  const wide = Buffer.alloc(56 + 20)
  wide.write('PK\x06\x06', 'latin1')
  wide.writeBigUInt64LE(44n, 4)
  for (const at of [12, 14]) wide.writeUInt16LE(45, at)
  for (const at of [24, 32]) wide.writeBigUInt64LE(BigInt(count), at)
  wide.writeBigUInt64LE(BigInt(length), 40)
  wide.writeBigUInt64LE(BigInt(offset), 48)
  wide.write('PK\x06\x07', 56, 'latin1')
  wide.writeBigUInt64LE(BigInt(offset + length), 64)
  wide.writeUInt32LE(1, 72)
  return Buffer.concat([wide, end])
}
