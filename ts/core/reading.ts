/** Copies of computed values, for JavaScript to keep. */
import { allocate, bytesOf, type DType, type Shape, sizeOf, type TypedArray } from './dtype.js'
import { native } from './native.js'
import { bytesPerTurn, nextTurn } from './turns.js'

/** A node with what is known of it. */
export interface Readable {
  readonly id: number
  readonly shape: Shape
  readonly dtype: DType
}

/**
 * The values of a node, computed if they are not there yet and copied at once; this thread waits meanwhile.
 *
 * @throws {NumericalError} and the like where computing them fails
 * @throws {DeviceError} where there is no room for the copy
 */
export function readNow(node: Readable): TypedArray {
  const { id, shape, dtype } = node
  // What cannot be computed needs no room, and its own error says why.
  if (takesTurns(node)) native.evaluateSync([id])
  const values = allocate(dtype, sizeOf(shape))
  native.readSync(id, new Uint8Array(values.buffer))
  return values
}

/** Whether values are so many that {@link readInTurns} takes more than one turn. */
export function takesTurns({ shape, dtype }: Readable): boolean {
  return sizeOf(shape) * bytesOf[dtype] > bytesPerTurn
}

/**
 * The values of a computed node, copied in pieces, so that the event loop goes on in between. The caller holds the node until then.
 *
 * @throws {DeviceError} (rejects) where there is no room for the copy
 */
export async function readInTurns({ id, shape, dtype }: Readable): Promise<TypedArray> {
  const values = allocate(dtype, sizeOf(shape))
  const bytes = new Uint8Array(values.buffer)
  for (let from = 0; from < bytes.length || from === 0; from += bytesPerTurn) {
    if (from > 0) await nextTurn()
    native.read(id, from, bytes.subarray(from, from + bytesPerTurn))
  }
  return values
}
