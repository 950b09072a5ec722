/** Sources of bytes of arrays: files, parts of files, and members of archives. */

import { DataError } from '../core/errors.js'
import { bytesPerTurn, nextTurn } from '../core/turns.js'

/** Random access to bytes. */
export interface ByteSource {
  /** Its name in messages. */
  readonly path: string
  /** Its length in bytes. */
  readonly size: number
  /** The bytes from a position, in a separate buffer. */
  bytes(position: number, length: number): Promise<Uint8Array<ArrayBuffer>>
}

/** A source with an open file. */
export interface OpenSource extends ByteSource {
  close(): Promise<void>
}

/** Opens a source for each read. */
export interface ByteStore {
  readonly path: string
  readonly size: number
  /** Whether it is decompressed from its beginning up to the requested bytes. */
  readonly isSequential: boolean
  /** Opens it to read parts. Parts of a compressed member must be read in ascending order, since it is decompressed as it is read. */
  open(): Promise<OpenSource>
  /** Opens it to read all of it; a checksum is verified, if there is one. */
  openWhole(): Promise<OpenSource>
}

/** Bytes in memory with the interface of a file. */
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

/** Throws DataError if a source ends before `end`. */
export function checkEnd({ path, size }: ByteSource, end: number): void {
  if (end <= size) return
  throw new DataError(`${path}: it ends at byte ${size}, but ${end} are needed; write it again`)
}
