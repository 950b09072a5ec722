/** What models train on: anything that gives batches, again in every epoch. */
import { ArgumentError, describe } from '../core/errors.js'
import type { Tensor } from '../ops/tensor.js'

/**
 * Inputs and targets of some samples; the sample axis comes first in both.
 *
 * A batch that was made to be used once has a `Symbol.dispose`: `for await (using batch of dataset)` then frees it at once. Training
 * leaves batches alone, so a list of them can be gone through again.
 */
export interface Batch extends Partial<Disposable> {
  /** `[batch, ...inputShape]`. */
  readonly x: Tensor
  /** Class labels `[batch]` of an integer dtype, or targets `[batch, ...]`. */
  readonly y: Tensor
}

/** Batches of known number that can be gone through again and again. */
export interface Dataset extends AsyncIterable<Batch> {
  /** Number of batches. */
  readonly length: number
  /** Number of samples. */
  readonly samples: number
  /** Samples in a batch; the last one may have fewer. */
  readonly batchSize: number
  /** Number of classes that the labels come from, where they are labels. */
  readonly classes?: number | undefined
}

/** What a model accepts as data: a Dataset, or any iterable of batches that may be gone through once an epoch. */
export type BatchSource = Dataset | Iterable<Batch> | AsyncIterable<Batch>

/** Number of batches of a source, if it tells; arrays do. */
export function batchCount(source: BatchSource): number | undefined {
  const length = (source as { length?: unknown } | null)?.length
  return typeof length === 'number' && Number.isInteger(length) && length >= 0 ? length : undefined
}

/** An iterator over the batches, from their beginning. */
export function iterateBatches(source: BatchSource): Iterator<Batch> | AsyncIterator<Batch> {
  checkSource('data', source)
  const given = source as Partial<AsyncIterable<Batch> & Iterable<Batch>>
  if (typeof given[Symbol.asyncIterator] === 'function') {
    return (given as AsyncIterable<Batch>)[Symbol.asyncIterator]()
  }
  return (given as Iterable<Batch>)[Symbol.iterator]()
}

/** @throws {ArgumentError} for what cannot be gone through, and for numbers in a typed array */
export function checkSource(what: string, source: BatchSource): void {
  const given = source as Partial<AsyncIterable<Batch> & Iterable<Batch>> | null | undefined
  const make = given?.[Symbol.asyncIterator] ?? given?.[Symbol.iterator]
  if (typeof make === 'function' && typeof source !== 'string' && !ArrayBuffer.isView(source)) return
  throw new ArgumentError(
    `given ${describe(source)} as ${what}, expected a dataset or an (async) iterable of { x, y } batches`,
  )
}

/**
 * The batches of one pass through a source. Where the loop is left early, so is the source.
 *
 * @throws {ArgumentError} for an iterator that is none
 */
export async function* passOf(source: BatchSource): AsyncGenerator<Batch> {
  const iterator = iterateBatches(source) as AsyncIterator<Batch>
  if (typeof iterator?.next !== 'function') {
    throw new ArgumentError(
      `the iterator of the data is ${describe(iterator)}, expected an object with a method next(), as a generator has`,
    )
  }
  for await (const batch of { [Symbol.asyncIterator]: () => iterator }) yield batch
}
