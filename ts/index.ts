/**
 * Hyperglow: neural networks studied and trained by what their layers know.
 *
 *     import { Sequential, Dense, tensor } from 'hyperglow'
 */
export {
  type ActivationName,
  activationNames,
  resolveActivation,
} from './activations.js'
export * from './datasets/index.js'
export { type DebugOptions, debug } from './debug.js'
export { isFloat } from './dtype.js'
export {
  ArgumentError,
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  type ErrorCode,
  HyperglowError,
  InternalError,
  IOError,
  NumericalError,
  ShapeError,
  StateError,
  UnknownNameError,
} from './errors.js'
export * from './estimators/index.js'
export * as initializers from './initializers.js'
export * from './io/index.js'
export * from './layers/index.js'
export * from './losses/index.js'
export * from './memory.js'
export * from './metrics.js'
export * from './models/index.js'
export * from './ops/index.js'
export * from './optim/index.js'
export * from './plots/index.js'
export * from './preprocessing/index.js'
export * from './progress/index.js'
export * from './random.js'
export * from './tensor.js'
export * from './transforms.js'
export * from './tree.js'
export { Variable, type VariableOptions } from './variable.js'
export { version } from './version.js'
