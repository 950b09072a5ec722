/** Copies of computed values, for JavaScript to keep. */
import { allocate, dtypeOfCode, type TypedArray } from './dtype.js'
import { native } from './native.js'
import { bytesPerTurn, nextTurn } from './turns.js'

/** Room for the values of a computed node, and the bytes of it. */
function roomFor(id: number): { values: TypedArray; bytes: Uint8Array } {
  let size = 1
  for (const extent of native.shapeOf(id)) size *= extent
  const values = allocate(dtypeOfCode(native.dtypeOf(id)), size)
  return { values, bytes: new Uint8Array(values.buffer) }
}

/**
 * The values of a computed node, copied at once.
 *
 * @throws {DeviceError} where there is no room for the copy
 */
export function readNow(id: number): TypedArray {
  const { values, bytes } = roomFor(id)
  native.read(id, 0, bytes)
  return values
}

/**
 * The values of a computed node, copied in pieces, so that the event loop goes on in between. The caller holds the node until then.
 *
 * @throws {DeviceError} (rejects) where there is no room for the copy
 */
export async function readInTurns(id: number): Promise<TypedArray> {
  const { values, bytes } = roomFor(id)
  for (let from = 0; from < bytes.length || from === 0; from += bytesPerTurn) {
    if (from > 0) await nextTurn()
    native.read(id, from, bytes.subarray(from, from + bytesPerTurn))
  }
  return values
}
