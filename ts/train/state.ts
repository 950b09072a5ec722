/** State of a model besides its layers, for training, storage and reports. */

import type { Device } from '../core/devices.js'
import { DisposedError, StateError } from '../core/errors.js'
import type { Compiled as CompiledFunction } from '../core/jit.js'
import type { Variable } from '../core/variable.js'
import type { Tensor } from '../ops/tensor.js'
import type { Compiled } from './compile.js'
import { Occupation } from './occupation.js'
import { TrainingRecord } from './training-record.js'

/** State of one model. */
export class TrainingState {
  /** Epochs, history, random key and dynamics. */
  readonly record: TrainingRecord
  /** The model's current operation. */
  readonly occupation = new Occupation()
  /** Set by `compile`. */
  compiled: Compiled | undefined
  /** The options of `compile`, for files. */
  compiledWith: object | undefined
  /** The compiled forward pass of `predict`. */
  predictor: CompiledFunction<[x: Tensor, rows: Tensor], Tensor> | undefined
  /** Whether the model is in training mode. */
  training = false
  disposed = false

  constructor(seed: number, device: Device) {
    this.record = new TrainingRecord({ seed, device })
  }
}

/** What holds a state: a model. */
interface Holder {
  readonly trainingState: TrainingState
  readonly numLayers: number
}

/** Variables by path. */
type Variables = Readonly<Record<string, Variable>>

/**
 * The state of a model.
 *
 * @throws DisposedError after `dispose`
 */
export function stateOf(model: Holder): TrainingState {
  const state = model.trainingState
  if (!state.disposed) return state
  throw new DisposedError(
    `the ${model.constructor.name} model of ${model.numLayers} layers was disposed of; keep it until its last use`,
  )
}

/**
 * Releases the memory of a model: weights, state, the optimizer's state, the compiled `predict` and the random key. Tensors of dynamics that
 * were read before are not released.
 *
 * @throws StateError during an operation of the model
 */
export function disposeState(
  model: Holder & { readonly weights: Variables; readonly stateVariables: Variables },
): void {
  const state = model.trainingState
  if (state.disposed) return
  const { doing } = state.occupation
  if (doing !== undefined) {
    throw new StateError(
      `dispose: the model is in the middle of ${doing}; wait for its promise first, or end it by its signal`,
    )
  }
  const weights = Object.values(model.weights)
  const variables = [...weights, ...Object.values(model.stateVariables)]
  state.disposed = true
  state.compiled?.optimizer.forget(weights)
  state.predictor?.dispose()
  state.record.dispose()
  for (const variable of variables) variable.dispose()
}

/**
 * Loss, optimizer and metrics of a model.
 *
 * @throws StateError before `compile`
 */
export function compiledOf(model: Holder, doing: string): Compiled {
  const { compiled } = stateOf(model)
  if (compiled !== undefined) return compiled
  throw new StateError(
    `${doing}: the model is not compiled; call compile({ optimizer, loss, metrics }) first`,
  )
}

/**
 * Throws StateError during an operation of the model.
 *
 * @param doing name of the refused change
 * @param instead advice during a fit; with it only a fit refuses the change
 */
export function checkIdle(model: Holder, doing: string, instead?: string): void {
  const busy = stateOf(model).occupation.doing
  if (busy === undefined || (instead !== undefined && busy !== 'fit')) return
  throw new StateError(
    `${doing}: the model is in the middle of ${busy}, for which it is too late; wait for its promise first${instead === undefined ? '' : `, or ${instead}`}`,
  )
}

/** Runs `work` unless another operation of the model is running. */
export async function exclusively<T>(model: Holder, doing: string, work: () => Promise<T>): Promise<T> {
  return stateOf(model).occupation.exclusively(doing, work)
}
