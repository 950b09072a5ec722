/** The operation of a model: one at a time, and during a fit the calls of callbacks. */
import { StateError } from '../core/errors.js'
import { unlessAborted } from './unless-aborted.js'

/** Operations that callbacks may call between batches and epochs: they change nothing. */
const guests: readonly string[] = ['evaluate', 'predict', 'save', 'activations']

/** Allows one operation of a model at a time. */
export class Occupation {
  #doing: string | undefined
  /** True during callbacks. */
  #isOpen = false
  #visit: Promise<unknown> | undefined

  /** The current operation, e.g. 'fit'; undefined when idle. */
  get doing(): string | undefined {
    return this.#doing
  }

  /**
   * Runs `work` unless another operation is running.
   *
   * @throws StateError during another operation
   */
  async exclusively<T>(doing: string, work: () => Promise<T>): Promise<T> {
    if (this.#doing === undefined) {
      this.#doing = doing
      try {
        return await work()
      } finally {
        this.#doing = undefined
      }
    }
    if (!this.#isOpen || !guests.includes(doing)) throw this.#refusal(doing)
    if (this.#visit !== undefined) {
      throw new StateError(`${doing}: another call of a callback is running; wait for its promise first`)
    }
    const visit = work()
    this.#visit = visit
    try {
      return await visit
    } finally {
      this.#visit = undefined
    }
  }

  #refusal(doing: string): StateError {
    const hint = guests.includes(doing) ? ', or call it from a callback' : ''
    return new StateError(
      `${doing}: the model is in the middle of ${this.#doing}; wait for its promise first${hint}`,
    )
  }

  /**
   * Runs callbacks, which may evaluate, predict and save; training continues after the operations that they started and did not await.
   *
   * @param signal ends waiting for these operations
   */
  async open<T>(callbacks: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#isOpen = true
    try {
      return await callbacks()
    } finally {
      this.#isOpen = false
      const visit = this.#visit?.catch(() => {})
      if (visit !== undefined) await unlessAborted(visit, signal)
    }
  }
}
