/** Declarations of the parameters and state of a module, before any Variable exists. */
import { ArgumentError, describe, describeList, ShapeError } from '../core/errors.js'
import { atLeast, type Checks, flag, isList } from '../core/options.js'
import { type Shape, Tensor } from '../ops/tensor.js'
import {
  constant,
  type FloatDType,
  fans,
  type Initializer,
  type InitializerName,
  resolveInitializer,
} from './initializers.js'

/** Initial value of a parameter: an initializer, its name, or a tensor or number that is broadcast to the shape. */
export type Initial = Initializer | InitializerName | Tensor | number

/** Options of one parameter. */
export interface ParamOptions {
  /** Default true. */
  trainable?: boolean
  /** Number of inputs that one output sums over; default from the shape, read as `[out, in, ...kernel]`. */
  fanIn?: number
  /** Number of outputs that depend on one input; default from the shape. */
  fanOut?: number
}

/** The checks of {@link ParamOptions}. */
export const paramChecks: Checks<ParamOptions> = { trainable: flag, fanIn: atLeast(0), fanOut: atLeast(0) }

/** The declaration of a parameter or an entry of the state. */
export interface Declaration {
  readonly role: 'parameter' | 'state'
  readonly shape: Shape
  readonly initial: Initial
  readonly trainable: boolean
  readonly fanIn: number
  readonly fanOut: number
}

/**
 * Checks a declaration.
 *
 * @throws ShapeError for an invalid shape; UnknownNameError, ArgumentError for an invalid initial value
 */
export function declaration(
  who: string,
  role: Declaration['role'],
  shape: Shape,
  initial: Initial,
  options: ParamOptions,
): Declaration {
  checkExtents(shape, () => `${who}: shape`)
  const isValue = initial instanceof Tensor || typeof initial === 'number'
  const defaults = fans(shape)
  const { trainable = role === 'parameter', fanIn = defaults.fanIn, fanOut = defaults.fanOut } = options
  return {
    role,
    shape: Object.freeze([...shape]),
    initial: isValue ? initial : resolveInitializer(initial),
    trainable,
    fanIn,
    fanOut,
  }
}

/**
 * The first value of a declared parameter.
 *
 * @throws ShapeError if the initializer returns another shape; ArgumentError if it does not return a tensor
 */
export function initialValue(
  who: string,
  { initial, shape, fanIn, fanOut }: Declaration,
  key: Tensor,
  dtype: FloatDType,
): Tensor {
  if (initial instanceof Tensor) return initial.cast(dtype).broadcastTo(shape)
  const initializer = typeof initial === 'number' ? constant(initial) : resolveInitializer(initial)
  const value = initializer(key, shape, fanIn, fanOut, dtype)
  if (!(value instanceof Tensor)) {
    throw new ArgumentError(`${who}: the initializer gave ${describe(value)}, expected a Tensor`)
  }
  if (String(value.shape) === String(shape)) return value
  throw new ShapeError(`${who}: the initializer gave shape [${value.shape}], expected [${shape}]`)
}

/** Throws ShapeError unless a shape is a list of positive whole extents. */
export function checkExtents(shape: Shape, what: () => string): void {
  if (!isList(shape)) {
    throw new ShapeError(`${what()} must be an array of extents such as [3], received ${describe(shape)}`)
  }
  // findIndex visits the holes of a sparse array too.
  const bad = shape.findIndex((extent) => !Number.isSafeInteger(extent) || extent < 1)
  if (bad >= 0) {
    throw new ShapeError(
      `${what()} must hold positive whole extents, received ${describeList(shape)} (axis ${bad})`,
    )
  }
}
