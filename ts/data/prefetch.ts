/** Batches made ahead of their use, during training. */

import { evaluate } from '../core/memory.js'
import { type Checks, checkOptions, whole } from '../core/options.js'
import { treeLeaves } from '../core/tree.js'
import { DerivedSource } from './derived-source.js'
import { checkSource, type Dataset, passOf } from './loader.js'

/** Options of {@link prefetch}. */
export interface PrefetchOptions {
  /** Number of batches ready besides the one in use. Default 2. */
  batches?: number
}

const checks: Checks<PrefetchOptions> = { batches: whole(1, 1024) }

/**
 * The same batches in the same order, made ahead: during training on one batch, the next ones are awaited, and their lazy tensors computed.
 * The source makes one batch at a time. If a pass ends early, the source is notified, and unused batches are freed.
 *
 *     await model.fitDataset(prefetch(augmented(train, change), { batches: 2 }), { epochs: 10 })
 *
 * @throws {ArgumentError} for a source that is not iterable
 */
export function prefetch(source: Dataset, options?: PrefetchOptions): Dataset
export function prefetch<B>(
  source: Iterable<B> | AsyncIterable<B>,
  options?: PrefetchOptions,
): AsyncIterable<B>
export function prefetch<B>(
  source: Iterable<B> | AsyncIterable<B>,
  options: PrefetchOptions = {},
): AsyncIterable<B> {
  const { batches = 2 } = checkOptions('prefetch', options, checks)
  checkSource('the source of prefetch', source)
  return new PrefetchedSource(source, batches)
}

class PrefetchedSource<B> extends DerivedSource<B> {
  readonly #batches: number

  constructor(source: Iterable<B> | AsyncIterable<B>, batches: number) {
    super(source)
    this.#batches = batches
  }

  [Symbol.asyncIterator](): AsyncIterator<B> {
    return new PrefetchIterator(passOf(this.source), this.#batches)
  }
}

/** One pass. Not a generator: its `return` would wait for the current batch. */
class PrefetchIterator<B> implements AsyncIterator<B> {
  readonly #iterator: Iterator<B> | AsyncIterator<B>
  readonly #limit: number
  /** Finished batches, in order; each may be an error. */
  readonly #ready: PromiseSettledResult<IteratorResult<B>>[] = []
  /** Calls that wait for a batch, in order. */
  readonly #waiting: PromiseWithResolvers<IteratorResult<B>>[] = []
  #isMaking = false
  /** No more batches: the source ended, failed, or was left. */
  #isOver = false

  constructor(iterator: Iterator<B> | AsyncIterator<B>, limit: number) {
    this.#iterator = iterator
    this.#limit = limit
    void this.#make()
  }

  next(): Promise<IteratorResult<B>> {
    const settled = this.#ready.shift()
    void this.#make()
    if (settled?.status === 'fulfilled') return Promise.resolve(settled.value)
    if (settled?.status === 'rejected') return Promise.reject(settled.reason)
    if (this.#isOver) return Promise.resolve({ value: undefined, done: true })
    const waiting = withResolvers<IteratorResult<B>>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  /** Ends the pass at once; the source is notified, and may finish later. */
  async return(): Promise<IteratorResult<B>> {
    this.#end()
    for (const settled of this.#ready.splice(0)) {
      if (settled.status === 'fulfilled') free(settled.value.value)
    }
    await this.#iterator.return?.()
    return { value: undefined, done: true }
  }

  /** Makes batches until enough are ready, or the source ends. */
  async #make(): Promise<void> {
    if (this.#isMaking) return
    this.#isMaking = true
    while (!this.#isOver && this.#ready.length < this.#limit + this.#waiting.length) {
      try {
        const made = await this.#iterator.next()
        if (made.done) this.#give({ status: 'fulfilled', value: made })
        else {
          await compute(made.value)
          this.#give({ status: 'fulfilled', value: made })
        }
      } catch (reason) {
        this.#give({ status: 'rejected', reason })
      }
    }
    this.#isMaking = false
  }

  /** Passes a batch to a waiting call, or keeps it. */
  #give(settled: PromiseSettledResult<IteratorResult<B>>): void {
    const isLast = settled.status === 'rejected' || settled.value.done === true
    if (this.#isOver) {
      if (settled.status === 'fulfilled') free(settled.value.value)
      return
    }
    const waiting = this.#waiting.shift()
    if (waiting === undefined) {
      if (settled.status === 'rejected' || settled.value.done !== true) this.#ready.push(settled)
    } else if (settled.status === 'fulfilled') waiting.resolve(settled.value)
    else waiting.reject(settled.reason)
    if (isLast) this.#end()
  }

  #end(): void {
    this.#isOver = true
    for (const { resolve } of this.#waiting.splice(0)) resolve({ value: undefined, done: true })
  }
}

/** Computes the tensors of a batch, if it is a tree of tensors. */
async function compute(batch: unknown): Promise<void> {
  let leaves: readonly object[]
  try {
    leaves = treeLeaves(batch)
  } catch {
    // A batch of another type: leave it to the consumer.
    return
  }
  if (leaves.length > 0) await evaluate(leaves)
}

/** Frees an unused batch. */
function free(batch: unknown): void {
  ;(batch as Partial<Disposable> | undefined)?.[Symbol.dispose]?.()
}

/** A promise with its resolvers. */
interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
