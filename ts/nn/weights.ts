/** Weights by path, and options of their Variables. */
import type { DeviceRequest } from '../core/devices.js'
import { floatDType, tensorOnly } from '../core/operands.js'
import { type Checks, elsewhere, flag } from '../core/options.js'
import type { Variable } from '../core/variable.js'
import type { Tensor } from '../ops/tensor.js'
import type { FloatDType } from './initializers.js'

/** Weights by path, as `apply` receives them: `kernel`, or `inner.kernel` for a child's weight. */
export type Weights = Record<string, Tensor>

/** Options of the Variables of a module. */
export interface InitializeOptions {
  /** Random key for the initial weights. Default `key(0)`. */
  key?: Tensor
  /** Dtype of parameters and state. Default 'float32'. */
  dtype?: FloatDType
  /** Make the state only: `apply` receives all weights. Default false. */
  noWeights?: boolean
  /** Device of parameters and state. Default: the default device. */
  device?: DeviceRequest
}

/** The checks of {@link InitializeOptions}. */
export const initializeChecks: Checks<InitializeOptions> = {
  key: tensorOnly,
  dtype: floatDType,
  noWeights: flag,
  device: elsewhere(),
}

/** Options for all Variables of a tree. */
export type Making = Required<Omit<InitializeOptions, 'key'>>

/** The current values of Variables by path. */
export function valuesOf(variables: ReadonlyMap<string, Variable>): Weights {
  return Object.fromEntries([...variables].map(([path, variable]) => [path, variable.value]))
}
