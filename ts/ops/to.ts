/** Copies between devices. */
import { type DeviceRequest, deviceNamed, deviceNumber, isDivided } from '../core/devices.js'
import { native } from '../core/native.js'
import { idOf, Tensor } from '../core/tensor.js'

/**
 * The value on another device; differentiable, the gradient is copied back to the device of `x`. `to` divides a computation into a program
 * for each device, and copies by way of the processor's memory.
 *
 *     const y = f(x.to('reference')).to('cpu')
 *
 * @throws {DeviceError} for a missing device, and inside `jit`, whose programs run on one device: copy arguments before the call, or
 *   results after it
 */
export function to(x: Tensor, device: DeviceRequest): Tensor {
  const id = idOf('to', x)
  return Tensor.own(native.to(id, deviceNumber('to', device)))
}

/** The same tensor if it is on that device, otherwise a copy. */
export function placedOn(x: Tensor, device: DeviceRequest): Tensor {
  const name = deviceNamed('to', device)
  return !isDivided() || x.device === name ? x : to(x, device)
}
