/**
 * Hyperglow: neural networks studied and trained by what their layers know.
 *
 *     import { Sequential, Dense, tensor } from 'hyperglow'
 */

export * from './analysis/index.js'
export { type DebugOptions, debug } from './core/debug.js'
export { isFloat } from './core/dtype.js'
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
} from './core/errors.js'
export * from './core/memory.js'
export * from './core/profile.js'
export * from './core/transforms.js'
export * from './core/tree.js'
export { Variable, type VariableOptions } from './core/variable.js'
export { version } from './core/version.js'
export * from './data/index.js'
export * from './dynamics/index.js'
export * from './estimators/index.js'
export * from './io/index.js'
export * from './layers/index.js'
export * from './models/index.js'
export * as initializers from './nn/initializers.js'
export * from './nn/losses/index.js'
export * from './nn/metrics/index.js'
export * from './nn/optim/index.js'
export {
  type ActivationName,
  activationNames,
  resolveActivation,
} from './ops/activations.js'
export * from './ops/index.js'
export * from './ops/random.js'
export * from './ops/tensor.js'
export * from './plots/index.js'
export * from './train/index.js'
export * from './transforms/index.js'
