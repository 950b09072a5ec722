/** Training data: any repeatable source of batches. */
import { ArgumentError, describe } from '../core/errors.js'
import type { Tensor } from '../ops/tensor.js'

/**
 * Inputs and targets of some samples; the sample axis comes first in both.
 *
 * A batch for a single use has a `Symbol.dispose`: `for await (using batch of dataset)` then frees it at once. Training does not dispose of
 * batches, so a list of batches can be used again.
 */
export interface Batch extends Partial<Disposable> {
  /** `[batch, ...inputShape]`. */
  readonly x: Tensor
  /** Class labels `[batch]` of an integer dtype, or targets `[batch, ...]`. */
  readonly y: Tensor
  /** Weight of each sample in the training loss, at least 0, `[batch]`. Default 1. */
  readonly weight?: Tensor
}

/** A known number of batches that can be iterated repeatedly. */
export interface Dataset extends AsyncIterable<Batch> {
  /** Number of batches. */
  readonly length: number
  /** Number of samples. */
  readonly samples: number
  /** Samples in a batch; the last one may have fewer. */
  readonly batchSize: number
  /** Number of classes, if the targets are labels. */
  readonly classes?: number | undefined
}

/** Data for a model: a Dataset, or any iterable of batches that can be iterated once per epoch. */
export type BatchSource = Dataset | Iterable<Batch> | AsyncIterable<Batch>

/** Number of batches of a source, if it is known; arrays have a length. */
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

/** @throws {ArgumentError} unless given an iterable, and for numbers in a typed array */
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
 * @throws {ArgumentError} for an invalid iterator
 */
export function passOf<B>(source: Iterable<B> | AsyncIterable<B>): Iterator<B> | AsyncIterator<B> {
  const iterator = iterateBatches(source)
  if (typeof iterator?.next === 'function') return iterator
  throw new ArgumentError(
    `the iterator of the data is ${describe(iterator)}, expected an object with a method next(), like a generator`,
  )
}
