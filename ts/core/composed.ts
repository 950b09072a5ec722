/** Errors of composite operations: they name the operation that was called. */
import { isFloat } from './dtype.js'
import { DTypeError, HyperglowError } from './errors.js'
import { idOf, type Tensor } from './tensor.js'

/**
 * Checks the operand of an operation of real numbers; returns it.
 *
 * @throws {ArgumentError} unless it is a tensor
 * @throws {DTypeError} for integers or bool
 */
export function floats(op: string, x: Tensor): Tensor {
  idOf(op, x)
  if (isFloat(x.dtype)) return x
  throw new DTypeError(`${op}: given ${x.dtype}, expected float32 or float64; cast first: x.cast('float32')`)
}

/** Codes of errors about operands, whose messages begin with the operation. */
const ofOperands: readonly string[] = ['SHAPE', 'DTYPE', 'ARGUMENT']

/** Runs `f`, the parts of the operation `op`: errors of the parts get the name of `op`. */
export function under<T>(op: string, f: () => T): T {
  try {
    return f()
  } catch (error) {
    if (error instanceof HyperglowError && ofOperands.includes(error.code)) {
      const { message } = error
      error.message = message.replace(/^\w+:/, `${op}:`)
      // The stack begins with the original message.
      error.stack = error.stack?.replace(message, () => error.message) ?? ''
    }
    throw error
  }
}
