/**
 * Atomic replacement of files: a file is the old one or the new one, never half of each.
 *
 * Contents go to a temporary file in the same folder, are synced, and are renamed. A process killed in between leaves the old file, and
 * perhaps a temporary file beside it, which the next program that writes into the folder removes (see temporary-files.ts).
 */

import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ArgumentError, DataError, describe, HyperglowError, IOError } from '../core/errors.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import { piecesOf, releaseAll, snapshotsOf } from './snapshot.js'
import { removeLeftovers, temporaryName } from './temporary-files.js'

/** Contents of a file: text (as UTF-8), bytes, or consecutive chunks. */
export type Contents = string | Uint8Array | readonly Uint8Array[]

export interface AtomicOptions {
  /**
   * Sync file and folder to disk, so that the file survives a power failure. Default true; without it the file still survives the death of
   * the process.
   */
  sync?: boolean
}

const checks: Checks<AtomicOptions> = { sync: flag }

/** Text of a system error, or of any thrown value. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Code of a system error, such as 'ENOENT'. */
export function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

/** @throws ArgumentError unless `path` can be a path of a file or folder */
export function checkPath(who: string, path: unknown, kind: 'file' | 'folder' = 'file'): void {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return
  const remedy = path instanceof URL ? "; convert it: fileURLToPath(url) of 'node:url'" : ''
  throw new ArgumentError(`${who}: given ${describe(path)}, expected the path of a ${kind} as text${remedy}`)
}

/** Remedy for a system error. */
function remedy(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk or the quota is full; make room, or write elsewhere'
    case 'EFBIG':
      return 'the file is larger than the system permits; raise the limit, or write elsewhere'
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'the folder is not writable; change its permissions, or write elsewhere'
    case 'EEXIST':
    case 'ENOTDIR':
      return 'there is a file in place of a folder; check the path'
    default:
      return 'check that the folder is writable and the disk has room'
  }
}

/** The file at `path` (following a link), and its permissions, if it exists. */
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

/** Maximum number of bytes of one write call: systems refuse larger ones. */
const largestWrite = 1 << 30

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<number> {
  const { length } = piece
  for (let done = 0; done < length; ) {
    const { bytesWritten } = await file.write(piece, done, Math.min(length - done, largestWrite))
    done += bytesWritten
  }
  return length
}

/** Syncs the names in a folder to disk. Windows cannot open folders: its renames are journaled. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some network file systems cannot sync folders; the file itself is on disk.
    if (!['EINVAL', 'ENOTSUP'].includes(systemCode(error) ?? '')) throw error
  } finally {
    await handle.close()
  }
}

/** Whether a folder is there. @throws the system's error for a file in place of it or of a parent */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
  throw Object.assign(new Error(`${path} is not a folder`), { code: 'ENOTDIR' })
}

/**
 * Makes a folder and its missing parents, one by one: the recursive `mkdir` of Node.js never ends where a parent exists in which no folder can
 * be made, such as /proc.
 *
 * @param failure begins the message of the error
 * @returns the folders that were made, the outermost first
 * @throws IOError if one cannot be made
 */
export async function makeFolder(
  folder: string,
  failure = `cannot make the folder ${folder}`,
): Promise<string[]> {
  try {
    const missing: string[] = []
    for (let at = folder; !(await isFolder(at)); at = dirname(at)) {
      missing.unshift(at)
      if (at === dirname(at)) break
    }
    const made: string[] = []
    for (const one of missing) if (await makeOne(one)) made.push(one)
    return made
  } catch (error) {
    const mend =
      systemCode(error) === 'ENOENT' ? 'no folder can be made there; write elsewhere' : remedy(error)
    throw new IOError(`${failure}: ${reason(error)}; ${mend}`, { cause: error })
  }
}

/** Makes a folder whose parent is there; false if another process was faster. */
async function makeOne(folder: string): Promise<boolean> {
  try {
    await mkdir(folder)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST' && (await isFolder(folder))) return false
    throw error
  }
}

/** Makes the folder of a file, and removes what killed programs left in it. */
async function prepareFor(path: string, sync: boolean): Promise<void> {
  const folder = dirname(path)
  const made = await makeFolder(folder, `cannot write ${path}`)
  if (made.length === 0) return removeLeftovers(folder)
  if (!sync) return
  // The names of new folders are in their parent folders.
  for (const one of made) await syncFolder(dirname(one))
}

/**
 * Replaces a file atomically, from chunks that must not change during the write.
 *
 * @param pieces bytes in order; each may be made while the one before is written
 * @param length total bytes: a file of another length is never put in place
 * @throws IOError if it cannot be written; errors of `pieces`. `path` has not changed then
 */
export async function replaceFile(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  length: number,
  { sync = true }: AtomicOptions = {},
): Promise<void> {
  let temporary: string | undefined
  try {
    await prepareFor(path, sync)
    const { target, mode } = await existing(path)
    const folder = dirname(target)
    const name = join(folder, temporaryName())
    const file = await open(name, 'wx', mode)
    temporary = name
    try {
      // The earlier permissions, independent of the umask of this process.
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
 * Writes a file atomically, making its folders as needed; an existing file is replaced and keeps its permissions. The contents are copied
 * at the call: later changes to the bytes do not reach the file.
 *
 * @param path of the file; a symbolic link is followed
 * @param contents text, bytes, or a list of chunks
 * @throws ArgumentError for other contents; IOError if it cannot be written; `path` has not changed then
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

/** The chunks of some contents. */
function piecesIn(path: string, contents: Contents): readonly Uint8Array[] {
  if (typeof contents === 'string') return [Buffer.from(contents)]
  const pieces: readonly unknown[] = Array.isArray(contents) ? contents : [contents]
  const wrong = pieces.findIndex((piece) => !(piece instanceof Uint8Array))
  if (wrong < 0) return pieces as Uint8Array[]
  throw new ArgumentError(
    `writeAtomic ${path}: given ${describe(pieces[wrong])}, expected text, a Uint8Array or a list of such`,
  )
}

/** Total bytes of all chunks. */
export function lengthOf(pieces: readonly { readonly length: number }[]): number {
  return pieces.reduce((total, { length }) => total + length, 0)
}
