/** Activation functions. Each is elementwise, except softmax and logSoftmax, which act along an axis (default the last). */
import { floats } from '../core/composed.js'
import {
  above,
  type Checks,
  checkOptions,
  checkValue,
  finite,
  flag,
  nameOrFunction,
} from '../core/options.js'
import { idOf, type Tensor } from '../core/tensor.js'
import * as e from './elementwise.js'
import { logSoftmax, softmax } from './normalization.js'
import { alias } from './operands.js'

export { relu, sigmoid, softplus, tanh } from './elementwise.js'
export { logSoftmax, softmax } from './normalization.js'

/** x, unchanged. */
export function linear(x: Tensor): Tensor {
  idOf('linear', x)
  return alias(x)
}

/** x if positive, otherwise `slope` * x (default 0.01). */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  checkValue('leakyRelu: slope', slope, finite)
  floats('leakyRelu', x)
  return e.where(e.greater(x, 0), x, e.mul(x, slope))
}

/** x if positive, otherwise `alpha` (e^x - 1) (Clevert et al. 2016); default alpha 1. */
export function elu(x: Tensor, alpha = 1): Tensor {
  checkValue('elu: alpha', alpha, finite)
  floats('elu', x)
  const positive = e.greater(x, 0)
  // The exponential gets no positive numbers, so it cannot overflow into the gradient.
  const curve = e.expm1(e.where(positive, 0, x))
  return e.where(positive, x, alpha === 1 ? curve : e.mul(curve, alpha))
}

const seluAlpha = 1.6732632423543772
const seluScale = 1.0507009873554805

/** The self-normalizing unit (Klambauer et al. 2017): scaled {@link elu}, fixed point at mean 0 and variance 1. */
export function selu(x: Tensor): Tensor {
  floats('selu', x)
  return e.mul(elu(x, seluAlpha), seluScale)
}

/** Options of {@link gelu}. */
export interface GeluOptions {
  /** Use the tanh approximation of the paper instead of erf; default false. */
  approximate?: boolean
}

const geluChecks: Checks<GeluOptions> = { approximate: flag }

/** x times the normal distribution's probability of less than x (Hendrycks and Gimpel 2016). */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  const { approximate = false } = checkOptions('gelu', options, geluChecks)
  floats('gelu', x)
  const inner = approximate
    ? e.tanh(e.mul(e.add(x, e.mul(e.mul(e.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI)))
    : e.erf(e.mul(x, Math.SQRT1_2))
  return e.mul(e.mul(x, 0.5), e.add(inner, 1))
}

/** x * sigmoid(x), also called swish. */
export function silu(x: Tensor): Tensor {
  floats('silu', x)
  return e.mul(x, e.sigmoid(x))
}

/** ln(sigmoid(x)), without its underflow. */
export function logSigmoid(x: Tensor): Tensor {
  floats('logSigmoid', x)
  return e.neg(e.softplus(e.neg(x)))
}

/** x tanh(softplus(x)) (Misra 2019). */
export function mish(x: Tensor): Tensor {
  floats('mish', x)
  return e.mul(x, e.tanh(e.softplus(x)))
}

/** x where positive, at most 6 (Krizhevsky 2010). */
export function relu6(x: Tensor): Tensor {
  return hardTanh(x, 0, 6)
}

/** x between `low` and `high` (default -1 and 1), otherwise the nearer bound. Its slope at the bounds is 0. */
export function hardTanh(x: Tensor, low = -1, high = 1): Tensor {
  checkValue('hardTanh: low', low, finite)
  checkValue('hardTanh: high', high, above(low))
  floats('hardTanh', x)
  return e.where(e.lessEqual(x, low), low, e.where(e.greaterEqual(x, high), high, x))
}

/** Linear from 0 at -3 to 1 at 3: a sigmoid without an exponential. */
export function hardSigmoid(x: Tensor): Tensor {
  floats('hardSigmoid', x)
  return e.div(hardTanh(e.add(x, 3), 0, 6), 6)
}

/** x {@link hardSigmoid}(x) (Howard et al. 2019). */
export function hardSwish(x: Tensor): Tensor {
  floats('hardSwish', x)
  return e.mul(x, hardSigmoid(x))
}

/** x / (1 + |x|). */
export function softsign(x: Tensor): Tensor {
  floats('softsign', x)
  return e.div(x, e.add(e.abs(x), 1))
}

/**
 * x if positive, otherwise `alpha` (e^(x / alpha) - 1): {@link elu} with a slope of 1 at 0 for every alpha (Barron 2017); default alpha 1.
 */
export function celu(x: Tensor, alpha = 1): Tensor {
  checkValue('celu: alpha', alpha, above(0))
  floats('celu', x)
  const positive = e.greater(x, 0)
  return e.where(positive, x, e.mul(e.expm1(e.div(e.where(positive, 0, x), alpha)), alpha))
}

const named = {
  linear,
  relu: e.relu,
  leakyRelu,
  elu,
  selu,
  gelu,
  silu,
  mish,
  relu6,
  hardTanh,
  hardSigmoid,
  hardSwish,
  softsign,
  celu,
  sigmoid: e.sigmoid,
  logSigmoid,
  tanh: e.tanh,
  softplus: e.softplus,
  softmax,
  logSoftmax,
} as const satisfies Record<string, (x: Tensor) => Tensor>

/** Names of the activations. */
export type ActivationName = keyof typeof named

/** The names of all activations. */
export const activationNames = Object.keys(named) as ActivationName[]

/**
 * The activation of that name with its default options, or the given function.
 *
 * @throws {UnknownNameError} for an unknown name
 */
export function resolveActivation(
  activation: ActivationName | ((x: Tensor) => Tensor),
): (x: Tensor) => Tensor {
  checkValue('activation', activation, nameOrFunction<ActivationName, (x: Tensor) => Tensor>(activationNames))
  if (typeof activation === 'function') return activation
  const activate: (x: Tensor) => Tensor = named[activation]
  return (x) => activate(x)
}
