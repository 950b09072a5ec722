/** From one device to another. */
import { type DeviceRequest, deviceNamed, deviceNumber, isDivided } from '../core/devices.js'
import { native } from '../core/native.js'
import { idOf, Tensor } from '../core/tensor.js'

/**
 * The value on another device; differentiable, the gradient comes back to where `x` is. It parts what is computed into a program for
 * each device, and goes by way of the processor's memory.
 *
 *     const y = f(x.to('reference')).to('cpu')
 *
 * @throws {DeviceError} where there is no such device, and inside `jit`, whose programs run on one device: move arguments before the
 * call, or results after it
 */
export function to(x: Tensor, device: DeviceRequest): Tensor {
  const id = idOf('to', x)
  return Tensor.own(native.to(id, deviceNumber('to', device)))
}

/** The tensor itself if it is on the device, else a copy on the device. */
export function placedOn(x: Tensor, device: DeviceRequest): Tensor {
  const name = deviceNamed('to', device)
  return !isDivided() || x.device === name ? x : to(x, device)
}
