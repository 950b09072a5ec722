/**
 * Files that are either the old one or the new one, never half of each.
 *
 * Contents go to a temporary file in the same folder, are forced to the disk, and take the final name in one
 * step. A process killed in between leaves the old file as it was, and perhaps a temporary file beside it, which the next
 * program that writes into the folder removes (see temporary-files.ts).
 */

import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ArgumentError, DataError, describe, HyperglowError, IOError } from '../core/errors.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import { piecesOf, releaseAll, snapshotsOf } from './snapshot.js'
import { removeLeftovers, temporaryName } from './temporary-files.js'

/** What to write: text (as UTF-8), bytes, or pieces that follow one another. */
export type Contents = string | Uint8Array | readonly Uint8Array[]

export interface AtomicOptions {
  /**
   * Force file and folder to the disk, so that the file also outlives a power cut. Default true; without it the
   * file still survives the death of the process.
   */
  sync?: boolean
}

const checks: Checks<AtomicOptions> = { sync: flag }

/** Text of an error of the system, or of anything thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Code of an error of the system, such as 'ENOENT'. */
export function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

/** @throws ArgumentError unless `path` can be the path of a file or folder */
export function checkPath(who: string, path: unknown, kind: 'file' | 'folder' = 'file'): void {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return
  const mend = path instanceof URL ? "; convert it: fileURLToPath(url) of 'node:url'" : ''
  throw new ArgumentError(`${who}: given ${describe(path)}, expected the path of a ${kind} as text${mend}`)
}

/** What to do about an error of the system. */
function remedy(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk or the quota is full; make room, or write elsewhere'
    case 'EFBIG':
      return 'the file is larger than the system lets it be; raise the limit, or write elsewhere'
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'the folder may not be written; change its permissions, or write elsewhere'
    case 'EEXIST':
    case 'ENOTDIR':
      return 'a file stands where a folder should be; check the path'
    default:
      return 'check that the folder may be written and the disk has room'
  }
}

/** The file that `path` means (through a link), and the permissions it has, if it is there. */
async function existing(path: string): Promise<{ target: string; mode: number | undefined }> {
  try {
    const target = await realpath(path)
    const info = await stat(target)
    if (info.isDirectory()) throw new IOError(`cannot write ${path}: it is a folder; give the path of a file`)
    return { target, mode: info.mode & 0o777 }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { target: path, mode: undefined }
    throw error
  }
}

/** One write never hands the system more than this: larger writes are refused. */
const largestWrite = 1 << 30

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<number> {
  const { length } = piece
  for (let done = 0; done < length; ) {
    const { bytesWritten } = await file.write(piece, done, Math.min(length - done, largestWrite))
    done += bytesWritten
  }
  return length
}

/** Forces the names in a folder to the disk. Windows opens no folders: its renames are journalled. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some network file systems have no such thing; the file itself is on the disk all the same.
    if (!['EINVAL', 'ENOTSUP'].includes(systemCode(error) ?? '')) throw error
  } finally {
    await handle.close()
  }
}

/** Makes a folder and those above it. */
async function makeFolder(folder: string, sync: boolean): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return removeLeftovers(folder)
  if (!sync) return
  // The names of new folders stand in the folders above them.
  const top = dirname(resolve(first))
  for (let above = resolve(folder); above !== top && above !== dirname(above); ) {
    above = dirname(above)
    await syncFolder(above)
  }
}

/**
 * Puts a file in place of another in one step, from pieces that nobody changes meanwhile.
 *
 * @param pieces bytes in order; may be made one after the other, while the one before is written
 * @param length bytes of all pieces: a file of another length is never put in place
 * @throws IOError where it cannot be written; what `pieces` throws. `path` is then as it was before
 */
export async function replaceFile(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  length: number,
  { sync = true }: AtomicOptions = {},
): Promise<void> {
  let temporary: string | undefined
  try {
    await makeFolder(dirname(path), sync)
    const { target, mode } = await existing(path)
    const folder = dirname(target)
    const name = join(folder, temporaryName())
    const file = await open(name, 'wx', mode)
    temporary = name
    try {
      // Permissions as they were, whatever the mask of this process.
      if (mode !== undefined) await file.chmod(mode)
      let written = 0
      for await (const piece of pieces) written += await writeAll(file, piece)
      if (written !== length) {
        throw new DataError(
          `cannot write ${path}: ${written} of ${length} bytes were there; arrays were changed while they were written`,
        )
      }
      if (sync) await file.sync()
    } finally {
      await file.close()
    }
    await rename(name, target)
    temporary = undefined
    if (sync) await syncFolder(folder)
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => {})
    if (error instanceof HyperglowError) throw error
    throw new IOError(`cannot write ${path}: ${reason(error)}; ${remedy(error)}`, { cause: error })
  }
}

/**
 * Writes a file in one step, making its folders as needed; a file that is there is replaced and keeps its
 * permissions. The contents are taken as they are now: what happens to the bytes afterward does not reach the file.
 *
 * @param path where the file shall be; a symbolic link is followed
 * @param contents text, bytes, or a list of pieces
 * @throws ArgumentError for other contents; IOError where it cannot be written; `path` is then as it was before
 */
export async function writeAtomic(
  path: string,
  contents: Contents,
  options: AtomicOptions = {},
): Promise<void> {
  checkPath('writeAtomic', path)
  const given = checkOptions('writeAtomic', options, checks)
  const snapshots = snapshotsOf(piecesIn(path, contents))
  try {
    await replaceFile(path, piecesOf(snapshots), lengthOf(snapshots), given)
  } finally {
    releaseAll(snapshots)
  }
}

/** The pieces of some contents. */
function piecesIn(path: string, contents: Contents): readonly Uint8Array[] {
  if (typeof contents === 'string') return [Buffer.from(contents)]
  const pieces: readonly unknown[] = Array.isArray(contents) ? contents : [contents]
  const wrong = pieces.findIndex((piece) => !(piece instanceof Uint8Array))
  if (wrong < 0) return pieces as Uint8Array[]
  throw new ArgumentError(
    `writeAtomic ${path}: given ${describe(pieces[wrong])}, expected text, a Uint8Array or a list of such`,
  )
}

/** Bytes of all pieces. */
export function lengthOf(pieces: readonly { readonly length: number }[]): number {
  return pieces.reduce((total, { length }) => total + length, 0)
}
