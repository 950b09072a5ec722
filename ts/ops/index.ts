/** All operations as free functions. */
export {
  celu,
  elu,
  type GeluOptions,
  gelu,
  hardSigmoid,
  hardSwish,
  hardTanh,
  leakyRelu,
  linear,
  logSigmoid,
  mish,
  relu6,
  selu,
  silu,
  softsign,
} from './activations.js'
export type { Axes } from './axes.js'
export * from './contraction.js'
export * from './convolution.js'
export * from './distances.js'
export * from './einsum.js'
export * from './elementwise.js'
export * from './indexing.js'
export * from './linalg.js'
export * from './matrices.js'
export {
  type Bound,
  broadcastTo,
  concat,
  expandDims,
  flatten,
  flip,
  permute,
  repeat,
  reshape,
  roll,
  slice,
  split,
  squeeze,
  stack,
  transpose,
} from './movement.js'
export * from './neighbors.js'
export * from './normalization.js'
export type { Operand, TensorLike } from './operands.js'
export * from './padding.js'
export * from './pooling.js'
export { type QuantizeOptions, quantizationCodes, quantize } from './quantize.js'
export * from './reduce.js'
export * from './similarity.js'
export * from './sorting.js'
export type { GeometryOptions, PerAxis, SpatialPadding } from './spatial.js'
export { to } from './to.js'
