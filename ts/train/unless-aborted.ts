/** Waiting that a signal can end. */

/**
 * What `work` comes to, or a rejection with the signal's reason as soon as it is aborted: then nobody waits for `work` any more,
 * and it goes on by itself; what it comes to, an error too, is dropped.
 */
export function unlessAborted<T>(work: PromiseLike<T> | T, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(work)
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    // A listener for each wait, taken away after it: a signal may outlive many fits.
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** Ends waiting by somebody's signal, or by a failure elsewhere, whichever comes first. */
export class Stop implements Disposable {
  readonly #controller = new AbortController()
  readonly #given: AbortSignal | undefined
  readonly #follow = () => this.#controller.abort(this.#given?.reason)

  constructor(given: AbortSignal | undefined) {
    this.#given = given
    if (given?.aborted) this.#follow()
    given?.addEventListener('abort', this.#follow, { once: true })
  }

  /** Aborted by either, with its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Ends waiting with an error. */
  fail(error: unknown): void {
    this.#controller.abort(error)
  }

  /** No longer follows the signal that was given. */
  [Symbol.dispose](): void {
    this.#given?.removeEventListener('abort', this.#follow)
  }
}
