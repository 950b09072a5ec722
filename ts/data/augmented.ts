/** A source of augmented batches. */

import { tidy } from '../core/memory.js'
import { type Checks, callable, checkOptions, checkValue, whole } from '../core/options.js'
import { foldIn, key } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { type Augmentation, checkBatch } from './augment.js'
import { DerivedSource } from './derived-source.js'
import { type Batch, type BatchSource, checkSource, type Dataset, passOf } from './loader.js'

/** Options of {@link augmented}. */
export interface AugmentedOptions {
  /** Seed of the random numbers, together with the index of the pass and of the batch. Default 0. */
  seed?: number
}

const checks: Checks<AugmentedOptions> = { seed: whole(0) }

/**
 * The batches of a source, changed by an augmentation with different random numbers in every pass: training data. Validate and test on data
 * without augmentation.
 *
 *     const batches = augmented(train, augment([horizontalFlip(), randomCrop({ padding: 4 })]), { seed: 1 })
 *     await model.fitDataset(batches, { epochs: 10, validation })
 *
 * The random numbers depend only on the seed, the pass and the index of the batch. The batches are lazy: they are computed natively, in one
 * plan.
 *
 * @throws {ArgumentError} for a source that is not iterable, or an augmentation that is not a function
 */
export function augmented(data: Dataset, change: Augmentation, options?: AugmentedOptions): Dataset
export function augmented(
  data: BatchSource,
  change: Augmentation,
  options?: AugmentedOptions,
): AsyncIterable<Batch>
export function augmented(
  data: BatchSource,
  change: Augmentation,
  options: AugmentedOptions = {},
): AsyncIterable<Batch> {
  const { seed = 0 } = checkOptions('augmented', options, checks)
  checkValue('augmented: change', change, callable<Augmentation>())
  checkSource('the data of augmented', data)
  return new AugmentedSource(data, change, seed)
}

class AugmentedSource extends DerivedSource<Batch> {
  readonly #change: Augmentation
  readonly #seed: number
  #passes = 0

  constructor(source: BatchSource, change: Augmentation, seed: number) {
    super(source)
    this.#change = change
    this.#seed = seed
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    const pass = this.#passes++
    const iterator = passOf(this.source) as AsyncIterator<Batch>
    let index = 0
    for await (const batch of { [Symbol.asyncIterator]: () => iterator }) {
      yield this.#changed(batch, pass, index++)
    }
  }

  #changed(batch: Batch, pass: number, index: number): Batch {
    checkBatch(`augmented: batch ${index}`, batch)
    const change = this.#change
    const changed = tidy(() => change(batch, foldIn(foldIn(key(this.#seed), pass), index)))
    checkBatch('augmented: the augmentation returned', changed)
    const own = new Set<Tensor>([changed.x, changed.y])
    own.delete(batch.x)
    own.delete(batch.y)
    return {
      ...changed,
      [Symbol.dispose]() {
        for (const tensor of own) tensor.dispose()
        batch[Symbol.dispose]?.()
      },
    }
  }
}
