/** The number that a callback monitors. */
import { ArgumentError, describe, unknownName } from '../../core/errors.js'
import { atLeast, type Check, type Checks, isInstance, oneOf } from '../../core/options.js'
import type { EpochLogs } from '../history.js'
import type { CallbackState } from './callback.js'

/**
 * A number of an epoch: `'loss'`, `'validationLoss'`, the name of a metric or log such as `'accuracy'`, a metric of the validation data as
 * `'validation.accuracy'`, or a function of the logs.
 */
export type Monitored = string | ((logs: EpochLogs) => number)

/** Options of callbacks that monitor a number. */
export interface MonitorOptions {
  /** Default `'validationLoss'`. */
  monitor?: Monitored
  /** Whether a smaller (`'min'`) or a larger (`'max'`) number is better. Default `'min'`. */
  mode?: 'min' | 'max'
  /** Smallest change that is an improvement. Default 0. */
  minDelta?: number
}

/** The check of {@link Monitored}. */
export const monitored: Check<Monitored> = {
  expected:
    "'loss', 'validationLoss', the name of a metric, 'validation.' and such a name, or a function of the logs",
  accepts: (value) => typeof value === 'function' || (typeof value === 'string' && value !== ''),
}

/** The checks of {@link MonitorOptions}. */
export const monitorChecks: Checks<MonitorOptions> = {
  monitor: monitored,
  mode: oneOf('min', 'max'),
  minDelta: atLeast(0),
}

/**
 * The number of an epoch.
 *
 * @param who name of the callback, for messages
 * @throws UnknownNameError for a name that is not in the logs; ArgumentError for a function that does not return a number
 */
export function readMonitored(who: string, monitor: Monitored, logs: EpochLogs): number {
  if (typeof logs?.metrics !== 'object' || logs.metrics === null) {
    throw new ArgumentError(
      `${who}: given ${describe(logs)} as logs, expected those of an epoch: give the callback to fit, which calls its hooks`,
    )
  }
  if (typeof monitor === 'function') {
    const value: unknown = monitor(logs)
    if (typeof value === 'number') return value
    throw new ArgumentError(`${who}: monitor gave ${describe(value)}, expected a number`)
  }
  const named: Record<string, number> = { ...logs.metrics }
  if (!Number.isNaN(logs.loss)) named.loss = logs.loss
  if (logs.validationLoss !== undefined) named.validationLoss = logs.validationLoss
  for (const [name, value] of Object.entries(logs.validationMetrics ?? {}))
    named[`validation.${name}`] = value
  const value = Object.hasOwn(named, monitor) ? named[monitor] : undefined
  if (value !== undefined) return value
  const isOfValidation = monitor === 'validationLoss' || monitor.startsWith('validation.')
  if (isOfValidation && logs.validationMetrics === undefined) {
    throw new ArgumentError(
      `${who}: monitors '${monitor}', and the run has no validation data; give some, or monitor one of ${Object.keys(named).join(', ')}`,
    )
  }
  throw unknownName(`reading that ${who} monitors`, monitor, Object.keys(named))
}

/** The best value so far. NaN is never better. */
export class Best {
  readonly #mode: 'min' | 'max'
  readonly #minDelta: number
  value: number

  constructor({ mode = 'min', minDelta = 0 }: MonitorOptions) {
    this.#mode = mode
    this.#minDelta = minDelta
    this.value = this.worst
  }

  /** The worst value. */
  get worst(): number {
    return this.#mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  }

  /** Whether a number is better by `minDelta` or more; if so, it becomes the best. */
  take(value: number): boolean {
    const change = this.#mode === 'min' ? this.value - value : value - this.value
    if (!(change > this.#minDelta || (change === this.#minDelta && change > 0))) return false
    this.value = value
    return true
  }
}

/**
 * The state of a callback, checked.
 *
 * @param who name of the callback, for messages
 * @throws ArgumentError for a value that is not a callback's state
 */
export function remembered<D>(
  who: string,
  state: CallbackState,
): Partial<D> & Pick<CallbackState, 'tensors'> {
  if (!isInstance(state, Object)) {
    throw new ArgumentError(
      `${who}: load: given ${describe(state)}, expected what save() gave: { data, tensors }`,
    )
  }
  const { data, tensors } = state
  return {
    ...(isInstance(data, Object) ? (data as Partial<D>) : {}),
    ...(isInstance(tensors, Object) ? { tensors } : {}),
  } as Partial<D> & Pick<CallbackState, 'tensors'>
}
