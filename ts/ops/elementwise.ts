/**
 * Elementwise operations: each export is a free function and, except `sqrtAtZero`, a method. Binary ones broadcast as in NumPy. A plain
 * number must be a value of the tensor's dtype: the rule is in `scalars.ts`. Integers wrap beyond the range of their dtype.
 */

import { floats } from '../core/composed.js'
import { type DType, dtypeCode, isFloat } from '../core/dtype.js'
import { ArgumentError, DTypeError } from '../core/errors.js'
import { binaryCode, native, unaryCode } from '../core/native.js'
import { above, type Check, type Checks, checkOptions } from '../core/options.js'
import { asDouble, checkScalar, constant, isScalar, type Scalar, sideOfRange } from '../core/scalars.js'
import { idOf, Tensor } from '../core/tensor.js'
import { alias, asTensor, type Operand } from './operands.js'

const own = Tensor.own

type Unary = (x: Operand) => Tensor
type Binary = (a: Operand, b: Operand) => Tensor

function unary(name: string): Unary {
  const code = unaryCode(name)
  return (x) => own(native.unary(code, idOf(name, asTensor(x))))
}

/** Operations of numbers that bool does not have. */
const refusesBool: readonly string[] = ['neg', 'sign', 'relu']

/** Like {@link unary}; for integers, which the native operation does not support, `ofIntegers` is used. */
function unaryWithIntegers(name: string, ofIntegers: Unary): Unary {
  const ofFloats = unary(name)
  return (x) => {
    const given = asTensor(x)
    if (!(given instanceof Tensor) || isFloat(given.dtype)) return ofFloats(given)
    if (given.dtype === 'bool' && refusesBool.includes(name)) {
      throw new DTypeError(`${name}: given bool; cast it, or use logicalAnd, logicalOr, where`)
    }
    return ofIntegers(given)
  }
}

/** The result of a comparison with a number above (1) or below (-1) all elements, to their left or right. */
const answers: Readonly<Record<string, (side: 1 | -1, isOnLeft: boolean) => boolean>> = {
  equal: () => false,
  notEqual: () => true,
  less: (side, isOnLeft) => side > 0 !== isOnLeft,
  lessEqual: (side, isOnLeft) => side > 0 !== isOnLeft,
  greater: (side, isOnLeft) => side > 0 === isOnLeft,
  greaterEqual: (side, isOnLeft) => side > 0 === isOnLeft,
}

/** Refuses a divisor or an exponent for which integers have no result. */
function checkRightOfIntegers(op: string, value: Scalar, dtype: DType): void {
  if (isFloat(dtype)) return
  const isDivision = op === 'div' || op === 'rem'
  if ((isDivision && Number(value) === 0) || (op === 'pow' && value < 0)) {
    const what = isDivision ? 'division by 0' : `the power ${value}`
    throw new DTypeError(`${op}: ${what} of ${dtype} has no value among integers; cast('float32') first`)
  }
}

/** An operation on a tensor and a number, on either side. `swap`: see {@link binary}. */
function withScalar(
  op: string,
  code: number,
  x: Tensor,
  value: Scalar,
  isOnLeft: boolean,
  swap: boolean,
): Tensor {
  const id = idOf(op, x)
  const { dtype } = x
  const side = sideOfRange(value, dtype)
  const answer = answers[op]
  if (answer !== undefined && side !== 0) return constant(op, answer(side, isOnLeft), 'bool', x.shape)
  checkScalar(op, value, dtype)
  if (!isOnLeft) checkRightOfIntegers(op, value, dtype)
  const isFirst = isOnLeft !== swap
  const double = asDouble(value) ?? (isFloat(dtype) ? Number(value) : undefined)
  if (double !== undefined) return own(native.binaryScalar(code, id, double, isFirst))
  const other = constant(op, value, dtype, []).id
  return own(isFirst ? native.binary(code, other, id) : native.binary(code, id, other))
}

/** `swap`: the native operation has its operands in the opposite order. */
function binary(op: string, name = op, swap = false): Binary {
  const code = binaryCode(name)
  return (a, b) => {
    if (isScalar(b)) return withScalar(op, code, asTensor(a), b, false, swap)
    if (isScalar(a)) return withScalar(op, code, b, a, true, swap)
    const x = idOf(op, a)
    const y = idOf(op, b)
    return own(swap ? native.binary(code, y, x) : native.binary(code, x, y))
  }
}

/** a + b */
export const add: Binary = binary('add')
/** a - b */
export const sub: Binary = binary('sub')
/** a * b */
export const mul: Binary = binary('mul')
/**
 * a / b. Integers divide toward minus infinity; a 0 in a divisor tensor gives 0, and the number 0 is refused.
 */
export const div: Binary = binary('div')
/**
 * a - b * floor(a / b): the remainder, with the sign of b, exact for any quotient. For floats and divisor 0 it is NaN; for integers and a 0
 * in a tensor it is 0, and the number 0 is refused.
 */
