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
  /** What each sample counts in the loss of training, numbers of at least 0, `[batch]`. Default 1. */
  readonly weight?: Tensor
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
export function batchCount(
  source: BatchSource | Iterable<unknown> | AsyncIterable<unknown>,
): number | undefined {
  const { length } = (source ?? {}) as { length?: unknown }
  return typeof length === 'number' && Number.isInteger(length) && length >= 0 ? length : undefined
}

/** An iterator over the batches, from their beginning. */
export function iterateBatches<B>(source: Iterable<B> | AsyncIterable<B>): Iterator<B> | AsyncIterator<B> {
  checkSource('data', source)
  const given = source as Partial<AsyncIterable<B> & Iterable<B>>
  if (typeof given[Symbol.asyncIterator] === 'function') {
    return (given as AsyncIterable<B>)[Symbol.asyncIterator]()
  }
  return (given as Iterable<B>)[Symbol.iterator]()
}

/** @throws {ArgumentError} for what cannot be gone through, and for numbers in a typed array */
export function checkSource(what: string, source: Iterable<unknown> | AsyncIterable<unknown>): void {
  const given = source as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined
  const make = given?.[Symbol.asyncIterator] ?? given?.[Symbol.iterator]
  if (typeof make === 'function' && typeof source !== 'string' && !ArrayBuffer.isView(source)) return
  throw new ArgumentError(
    `given ${describe(source)} as ${what}, expected a dataset or an (async) iterable of batches such as { x, y }`,
  )
}

/**
 * An iterator over the batches of one pass through a source.
 *
 * @throws {ArgumentError} for an iterator that is none
 */
export function passOf<B>(source: Iterable<B> | AsyncIterable<B>): Iterator<B> | AsyncIterator<B> {
  const iterator = iterateBatches(source)
  if (typeof iterator?.next === 'function') return iterator
  throw new ArgumentError(
    `the iterator of the data is ${describe(iterator)}, expected an object with a method next(), as a generator has`,
  )
}
