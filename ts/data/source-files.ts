/**
 * Files of published data sets: search, decompression, and checksums. Nothing is downloaded.
 */

import { createHash, webcrypto } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { withRoom } from '../core/dtype.js'
import { DataError, IOError } from '../core/errors.js'
import { type Checks, flag, text } from '../core/options.js'
import { bytesPerTurn, inTurns, type Work } from '../core/turns.js'
import { reason } from '../io/atomic.js'
import { FileReader } from '../io/file-reader.js'

/** Source of a data set, and its checks. */
export interface SourceOptions {
  /** Folder of the files. Default: by data set, see `docs/data.md`. */
  dataDir?: string
  /**
   * Compare the files with the published checksums. Files with fewer samples than the published ones are not checked, so small custom sets
   * can be read. Default true; set it to false for other data of the same size. Shapes, counts and labels are always checked.
   */
  verify?: boolean
}

/** The checks of {@link SourceOptions}. */
export const sourceChecks: Checks<SourceOptions> = {
  dataDir: { ...text, expected: 'the path of a folder' },
  verify: flag,
}

/** Properties of a data set for the search and its messages. */
export interface Searched {
  /** Its name in messages. */
  readonly title: string
  /** Subfolders that are also searched. */
  readonly subfolders: readonly string[]
  /** How to get the files, as a sentence. */
  readonly remedy: string
}

/** Files of a data set: for each, its possible names. */
export type Layout = Readonly<Record<string, readonly string[]>>

/** Found files, all in one folder. */
export interface Located<L extends Layout> {
  readonly folder: string
  readonly layout: L
  /** Path of each file of the layout. */
  readonly paths: { readonly [File in keyof L]: string }
}

/** Default folders of a data set: `data` in the working folder, then the user's cache. */
const places = () => [join(process.cwd(), 'data'), join(homedir(), '.cache', 'hyperglow')]

/** A search that found only some files. */
interface Partial {
  readonly folder: string
  readonly layout: Layout
  readonly missing: readonly string[]
}

/**
 * Finds the files of a data set: the first folder with all files of a layout, layouts in order of preference.
 *
 * @param root the only folder to search; default: `data` in the working folder, and the user's cache
 * @throws IOError with the searched folders and names, and how to get the files
 */
export async function locate<L extends Layout>(
  set: Searched,
  layouts: readonly L[],
  root?: string,
): Promise<Located<L>> {
  const roots = root === undefined ? places() : [resolve(root)]
  const folders = roots.flatMap((place) => [place, ...set.subfolders.map((folder) => join(place, folder))])
  let nearest: Partial | undefined
  for (const folder of folders) {
    for (const layout of layouts) {
      const names = Object.entries(layout)
      const found = await Promise.all(names.map(([, candidates]) => findFile(folder, candidates)))
      const missing = names.filter((_, i) => found[i] === undefined).map(([name]) => name)
      if (missing.length === 0) {
        const paths = Object.fromEntries(names.map(([name], i) => [name, found[i] as string]))
        return { folder, layout, paths: paths as Located<L>['paths'] }
      }
      const best = nearest === undefined ? 0 : filesOf(nearest.layout) - nearest.missing.length
      if (nearest === undefined || filesOf(layout) - missing.length > best) {
        nearest = { folder, layout, missing }
      }
    }
  }
  throw notFound(set, folders, layouts, nearest as Partial)
}

const filesOf = (layout: Layout) => Object.keys(layout).length

async function findFile(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const path = join(folder, name)
    const info = await stat(path).catch(() => undefined)
    if (info?.isFile()) return path
  }
  return undefined
}

function notFound(
  { title, remedy }: Searched,
  folders: readonly string[],
  layouts: readonly Layout[],
  { folder, layout, missing }: Partial,
): IOError {
  const total = filesOf(layout)
  const others = folders.filter((other) => other !== folder)
  const elsewhere = others.length === 0 ? '' : ` (nor in ${others.join(', ')})`
  const wanted = (files: Layout, names: readonly string[]) =>
    names.map((name) => files[name]?.join(' or ')).join('; ')
  // If some files were found, the message names the others; if none, any layout would do.
  const looked =
    missing.length < total
      ? wanted(layout, missing)
      : layouts.map((any) => wanted(any, Object.keys(any))).join(', or else ')
  return new IOError(
    `${title}: ${missing.length} of ${total} files are missing in ${folder}${elsewhere}; looked for ${looked}. ${remedy}`,
  )
}

/** Object of a digest: `md5` of the file as stored, compressed; `sha256` of its decompressed contents. */
export type Algorithm = 'md5' | 'sha256'

/** A published checksum. */
export interface Checksum {
  readonly algorithm: Algorithm
  /** In hexadecimal digits. */
  readonly digits: string
}

