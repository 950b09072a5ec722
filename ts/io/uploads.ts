/** Tensors of many values that are there already, made without holding up the event loop. */
import { evaluate } from '../core/memory.js'
import { bytesPerTurn, nextTurn } from '../core/turns.js'
import { concat } from '../ops/movement.js'
import { type Tensor, tensor } from '../ops/tensor.js'
import type { ArrayData } from './element-types.js'

/**
 * A computed tensor of given values, which nobody may change meanwhile. Like `tensor(data, { dtype, shape })`, but many values are
 * copied in pieces, which the device then puts together.
 *
 * @throws {DeviceError} (rejects) where there is no room: while it is made it takes twice its memory
 */
export async function tensorInTurns({ dtype, shape, data }: ArrayData): Promise<Tensor> {
  if (data.byteLength <= bytesPerTurn) return tensor(data, { dtype, shape })
  const length = Math.floor(bytesPerTurn / data.BYTES_PER_ELEMENT)
  const pieces: Tensor[] = []
  try {
    for (let start = 0; start < data.length; start += length) {
      if (start > 0) await nextTurn()
      const piece = data.subarray(start, start + length)
      pieces.push(tensor(piece, { dtype }))
    }
    using whole = concat(pieces, 0)
    const shaped = whole.reshape(shape)
    await evaluate(shaped)
    return shaped
  } finally {
    for (const piece of pieces) piece.dispose()
  }
}
