/**
 * How parameters begin. An initializer is a function of a random key, the shape and the fans, so the same seed always gives
 * the same weights:
 *
 *     new Dense(500, { kernelInitializer: 'heNormal' })
 *     new Dense(500, { kernelInitializer: initializers.constant(0.1) })
 */
import { checkShape } from '../core/create.js'
import { ArgumentError } from '../core/errors.js'
import { atLeast, checkValue, finite, nameOrFunction } from '../core/options.js'
import { normal as randomNormal, uniform as randomUniform } from '../ops/random.js'
import { full, type Shape, type Tensor } from '../ops/tensor.js'

/** The dtypes that a trained parameter may have. */
export type FloatDType = 'float32' | 'float64'

/**
 * Makes the first value of a parameter.
 *
 * @param key random key, used up by this call
 * @param shape shape of the value
 * @param fanIn number of inputs that one output sums over
 * @param fanOut number of outputs that one input reaches
 */
export type Initializer = (
  key: Tensor,
  shape: Shape,
  fanIn: number,
  fanOut: number,
  dtype: FloatDType,
) => Tensor

/** The fans of a weight laid out as `[out, in, ...kernel]`; a vector or scalar has fans equal to its size. */
export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  checkShape('fans', shape)
  const product = (extents: Shape) => extents.reduce((total, extent) => total * extent, 1)
  if (shape.length < 2) return { fanIn: product(shape), fanOut: product(shape) }
  const receptive = product(shape.slice(2))
  return { fanIn: (shape[1] as number) * receptive, fanOut: (shape[0] as number) * receptive }
}

/** Every entry the same number. */
export function constant(value: number): Initializer {
  checkValue('constant initializer: value', value, finite)
  return (_key, shape, _fanIn, _fanOut, dtype) => full(shape, value, { dtype })
}

/** All zero. */
export const zeros = (): Initializer => constant(0)

/** All one. */
export const ones = (): Initializer => constant(1)

/** Uniform between `low` and `high`. */
export function uniform(low = -0.05, high = 0.05): Initializer {
  checkValue('uniform initializer: low', low, finite)
  checkValue('uniform initializer: high', high, finite)
  if (!(low < high)) {
    throw new ArgumentError(
      `uniform initializer: low must be below high, received low ${low} and high ${high}`,
    )
  }
  return (key, shape, _fanIn, _fanOut, dtype) => randomUniform(key, shape, { low, high, dtype })
}

/** Normal with the given mean and standard deviation. */
export function normal(mean = 0, std = 0.05): Initializer {
  checkValue('normal initializer: mean', mean, finite)
  checkValue('normal initializer: std', std, atLeast(0))
  return (key, shape, _fanIn, _fanOut, dtype) => randomNormal(key, shape, { mean, std, dtype })
}

/** Uniform within +-1/sqrt(fanIn): the default of every layer, for weights and biases alike. */
export const uniformFanIn = (): Initializer => uniformWithin((fanIn) => 1 / Math.sqrt(fanIn))

/** Uniform within +-sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio 2010, eq. 16). */
export const glorotUniform = (): Initializer =>
  uniformWithin((fanIn, fanOut) => Math.sqrt(6 / (fanIn + fanOut)))

/** Normal with variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010, eq. 12). */
export const glorotNormal = (): Initializer => normalWith((fanIn, fanOut) => Math.sqrt(2 / (fanIn + fanOut)))

/** Uniform within +-sqrt(6 / fanIn), for rectified units (He et al. 2015). */
export const heUniform = (): Initializer => uniformWithin((fanIn) => Math.sqrt(6 / fanIn))

/** Normal with variance 2 / fanIn, for rectified units (He et al. 2015, eq. 10). */
export const heNormal = (): Initializer => normalWith((fanIn) => Math.sqrt(2 / fanIn))

const NAMED = {
  uniformFanIn,
  zeros,
  ones,
  glorotUniform,
  glorotNormal,
  heUniform,
  heNormal,
  uniform: () => uniform(),
  normal: () => normal(),
} satisfies Record<string, () => Initializer>

/** Initializers that can be asked for by name. */
export type InitializerName = keyof typeof NAMED

/** The names of all initializers. */
export const initializerNames = Object.keys(NAMED) as readonly InitializerName[]

/** The initializer of that name, or the function itself. Throws UnknownNameError for another name. */
export function resolveInitializer(initializer: InitializerName | Initializer): Initializer {
  checkValue('initializer', initializer, nameOrFunction<InitializerName, Initializer>(initializerNames))
  return typeof initializer === 'function' ? initializer : NAMED[initializer]()
}

function uniformWithin(bound: (fanIn: number, fanOut: number) => number): Initializer {
  return (key, shape, fanIn, fanOut, dtype) => {
    const limit = bound(Math.max(fanIn, 1), Math.max(fanOut, 1))
    return randomUniform(key, shape, { low: -limit, high: limit, dtype })
  }
}

function normalWith(deviation: (fanIn: number, fanOut: number) => number): Initializer {
  return (key, shape, fanIn, fanOut, dtype) =>
    randomNormal(key, shape, { mean: 0, std: deviation(Math.max(fanIn, 1), Math.max(fanOut, 1)), dtype })
}
