/** The number that a callback monitors. */
import { ArgumentError, describe, unknownName } from '../../core/errors.js'
import { atLeast, type Check, type Checks, isInstance, oneOf } from '../../core/options.js'
import { type Direction, directionOf } from '../../nn/metrics/direction.js'
import type { EpochLogs } from '../results.js'
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
  /**
   * Whether a smaller (`'min'`) or a larger (`'max'`) number is better. Default: `'min'` for losses and for functions of the logs; for metrics of the library as they are
   * defined, such as `'max'` for accuracy. Other names have no default.
   */
  mode?: Direction
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

/** Whether a smaller or a larger value of what is monitored is better; undefined for a name of which nothing is known. */
export function monitoredDirection(monitor: Monitored): Direction | undefined {
  if (typeof monitor === 'function' || monitor === 'loss' || monitor === 'validationLoss') return 'min'
  return directionOf(monitor.replace(/^validation\./, ''))
}

/** The best value so far. NaN is never better. */
export class Best {
  readonly #who: string
  readonly #monitor: Monitored
  readonly #mode: Direction | undefined
  readonly #minDelta: number
  value: number

  /** @param who name of the callback, for messages */
  constructor(
    who: string,
    monitor: Monitored,
    { mode, minDelta = 0 }: { readonly mode?: Direction | undefined; readonly minDelta?: number | undefined },
  ) {
    this.#who = who
    this.#monitor = monitor
    this.#mode = mode ?? monitoredDirection(monitor)
    this.#minDelta = minDelta
    this.value = this.worst
  }

  /** The worst value. */
  get worst(): number {
    return this.#mode === 'max' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }

  /**
   * Whether a number is better by `minDelta` or more; if so, it becomes the best.
   *
   * @throws ArgumentError if neither the options nor the name tell which numbers are better
   */
  take(value: number): boolean {
    if (this.#mode === undefined) {
      throw new ArgumentError(
        `${this.#who}: monitors '${this.#monitor}', and nothing tells whether a smaller or a larger value is better; give mode: 'min' or 'max'`,
      )
    }
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
