/**
 * Plain numbers beside tensors: one rule for all operations and for tensors made from a number.
 *
 * A number or bigint takes the dtype of the tensor beside it (or the given dtype), and must be a value of it: for an integer dtype whole
 * and within range, for bool 0 or 1 (or a boolean). For floats any number is valid; it is rounded to the dtype. Other values are refused
 * with a {@link DTypeError}, never truncated or wrapped. A bigint is exact beyond 2^53.
 *
 * A comparison does not convert, so a whole number beyond an integer dtype's range (infinity as well) has the exact result: a byte is below
 * 256. A fraction is refused as elsewhere: most likely floats were meant.
 */
import { allowingNaN } from './debug.js'
import { type DType, dtypeCode, integerRange, type Shape } from './dtype.js'
import { DTypeError, describe } from './errors.js'
import { native } from './native.js'
import { Tensor } from './tensor.js'

/** A plain number. */
export type Scalar = number | bigint

/** True for numbers and bigints. */
export function isScalar(x: unknown): x is Scalar {
  return typeof x === 'number' || typeof x === 'bigint'
}

/** Position of a whole number relative to the range of an integer dtype: below (-1), above (1), or within (0); always 0 for floats. */
export function sideOfRange(value: Scalar, dtype: DType): -1 | 0 | 1 {
  const range = integerRange(dtype)
  if (range === undefined) return 0
  // Numbers and bigints compare by value.
  if (value < range[0]) return -1
  return value > range[1] ? 1 : 0
}

function isValueOf(value: Scalar, dtype: DType): boolean {
  if (integerRange(dtype) === undefined) return typeof value === 'number' || Number.isFinite(Number(value))
  const isWhole = typeof value === 'bigint' || Number.isInteger(value)
  return isWhole && sideOfRange(value, dtype) === 0
}

/**
 * Refuses a number that is not a value of `dtype`.
 *
 * @throws {DTypeError}
 */
export function checkScalar(op: string, value: Scalar, dtype: DType): void {
  if (!isScalar(value)) {
    throw new DTypeError(`${op}: given ${describe(value)}, expected a number of ${dtype}`)
  }
  if (isValueOf(value, dtype)) return
  const range = integerRange(dtype)
  if (range === undefined) {
    throw new DTypeError(
      `${op}: a bigint of ${String(value).length} digits is beyond the numbers of ${dtype}`,
    )
  }
  const held = dtype === 'bool' ? 'false (0) and true (1)' : `whole numbers from ${range[0]} to ${range[1]}`
  const wider = widerFor(value)
  throw new DTypeError(
    `${op}: ${value} with ${dtype}, which holds ${held}; give one of these, or use another dtype: cast('${wider}')`,
  )
}

/** An element type that holds a number. */
function widerFor(value: Scalar): DType {
  if (typeof value === 'number' && !Number.isInteger(value)) return 'float32'
  return sideOfRange(value, 'int64') === 0 ? 'int64' : 'float64'
}

/** The double that equals this integer, or undefined: a native constant is a double. */
export function asDouble(value: Scalar): number | undefined {
  if (typeof value === 'number') return value
  const double = Number(value)
  return Number.isSafeInteger(double) ? double : undefined
}

/**
 * A tensor of `shape` filled with `value`.
 *
 * @throws {DTypeError} if `dtype` cannot hold the value
 */
export function constant(op: string, value: Scalar | boolean, dtype: DType, shape: Shape): Tensor {
  const code = dtypeCode(dtype)
  if (typeof value === 'boolean') return Tensor.own(native.constant(Number(value), code, [...shape]))
  checkScalar(op, value, dtype)
  const double = asDouble(value)
  if (double !== undefined || dtype !== 'int64') {
    const make = () => Tensor.own(native.constant(double ?? Number(value), code, [...shape]))
    return double !== undefined && Number.isNaN(double) ? allowingNaN(make) : make()
  }
  const one = Tensor.own(native.source(BigInt64Array.of(BigInt(value)), code, []))
  return shape.length === 0 ? one : Tensor.own(native.broadcastTo(one.id, [...shape]))
}
