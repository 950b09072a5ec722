/** Copies of computed values for JavaScript. */
import { allocate, bytesOf, type DType, type Shape, sizeOf, type TypedArray } from './dtype.js'
import { native } from './native.js'
import { bytesPerTurn, nextTurn } from './turns.js'

/** A node with its shape and dtype. */
export interface Readable {
  readonly id: number
  readonly shape: Shape
  readonly dtype: DType
}

/**
 * The values of a node, computed if necessary and copied at once; this thread waits.
 *
 * @throws {NumericalError} and others if the computation fails
 * @throws {DeviceError} if there is not enough memory for the copy
 */
export function readNow(node: Readable): TypedArray {
  const { id, shape, dtype } = node
  // A failed computation needs no memory, and its own error says why.
  if (takesTurns(node)) native.evaluateSync([id])
  const values = allocate(dtype, sizeOf(shape))
  native.readSync(id, new Uint8Array(values.buffer))
  return values
}

/** Whether there are so many values that {@link readInTurns} takes more than one turn. */
export function takesTurns({ shape, dtype }: Readable): boolean {
  return sizeOf(shape) * bytesOf[dtype] > bytesPerTurn
}

/**
 * The values of a computed node, copied in chunks, so that the event loop is not blocked. The caller holds the node until the end.
 *
 * @throws {DeviceError} (rejects) if there is not enough memory for the copy
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
