/**
 * Initial values of parameters. An initializer is a function of a random key, the shape and the fans, so the same seed always gives
 * the same weights:
 *
 *     new Dense(500, { kernelInitializer: 'heNormal' })
 *     new Dense(500, { kernelInitializer: initializers.constant(0.1) })
 */
import { checkShape } from '../core/create.js'
import { sizeOf } from '../core/dtype.js'
import { ArgumentError, ShapeError } from '../core/errors.js'
import { atLeast, checkValue, finite, nameOrFunction } from '../core/options.js'
import { cholesky, triangularSolve } from '../ops/index.js'
import { normal as randomNormal, uniform as randomUniform } from '../ops/random.js'
import { eye, full, type Shape, type Tensor } from '../ops/tensor.js'

/** The dtypes that a trained parameter may have. */
export type FloatDType = 'float32' | 'float64'

/**
 * Makes the first value of a parameter.
 *
 * @param key random key, used up by this call
 * @param shape shape of the value
 * @param fanIn number of inputs that one output sums over
 * @param fanOut number of outputs that depend on one input
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
  if (shape.length < 2) return { fanIn: sizeOf(shape), fanOut: sizeOf(shape) }
  const receptive = sizeOf(shape.slice(2))
  return { fanIn: (shape[1] as number) * receptive, fanOut: (shape[0] as number) * receptive }
}

/** The same number in every entry. */
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

/** Uniform within +-sqrt(3 / fanIn), for scaled exponential units (LeCun et al. 1998; Klambauer et al. 2017). */
export const lecunUniform = (): Initializer => uniformWithin((fanIn) => Math.sqrt(3 / fanIn))

/** Normal with variance 1 / fanIn, for scaled exponential units (LeCun et al. 1998; Klambauer et al. 2017). */
export const lecunNormal = (): Initializer => normalWith((fanIn) => Math.sqrt(1 / fanIn))

/** The first rows of the identity matrix; for a square weight the identity. */
export const identity = (): Initializer => (_key, shape, _fanIn, _fanOut, dtype) => {
  const [rows, columns] = matrixShape('identity', shape)
  return eye(rows, columns, { dtype }).reshape(shape)
}

/**
 * A random matrix whose rows (or columns, whichever are fewer) are orthonormal, times `gain` (Saxe et al. 2014). A weight of more axes is a
 * matrix with a row for each index of the first axis.
 */
export function orthogonal(gain = 1): Initializer {
  checkValue('orthogonal initializer: gain', gain, finite)
  return (key, shape, _fanIn, _fanOut, dtype) => {
    const [rows, columns] = matrixShape('orthogonal', shape)
    const [few, many] = [Math.min(rows, columns), Math.max(rows, columns)]
    const gaussian = randomNormal(key, [few, many], { dtype: 'float64' })
    // The second pass removes the rounding errors of nearly dependent rows.
    const frame = orthonormalRows(orthonormalRows(gaussian))
    return (rows <= columns ? frame : frame.transpose()).mul(gain).cast(dtype).reshape(shape)
  }
}

/** The rows of L^-1 A, L L' = A A': orthonormal, and uniformly distributed if A is Gaussian. */
function orthonormalRows(matrix: Tensor): Tensor {
  return triangularSolve(cholesky(matrix.matmulT(matrix, { transposeB: true })), matrix)
}

/** A weight as a matrix. */
function matrixShape(name: string, shape: Shape): [number, number] {
  if (shape.length >= 2) {
    const [rows, ...rest] = shape as [number, ...number[]]
    return [rows, sizeOf(rest)]
  }
  throw new ShapeError(
    `${name} initializer: given the shape [${shape}], expected a weight of two axes or more; use 'zeros' for a bias`,
  )
}

const NAMED = {
  uniformFanIn,
  zeros,
  ones,
  glorotUniform,
  glorotNormal,
  heUniform,
  heNormal,
  lecunUniform,
  lecunNormal,
  identity,
  orthogonal: () => orthogonal(),
  uniform: () => uniform(),
  normal: () => normal(),
} satisfies Record<string, () => Initializer>

/** Initializers by name. */
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
