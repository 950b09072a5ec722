import { ArgumentError, describe, unknownName } from '../../core/errors.js'
import { checkValue, isInstance, isList, whole } from '../../core/options.js'
import { Variable } from '../../core/variable.js'
import { Optimizer } from '../../nn/optim/optimizer.js'
import type { Tensor } from '../../ops/tensor.js'
import type { EpochLogs, History } from '../results.js'
import { unlessAborted } from '../unless-aborted.js'

/** Results of one batch. */
export interface BatchLogs {
  /** Number of samples. */
  readonly size: number
  /** 0 if all labels of the batch are ignored; NaN for a task without a loss. */
  readonly loss: number
  /** By name. */
  readonly metrics: Readonly<Record<string, number>>
}

/** The run of the callbacks. */
export interface TrainInfo {
  /** Number of the epoch to stop before, counted as callbacks count. */
  readonly epochs: number
  /** Batches in an epoch; undefined for data of unknown length. */
  readonly batches: number | undefined
}

/** Access of callbacks to the run. */
export interface FitContext {
  /** The current or just finished epoch, as callbacks count. */
  readonly epoch: number
  /** Number of started steps, counted over all training. */
  readonly step: number
  /** Parameters, which optimizers change, by path. */
  readonly parameters: Readonly<Record<string, Variable>>
  /** Other Variables that steps change, by path. */
  readonly state: Readonly<Record<string, Variable>>
  /** Optimizers by name; a model's optimizer is `optimizer`. */
  readonly optimizers: Readonly<Record<string, Optimizer>>
  /**
   * Ends the run: no further batch is trained on, the epoch ends with the batches so far, `onEpochEnd` and `onTrainEnd` are
   * called, and `fit` resolves.
   */
  stop(): void
  /**
   * Writes a checkpoint, from which `fit` with `resume` continues with the same bits: parameters, state, optimizers, random key, position
   * in the data, means so far, dynamics, and the state of callbacks. Call it in `onSettled`, after the other hooks of all callbacks. The
   * file is replaced in one step.
   *
   * @param path path of a file that ends with .safetensors
   */
  checkpoint(path: string): Promise<void>
}

/** State of a callback. */
export interface CallbackState {
  /** Plain data. */
  readonly data?: unknown
  /** Tensors by name; the callback still owns them. */
  readonly tensors?: Readonly<Record<string, Tensor>>
}

/**
 * Hooks into training. Each hook may return a promise, which is awaited. A hook that throws ends the run: `fit` rejects with the
 * error, and the model keeps its weights after the last finished step.
 *
 *     await model.fit(x, y, { callbacks: [{ onEpochEnd: (epoch, { loss }) => console.log(epoch, loss) }] })
 *
 * All hooks may call the model's `evaluate`, `predict` and `save`: no step runs during a hook. With `onBatchEnd` the next step
 * begins after the hooks of the step before.
 */
export interface Callback {
  onTrainBegin?(info: TrainInfo, context: FitContext): void | Promise<void>
  /** Not called if an error or a signal ended the run. */
  onTrainEnd?(history: History, context: FitContext): void | Promise<void>
  /** @param epoch counted from `initialEpoch`, by default 0 */
  onEpochBegin?(epoch: number, context: FitContext): void | Promise<void>
  onEpochEnd?(epoch: number, logs: EpochLogs, context: FitContext): void | Promise<void>
  /** Called before the step of a batch, while the step before may still run; set the step's learning rate here. */
  onBatchBegin?(batch: number, context: FitContext): void | Promise<void>
  /** Called in order, after the step of a batch. */
  onBatchEnd?(batch: number, logs: BatchLogs, context: FitContext): void | Promise<void>
  /** Called after `onEpochEnd` of all callbacks, and after `onBatchEnd` of all callbacks if `everyBatches` is given. */
  onSettled?(point: 'batch' | 'epoch', context: FitContext): void | Promise<void>
  /** Steps, counted over all training, between two calls of `onBatchEnd`, and of `onSettled` after batches. Default 1, and never. */
  readonly everyBatches?: number | undefined
  /** State of the callback for a checkpoint. */
  save?(): CallbackState
  /** Restores a result of `save`, after `onTrainBegin` of a resumed run; the callback then owns the tensors. */
  load?(state: CallbackState): void
}

