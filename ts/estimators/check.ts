import { ArgumentError, describe, unknownName } from '../errors.js'
import { type DeviceRequest, tensor } from '../tensor.js'

/** Throws ArgumentError unless `value` is a finite number above 0. */
export function checkPositive(what: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return
  throw new ArgumentError(`${what} must be a finite number above 0, received ${describe(value)}`)
}

/** Throws ArgumentError unless `value` is a whole number of at least `least`. */
export function checkWhole(what: string, value: unknown, least: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return
  throw new ArgumentError(`${what} must be a whole number of at least ${least}, received ${describe(value)}`)
}

/** Throws ArgumentError unless `value` is true or false. */
export function checkFlag(what: string, value: unknown): void {
  if (typeof value === 'boolean') return
  throw new ArgumentError(`${what} must be true or false, received ${describe(value)}`)
}

/** Throws UnknownNameError unless `value` is one of the valid names; gives it back. */
export function oneOf<T extends string>(what: string, value: T, valid: readonly T[]): T {
  if (valid.includes(value)) return value
  throw unknownName(what, value, valid)
}

/** Throws DeviceError where there is no such device. */
export function checkDevice(device: DeviceRequest | undefined): void {
  // Making a tensor there throws it.
  if (device !== undefined) tensor(0, { device }).dispose()
}
