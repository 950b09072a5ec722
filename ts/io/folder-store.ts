import { join } from 'node:path'
import type { AbsolutePath, AsyncMutable, RangeQuery } from '@zarrita/storage'
import { IOError } from '../core/errors.js'
import { systemCode, writeAtomic } from './atomic.js'
import { FileReader } from './file-reader.js'

/**
 * A folder as a Zarr store: each key is a file, and each file is written atomically.
 *
 * zarrita's own store writes in place, so a killed process leaves half a chunk; here a chunk is complete or missing. Errors are our own.
 */
export class FolderStore implements AsyncMutable {
  /**
   * @param folder of the files
   * @param sync sync every file to disk after writing, see {@link writeAtomic}
   */
  constructor(
    readonly folder: string,
    private readonly sync = true,
  ) {}

  /** Contents of a file, or undefined if it is missing. */
  async get(key: AbsolutePath): Promise<Uint8Array | undefined> {
    const path = join(this.folder, key)
    try {
      // In a buffer of the exact length: zarrita's encoder writes the whole buffer of an array.
      return await FileReader.use(path, (file) => file.bytes(0, file.size))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** A part of a file, or undefined if it is missing: a Zarr shard holds many chunks in one file. */
  async getRange(key: AbsolutePath, range: RangeQuery): Promise<Uint8Array | undefined> {
    const path = join(this.folder, key)
    try {
      return await FileReader.use(path, (file) =>
        'suffixLength' in range
          ? file.bytes(Math.max(0, file.size - range.suffixLength), Math.min(file.size, range.suffixLength))
          : file.bytes(range.offset, range.length),
      )
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async set(key: AbsolutePath, value: Uint8Array): Promise<void> {
    await writeAtomic(join(this.folder, key), value, { sync: this.sync })
  }
}

function isMissing(error: unknown): boolean {
  const code = error instanceof IOError ? systemCode(error.cause) : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}
