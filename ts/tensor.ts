/** The public face of tensors: the class with all its methods, and the ways to make one. */
import './ops/methods.js'

export {
  arange,
  type DeviceRequest,
  eye,
  type FillOptions,
  full,
  linspace,
  ones,
  onesLike,
  type TensorOptions,
  tensor,
  zeros,
  zerosLike,
} from './create.js'
export type { DType, Shape, TypedArray } from './dtype.js'
export type { NestedArray, NestedInput } from './nested.js'
export { type Device, Tensor } from './node.js'
export type { TensorLike } from './ops/elementwise.js'
export type { Scalar } from './scalars.js'
