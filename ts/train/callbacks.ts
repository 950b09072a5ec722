import { ArgumentError, describe, unknownName } from '../core/errors.js'
import { isList } from '../core/options.js'
import type { EpochLogs, History } from './history.js'
import { unlessAborted } from './unless-aborted.js'

/** Results of one batch. */
export interface BatchLogs {
  /** Samples in it. */
  readonly size: number
  /** 0 where no label of the batch counts. */
  readonly loss: number
  /** By name. */
  readonly metrics: Readonly<Record<string, number>>
}

/** The run that callbacks watch. */
export interface TrainInfo {
  readonly epochs: number
  /** Batches in an epoch; undefined where the data do not tell. */
  readonly batches: number | undefined
}

/**
 * Hooks into training. Each may return a promise, which is waited for. One that throws ends the run: `fit` rejects with the
 * error, and the model stays as it is after the last finished step.
 *
 *     await model.fit(x, y, { callbacks: [{ onEpochEnd: (epoch, { loss }) => console.log(epoch, loss) }] })
 */
export interface Callback {
  onTrainBegin?(info: TrainInfo): void | Promise<void>
  /** Not called where the run was ended by an error or a signal. */
  onTrainEnd?(history: History): void | Promise<void>
  /** @param epoch counted from 0 */
  onEpochBegin?(epoch: number): void | Promise<void>
  onEpochEnd?(epoch: number, logs: EpochLogs): void | Promise<void>
  /** Called in order, when the batch is done; the next one may be under way already. */
  onBatchEnd?(batch: number, logs: BatchLogs): void | Promise<void>
}

const hooks = ['onTrainBegin', 'onTrainEnd', 'onEpochBegin', 'onEpochEnd', 'onBatchEnd'] as const

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
  const bad = known.find((name) => typeof (callback as Callback)[name] !== 'function')
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
