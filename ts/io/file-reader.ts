/** Reads parts of a file of known length, so no header can request more than the file has. */

import { type FileHandle, open } from 'node:fs/promises'
import { withRoom } from '../core/dtype.js'
import { DataError, IOError } from '../core/errors.js'
import { reason, systemCode } from './atomic.js'
import type { OpenSource } from './byte-source.js'

/** Maximum number of bytes of one read call: larger ones fail on some systems. */
const largestRead = 1 << 30
/** Bytes of a part that is checked while the next one is read; a millisecond or two of checksumming. */
const partBytes = 1 << 21

/** A file that is open for reading. */
export class FileReader implements OpenSource {
  private constructor(
    readonly path: string,
    /** Length of the file in bytes. */
    readonly size: number,
    /** Time of the last write, in milliseconds. */
    readonly written: number,
    readonly handle: FileHandle,
  ) {}

  /**
   * Opens `path`, calls `read`, and closes the file.
   *
   * @throws IOError if it is missing or cannot be read; errors of `read`
   */
  static async use<T>(path: string, read: (file: FileReader) => Promise<T>): Promise<T> {
    const file = await FileReader.open(path)
    try {
      return await read(file)
    } finally {
      await file.close()
    }
  }

  /**
   * Opens `path`; the caller closes it.
   *
   * @throws IOError if it is missing or cannot be read
   */
  static async open(path: string): Promise<FileReader> {
    let handle: FileHandle
    try {
      handle = await open(path, 'r')
    } catch (error) {
      const hint = systemCode(error) === 'ENOENT' ? 'check the path' : 'check that it may be read'
      throw new IOError(`cannot open ${path}: ${reason(error)}; ${hint}`, { cause: error })
    }
    try {
      const info = await handle.stat()
      if (!info.isFile()) throw new IOError(`cannot read ${path}: it is not a file; give the path of a file`)
      return new FileReader(path, info.size, info.mtimeMs, handle)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Closes the file. */
  close(): Promise<void> {
    return this.handle.close()
  }

  /**
   * The `length` bytes from `position`, in a separate buffer.
   *
   * @param look called with the bytes part by part, in order, each while the next one is being read
   * @throws DataError if the file is too short; DeviceError if there is not enough memory; IOError if reading fails
   */
  async bytes(
    position: number,
    length: number,
    look?: (part: Uint8Array) => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (position + length > this.size) throw this.#truncated(position + length, this.size)
    const into = withRoom(length, () => new Uint8Array(length))
    const most = look === undefined ? largestRead : partBytes
    let seen = 0
    for (let done = 0; done < length; ) {
      const read = this.#read(into, done, Math.min(length - done, most), position + done)
      look?.(into.subarray(seen, done))
      seen = done
      const got = await read
      if (got === 0) throw this.#truncated(position + length, position + done)
      done += got
    }
    look?.(into.subarray(seen))
    return into
  }

  async #read(into: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    try {
      return (await this.handle.read(into, offset, length, position)).bytesRead
    } catch (error) {
      throw new IOError(`cannot read ${this.path}: ${reason(error)}`, { cause: error })
    }
  }

  #truncated(wanted: number, found: number): DataError {
    return new DataError(
      `${this.path}: the file ends at byte ${found}, but ${wanted} bytes are needed; it is truncated, write or copy it again`,
    )
  }
}
