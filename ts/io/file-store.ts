/** A file as a store of bytes. */
import { DataError } from '../core/errors.js'
import type { ByteStore } from './byte-source.js'
import { FileReader } from './file-reader.js'

/** A file, which must not change between two reads. */
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

  /** @throws DataError if the file has changed; IOError if it cannot be opened */
  async open(): Promise<FileReader> {
    const file = await FileReader.open(this.path)
    if (file.size === this.size && file.written === this.#written) return file
    await file.close()
    throw new DataError(
      `${this.path} was written again after it was opened, so earlier values may not belong to it; open it again`,
    )
  }

  openWhole(): Promise<FileReader> {
    return this.open()
  }
}
