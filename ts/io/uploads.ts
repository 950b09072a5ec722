/** Tensors of many given values, made without blocking the event loop. */
import { checkShape, fromTypedArray } from '../core/create.js'
import type { DeviceRequest } from '../core/devices.js'
import { dtypeCode, sizeOf } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { native } from '../core/native.js'
import { dtypeOfArray } from '../core/nested.js'
import { bytesPerTurn, inTurns, type Work } from '../core/turns.js'
import { Tensor, tensor } from '../ops/tensor.js'
import { placedOn } from '../ops/to.js'
import { type ArrayData, bytesOf } from './element-types.js'

/**
 * A tensor of given values, which must not change until it is done. Like `tensor(data, { dtype, shape })`, but large arrays are copied in
 * chunks, each directly to its position. A device other than the default one gets the values by way of the default device.
 *
 * @throws {DeviceError} if there is not enough memory
 * @throws {DataError} if the array was detached or became shorter meanwhile
 */
export function* uploading({ dtype, shape, data }: ArrayData, device?: DeviceRequest): Work<Tensor> {
  const extents = checkShape('tensor', shape)
  const { length } = data
  const isOfType = dtypeOfArray(data) === dtype || (dtype === 'bool' && data instanceof Uint8Array)
  // Mismatches are refused there as well.
  if (data.byteLength <= bytesPerTurn || sizeOf(extents) !== length || !isOfType) {
    return tensor(data, { dtype, shape, ...(device === undefined ? {} : { device }) })
  }
  const whole = Tensor.own(native.room(dtypeCode(dtype), extents))
  let isGiven = false
  try {
    const step = Math.floor(bytesPerTurn / data.BYTES_PER_ELEMENT)
    for (let start = 0; start < length; start += step) {
      if (start > 0) yield
      if (data.length !== length) {
        throw new DataError(
          `an array of ${length} numbers had ${data.length} while it was read; leave it alone until the promise resolves`,
        )
      }
      const { values } = fromTypedArray(data.subarray(start, start + step), dtype)
      native.fill(whole.id, start * data.BYTES_PER_ELEMENT, bytesOf(values))
    }
    const placed = device === undefined ? whole : placedOn(whole, device)
    isGiven = placed === whole
    return placed
  } finally {
    if (!isGiven) whole.dispose()
  }
}

/** The result of {@link uploading}, with a turn of the event loop for each chunk. */
export function tensorInTurns(data: ArrayData, device?: DeviceRequest): Promise<Tensor> {
  return inTurns(uploading(data, device))
}
