/** The public class of tensors with all its methods, and the functions that create tensors. */
import './methods.js'

export {
  arange,
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
} from '../core/create.js'
export type { Device, DeviceRequest } from '../core/devices.js'
export type { DType, Shape, TypedArray } from '../core/dtype.js'
export type { NestedArray, NestedInput } from '../core/nested.js'
export type { Scalar } from '../core/scalars.js'
export { Tensor } from '../core/tensor.js'
export type { TensorLike } from './operands.js'
