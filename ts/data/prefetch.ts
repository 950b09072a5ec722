/** Batches that are made before they are asked for, while others are trained on. */

import { evaluate } from '../core/memory.js'
import { type Checks, checkOptions, whole } from '../core/options.js'
import { treeLeaves } from '../core/tree.js'
import { DerivedSource } from './derived-source.js'
import { checkSource, type Dataset, passOf } from './loader.js'

/** Options of {@link prefetch}. */
export interface PrefetchOptions {
  /** Batches that are ready beside the one in use. Default 2. */
  batches?: number
}

const checks: Checks<PrefetchOptions> = { batches: whole(1, 1024) }

/**
 * The same batches in the same order, made ahead: while a batch is trained on, the next ones are waited for, and lazy tensors in them are
 * computed. A source is asked for one batch at a time. Where a pass is left early, the source is told, and batches that nobody took are freed.
 *
 *     await model.fitDataset(prefetch(augmented(train, change), { batches: 2 }), { epochs: 10 })
 *
 * @throws {ArgumentError} for a source that cannot be gone through
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

/** One pass. Not a generator, whose `return` would wait for the batch that is being made. */
class PrefetchIterator<B> implements AsyncIterator<B> {
  readonly #iterator: Iterator<B> | AsyncIterator<B>
  readonly #limit: number
  /** What was made, in order; each may be an error. */
  readonly #ready: PromiseSettledResult<IteratorResult<B>>[] = []
  /** Those who wait for what is not made yet, in order. */
  readonly #waiting: PromiseWithResolvers<IteratorResult<B>>[] = []
  #isMaking = false
  /** Nothing more will be made: the source is at its end, failed, or was left. */
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

  /** Ends the pass at once; the source is told, and may take its time. */
  async return(): Promise<IteratorResult<B>> {
    this.#end()
    for (const settled of this.#ready.splice(0)) {
      if (settled.status === 'fulfilled') free(settled.value.value)
    }
    await this.#iterator.return?.()
    return { value: undefined, done: true }
  }

  /** Makes batches until there are enough, or no more. */
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

  /** Hands on what was made, to who waits or for later. */
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

/** Computes the tensors of a batch, where it is a tree of such. */
async function compute(batch: unknown): Promise<void> {
  let leaves: readonly object[]
  try {
    leaves = treeLeaves(batch)
  } catch {
    // Something else than tensors: whoever asked for it knows what it is.
    return
  }
  if (leaves.length > 0) await evaluate(leaves)
}

/** Frees a batch that nobody took. */
function free(batch: unknown): void {
  ;(batch as Partial<Disposable> | undefined)?.[Symbol.dispose]?.()
}

/** A promise with what settles it. */
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
