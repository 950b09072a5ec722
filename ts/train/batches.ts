/** Iteration over batches of a user's iterator. */

import { ArgumentError, describe, StateError } from '../core/errors.js'
import { iterateBatches } from '../data/loader.js'
import { unlessAborted } from './unless-aborted.js'

/** Time limit of an iterator's cleanup after an early end, in milliseconds. */
const patience = 1000

/** Iterators in use. */
const inUse = new WeakSet<object>()

/**
 * The batches of a source, from its beginning. If the loop ends early, it calls the iterator's `return`. After an abort the call is not
 * awaited, otherwise it is awaited for a limited time: a generator that waits for another event would never return.
 *
 * @param signal ends waiting for the iterator, with the signal's reason; later results of the iterator are dropped
 * @throws ArgumentError for an invalid iterator; StateError for a generator that another loop is using
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
      'the data are a generator that is already being read, and it yields each batch once; give an object whose [Symbol.asyncIterator] starts from the beginning',
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
        // An iterator that throws has ended.
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

/** Calls an iterator's `return`. Its errors are dropped. */
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
    // The reason of the early end is reported instead.
  } finally {
    clearTimeout(timer)
  }
}
