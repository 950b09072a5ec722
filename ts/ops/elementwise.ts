/** Operations element by element. Binary ones broadcast as in NumPy; a number adapts to the tensor's dtype. */
import { allowingNaN } from '../debug.js'
import { type DType, dtypeCode, isFloat } from '../dtype.js'
import { ArgumentError, describe } from '../errors.js'
import { binaryCode, native, unaryCode } from '../native.js'
import { idOf, Tensor } from '../node.js'

/** An operand: a tensor, or a number that adapts to the other operand's dtype. */
export type TensorLike = Tensor | number

const own = Tensor.own

/** A float32 scalar of a number; a tensor as it is. */
export function asTensor(x: TensorLike): Tensor {
  return typeof x === 'number' ? own(native.constant(x, dtypeCode('float32'), [])) : x
}

/** Another handle on the same node, so that disposing of one keeps the other. */
export function alias(x: Tensor): Tensor {
  const id = x.id
  native.retain(id)
  return own(id)
}

type Unary = (x: TensorLike) => Tensor
type Binary = (a: TensorLike, b: TensorLike) => Tensor

function unary(name: string): Unary {
  const code = unaryCode(name)
  return (x) => own(native.unary(code, idOf(name, asTensor(x))))
}

/** Like {@link unary}; integers, on which the operation is not defined natively, go through `ofIntegers`. */
function unaryWithIntegers(name: string, ofIntegers: Unary): Unary {
  const ofFloats = unary(name)
  return (x) =>
    typeof x === 'number' || !(x instanceof Tensor) || isFloat(x.dtype) ? ofFloats(x) : ofIntegers(x)
}

