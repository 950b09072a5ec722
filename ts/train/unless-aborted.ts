/** Waits that a signal can end. */

/**
 * The result of `work`, or a rejection with the signal's reason as soon as the signal is aborted: `work` then continues, and its result or
 * error is dropped.
 */
export function unlessAborted<T>(work: PromiseLike<T> | T, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(work)
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    // A listener for each wait, removed after the wait: a signal may outlive many fits.
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** Ends waiting by the user's signal or by a failure, whichever comes first. */
export class Stop implements Disposable {
  readonly #controller = new AbortController()
  readonly #given: AbortSignal | undefined
  readonly #follow = () => this.#controller.abort(this.#given?.reason)

  constructor(given: AbortSignal | undefined) {
    this.#given = given
    if (given?.aborted) this.#follow()
    given?.addEventListener('abort', this.#follow, { once: true })
  }

  /** Aborted by the signal or the failure, with its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Ends waiting with an error. */
  fail(error: unknown): void {
    this.#controller.abort(error)
  }

  /** Removes the listener on the user's signal. */
  [Symbol.dispose](): void {
    this.#given?.removeEventListener('abort', this.#follow)
  }
}