/**
 * Throws for a context that is not a run's context.
 *
 * @param who name of the callback
 */
export function checkContext(who: string, context: FitContext): FitContext {
  const { stop, checkpoint, parameters, state, optimizers, epoch, step } = (context ??
    {}) as Partial<FitContext>
  const areRecords = [parameters, state, optimizers].every((one) => typeof one === 'object' && one !== null)
  const haveVariables = [parameters, state].every((one) =>
    Object.values(one ?? {}).every((x) => isInstance(x, Variable)),
  )
  const haveOptimizers = Object.values(optimizers ?? {}).every((x) => isInstance(x, Optimizer))
  const canAct = typeof stop === 'function' && typeof checkpoint === 'function'
  const isWhen = [epoch, step].every((count) => Number.isSafeInteger(count))
  if (canAct && isWhen && areRecords && haveVariables && haveOptimizers) return context
  throw new ArgumentError(
    `${who}: given ${describe(context)} as context, expected that of a run: give the callback to fit, which calls its hooks`,
  )
}

const hooks = [
  'onTrainBegin',
  'onTrainEnd',
  'onEpochBegin',
  'onEpochEnd',
  'onBatchBegin',
  'onBatchEnd',
  'onSettled',
] as const

/** Pattern of the names of hooks. */
const hookLike = /^on[A-Z_]/

/**
 * Checks callbacks before training.
 *
 * @throws ArgumentError for values that are not callbacks; UnknownNameError for an unknown hook
 */
export function checkCallbacks(callbacks: unknown): asserts callbacks is readonly Callback[] {
  if (!isList(callbacks)) {
    throw new ArgumentError(
      `fit: callbacks is ${describe(callbacks)}, expected a list such as [{ onEpochEnd() {} }]`,
    )
  }
  const list = callbacks as readonly unknown[]
  for (let index = 0; index < list.length; index++) checkCallback(list[index], `callbacks[${index}]`)
}

function checkCallback(callback: unknown, what: string): void {
  if (typeof callback !== 'object' || callback === null || isList(callback)) {
    throw new ArgumentError(
      `fit: ${what} is ${describe(callback)}, expected an object with hooks such as { onEpochEnd() {} }`,
    )
  }
  const given = namesOf(callback)
  const stranger = given.find((name) => hookLike.test(name) && !(hooks as readonly string[]).includes(name))
  if (stranger !== undefined) throw unknownName(`hook of ${what}`, stranger, hooks)
  const known = hooks.filter((name) => (callback as Callback)[name] !== undefined)
  if (known.length === 0) {
    throw new ArgumentError(
      `fit: ${what} has none of the hooks ${hooks.join(', ')}, but ${given.join(', ') || 'nothing'}`,
    )
  }
  const { everyBatches } = callback as Callback
  if (everyBatches !== undefined) checkValue(`fit: everyBatches of ${what}`, everyBatches, whole(1))
  const bad = ([...known, 'save', 'load'] as const).find((name) => {
    const value: unknown = (callback as Callback)[name]
    return value !== undefined && typeof value !== 'function'
  })
  if (bad === undefined) return
  const value: unknown = (callback as Callback)[bad]
  throw new ArgumentError(`fit: ${bad} of ${what} is ${describe(value)}, expected a function`)
}

/** Names of all properties, inherited properties included. */
function namesOf(value: object): string[] {
  const names: string[] = []
  for (let at = value; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    names.push(...Object.getOwnPropertyNames(at))
  }
  return names.filter((name) => name !== 'constructor')
}

/**
 * Calls one hook of every callback in turn.
 *
 * @param signal ends waiting for the hooks, with the signal's reason
 */
export async function notify(
  callbacks: readonly Callback[],
  call: (callback: Callback) => unknown,
  signal?: AbortSignal,
): Promise<void> {
  for (const callback of callbacks) {
    const work = call(callback)
    if (work !== undefined) await unlessAborted(work, signal)
  }
}
