/** Batches as arguments of compiled steps. */

import type { Device } from '../core/devices.js'
import { isFloat } from '../core/dtype.js'
import { ArgumentError, DataError, describe, ShapeError, unknownName } from '../core/errors.js'
import { isPlainObject } from '../core/options.js'
import { evaluate, tidy } from '../core/transforms.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, scaled } from '../data/array-dataset.js'
import { fingerprintOf, fingerprintOfRows } from '../data/fingerprint.js'
import { type Batch, type BatchSource, batchCount } from '../data/loader.js'
import type { FloatDType } from '../nn/initializers.js'
import { isFinite as finite, stack } from '../ops/index.js'
import { type Shape, Tensor } from '../ops/tensor.js'
import { batchesOf } from './batches.js'
import { delivered, type FedBatch, isOn } from './delivery.js'
import type { TargetRule } from './targets.js'
import { unlessAborted } from './unless-aborted.js'

/** Arguments of a compiled step of a model: the batch itself, or the whole source and the batch's rows. */
export type StepInput = { x: Tensor; y: Tensor; weight?: Tensor; rows?: Tensor }

/** Arguments of a call for {@link StepInput}: the rows as numbers, which become a tensor in the run. */
export type FedInput = Omit<StepInput, 'rows'> & { rows?: Int32Array }

/** The properties of the model that a feed uses. */
export interface FeedOptions {
  readonly inputShape: Shape
  readonly dtype: FloatDType
  /** The model's device; batches are copied to it. */
  readonly device: Device
  /** The checks of targets. */
  readonly targets: TargetRule
  /** What each sample of an ArrayDataset's source counts, `[n]`; default 1. */
  readonly weights?: Tensor | undefined
}

/** A source of batches, ready for compiled steps. */
export interface Feed<B = Batch, I extends object = object> {
  /** Batches in an epoch; undefined for a source of unknown length. */
  readonly batches: number | undefined
  /** Text that identifies the division of samples into batches and their order; undefined if the source does not define them. */
  readonly division: string | undefined
  /** A fingerprint of the samples; left out by a source of batches that are made one by one. */
  fingerprint?(): Promise<string>
  /** Number of classes of the labels, if it is known. */
  readonly classes?: number | undefined
  /** The batch inside a step, from the arguments of {@link Feed.epoch}. */
  decode(input: object): B
  /** Samples in a batch. */
  sizeOf(input: object): number
  /** Checks before the first batch. */
  prepare(): Promise<void>
  /**
   * Batches of one epoch; epoch 0 is the first of all training of the task.
   *
   * @param signal ends waiting for a user's iterator; @param skip batches to leave out, from the first
   */
  epoch(number: number, signal?: AbortSignal, skip?: number): AsyncGenerator<FedBatch<I>>
}

/** The feeds of a run. */
export interface Feeds<B, I extends object = object> {
  readonly feed: Feed<B, I>
  /** Undefined for empty validation data. */
  readonly validation: Feed<B, I> | undefined
}

/**
 * The feeds of training and validation data.
 *
 * @throws DataError for training data without samples
 */
export function feedsOf<S extends Iterable<unknown> | AsyncIterable<unknown>, B, I extends object>(
  training: S,
  validation: S | undefined,
  make: (source: S) => Feed<B, I>,
): Feeds<B, I> {
  const feed = make(training)
  if (feed.batches === 0) throw new DataError('fit: the training data are empty; give at least one batch')
  const isEmpty = validation === undefined || batchCount(validation) === 0
  return { feed, validation: isEmpty ? undefined : make(validation) }
}

/** Checks of data before the first batch. */
export async function prepareFeeds(
  { feed, validation }: Feeds<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  await unlessAborted(feed.prepare(), signal)
  await unlessAborted(validation?.prepare(), signal)
}

/** The {@link Feed.division} of a source. */
export function divisionOf(source: object): string | undefined {
  const { samples, batchSize, shuffle, seed } = source as Readonly<Record<string, unknown>>
  if (typeof samples !== 'number' || typeof batchSize !== 'number') return undefined
  const order = shuffle === true ? `, shuffled by the seed ${seed}` : shuffle === false ? ' in order' : ''
  return `${samples} samples in batches of ${batchSize}${order}`
}

