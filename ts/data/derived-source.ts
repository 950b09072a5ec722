/** A source of batches that come from those of another one, as many and of the same samples. */

import type { Dataset } from './loader.js'

/** Tells of its batches what the source tells of its own. */
export abstract class DerivedSource<B> implements AsyncIterable<B> {
  readonly #source: Iterable<B> | AsyncIterable<B>

  constructor(source: Iterable<B> | AsyncIterable<B>) {
    this.#source = source
  }

  /** Where the batches come from. */
  protected get source(): Iterable<B> | AsyncIterable<B> {
    return this.#source
  }

  get #told(): Partial<Omit<Dataset, typeof Symbol.asyncIterator>> {
    return this.#source as Partial<Dataset>
  }

  get length(): number | undefined {
    return this.#told.length
  }

  get samples(): number | undefined {
    return this.#told.samples
  }

  get batchSize(): number | undefined {
    return this.#told.batchSize
  }

  get classes(): number | undefined {
    return this.#told.classes
  }

  abstract [Symbol.asyncIterator](): AsyncIterator<B>
}