export const rem: Binary = binary('rem')
/** The larger of each pair; NaN if either is. At a tie each gets half of the gradient. */
export const maximum: Binary = binary('maximum')
/** The smaller of each pair; NaN if either is. At a tie each gets half of the gradient. */
export const minimum: Binary = binary('minimum')
/** a = b, as bool. Numbers beyond an integer dtype are compared by value in this and the other comparisons: see `scalars.ts`. */
export const equal: Binary = binary('equal')
/** a != b, as bool */
export const notEqual: Binary = binary('notEqual')
/** a < b, as bool */
export const less: Binary = binary('less')
/** a <= b, as bool */
export const lessEqual: Binary = binary('lessEqual')
/** a > b, as bool */
export const greater: Binary = binary('greater', 'less', true)
/** a >= b, as bool */
export const greaterEqual: Binary = binary('greaterEqual', 'lessEqual', true)

const power = binary('pow')

/**
 * a to the power b. The derivative with respect to a tensor exponent is 0 for a <= 0; a number as exponent has its exact rule. Integers
 * wrap; a negative exponent in a tensor gives the integer part (0 for 2^-1), and a negative number is refused.
 */
export function pow(a: Operand, b: Operand): Tensor {
  if (isScalar(a)) return power(a, b)
  if (b === 2) return mul(a, a)
  if (b === 1) return alias(a)
  if (typeof b === 'number' && isFloat(a.dtype)) {
    if (b === 0.5) return sqrt(a)
    if (b === -0.5) return rsqrt(a)
    if (b === -1) return reciprocal(a)
  }
  return power(a, b)
}

/** -x. The smallest integer is its own negative, and unsigned integers wrap. */
export const neg: Unary = unaryWithIntegers('neg', (x) => sub(0, x))
/** |x|; the derivative at 0 is 0. The smallest integer of a signed dtype has no positive counterpart and does not change. */
export const abs: Unary = unaryWithIntegers('abs', (x) =>
  isUnsigned(x) ? alias(asTensor(x)) : maximum(x, neg(x)),
)
/** -1, 0 or 1; no gradient */
export const sign: Unary = unaryWithIntegers('sign', (x) =>
  isUnsigned(x) ? minimum(x, 1) : maximum(minimum(x, 1), -1),
)
/** e to the power x */
export const exp: Unary = unary('exp')
/** e to the power x, minus 1; exact near 0 */
export const expm1: Unary = unary('expm1')
/** Natural logarithm */
export const log: Unary = unary('log')
/** ln(1 + x); exact near 0 */
export const log1p: Unary = unary('log1p')
/** Square root. Its derivative at 0 is infinite; {@link sqrtAtZero} has derivative 0 there. */
export const sqrt: Unary = unary('sqrt')
/** 1 / sqrt(x) */
export const rsqrt: Unary = unary('rsqrt')
/** Sine, of radians */
export const sin: Unary = unary('sin')
/** Cosine, of radians */
export const cos: Unary = unary('cos')
/** Hyperbolic tangent */
export const tanh: Unary = unary('tanh')
/** 1 / (1 + e^-x) */
export const sigmoid: Unary = unary('sigmoid')
/** The error function */
export const erf: Unary = unary('erf')
/** 1 / x */
export const reciprocal: Unary = unary('reciprocal')
/** The largest integer not above x, in x's dtype; no gradient */
export const floor: Unary = unaryWithIntegers('floor', (x) => alias(asTensor(x)))
/** The smallest integer not below x, in x's dtype; no gradient */
export const ceil: Unary = unaryWithIntegers('ceil', (x) => alias(asTensor(x)))
/** The nearest integer, halves to even, in x's dtype; no gradient */
export const round: Unary = unaryWithIntegers('round', (x) => alias(asTensor(x)))
/** ln |gamma(x)| */
export const lgamma: Unary = unary('lgamma')
/** max(x, 0); the derivative at 0 is 0 */
export const relu: Unary = unaryWithIntegers('relu', (x) => maximum(x, 0))

const polygamma = binary('digamma', 'polygamma')
/** The derivative of lgamma */
export const digamma: Unary = (x) => polygamma(0, floats('digamma', asTensor(x)))

function isUnsigned(x: Operand): boolean {
  return !isScalar(x) && (x.dtype === 'uint8' || x.dtype === 'uint32' || x.dtype === 'bool')
}

/** x * x */
export function square(x: Operand): Tensor {
  if (x instanceof Tensor && x.dtype === 'bool') {
    throw new DTypeError('square: given bool; cast it, or use logicalAnd, logicalOr, where')
  }
  return mul(x, x)
}

/** The square root with derivative 0 at 0 instead of infinity, as norms and distances need. */
export function sqrtAtZero(x: Operand): Tensor {
  const given = floats('sqrtAtZero', asTensor(x))
  const zero = equal(given, 0)
  return where(zero, 0, sqrt(where(zero, 1, given)))
}

const softplusOfOne = unary('softplus')

/** Options of {@link softplus}. */
export interface SoftplusOptions {
  /** Sharpness; default 1. */
  beta?: number
  /** Above this value of beta * x, x itself is returned; default infinite, which is exact. */
  threshold?: number
}

