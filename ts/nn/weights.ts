/** Weights by path, and how the Variables that hold them are made. */
import { floatDType, tensorOnly } from '../core/operands.js'
import { type Checks, flag } from '../core/options.js'
import type { Variable } from '../core/variable.js'
import type { Tensor } from '../ops/tensor.js'
import type { FloatDType } from './initializers.js'

/** Weights by path, as `apply` receives them: `kernel`, or `inner.kernel` where a child has it. */
export type Weights = Record<string, Tensor>

/** How the Variables of a module are made. */
export interface InitializeOptions {
  /** Random key for the initial weights. Default `key(0)`. */
  key?: Tensor
  /** Dtype of parameters and state. Default 'float32'. */
  dtype?: FloatDType
  /** Make the state only: all weights are handed to `apply`. Default false. */
  noWeights?: boolean
}

/** The checks of {@link InitializeOptions}. */
export const initializeChecks: Checks<InitializeOptions> = {
  key: tensorOnly,
  dtype: floatDType,
  noWeights: flag,
}

/** What all Variables of a tree are made with. */
export type Making = Required<Pick<InitializeOptions, 'dtype' | 'noWeights'>>

/** The current values of Variables by path. */
export function valuesOf(variables: ReadonlyMap<string, Variable>): Weights {
  return Object.fromEntries([...variables].map(([path, variable]) => [path, variable.value]))
}
