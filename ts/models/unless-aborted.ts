/** Waiting that a signal can end. */

/**
 * What `work` comes to, or a rejection with the signal's reason as soon as it is aborted: then nobody waits for `work` any more,
 * and it goes on by itself.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    // A listener for each wait, taken away after it: a signal may outlive many fits.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
