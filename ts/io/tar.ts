/**
 * Reads tar archives (ustar, with the long names of pax and GNU) as a stream: selected members are kept, others are skipped, and nothing is
 * written to disk. A member is a header of 512 bytes and its contents, padded to a multiple of 512; two empty headers end the archive.
 */

import { withRoom } from '../core/dtype.js'
import { DataError } from '../core/errors.js'

const block = 512
/** Maximum length of a name or extended header in bytes. */
const longest = 1 << 20

/** A file in an archive. */
export interface TarMember {
  /** Path of the file in the archive. */
  readonly name: string
  /** Size in bytes. */
  readonly size: number
}

/** Selection of members. */
export interface TarSelection {
  /** Maximum size of a member in bytes; undefined for one that is skipped. */
  limitOf(name: string): number | undefined
  /** Called with each selected member, in the order of the archive; the bytes are not reused. */
  take(member: TarMember, bytes: Uint8Array<ArrayBuffer>): void | Promise<void>
}

/**
 * Reads an archive to its end, member by member.
 *
 * @param what name of the archive in messages
 * @throws DataError if it is damaged or truncated, or a selected member is larger than its limit; errors of `chunks` and `take`
 */
export async function readTar(
  what: string,
  chunks: AsyncIterable<Uint8Array>,
  selection: TarSelection,
): Promise<void> {
  const source = new Source(what, chunks)
  try {
    await readMembers(what, source, selection)
    await source.drain()
  } finally {
    await source.close()
  }
}

async function readMembers(what: string, source: Source, selection: TarSelection): Promise<void> {
  let isFirst = true
  // Extended headers apply to the next member.
  let next: { path?: string; size?: number } = {}
  for (;;) {
    const header = await source.bytes(block, isFirst ? undefined : 'header')
    if (header === undefined || header.every((byte) => byte === 0)) break
    const { name, size, type } = parseHeader(what, Buffer.from(header.buffer), isFirst)
    isFirst = false
    if (type === 'x' || type === 'L') {
      if (size > longest) throw broken(what, `an extended header claims ${size} bytes`)
      const text = Buffer.from((await source.contents(size)).buffer).toString('utf8')
      next = type === 'L' ? { ...next, path: upToZero(text) } : { ...next, ...parsePax(what, text) }
      continue
    }
    const member: TarMember = { name: next.path ?? name, size: next.size ?? size }
    next = {}
    const limit = type === '0' || type === '7' ? selection.limitOf(member.name) : undefined
    if (limit === undefined) {
      await source.skip(padded(member.size))
      continue
    }
    if (member.size > limit) {
      throw broken(what, `${member.name} has ${member.size} bytes, and at most ${limit} are expected`)
    }
    await selection.take(member, await source.contents(member.size))
  }
  if (isFirst) throw broken(what, 'it has no members')
}

const padded = (size: number) => Math.ceil(size / block) * block

/** The bytes of an archive, in requested amounts. */
class Source {
  readonly #what: string
  readonly #iterator: AsyncIterator<Uint8Array>
  #chunk = new Uint8Array(0)

  constructor(what: string, chunks: AsyncIterable<Uint8Array>) {
    this.#what = what
    this.#iterator = chunks[Symbol.asyncIterator]()
  }

