/** What a model keeps besides its layers: the parts that training, storage and reports share. */

import { DisposedError, StateError } from '../core/errors.js'
import type { Compiled as CompiledFunction } from '../core/jit.js'
import type { Variable } from '../core/variable.js'
import type { DynamicsRecord } from '../dynamics/record.js'
import type { Network } from '../models/network.js'
import type { Tensor } from '../ops/tensor.js'
import type { Compiled } from './compile.js'
import type { History } from './history.js'

/** State of one model. */
export interface ModelState {
  /** Random key that training draws from, uint32 [2]. */
  readonly rng: Variable
  /** Set by `compile`. */
  compiled: Compiled | undefined
  /** Epochs trained so far, over all fits: numbers the orders of shuffled data. */
  epochs: number
  /** Dynamics of the last fit, where they were tracked. */
  record: DynamicsRecord | undefined
  history: History | undefined
  /** The compiled forward pass of `predict`. */
  predictor: CompiledFunction<[x: Tensor, rows: Tensor], Tensor> | undefined
  /** Whether the model is in training mode. */
  training: boolean
  /** What the model is doing, e.g. 'fit'; undefined when idle. */
  busy: string | undefined
  disposed: boolean
}

const states = new WeakMap<Network, ModelState>()

/** Gives a new model its state. */
export function attachState(model: Network, rng: Variable): void {
  states.set(model, {
    rng,
    compiled: undefined,
    epochs: 0,
    record: undefined,
    history: undefined,
    predictor: undefined,
    training: false,
    busy: undefined,
    disposed: false,
  })
}

/**
 * The state of a model.
 *
 * @throws DisposedError after `dispose`
 */
export function stateOf(model: Network): ModelState {
  const state = states.get(model) as ModelState
  if (!state.disposed) return state
  throw new DisposedError(
    `the ${model.constructor.name} model of ${model.numLayers} layers was disposed of; keep it until its last use`,
  )
}

/**
 * Releases what a model holds: weights, state, the optimizer's memory of them, the compiled `predict`, the dynamics and the random key.
 *
 * @throws StateError while the model is at work
 */
export function disposeState(model: Network): void {
  const state = states.get(model) as ModelState
  if (state.disposed) return
  if (state.busy !== undefined) {
    throw new StateError(
      `dispose: the model is in the middle of ${state.busy}; wait for its promise first, or end it by its signal`,
    )
  }
  const weights = Object.values(model.weights)
  const variables = [...weights, ...Object.values(model.stateVariables), state.rng]
  state.disposed = true
  state.compiled?.optimizer.forget(weights)
  state.predictor?.dispose()
  state.record?.dispose()
  for (const variable of variables) variable.dispose()
}

/**
 * Loss, optimizer and metrics of a model.
 *
 * @throws StateError before `compile`
 */
export function compiledOf(model: Network, doing: string): Compiled {
  const { compiled } = stateOf(model)
  if (compiled !== undefined) return compiled
  throw new StateError(
    `${doing}: the model is not compiled; call compile({ optimizer, loss, metrics }) first`,
  )
}

/**
 * Throws StateError while the model is at work.
 *
 * @param doing what is to be changed
 * @param instead what to do in the middle of a fit; where it is given nothing but a fit stands in the way
 */
export function checkIdle(model: Network, doing: string, instead?: string): void {
  const { busy } = stateOf(model)
  if (busy === undefined || (instead !== undefined && busy !== 'fit')) return
  throw new StateError(
    `${doing}: the model is in the middle of ${busy}, for which it is too late; wait for its promise first${instead === undefined ? '' : `, or ${instead}`}`,
  )
}

/** Runs `work` unless the model is at work already. */
export async function exclusively<T>(model: Network, doing: string, work: () => Promise<T>): Promise<T> {
  const state = stateOf(model)
  if (state.busy !== undefined) {
    throw new StateError(`${doing}: the model is in the middle of ${state.busy}; wait for its promise first`)
  }
  state.busy = doing
  try {
    return await work()
  } finally {
    state.busy = undefined
  }
}
