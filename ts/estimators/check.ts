import { ArgumentError, describe, ShapeError, unknownName } from '../errors.js'
import { type DeviceRequest, Tensor, tensor } from '../tensor.js'

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

/** Throws ArgumentError unless `value` is the base of a logarithm. */
export function checkBase(name: string, value: unknown): void {
  if (typeof value === 'number' && value > 1 && Number.isFinite(value)) return
  throw new ArgumentError(
    `${name}: base must be a finite number above 1, such as Math.E or 2, received ${describe(value)}`,
  )
}

/** Throws DeviceError where there is no such device, ArgumentError for something else than a name. */
export function checkDevice(device: DeviceRequest | undefined): void {
  if (device !== undefined && typeof device !== 'string') {
    throw new ArgumentError(`device is ${describe(device)}, expected the name of one such as 'cpu'`)
  }
  // Making a tensor there throws it.
  if (device !== undefined) tensor(0, { device }).dispose()
}
