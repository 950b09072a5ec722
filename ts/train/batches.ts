/** Going through batches that somebody else's iterator gives. */

import { ArgumentError, describe, StateError } from '../core/errors.js'
import { iterateBatches } from '../data/loader.js'
import { unlessAborted } from './unless-aborted.js'

/** Time that an iterator gets to clean up when it is left early, in milliseconds. */
const patience = 1000

/** Iterators that are being gone through. */
const inUse = new WeakSet<object>()

/**
 * The batches of a source, from its beginning. Where the loop is left early, the iterator's `return` is called; nobody waits for it when
 * the signal was aborted, and nobody waits for it for long otherwise: a generator that waits itself would never answer.
 *
 * @param signal ends waiting for the iterator, with its reason; what the iterator gives afterwards is dropped
 * @throws ArgumentError for an iterator that is none; StateError for a generator that somebody goes through at the same time
 */
export async function* batchesOf<B>(
  source: Iterable<B> | AsyncIterable<B>,
  signal?: AbortSignal,
): AsyncGenerator<B> {
  const iterator = iterateBatches(source)
  if (typeof iterator?.next !== 'function') {
    throw new ArgumentError(
      `the iterator of the data is ${describe(iterator)}, expected an object with a method next(), as a generator has`,
    )
  }
  if (inUse.has(iterator)) {
    throw new StateError(
      'the data are a generator that is being gone through already, and each batch is given once; give an object whose [Symbol.asyncIterator] starts anew',
    )
  }
  inUse.add(iterator)
  let isAtEnd = false
  let pending: Promise<unknown> = Promise.resolve()
  try {
    for (;;) {
      const asked = Promise.resolve(iterator.next())
      pending = asked.catch(() => {})
      const next = await unlessAborted(asked, signal).catch((error: unknown) => {
        // An iterator that throws is at its end.
        isAtEnd = signal?.aborted !== true
        throw error
      })
      if (typeof next !== 'object' || next === null) {
        throw new ArgumentError(`the iterator of the data gave ${describe(next)}, expected { value, done }`)
      }
      isAtEnd = next.done === true
      if (next.done) return
      yield next.value
    }
  } finally {
    void pending.then(() => inUse.delete(iterator))
    if (!isAtEnd) await leave(iterator, signal)
  }
}

/** Tells an iterator that no more is wanted of it. What goes wrong there changes nothing any more. */
async function leave(
  iterator: Iterator<unknown> | AsyncIterator<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  try {
    const left = Promise.resolve(iterator.return?.())
    left.catch(() => {})
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience)
    })
    await unlessAborted(Promise.race([left, limit]), signal)
  } catch {
    // Whoever left early has a reason of his own to report.
  } finally {
    clearTimeout(timer)
  }
}
