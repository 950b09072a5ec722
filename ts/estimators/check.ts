import { deviceNumber, isDivided } from '../core/devices.js'
import { ArgumentError, DeviceError, describe, ShapeError, unknownName } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { above, type Check, checkValue, whole } from '../core/options.js'
import { type DeviceRequest, Tensor } from '../ops/tensor.js'

/** Throws ArgumentError unless `value` is a finite number above 0. */
export function checkPositive(what: string, value: unknown): void {
  checkValue(what, value as number, above(0))
}

/** Throws ArgumentError unless `value` is a whole number of at least `least`. */
export function checkWhole(what: string, value: unknown, least: number): void {
  checkValue(what, value as number, whole(least))
}

/** Throws UnknownNameError unless `value` is one of the valid names; returns it. */
export function oneOf<T extends string>(what: string, value: T, valid: readonly T[]): T {
  if (valid.includes(value)) return value
  throw unknownName(what, value, valid)
}

/** Throws ArgumentError unless `value` is a tensor. */
export function checkTensor(what: string, value: unknown): asserts value is Tensor {
  if (value instanceof Tensor) return
  throw new ArgumentError(`${what} is ${describe(value)}, expected a tensor; make one with tensor(data)`)
}

/** Throws unless `value` is a tensor of rows `[n, d]`. */
export function checkRows(what: string, value: unknown): asserts value is Tensor {
  checkTensor(what, value)
  if (value.rank === 2) return
  throw new ShapeError(`${what} has shape [${value.shape}], expected rows [n, d]`)
}

/** The device; {@link checkDevice} checks that it exists. */
export const device: Check<DeviceRequest> = {
  expected: "the name of a device such as 'cpu'",
  accepts: (value) => typeof value === 'string',
}

/** Throws DeviceError for a missing device. */
export function checkDevice(wanted: DeviceRequest | undefined): void {
  deviceNumber('an estimator', wanted)
}

/** Throws DeviceError for samples on two devices. A tensor such as `zeros(shape)` is not bound to a device. */
export function checkMeeting(name: string, x: Tensor, y: Tensor): void {
  if (!isDivided() || x.device === y.device) return
  const first = (one: Tensor) => one.reshape([one.size]).slice([0], [1]).cast('float64')
  try {
    // Builds graph and computes nothing: the device of constants is decided by their use.
    tidy(() => {
      first(x).add(first(y))
    })
  } catch (cause) {
    throw new DeviceError(
      `${name}: x is on "${x.device}" and y on "${y.device}"; bring one to the other, for instance y.to("${x.device}"), or say where to compute: { device: "${x.device}" }`,
      { cause },
    )
  }
}

/** The base of a logarithm. */
export const logarithmBase: Check<number> = {
  expected: 'a finite number above 1, such as Math.E or 2',
  accepts: above(1).accepts,
}
