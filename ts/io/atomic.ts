/**
 * Files that are either the old one or the new one, never half of each.
 *
 * Contents go to a temporary file in the same folder, are forced to the disk, and take the final name in one
 * step. A process killed in between leaves the old file as it was, and perhaps a file named `.tmp-...` beside
 * it.
 */

import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { IOError } from '../errors.js'

/** What to write: text (as UTF-8), bytes, or pieces that follow one another. */
export type Contents = string | Uint8Array | readonly Uint8Array[]

export interface AtomicOptions {
  /**
   * Force file and folder to the disk, so that the file also outlives a power cut. Default true; without it the
   * file still survives the death of the process.
   */
  sync?: boolean
}

/** Begin of the names of temporary files; a reader of folders skips them. */
export const temporaryPrefix = '.tmp-'

/** Text of an error of the system, or of anything thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Code of an error of the system, such as 'ENOENT'. */
export function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

/** The file that `path` means (through a link), and the permissions it has, if it is there. */
async function existing(path: string): Promise<{ target: string; mode: number | undefined }> {
  try {
    const target = await realpath(path)
    return { target, mode: (await stat(target)).mode & 0o777 }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { target: path, mode: undefined }
    throw error
  }
}

/** One write never hands the system more than this: larger writes are refused. */
const largestWrite = 1 << 30

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    const { bytesWritten } = await file.write(piece, done, Math.min(piece.length - done, largestWrite))
    done += bytesWritten
  }
}

/** Forces the names in a folder to the disk. Windows opens no folders: its renames are journalled. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Writes a file in one step, making its folders as needed; a file that is there is replaced and keeps its
 * permissions.
 *
 * @param path where the file shall be; a symbolic link is followed
 * @param contents text, bytes, or a list of pieces
 * @throws IOError where it cannot be written; `path` is then as it was before
 */
export async function writeAtomic(
  path: string,
  contents: Contents,
  { sync = true }: AtomicOptions = {},
): Promise<void> {
  const pieces = typeof contents === 'string' ? [Buffer.from(contents)] : contents
  let temporary: string | undefined
  try {
    await mkdir(dirname(path), { recursive: true })
    const { target, mode } = await existing(path)
    const folder = dirname(target)
    const name = join(folder, `${temporaryPrefix}${process.pid}-${randomBytes(6).toString('hex')}`)
    const file = await open(name, 'wx', mode)
    temporary = name
    try {
      for (const piece of pieces instanceof Uint8Array ? [pieces] : pieces) await writeAll(file, piece)
      if (sync) await file.sync()
    } finally {
      await file.close()
    }
    await rename(name, target)
    temporary = undefined
    if (sync) await syncFolder(folder)
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => {})
    throw new IOError(
      `cannot write ${path}: ${reason(error)}; check that the folder may be written and the disk has room`,
      { cause: error },
    )
  }
}
