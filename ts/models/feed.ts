/** Batches in the form that compiled steps take them. */
import { ArrayDataset, scaled } from '../datasets/array-dataset.js'
import { type Batch, type BatchSource, batchCount, iterateBatches } from '../datasets/loader.js'
import { isFloat } from '../dtype.js'
import { ArgumentError, DataError, describe, ShapeError } from '../errors.js'
import type { FloatDType } from '../initializers.js'
import { checkLabels } from '../losses/labels.js'
import { isFinite as finite } from '../ops/index.js'
import { type Shape, Tensor, tensor } from '../tensor.js'
import { evaluate } from '../transforms.js'

/** Arguments of a compiled step: the batch itself, or the whole source and the rows of it that are the batch. */
export type StepInput = { x: Tensor; y: Tensor; rows?: Tensor }

/** One batch on its way into a step. */
export interface FedBatch {
  readonly input: StepInput
  /** Samples in it. */
  readonly size: number
  /** To be called when the step has been started. */
  release(): void
}

/** What a feed must know about the model. */
export interface FeedOptions {
  readonly inputShape: Shape
  readonly dtype: FloatDType
  /** Labels must lie below this number; undefined where they need not. */
  readonly classes: number | undefined
}

/** A source of batches, ready for compiled steps. */
export interface Feed {
  /** Batches in an epoch; undefined where the source does not tell. */
  readonly batches: number | undefined
  /** Number of classes that the data know of. */
  readonly classes: number | undefined
  /** The batch inside a step: inputs in the dtype of the model, targets as they are. */
  decode(input: StepInput): Batch
  /** Checks what can be checked before the first batch. */
  prepare(): Promise<void>
  /** Batches of one epoch, 0 being the first of the model's life. */
  epoch(number: number): AsyncGenerator<FedBatch>
}

/** The feed of a source. */
export function feedOf(source: BatchSource, options: FeedOptions): Feed {
  if (source instanceof ArrayDataset) return new ArrayFeed(source, options)
  if (source === null || typeof source !== 'object') {
    throw new ArgumentError(
      `given ${describe(source)} as data, expected a dataset or an iterable of { x, y } batches`,
    )
  }
  return new BatchFeed(source, options)
}

/** Samples that lie natively: a batch is a list of rows, gathered inside the step. */
class ArrayFeed implements Feed {
  readonly #data: ArrayDataset
  readonly #options: FeedOptions

  constructor(data: ArrayDataset, options: FeedOptions) {
    this.#data = data
    this.#options = options
    checkInput(data.inputShape, options.inputShape)
    if (options.classes !== undefined) data.checkClasses(options.classes)
  }

  get batches(): number {
    return this.#data.length
  }

  get classes(): number | undefined {
    return this.#data.classes
  }

  decode({ x, y, rows }: StepInput): Batch {
    const chosen = rows as Tensor
    return { x: scaled(x.take(chosen), this.#data.source, this.#options.dtype), y: y.take(chosen) }
  }

  async prepare(): Promise<void> {
    const { x, y } = this.#data.source
    await evaluate([x, y])
    await this.#data.checkFinite()
  }

  async *epoch(number: number): AsyncGenerator<FedBatch> {
    const { source, batchSize } = this.#data
    const order = this.#data.epochIndices(number)
    for (let start = 0; start < order.length; start += batchSize) {
      const part = order.subarray(start, start + batchSize)
      const rows = tensor(part)
      yield {
        input: { x: source.x, y: source.y, rows },
        size: part.length,
        release: () => rows.dispose(),
      }
    }
  }
}

/** Batches that somebody else makes; each is checked as it comes. */
class BatchFeed implements Feed {
  readonly #source: BatchSource
  readonly #options: FeedOptions
  readonly batches: number | undefined
  readonly classes: number | undefined

  constructor(source: BatchSource, options: FeedOptions) {
    this.#source = source
    this.#options = options
    this.batches = batchCount(source)
    const { classes } = source as { classes?: unknown }
    this.classes = typeof classes === 'number' ? classes : undefined
  }

  decode({ x, y }: StepInput): Batch {
    return { x: scaled(x, { scale: 1, offset: 0 }, this.#options.dtype), y }
  }

  async prepare(): Promise<void> {}

  async *epoch(): AsyncGenerator<FedBatch> {
    const iterator = iterateBatches(this.#source)
    let index = 0
    let ended = false
    try {
      for (; ; index++) {
        const next = await iterator.next()
        if (next.done) {
          ended = true
          break
        }
        const batch = next.value
        await this.#check(batch, index)
        const { x, y } = batch
        yield { input: { x, y }, size: x.shape[0] as number, release() {} }
      }
    } finally {
      if (!ended) await iterator.return?.()
    }
    if (index === 0) {
      throw new DataError(
        'the data gave no batch in this epoch; a generator object can be gone through only once: give an array, a dataset, or an object whose [Symbol.asyncIterator] starts anew',
      )
    }
  }

  async #check(batch: Batch, index: number): Promise<void> {
    const where = `batch ${index}`
    if (!(batch?.x instanceof Tensor) || !(batch.y instanceof Tensor)) {
      throw new ArgumentError(`${where} is ${describe(batch)}, expected { x, y } of tensors`)
    }
    const { x, y } = batch
    checkInput(x.shape.slice(1), this.#options.inputShape, where)
    if (x.shape[0] === 0 || x.shape[0] !== y.shape[0]) {
      throw new ShapeError(
        `${where}: x holds ${x.shape[0]} samples and y ${y.shape[0] ?? 'one number'}; give one target for each input, and at least one`,
      )
    }
    const { classes } = this.#options
    if (classes !== undefined && y.rank === 1) checkLabels((await y.data()) as Int32Array, classes)
    if (!isFloat(x.dtype)) return
    const isFine = finite(x).all()
    const fine = await isFine.item()
    isFine.dispose()
    if (fine !== 1) {
      throw new DataError(
        `${where}: x holds a value that is NaN or infinite; remove or replace such samples before training`,
      )
    }
  }
}

function checkInput(given: Shape, expected: Shape, where = 'data'): void {
  if (given.length === expected.length && given.every((extent, axis) => extent === expected[axis])) return
  throw new ShapeError(
    `${where}: inputs have shape [${given}], expected that of the model, [${expected}] (both without the batch axis)`,
  )
}
