import { type Checks, checkOptions, flag, whole } from '../../core/options.js'
import type { Variable } from '../../core/variable.js'
import type { Direction } from '../../nn/metrics/direction.js'
import type { Tensor } from '../../ops/tensor.js'
import type { EpochLogs } from '../results.js'
import { type Callback, type CallbackState, checkContext, type FitContext } from './callback.js'
import { Best, type MonitorOptions, monitorChecks, readMonitored, remembered } from './monitor.js'

/** Options of {@link EarlyStopping}. */
export interface EarlyStoppingOptions extends MonitorOptions {
  /** Epochs without improvement after which training stops, as in Keras; 0 means 1. Default 0. */
  patience?: number
  /** First epochs that are not counted. Default 0. */
  startFromEpoch?: number
  /** Restore parameters and state of the best epoch at the end of the run. Default true (Keras: false). */
  restoreBest?: boolean
}

const checks: Checks<EarlyStoppingOptions> = {
  ...monitorChecks,
  patience: whole(0),
  startFromEpoch: whole(0),
  restoreBest: flag,
}

interface Data {
  readonly best: number
  readonly bestEpoch: number | null
  readonly wait: number
}

/**
 * Stops training when a number no longer improves, and restores the best epoch.
 *
 *     await model.fit(x, y, { epochs: 100, callbacks: [new EarlyStopping({ patience: 5 })] })
 *
 * @throws UnknownNameError, ArgumentError for unknown or invalid options
 */
export class EarlyStopping implements Callback {
  readonly #options: Required<Omit<EarlyStoppingOptions, 'mode'>>
  readonly #mode: Direction | undefined
  #best: Best
  #bestEpoch: number | undefined
  #wait = 0
  /** Parameters and state of the best epoch, by kind and path. */
  #values: Record<string, Tensor> = {}

  constructor(options: EarlyStoppingOptions = {}) {
    const given = checkOptions('EarlyStopping', options, checks)
    const { monitor = 'validationLoss', mode, minDelta = 0, patience = 0 } = given
    const { startFromEpoch = 0, restoreBest = true } = given
    this.#options = { monitor, minDelta, patience, startFromEpoch, restoreBest }
    this.#mode = mode
    this.#best = this.#fresh()
  }

  /** The epoch of the best number, as callbacks count; undefined before the first epoch. */
  get bestEpoch(): number | undefined {
    return this.#bestEpoch
  }

  /** Resets the state. */
  onTrainBegin(): void {
    this.#best = this.#fresh()
    this.#bestEpoch = undefined
    this.#wait = 0
    this.#release()
  }

  onEpochEnd(epoch: number, logs: EpochLogs, context: FitContext): void {
    const { monitor, patience, startFromEpoch, restoreBest } = this.#options
    const value = readMonitored('EarlyStopping', monitor, logs)
    if (epoch < startFromEpoch) return
    if (this.#best.take(value)) {
      this.#bestEpoch = epoch
      this.#wait = 0
      if (restoreBest) this.#keep(context)
      return
    }
    this.#wait++
    if (this.#wait >= Math.max(1, patience)) checkContext('EarlyStopping', context).stop()
  }

  onTrainEnd(_history: unknown, context: FitContext): void {
    const variables = variablesOf(context)
    for (const [name, value] of Object.entries(this.#values)) variables[name]?.assign(value)
    this.#release()
  }

  save(): CallbackState {
    const data: Data = { best: this.#best.value, bestEpoch: this.#bestEpoch ?? null, wait: this.#wait }
    return { data, tensors: { ...this.#values } }
  }

  load(state: CallbackState): void {
    const {
      best = this.#best.worst,
      bestEpoch = null,
      wait = 0,
      tensors = {},
    } = remembered<Data>('EarlyStopping', state)
    this.#best.value = best
    this.#bestEpoch = bestEpoch ?? undefined
    this.#wait = wait
    this.#release()
    this.#values = { ...tensors }
  }

  #fresh(): Best {
    const { monitor, minDelta } = this.#options
    return new Best('EarlyStopping', monitor, { mode: this.#mode, minDelta })
  }

  #keep(context: FitContext): void {
    this.#release()
    // The current versions: the next step makes new versions.
    this.#values = Object.fromEntries(
      Object.entries(variablesOf(context)).map(([name, variable]) => [name, variable.value]),
    )
  }

  #release(): void {
    for (const value of Object.values(this.#values)) value.dispose()
    this.#values = {}
  }
}

function variablesOf(context: FitContext): Record<string, Variable> {
  const { parameters, state } = checkContext('EarlyStopping', context)
  const prefixed = (kind: string, variables: Readonly<Record<string, Variable>>) =>
    Object.entries(variables).map(([path, variable]) => [`${kind}.${path}`, variable] as const)
  return Object.fromEntries([...prefixed('parameters', parameters), ...prefixed('state', state)])
}
