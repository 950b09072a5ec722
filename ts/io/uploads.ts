/** Tensors of many values that are there already, made without holding up the event loop. */
import { checkShape } from '../core/create.js'
import { type DType, dtypeCode, sizeOf, type TypedArray } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { native } from '../core/native.js'
import { dtypeOfArray } from '../core/nested.js'
import { bytesPerTurn, inTurns, type Work } from '../core/turns.js'
import { Tensor, tensor } from '../ops/tensor.js'
import type { ArrayData } from './element-types.js'

/**
 * A tensor of given values, which nobody may change meanwhile. Like `tensor(data, { dtype, shape })`, but many values are copied in pieces,
 * each straight to its place.
 *
 * @throws {DeviceError} where there is no room
 * @throws {DataError} where the array was detached or became shorter meanwhile
 */
export function* uploading({ dtype, shape, data }: ArrayData): Work<Tensor> {
  const extents = checkShape('tensor', shape)
  const { length } = data
  const isOfType = dtypeOfArray(data) === dtype || (dtype === 'bool' && data instanceof Uint8Array)
  // What does not go together is refused there as well.
  if (data.byteLength <= bytesPerTurn || sizeOf(extents) !== length || !isOfType) {
    return tensor(data, { dtype, shape })
  }
  const whole = Tensor.own(native.room(dtypeCode(dtype), extents))
  let isFilled = false
  try {
    const step = Math.floor(bytesPerTurn / data.BYTES_PER_ELEMENT)
    for (let start = 0; start < length; start += step) {
      if (start > 0) yield
      if (data.length !== length) {
        throw new DataError(
          `an array of ${length} numbers had ${data.length} while it was read; leave it alone until the promise resolves`,
        )
      }
      const piece = truthful(data.subarray(start, start + step), dtype)
      const bytes = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
      native.fill(whole.id, start * data.BYTES_PER_ELEMENT, bytes)
    }
    isFilled = true
    return whole
  } finally {
    if (!isFilled) whole.dispose()
  }
}

/** Bytes as truth values, where the dtype asks for them: 1 for whatever is not 0, as `tensor` has it. */
function truthful(piece: TypedArray, dtype: DType): TypedArray {
  return dtype === 'bool' && piece instanceof Uint8Array ? piece.map((x) => (x ? 1 : 0)) : piece
}

/** What {@link uploading} makes, a turn of the event loop for each piece. */
export function tensorInTurns(data: ArrayData): Promise<Tensor> {
  return inTurns(uploading(data))
}
