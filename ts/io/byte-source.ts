/** Where the bytes of arrays come from: files, parts of them, and members of archives. */

import { DataError } from '../core/errors.js'
import { bytesPerTurn, nextTurn } from '../core/turns.js'
import { FileReader } from './file-reader.js'

/** Bytes that can be read from any place. */
export interface ByteSource {
  /** What to call it in messages. */
  readonly path: string
  /** Its length in bytes. */
  readonly size: number
  /** The bytes from a position, in a buffer of their own. */
  bytes(position: number, length: number): Promise<Uint8Array<ArrayBuffer>>
}

/** A source that holds a file open. */
export interface OpenSource extends ByteSource {
  close(): Promise<void>
}

/** What sources are opened from, each time that something is read. */
export interface ByteStore {
  readonly path: string
  readonly size: number
  /** Whether it is unpacked from its beginning up to what is wanted. */
  readonly isSequential: boolean
  /** Opens it to read parts; those of a compressed member in rising order, for it is unpacked as it is read. */
  open(): Promise<OpenSource>
  /** Opens it to read all of it; what has a checksum is checked. */
  openWhole(): Promise<OpenSource>
}

/** A file, which may not change between two reads. */
export class FileStore implements ByteStore {
  readonly path: string
  readonly size: number
  readonly isSequential = false
  readonly #written: number

  constructor({ path, size, written }: FileReader) {
    this.path = path
    this.size = size
    this.#written = written
  }

  /** @throws DataError where the file changed since; IOError where it cannot be opened */
  async open(): Promise<FileReader> {
    const file = await FileReader.open(this.path)
    if (file.size === this.size && file.written === this.#written) return file
    await file.close()
    throw new DataError(
      `${this.path} was written anew after it was opened, and what was read before may not belong to it; open it again`,
    )
  }

  openWhole(): Promise<FileReader> {
    return this.open()
  }
}

/** Bytes in memory, which are read as a file is. */
export class MemorySource implements OpenSource {
  readonly size: number

  constructor(
    readonly path: string,
    readonly contents: Uint8Array,
  ) {
    this.size = contents.length
  }

  async bytes(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkEnd(this, position + length)
    const into = new Uint8Array(length)
    for (let at = 0; at < length; at += bytesPerTurn) {
      if (at > 0) await nextTurn()
      const end = Math.min(length, at + bytesPerTurn)
      into.set(this.contents.subarray(position + at, position + end), at)
    }
    return into
  }

  async close(): Promise<void> {}
}

/** Throws DataError where a source ends before `end`. */
export function checkEnd({ path, size }: ByteSource, end: number): void {
  if (end <= size) return
  throw new DataError(`${path}: it ends at byte ${size}, but ${end} are needed; write it again`)
}
