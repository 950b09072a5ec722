/** What a model is doing: one thing at a time, and in the middle of a fit what callbacks ask of it. */
import { StateError } from '../core/errors.js'
import { unlessAborted } from './unless-aborted.js'

/** What callbacks may ask of a model between batches and epochs: it changes nothing. */
const guests: readonly string[] = ['evaluate', 'predict', 'save', 'activations']

/** Keeps a model at one thing at a time. */
export class Occupation {
  #doing: string | undefined
  /** True while callbacks have their turn. */
  #isOpen = false
  #visit: Promise<unknown> | undefined

  /** What the model is doing, e.g. 'fit'; undefined when idle. */
  get doing(): string | undefined {
    return this.#doing
  }

  /**
   * Runs `work` unless the model is at work already.
   *
   * @throws StateError where it is
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
      throw new StateError(`${doing}: another call of a callback is under way; wait for its promise first`)
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
   * Runs callbacks, which may evaluate, predict, save and look at activations meanwhile; what they began and did not wait for ends before training goes on.
   *
   * @param signal ends waiting for that
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