  /** Fetches more bytes; whether there are any. */
  async #more(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { value, done } = await this.#iterator.next()
      if (done) return false
      this.#chunk = value as Uint8Array<ArrayBuffer>
    }
    return true
  }

  /** The next bytes; undefined at the end of the archive, if no header must follow. */
  async bytes(length: number, what: string | undefined): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (what === undefined && !(await this.#more())) return undefined
    const into = withRoom(length, () => new Uint8Array(length))
    for (let done = 0; done < length; ) {
      if (!(await this.#more())) {
        // Some programs omit the empty headers at the end.
        if (what === 'header' && done === 0) return undefined
        throw broken(this.#what, 'it is cut off')
      }
      const part = this.#chunk.subarray(0, length - done)
      into.set(part, done)
      done += part.length
      this.#chunk = this.#chunk.subarray(part.length)
    }
    return into
  }

  /** The contents of a member; skips its padding. */
  async contents(size: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = (await this.bytes(size, 'contents')) as Uint8Array<ArrayBuffer>
    await this.skip(padded(size) - size)
    return bytes
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      if (!(await this.#more())) throw broken(this.#what, 'it is cut off')
      const step = Math.min(left, this.#chunk.length)
      this.#chunk = this.#chunk.subarray(step)
      left -= step
    }
  }

  /** Reads past the end of the archive, so that the digest covers all bytes. */
  async drain(): Promise<void> {
    do this.#chunk = new Uint8Array(0)
    while (await this.#more())
  }

  /** Closes the source of the bytes. */
  async close(): Promise<void> {
    await this.#iterator.return?.()
  }
}

interface Header extends TarMember {
  /** '0' for a file; 'x' and 'L' for an extended header of the next member. */
  readonly type: string
}

function parseHeader(what: string, header: Buffer, isFirst: boolean): Header {
  const field = (from: number, to: number) => upToZero(header.toString('utf8', from, to))
  // The checksum is computed with spaces in its own field.
  let sum = 8 * 32
  for (let i = 0; i < block; i++) if (i < 148 || i >= 156) sum += header[i] as number
  if (sum !== Number.parseInt(header.toString('latin1', 148, 156).trimStart(), 8)) {
    throw broken(what, isFirst ? 'it does not begin with a header' : 'a header has another checksum')
  }
  const type = header[156] === 0 ? '0' : String.fromCharCode(header[156] as number)
  const prefix = field(257, 262) === 'ustar' && header[262] === 0 ? field(345, 500) : ''
  const name = field(0, 100)
  return { name: prefix === '' ? name : `${prefix}/${name}`, size: number(what, header, 124, 136), type }
}

const upToZero = (text: string) => text.split('\0', 1)[0] as string

/** A number in octal digits, or in base 256 if its first bit is set. */
function number(what: string, header: Buffer, from: number, to: number): number {
  if ((header[from] as number) & 0x80) {
    let value = (header[from] as number) & 0x7f
    for (let i = from + 1; i < to; i++) value = value * 256 + (header[i] as number)
    if (Number.isSafeInteger(value)) return value
    throw broken(what, 'a member claims over 2^53 bytes')
  }
  const digits = header
    .toString('latin1', from, to)
    .replace(/[\0 ]+$/, '')
    .trimStart()
  if (digits !== '' && !/^[0-7]+$/.test(digits))
    throw broken(what, `a header has the number ${JSON.stringify(digits)}`)
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

/** Path and size in an extended header: lines of "length key=value". */
function parsePax(what: string, text: string): { path?: string; size?: number } {
  const bytes = Buffer.from(text)
  const found: { path?: string; size?: number } = {}
  for (let at = 0; at < bytes.length; ) {
    const [, length] = /^(\d{1,7}) /.exec(bytes.toString('latin1', at, at + 8)) ?? []
    const end = at + Number(length)
    if (length === undefined || end > bytes.length || end <= at)
      throw broken(what, 'an extended header is damaged')
    const line = bytes.toString('utf8', at + length.length + 1, end - 1)
    const equals = line.indexOf('=')
    const [key, value] = [line.slice(0, equals), line.slice(equals + 1)]
    if (key === 'path') found.path = value
    if (key === 'size') {
      if (!/^\d{1,15}$/.test(value))
        throw broken(what, `an extended header has the size ${JSON.stringify(value)}`)
      found.size = Number(value)
    }
    at = end
  }
  return found
}

function broken(what: string, why: string): DataError {
  return new DataError(`${what} is not a valid tar archive: ${why}; fetch it again`)
}
