import { ArgumentError, describe, unknownName } from '../../core/errors.js'
import { checkValue, isInstance, isList, whole } from '../../core/options.js'
import { Variable } from '../../core/variable.js'
import type { Optimizer } from '../../nn/optim/optimizer.js'
import type { Tensor } from '../../ops/tensor.js'
import type { EpochLogs, History } from '../history.js'
import { unlessAborted } from '../unless-aborted.js'

/** Results of one batch. */
export interface BatchLogs {
  /** Samples in it. */
  readonly size: number
  /** 0 where no label of the batch counts; NaN for a task that gives no loss. */
  readonly loss: number
  /** By name. */
  readonly metrics: Readonly<Record<string, number>>
}

/** The run that callbacks watch. */
export interface TrainInfo {
  /** Number of the epoch to stop before, counted as callbacks count. */
  readonly epochs: number
  /** Batches in an epoch; undefined where the data do not tell. */
  readonly batches: number | undefined
}

/** What callbacks can do with the run. */
export interface FitContext {
  /** Epoch under way or just finished, as callbacks count. */
  readonly epoch: number
  /** Steps that were started, counted over all training. */
  readonly step: number
  /** What optimizers change, by path. */
  readonly parameters: Readonly<Record<string, Variable>>
  /** What steps change besides, by path. */
  readonly state: Readonly<Record<string, Variable>>
  /** By name; that of a model is `optimizer`. */
  readonly optimizers: Readonly<Record<string, Optimizer>>
  /**
   * Ends the run: no further batch is trained on, the epoch is finished with those that there were, `onEpochEnd` and `onTrainEnd` are
   * called, and `fit` resolves.
   */
  stop(): void
  /**
   * Writes a checkpoint, from which `fit` with `resume` goes on as if nothing had happened: parameters, state, optimizers, random key, place
   * in the data, means so far, dynamics, and what callbacks save. To be called in `onSettled`, when every callback has had its turn. The
   * file is replaced in one step.
   *
   * @param path of a file that ends with .safetensors
   */
  checkpoint(path: string): Promise<void>
}

/** What a callback remembers. */
export interface CallbackState {
  /** Plain data. */
  readonly data?: unknown
  /** Tensors by name; they stay the callback's. */
  readonly tensors?: Readonly<Record<string, Tensor>>
}

/**
 * Hooks into training. Each may return a promise, which is waited for. One that throws ends the run: `fit` rejects with the
 * error, and the model stays as it is after the last finished step.
 *
 *     await model.fit(x, y, { callbacks: [{ onEpochEnd: (epoch, { loss }) => console.log(epoch, loss) }] })
 *
 * In all hooks the model may be evaluated, may predict and be saved: nothing is trained meanwhile. With `onBatchEnd` the next step
 * begins when the hooks of the one before are done.
 */
export interface Callback {
  onTrainBegin?(info: TrainInfo, context: FitContext): void | Promise<void>
  /** Not called where the run was ended by an error or a signal. */
  onTrainEnd?(history: History, context: FitContext): void | Promise<void>
  /** @param epoch counted from `initialEpoch`, by default 0 */
  onEpochBegin?(epoch: number, context: FitContext): void | Promise<void>
  onEpochEnd?(epoch: number, logs: EpochLogs, context: FitContext): void | Promise<void>
  /** Called before a batch is trained on, while the one before it may be under way; here a rate of this step is set. */
  onBatchBegin?(batch: number, context: FitContext): void | Promise<void>
  /** Called in order, when the batch is done. */
  onBatchEnd?(batch: number, logs: BatchLogs, context: FitContext): void | Promise<void>
  /** Called after `onEpochEnd` of all callbacks, and after `onBatchEnd` of all where `everyBatches` is given. */
  onSettled?(point: 'batch' | 'epoch', context: FitContext): void | Promise<void>
  /** Steps, counted over all training, between two calls of `onBatchEnd`, and of `onSettled` after batches. Default 1, and never. */
  readonly everyBatches?: number | undefined
  /** What a checkpoint keeps of the callback. */
  save?(): CallbackState
  /** Takes what `save` gave, after `onTrainBegin` of a run that is resumed; the tensors become the callback's. */
  load?(state: CallbackState): void
}

/**
 * Refuses what no run gave as context.
 *
 * @param who whose hook was called
 */
export function checkContext(who: string, context: FitContext): FitContext {
  const { stop, checkpoint, parameters, state, optimizers } = (context ?? {}) as Partial<FitContext>
  const areRecords = [parameters, state, optimizers].every((one) => typeof one === 'object' && one !== null)
  const haveVariables = [parameters, state].every((one) =>
    Object.values(one ?? {}).every((x) => isInstance(x, Variable)),
  )
  const canAct = typeof stop === 'function' && typeof checkpoint === 'function'
  if (canAct && areRecords && haveVariables) return context
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

/** What looks like the name of a hook. */
const hookLike = /^on[A-Z_]/

/**
 * Checks callbacks before training.
 *
 * @throws ArgumentError for what are no callbacks; UnknownNameError for a hook that there is not
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

/** Names of all properties, those of classes too. */
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
 * @param signal ends waiting for them, with its reason
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