/** `swap`: the native operation has its operands the other way round. */
function binary(op: string, name = op, swap = false): Binary {
  const code = binaryCode(name)
  return (a, b) => {
    if (typeof b === 'number') return own(native.binaryScalar(code, idOf(op, asTensor(a)), b, swap))
    if (typeof a === 'number') return own(native.binaryScalar(code, idOf(op, b), a, !swap))
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
/** a / b; integers divide towards minus infinity */
export const div: Binary = binary('div')
/** a - b * floor(a / b): the remainder, with the sign of b */
export const rem: Binary = binary('rem')
/** The larger of each pair; NaN if either is. At a tie each gets half of the gradient. */
export const maximum: Binary = binary('maximum')
/** The smaller of each pair; NaN if either is. At a tie each gets half of the gradient. */
export const minimum: Binary = binary('minimum')
/** a = b, as bool */
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
 * a to the power b. The derivative in a tensor exponent is 0 where a <= 0; a number as exponent has its exact rule.
 */
export function pow(a: TensorLike, b: TensorLike): Tensor {
  if (typeof a === 'number') return power(a, b)
  if (b === 2) return mul(a, a)
  if (b === 1) return alias(a)
  if (typeof b === 'number' && isFloat(a.dtype)) {
    if (b === 0.5) return sqrt(a)
    if (b === -0.5) return rsqrt(a)
    if (b === -1) return reciprocal(a)
  }
  return power(a, b)
}

/** -x */
export const neg: Unary = unaryWithIntegers('neg', (x) => sub(0, x))
/** |x|; the derivative at 0 is 0 */
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
/** Square root. Its derivative at 0 is infinite; {@link sqrtAtZero} has 0 there. */
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
export const digamma: Unary = (x) => polygamma(0, asTensor(x))

function isUnsigned(x: TensorLike): boolean {
  return typeof x !== 'number' && (x.dtype === 'uint8' || x.dtype === 'uint32' || x.dtype === 'bool')
}

/** x * x */
export function square(x: TensorLike): Tensor {
  return mul(x, x)
}

/** The square root whose derivative at 0 is 0 (and not infinite), as norms and distances need. */
export function sqrtAtZero(x: TensorLike): Tensor {
  const given = asTensor(x)
  const zero = equal(given, 0)
  return where(zero, 0, sqrt(where(zero, 1, given)))
}

const softplusOfOne = unary('softplus')

/** What {@link softplus} can be told. */
export interface SoftplusOptions {
  /** Sharpness; default 1. */
  beta?: number
  /** Where beta * x exceeds this, x itself is returned; default infinite, which is exact. */
  threshold?: number
}

/** ln(1 + e^(beta x)) / beta, without overflow. */
export function softplus(x: TensorLike, options: SoftplusOptions = {}): Tensor {
  const { beta = 1, threshold = Infinity } = options
  if (!(beta > 0)) throw new ArgumentError(`softplus: beta is ${describe(beta)}, expected a number above 0`)
  const given = asTensor(x)
  const scaled = beta === 1 ? given : mul(given, beta)
  const smooth = softplusOfOne(scaled)
  const soft = beta === 1 ? smooth : div(smooth, beta)
  return threshold === Infinity ? soft : where(greater(scaled, threshold), given, soft)
}

/** True where x is NaN. */
function nanMask(x: TensorLike): Tensor {
  const given = asTensor(x)
  return notEqual(given, given)
}

/** True where x is neither NaN nor infinite. */
function finiteMask(x: TensorLike): Tensor {
  const given = asTensor(x)
  return isFloat(given.dtype) ? less(abs(given), Infinity) : equal(given, given)
}

export { finiteMask as isFinite, nanMask as isNaN }

/** The truth of x: itself for bool, else x != 0. */
function truth(op: string, x: TensorLike): Tensor {
  const given = asTensor(x)
  idOf(op, given)
  return given.dtype === 'bool' ? given : notEqual(given, 0)
}

function constantBool(value: boolean): Tensor {
  return own(native.constant(Number(value), dtypeCode('bool'), []))
}

/** True where x is false or 0. */
export function logicalNot(x: TensorLike): Tensor {
  return equal(asTensor(x), 0)
}

/** True where both are true (or not 0). */
export function logicalAnd(a: TensorLike, b: TensorLike): Tensor {
  return where(truth('logicalAnd', a), truth('logicalAnd', b), constantBool(false))
}

/** True where either is true (or not 0). */
export function logicalOr(a: TensorLike, b: TensorLike): Tensor {
  return where(truth('logicalOr', a), constantBool(true), truth('logicalOr', b))
}

/**
 * `a` where the condition holds, else `b`; the three broadcast. Gradients flow into the chosen one alone.
 *
 * @param condition bool
 */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  const like = typeof a === 'number' ? b : a
  const dtype = typeof like === 'number' ? 'float32' : like.dtype
  const operand = (x: TensorLike) => (typeof x === 'number' ? full(x, dtype) : x)
  return own(native.where(idOf('where', condition), idOf('where', operand(a)), idOf('where', operand(b))))
}

function full(value: number, dtype: DType): Tensor {
  const make = () => own(native.constant(value, dtypeCode(dtype), []))
  return Number.isNaN(value) ? allowingNaN(make) : make()
}

/** Restricts values to [min, max]; null leaves that side open. The gradient is 0 outside and passes at the bounds. */
export function clip(x: TensorLike, min: TensorLike | null, max: TensorLike | null): Tensor {
  const given = asTensor(x)
  let clipped = given
  if (min !== null && min !== undefined) clipped = where(less(clipped, min), spread(min, given), clipped)
  if (max !== null && max !== undefined) clipped = where(greater(clipped, max), spread(max, given), clipped)
  return clipped === given ? alias(given) : clipped
}

function spread(bound: TensorLike, like: Tensor): Tensor {
  return typeof bound === 'number' ? full(bound, like.dtype) : bound
}

/** The elements as another type. Floats to integers truncate; to bool, everything but 0 is true. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return own(native.cast(idOf('cast', x), dtypeCode(dtype)))
}

/** The value, seen as a constant by gradients. */
export function stopGradient(x: Tensor): Tensor {
  return own(native.stopGradient(idOf('stopGradient', x)))
}
