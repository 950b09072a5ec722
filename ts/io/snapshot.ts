/** Copies of bytes at the time of a call, for writers. */
import { dtypeCode } from '../core/dtype.js'
import { native } from '../core/native.js'
import { bytesPerTurn, nextTurn } from '../core/turns.js'
import { checkBooleans } from './element-types.js'

/**
 * The bytes of an array at the time of the snapshot, unaffected by later changes. Large arrays are copied to reused native memory: new
 * JavaScript memory would cost several times as much as the copy.
 */
export class Snapshot {
  readonly length: number
  readonly #small: Uint8Array | undefined
  /** The native node, 0 if there is none. */
  #node = 0

  /**
   * @param data may be shared or of a resizable buffer
   * @throws {DeviceError} if there is not enough memory for a copy
   */
  constructor({ buffer, byteOffset, byteLength }: ArrayBufferView) {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength)
    this.length = byteLength
    if (byteLength <= bytesPerTurn) this.#small = new Uint8Array(bytes)
    else this.#node = native.source(bytes, dtypeCode('uint8'), [byteLength])
  }

  /** The bytes in order, in chunks; each is valid until the next one is requested. The event loop runs in between. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    if (this.#small !== undefined) {
      yield this.#small
      return
    }
    const room = new Uint8Array(bytesPerTurn)
    for (let from = 0; from < this.length; from += room.length) {
      if (from > 0) await nextTurn()
      const piece = room.subarray(0, Math.min(room.length, this.length - from))
      native.read(this.#node, from, piece)
      yield piece
    }
  }

  /** Releases the native memory. A second call is allowed. */
  [Symbol.dispose](): void {
    if (this.#node !== 0) native.release([this.#node])
    this.#node = 0
  }
}

/** Snapshots of several arrays; if there is not enough memory, the earlier ones are released. */
export function snapshotsOf(arrays: readonly ArrayBufferView[]): Snapshot[] {
  const made: Snapshot[] = []
  try {
    for (const array of arrays) made.push(new Snapshot(array))
    return made
  } catch (error) {
    releaseAll(made)
    throw error
  }
}

/** Releases snapshots. */
export function releaseAll(snapshots: readonly Snapshot[]): void {
  for (const snapshot of snapshots) snapshot[Symbol.dispose]()
}

/** The bytes of several snapshots in sequence. */
export async function* piecesOf(snapshots: readonly Snapshot[]): AsyncGenerator<Uint8Array> {
  for (const snapshot of snapshots) yield* snapshot.pieces()
}

/** Throws DTypeError for a byte that is not a boolean, after checking all bytes in turns of the event loop. */
export async function checkSnapshot(what: string, snapshot: Snapshot): Promise<void> {
  let start = 0
  for await (const piece of snapshot.pieces()) {
    checkBooleans(what, piece, start)
    start += piece.length
  }
}
