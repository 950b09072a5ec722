/** The members of a zip archive, stored or deflated: whole with their checksum, or part by part. */

import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw } from 'node:zlib'
import { withRoom } from '../core/dtype.js'
import { type DataError, HyperglowError } from '../core/errors.js'
import { nextTurn } from '../core/turns.js'
import { reason } from './atomic.js'
import { type ByteStore, checkEnd, MemorySource, type OpenSource } from './byte-source.js'
import type { FileReader } from './file-reader.js'
import { FileStore } from './file-store.js'
import { broken, signatures, type ZipEntry } from './zip.js'

/** Bytes that are checked in one turn of the event loop. */
const turnBytes = 1 << 22

/**
 * The contents of a member, verified by its checksum.
 *
 * @throws DataError if they are damaged; DeviceError if there is not enough memory
 */
export async function readZipMember(file: FileReader, entry: ZipEntry): Promise<Uint8Array<ArrayBuffer>> {
  const { path } = file
  const { name, size, storedSize, isDeflated, crc } = entry
  const start = await contentsOf(file, entry)
  if (isDeflated) {
    const unpacked = new Unpacked(file, entry, start)
    try {
      return await unpacked.bytes(0, size)
    } finally {
      unpacked.stop()
    }
  }
  const bytes = await file.bytes(start, storedSize)
  let found = 0
  for (let at = 0; at < bytes.length; at += turnBytes) {
    if (at > 0) await nextTurn()
    found = crc32(bytes.subarray(at, at + turnBytes), found)
  }
  if (found !== crc) throw wrongSum(path, name)
  return bytes
}

/** Position of the contents of a member. */
async function contentsOf(file: FileReader, { name, offset, storedSize }: ZipEntry): Promise<number> {
  const header = Buffer.from((await file.bytes(offset, 30)).buffer)
  if (header.readUInt32LE(0) !== signatures.local)
    throw broken(file.path, `'${name}' does not begin where the directory says`)
  const start = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
  if (start + storedSize > file.size) throw broken(file.path, `'${name}' ends beyond the file`)
  return start
}

/** A member of an archive. Its checksum is verified only if all of it is read; a part has no checksum. */
export class ZipMemberStore implements ByteStore {
  readonly path: string
  readonly size: number
  readonly isSequential: boolean
  readonly #file: FileStore
  readonly #entry: ZipEntry

  /** @param file the archive */
  constructor(file: FileReader, entry: ZipEntry) {
    this.path = `${file.path}: '${entry.name}'`
    this.size = entry.size
    this.isSequential = entry.isDeflated
    this.#file = new FileStore(file)
    this.#entry = entry
  }

  async open(): Promise<OpenSource> {
    const file = await this.#file.open()
    try {
      const start = await contentsOf(file, this.#entry)
      return this.#entry.isDeflated
        ? new Unpacked(file, this.#entry, start)
        : new StoredMember(this.path, file, start, this.size)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async openWhole(): Promise<OpenSource> {
    const file = await this.#file.open()
    try {
      return new MemorySource(this.path, await readZipMember(file, this.#entry))
    } finally {
      await file.close()
    }
  }
}

/** A stored member, a part of the archive's file. */
class StoredMember implements OpenSource {
  constructor(
    readonly path: string,
    private readonly file: FileReader,
    private readonly start: number,
    readonly size: number,
  ) {}

  async bytes(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkEnd(this, position + length)
    return this.file.bytes(this.start + position, length)
  }

  close(): Promise<void> {
    return this.file.close()
  }
}

/** Bytes of an archive that are read, and decompressed, at a time. */
const pieceBytes = 1 << 18

/**
 * A deflated member, decompressed from its beginning up to the requested bytes; a request for earlier bytes begins again. The checksum is
 * verified at the end of the member.
 */
class Unpacked implements OpenSource {
  readonly path: string
  readonly size: number
  readonly #file: FileReader
  readonly #entry: ZipEntry
  readonly #start: number
  #pieces: AsyncGenerator<Uint8Array> | undefined
  /** Decompressed bytes that are not yet consumed, and their position. */
  #piece: Uint8Array = new Uint8Array(0)
  #at = 0

  constructor(file: FileReader, entry: ZipEntry, start: number) {
    this.path = `${file.path}: '${entry.name}'`
    this.size = entry.size
    this.#file = file
    this.#entry = entry
    this.#start = start
  }

  async bytes(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkEnd(this, position + length)
    const into = withRoom(length, () => new Uint8Array(length))
    if (this.#pieces === undefined || position < this.#at) this.#restart()
    for (let done = 0; done < length; ) {
      const skipped = position + done - this.#at
      if (skipped >= this.#piece.length) {
        await this.#next()
        continue
      }
      const part = this.#piece.subarray(skipped, skipped + length - done)
      into.set(part, done)
      done += part.length
    }
    // The checksum is known after the last byte.
    if (position + length === this.size) while (this.#pieces !== undefined) await this.#next()
    return into
  }

  #restart(): void {
    this.stop()
    this.#pieces = inflated(this.#file, this.#entry, this.#start)
    this.#piece = new Uint8Array(0)
    this.#at = 0
  }

  async #next(): Promise<void> {
    const { done, value } = (await this.#pieces?.next()) ?? { done: true as const }
    if (done) {
      this.#pieces = undefined
      return
    }
    this.#at += this.#piece.length
    this.#piece = value
  }

  /** Stops the decompression. */
  stop(): void {
    void this.#pieces?.return(undefined).catch(() => {})
    this.#pieces = undefined
  }

  async close(): Promise<void> {
    await this.#pieces?.return(undefined).catch(() => {})
    await this.#file.close()
  }
}

/** The contents of a deflated member in chunks; throws DataError if they do not match the directory. */
async function* inflated(
  file: FileReader,
  { name, size, storedSize, crc }: ZipEntry,
  start: number,
): AsyncGenerator<Uint8Array> {
  const { path } = file
  const inflate = createInflateRaw({ chunkSize: pieceBytes })
  const stop = new AbortController()
  const packed = async function* () {
    for (let at = 0; at < storedSize; at += pieceBytes) {
      yield await file.bytes(start + at, Math.min(pieceBytes, storedSize - at))
    }
  }
  const packing = pipeline(packed, inflate, { signal: stop.signal })
  // Errors reach the consumer of the chunks.
  packing.catch(() => {})
  let [length, found] = [0, 0]
  try {
    for await (const piece of inflate as AsyncIterable<Uint8Array>) {
      length += piece.length
      if (length > size) throw new Error(`it has more than the ${size} bytes of the directory`)
      found = crc32(piece, found)
      yield piece
    }
    await packing
  } catch (cause) {
    if (cause instanceof HyperglowError) throw cause
    throw broken(path, `'${name}' cannot be unpacked: ${reason(cause)}`)
  } finally {
    stop.abort()
    inflate.destroy()
    await packing.catch(() => {})
  }
  if (length !== size) throw broken(path, `'${name}' has ${length} bytes, and ${size} in the directory`)
  if (found !== crc) throw wrongSum(path, name)
}

function wrongSum(path: string, name: string): DataError {
  return broken(path, `'${name}' has another checksum than the directory says`)
}
