/** A source of batches derived from another source, with the same number of batches and samples. */

import type { Dataset } from './loader.js'

/** Forwards the properties of the source's batches. */
export abstract class DerivedSource<B> implements AsyncIterable<B> {
  readonly #source: Iterable<B> | AsyncIterable<B>

  constructor(source: Iterable<B> | AsyncIterable<B>) {
    this.#source = source
  }

  /** The original batches. */
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