/** Maximum decompressed size in bytes, 4 GiB: protection against decompression bombs. */
const maxBytes = 2 ** 32

/** The bytes of a file, decompressed if it is gzip. */
export async function readPlain(path: string): Promise<Uint8Array> {
  const bytes = await FileReader.use(path, (file) => file.bytes(0, file.size))
  return isGzip(bytes) ? unzipped(path, bytes) : bytes
}

/**
 * The bytes of a file, decompressed if it is gzip, and their digest in hexadecimal digits; undefined if the digest is of a compressed file
 * and this one is not compressed.
 */
export async function readPlainHashed(
  path: string,
  algorithm: Algorithm,
): Promise<{ bytes: Uint8Array; digest: string | undefined }> {
  const hash = createHash(algorithm)
  const stored = await FileReader.use(path, async (file) => {
    const zipped = isGzip(await file.bytes(0, Math.min(2, file.size)))
    const isHashed = zipped === (algorithm === 'md5')
    return file.bytes(0, file.size, isHashed ? (part) => hash.update(part) : undefined)
  })
  if (!isGzip(stored)) return { bytes: stored, digest: algorithm === 'md5' ? undefined : hash.digest('hex') }
  const bytes = await unzipped(path, stored)
  if (algorithm === 'md5') return { bytes, digest: hash.digest('hex') }
  // webcrypto computes beside the event loop, which hashing 47 MB at once would block.
  const digest = await webcrypto.subtle.digest('SHA-256', bytes)
  return { bytes, digest: Buffer.from(digest).toString('hex') }
}

/** Whether bytes begin like a gzip file. */
function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

async function unzipped(path: string, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const unzip = createGunzip({ chunkSize: pieceBytes })
  unzip.end(bytes)
  const pieces: Uint8Array[] = []
  let length = 0
  try {
    for await (const piece of unzip as AsyncIterable<Uint8Array>) {
      length += piece.length
      if (length > maxBytes) throw new RangeError(`it has more than ${maxBytes} bytes`)
      pieces.push(piece)
    }
  } catch (cause) {
    throw new DataError(`${path} cannot be decompressed: ${reason(cause)}; fetch or copy it again`, { cause })
  }
  return inTurns(joining(pieces, length))
}

/** One array from chunks; each chunk is released after it was copied. */
function* joining(pieces: Uint8Array[], length: number): Work<Uint8Array<ArrayBuffer>> {
  const whole = withRoom(length, () => new Uint8Array(length))
  let [end, yielded] = [0, 0]
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
    whole.set(piece, end)
    end += piece.length
    if (end - yielded < bytesPerTurn) continue
    yielded = end
    yield
  }
  return whole
}

/** Bytes that are read and decompressed at a time. */
const pieceBytes = 1 << 18

/**
 * The decompressed contents of a gzip file in chunks, and the MD5 of the file as stored, available after the last chunk.
 *
 * @throws IOError if it cannot be read; DataError for invalid gzip
 */
export function unzippedPieces(path: string): { pieces: AsyncIterable<Uint8Array>; md5: () => string } {
  const hash = createHash('md5')
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const unzip = createGunzip({ chunkSize: pieceBytes })
    const stop = new AbortController()
    const file = createReadStream(path, { highWaterMark: pieceBytes })
    const look = async function* (parts: AsyncIterable<Buffer>) {
      for await (const part of parts) {
        hash.update(part)
        yield part
      }
    }
    const done = pipeline(file, look, unzip, { signal: stop.signal })
    // Errors reach the consumer of the chunks.
    done.catch(() => {})
    try {
      for await (const piece of unzip) yield piece as Uint8Array
      await done
    } catch (cause) {
      // Errors of the operating system have a syscall; errors of gzip do not.
      const isOfSystem = (cause as NodeJS.ErrnoException | undefined)?.syscall !== undefined
      if (isOfSystem) throw new IOError(`cannot read ${path}: ${reason(cause)}`, { cause })
      throw new DataError(`${path} cannot be decompressed: ${reason(cause)}; fetch or copy it again`, {
        cause,
      })
    } finally {
      stop.abort()
    }
  }
  return { pieces: pieces(), md5: () => hash.digest('hex') }
}

/**
 * Compares a digest with the published one.
 *
 * @param again how to get the file again
 * @throws DataError if they differ
 */
export function checkPublished(
  title: string,
  path: string,
  { algorithm, digits }: Checksum,
  digest: string,
  again: string,
): void {
  if (digest === digits) return
  const name = algorithm === 'md5' ? 'MD5' : 'SHA-256'
  throw new DataError(
    `${path} is not the published ${title} file: ${name} ${digest}, expected ${digits}; ${again}, or pass verify: false for other data`,
  )
}