const threshold: Check<number> = {
  expected: 'a number, Infinity for the exact value',
  accepts: (value) => typeof value === 'number' && !Number.isNaN(value),
}
const softplusChecks: Checks<SoftplusOptions> = { beta: above(0), threshold }

/** ln(1 + e^(beta x)) / beta, without overflow. */
export function softplus(x: Operand, options: SoftplusOptions = {}): Tensor {
  const { beta = 1, threshold = Infinity } = checkOptions('softplus', options, softplusChecks)
  const given = floats('softplus', asTensor(x))
  const scaled = beta === 1 ? given : mul(given, beta)
  const smooth = softplusOfOne(scaled)
  const soft = beta === 1 ? smooth : div(smooth, beta)
  return threshold === Infinity ? soft : where(greater(scaled, threshold), given, soft)
}

/** True if x is NaN. */
function nanMask(x: Operand): Tensor {
  const given = asTensor(x)
  return notEqual(given, given)
}

/** True if x is neither NaN nor infinite. */
function finiteMask(x: Operand): Tensor {
  const given = asTensor(x)
  idOf('isFinite', given)
  return isFloat(given.dtype) ? less(abs(given), Infinity) : equal(given, given)
}

export { finiteMask as isFinite, nanMask as isNaN }

/** The truth value of x: itself for bool, otherwise x != 0. */
function truth(op: string, x: Operand): Tensor {
  const given = asTensor(x)
  idOf(op, given)
  return given.dtype === 'bool' ? given : notEqual(given, 0)
}

/** True if x is false or 0. */
export function logicalNot(x: Operand): Tensor {
  return equal(asTensor(x), 0)
}

/** True if both are true (or not 0). */
export function logicalAnd(a: Operand, b: Operand): Tensor {
  return where(truth('logicalAnd', a), truth('logicalAnd', b), constant('logicalAnd', false, 'bool', []))
}

/** True if either is true (or not 0). */
export function logicalOr(a: Operand, b: Operand): Tensor {
  return where(truth('logicalOr', a), constant('logicalOr', true, 'bool', []), truth('logicalOr', b))
}

/**
 * `a` if the condition is true, otherwise `b`; the three broadcast.
 *
 * Gradients flow only into the chosen operand: infinite or missing derivatives of the other do not count, to any order, so
 * `where(x.greater(0), x.sqrt(), 0)` has a gradient everywhere. This is true for elementwise operations and for operations that move, add
 * or select elements. It is not true for products of matrices and convolutions, in which 0 times infinity is NaN, nor for decompositions:
 * choose their operands before.
 *
 * @param condition bool
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const like = isScalar(a) ? asTensor(b) : a
  const operand = (x: Operand) => (isScalar(x) ? constant('where', x, like.dtype, []) : x)
  idOf('where', like)
  return own(native.where(idOf('where', condition), idOf('where', operand(a)), idOf('where', operand(b))))
}

/**
 * Restricts values to [min, max]; null leaves that side open. The gradient is 0 outside and passes at the bounds. A NaN bound in a tensor
 * gives NaN.
 *
 * @throws {ArgumentError} if a number is NaN, or min is greater than max as numbers
 * @throws {DTypeError} for a number that x's dtype cannot hold
 */
export function clip(x: Operand, min: Operand | null, max: Operand | null): Tensor {
  const given = asTensor(x)
  idOf('clip', given)
  checkBounds(min, max)
  let clipped = given
  if (min !== null && min !== undefined) {
    clipped = where(orMissing(less(clipped, min), min), spread(min, given), clipped)
  }
  if (max !== null && max !== undefined) {
    clipped = where(orMissing(greater(clipped, max), max), spread(max, given), clipped)
  }
  return clipped === given ? alias(given) : clipped
}

function checkBounds(min: Operand | null, max: Operand | null): void {
  for (const [name, bound] of Object.entries({ min, max })) {
    if (typeof bound !== 'number' || !Number.isNaN(bound)) continue
    throw new ArgumentError(`clip: ${name} is NaN; give a number, or null to leave that side open`)
  }
  if (isScalar(min) && isScalar(max) && min > max) {
    throw new ArgumentError(`clip: min ${min} is above max ${max}; give min <= max`)
  }
}

/** True if `isBeyond` is true, or a real bound in a tensor is NaN. */
function orMissing(isBeyond: Tensor, bound: Operand): Tensor {
  return isScalar(bound) || !isFloat(bound.dtype) ? isBeyond : logicalOr(isBeyond, nanMask(bound))
}

function spread(bound: Operand, like: Tensor): Tensor {
  return isScalar(bound) ? constant('clip', bound, like.dtype, []) : bound
}

/**
 * The elements as another type. Floats to integers are truncated toward 0; values beyond the integers' range become the nearest integer,
 * and NaN becomes 0. Integers to narrower ones wrap; integers and float64 to floats round. To bool, everything except 0 is true, NaN
 * included.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  return own(native.cast(idOf('cast', x), dtypeCode(dtype)))
}

/** The value, as a constant for gradients. */
export function stopGradient(x: Tensor): Tensor {
  return own(native.stopGradient(idOf('stopGradient', x)))
}