/** The feed of a source. */
export function feedOf(source: BatchSource, options: FeedOptions): Feed<Batch, FedInput> {
  if (source instanceof ArrayDataset) return new ArrayFeed(source, options)
  if (source === null || typeof source !== 'object') {
    throw new ArgumentError(
      `given ${describe(source)} as data, expected a dataset or an iterable of { x, y } batches`,
    )
  }
  return new BatchFeed(source, options)
}

/** Samples in native memory: a batch is a list of rows, gathered inside the step. */
class ArrayFeed implements Feed<Batch, FedInput> {
  readonly #data: ArrayDataset
  readonly #options: FeedOptions

  constructor(data: ArrayDataset, options: FeedOptions) {
    this.#data = data
    this.#options = options
    checkInput(data.inputShape, options.inputShape)
    const { classes, ignoreIndex } = options.targets
    if (classes !== undefined && !this.#holdsRows) data.checkClasses(classes, ignoreIndex)
  }

  get #holdsRows(): boolean {
    return this.#options.targets.isRows(this.#data.source.y.shape)
  }

  get batches(): number {
    return this.#data.length
  }

  get division(): string | undefined {
    return divisionOf(this.#data)
  }

  async fingerprint(): Promise<string> {
    const { weights } = this.#options
    const own = await fingerprintOf(this.#data)
    return weights === undefined ? own : `${own} ${await fingerprintOfRows([weights], this.#data.indices)}`
  }

  get classes(): number | undefined {
    const { classes, ignoreIndex } = this.#options.targets
    // Only ignored labels may be outside of the model's classes.
    return this.#holdsRows || ignoreIndex !== undefined ? classes : this.#data.classes
  }

  /** Inputs converted to the dtype of the model, targets unchanged. */
  decode(input: object): Batch {
    const { x, y, rows, weight } = input as StepInput
    const { dtype, targets } = this.#options
    // Without rows, the batch was gathered on the dataset's device.
    const taken = (all: Tensor) => (rows === undefined ? all : all.take(rows))
    return {
      x: scaled(taken(x), this.#data.source, dtype),
      y: targets.shaped(taken(y)),
      ...(weight === undefined ? {} : { weight: taken(weight) }),
    }
  }

  sizeOf(input: object): number {
    const { x, rows } = input as StepInput
    return (rows ?? x).shape[0] as number
  }

  async prepare(): Promise<void> {
    const { targets } = this.#options
    const { x, y } = this.#data.source
    await evaluate([x, y])
    await this.#data.checkFinite()
    using verdict = tidy(() => targets.verdict(y, 'data'))
    if (verdict !== undefined) await reject(verdict, (sample) => targets.fault(y, sample, 'data'))
    if (this.#data.labels === undefined) await targets.checkLabels(y)
  }

  async *epoch(number: number, _signal?: AbortSignal, skip = 0): AsyncGenerator<FedBatch<FedInput>> {
    const { source, batchSize } = this.#data
    const { weights } = this.#options
    const given = { x: source.x, y: source.y, ...(weights === undefined ? {} : { weight: weights }) }
    const { device } = this.#options
    const isHere = Object.values(given).every((all) => isOn(device, all))
    const order = await inTurns(this.#data.ordering(number))
    for (let start = skip * batchSize; start < order.length; start += batchSize) {
      const part = order.subarray(start, start + batchSize)
      if (isHere) {
        yield { input: { ...given, rows: part }, size: part.length }
        continue
      }
      const gathered = tidy((): FedInput => {
        const batch = { x: source.x.take(part), y: source.y.take(part) }
        return weights === undefined ? batch : { ...batch, weight: weights.take(part) }
      })
      yield delivered(gathered, part.length, device, Object.values(gathered) as Tensor[])
    }
  }
}

/** Batches of a user's iterator; each batch is checked. */
class BatchFeed implements Feed<Batch, FedInput> {
  readonly #source: BatchSource
  readonly #options: FeedOptions
  readonly batches: number | undefined
  readonly division: string | undefined
  readonly classes: number | undefined

  constructor(source: BatchSource, options: FeedOptions) {
    this.#source = source
    this.#options = options
    this.batches = batchCount(source)
    this.division = divisionOf(source)
    const { classes } = source as { classes?: unknown }
    this.classes = typeof classes === 'number' ? classes : undefined
  }

  /** Inputs converted to the dtype of the model, targets unchanged. */
  decode(input: object): Batch {
    const { x, y, weight } = input as StepInput
    const { dtype, targets } = this.#options
    const batch = { x: scaled(x, { scale: 1, offset: 0 }, dtype), y: targets.shaped(y) }
    return weight === undefined ? batch : { ...batch, weight }
  }

  sizeOf(input: object): number {
    return (input as StepInput).x.shape[0] as number
  }

  async prepare(): Promise<void> {}

  async *epoch(_number: number, signal?: AbortSignal, skip = 0): AsyncGenerator<FedBatch<FedInput>> {
    let index = 0
    for await (const batch of batchesOf(this.#source, signal)) {
      if (index < skip) {
        index++
        continue
      }
      await unlessAborted(this.#check(batch, `batch ${index++}`), signal)
      const { x, y, weight } = batch
      const input = weight === undefined ? { x, y } : { x, y, weight }
      yield delivered<FedInput>(input, x.shape[0] as number, this.#options.device)
    }
    if (index === 0) {
      throw new DataError(
        'the data gave no batch in this epoch; a generator object can be gone through only once: give an array, a dataset, or an object whose [Symbol.asyncIterator] starts anew',
      )
    }
  }

  async #check(batch: Batch, where: string): Promise<void> {
    if (!(batch?.x instanceof Tensor) || !(batch.y instanceof Tensor)) {
      throw new ArgumentError(`${where} is ${describe(batch)}, expected { x, y } of tensors`)
    }
    const entries = ['x', 'y', 'weight']
    const further = isPlainObject(batch) && Object.keys(batch).find((name) => !entries.includes(name))
    if (further) throw unknownName(`entry of ${where}`, further, entries)
    if (batch.weight !== undefined) await checkWeights(where, batch.weight, batch.x.shape[0] as number)
    const { x, y } = batch
    const { inputShape, targets } = this.#options
    checkInput(x.shape.slice(1), inputShape, where)
    if (x.shape[0] === 0 || x.shape[0] !== y.shape[0]) {
      throw new ShapeError(
        `${where}: x holds ${x.shape[0]} samples and y ${y.shape[0] ?? 'one number'}; give one target for each input, and at least one`,
      )
    }
    using verdicts = tidy(() => {
      const ofX = isFloat(x.dtype)
        ? finite(x)
            .reshape([x.shape[0] as number, -1])
            .all(1)
        : undefined
      const both = [ofX, targets.verdict(y, where)].filter((verdict) => verdict !== undefined)
      return both.length === 0 ? undefined : stack(both).all(0)
    })
    const fault = async (sample: number) => {
      using fine = tidy(() => finite(x.slice([sample], [sample + 1]).cast('float32')).all())
      if ((await fine.item()) === 1) return targets.fault(y, sample, where)
      return new DataError(
        `${where}: x holds a value that is NaN or infinite, in sample ${sample}; remove or replace such samples before training`,
      )
    }
    if (verdicts !== undefined) await reject(verdicts, fault)
    await targets.checkLabels(y)
  }
}

/**
 * Checks weights of samples.
 *
 * @throws ArgumentError, ShapeError, DataError for anything but n numbers of at least 0
 */
export async function checkWeights(where: string, weight: unknown, n: number): Promise<void> {
  if (!(weight instanceof Tensor)) {
    throw new ArgumentError(
      `${where}: weight is ${describe(weight)}, expected a tensor of one number a sample`,
    )
  }
  if (weight.rank !== 1 || weight.shape[0] !== n) {
    throw new ShapeError(`${where}: weight has shape [${weight.shape}], expected [${n}], one number a sample`)
  }
  const numbers = await weight.data()
  const bad = numbers.findIndex(
    (value: number | bigint) => !(Number.isFinite(Number(value)) && Number(value) >= 0),
  )
  if (bad < 0) return
  throw new DataError(
    `${where}: weight of sample ${bad} is ${numbers[bad]}, expected finite numbers of at least 0`,
  )
}

/** Throws the error of the first sample for which a verdict, bool [n], is false. */
async function reject(verdict: Tensor, fault: (sample: number) => Promise<Error>): Promise<void> {
  const sample = ((await verdict.data()) as Uint8Array).indexOf(0)
  if (sample >= 0) throw await fault(sample)
}

function checkInput(given: Shape, expected: Shape, where = 'data'): void {
  if (given.length === expected.length && given.every((extent, axis) => extent === expected[axis])) return
  throw new ShapeError(
    `${where}: inputs have shape [${given}], expected that of the model, [${expected}] (both without the batch axis)`,
  )
}
