/** The callbacks of a run. */
import type { Occupation } from '../occupation.js'
import { type Callback, notify } from './callback.js'

const nobody: readonly Callback[] = []

/** Calls the hooks of callbacks. */
export class Hooks {
  /** All callbacks. */
  readonly all: readonly Callback[]
  /** The callbacks with a hook before batches. */
  readonly beforeBatch: readonly Callback[]
  /** Whether a callback uses loss and logs of batches. */
  readonly wantsLogs: boolean
  readonly #afterBatch: readonly Callback[]
  readonly #occupation: Occupation | undefined
  readonly #signal: AbortSignal | undefined

  /** @param occupation allows them to use the model; @param signal ends waiting for them */
  constructor(
    callbacks: readonly Callback[],
    occupation: Occupation | undefined,
    signal: AbortSignal | undefined,
  ) {
    // A copy: callbacks that are pushed later were not checked.
    this.all = [...callbacks]
    this.beforeBatch = this.all.filter(({ onBatchBegin }) => onBatchBegin !== undefined)
    this.wantsLogs = this.all.some(({ onBatchEnd }) => onBatchEnd !== undefined)
    this.#afterBatch = this.all.filter(
      ({ onBatchEnd, onSettled, everyBatches }) =>
        onBatchEnd !== undefined || (onSettled !== undefined && everyBatches !== undefined),
    )
    this.#occupation = occupation
    this.#signal = signal
  }

  /** The callbacks to call after a batch, by the number of steps. */
  afterBatch(steps: number): readonly Callback[] {
    if (this.#afterBatch.length === 0) return nobody
    return this.#afterBatch.filter(({ everyBatches = 1 }) => steps % everyBatches === 0)
  }

  /** Calls one hook of the given callbacks in order; default all callbacks. */
  async notify(
    call: (callback: Callback) => void | Promise<void> | undefined,
    callbacks: readonly Callback[] = this.all,
  ): Promise<void> {
    if (callbacks.length === 0) return
    const turn = () => notify(callbacks, call, this.#signal)
    await (this.#occupation === undefined ? turn() : this.#occupation.open(turn, this.#signal))
  }
}
