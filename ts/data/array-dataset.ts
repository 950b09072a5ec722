import { checkShape, literal } from '../core/create.js'
import { type Device, type DeviceRequest, deviceNumber } from '../core/devices.js'
import { isFloat, isTypedArray, sizeOf, withRoom } from '../core/dtype.js'
import { ArgumentError, DataError, DisposedError, describe, ShapeError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { floatDType } from '../core/operands.js'
import {
  between,
  type Checks,
  checkOptions,
  checkValue,
  elsewhere,
  finite as finiteNumber,
  flag,
  isList,
  whole,
} from '../core/options.js'
import { atOnce, inTurns, type Work } from '../core/turns.js'
import type { FloatDType } from '../nn/initializers.js'
import { isFinite as finite } from '../ops/elementwise.js'
import { stack } from '../ops/movement.js'
import { HostRandom } from '../ops/random.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import type { Batch, Dataset } from './loader.js'
import { epochNumber, type OrderOptions, orderChecks, rowsAt, shuffledRows } from './order.js'
import {
  type ArrayInput,
  deviceAmong,
  notAClass,
  readingTargets,
  readingTensor,
  samplesPerTurn,
} from './targets.js'

export type { OrderOptions } from './order.js'
export type { ArrayInput } from './targets.js'

/** Options of {@link ArrayDataset}. */
export interface ArrayDatasetOptions extends OrderOptions {
  /** Shape of one input, for flat typed arrays. Default: the shape of `x` without its first axis. */
  inputShape?: Shape | undefined
  /**
   * Whether `y` holds class labels (whole numbers, stored as int32 of shape [n], or [n, ...] for several per sample). Default: true for
   * integer dtypes and for a plain list of whole numbers, false for floats.
   */
  labels?: boolean | undefined
  /** A label, such as -100 or 255, of samples to ignore; a model leaves them out with `lossOptions: { ignoreIndex }`. */
  ignoreIndex?: number | undefined
  /** Number of classes. Default, for labels: the largest label + 1. */
  classes?: number | undefined
  /** A batch is `x * scale + offset` in `dtype`: bytes stay bytes until a batch is made. Default 1. */
  scale?: number | undefined
  /** Default 0. */
  offset?: number | undefined
  /** Dtype of batches, and of data given as plain numbers. Default 'float32'. */
  dtype?: FloatDType | undefined
  /**
   * Device of the samples and the batches. Default: the device of `x` if it is a tensor, otherwise of `y`, and the default device for
   * arrays. A model on another device gets copies of the batches, one by one.
   */
  device?: DeviceRequest | undefined
}

const checks: Checks<ArrayDatasetOptions> = {
  ...orderChecks,
  inputShape: elsewhere(),
  labels: flag,
  ignoreIndex: whole(),
  classes: whole(1),
  scale: finiteNumber,
  offset: finiteNumber,
  dtype: floatDType,
  device: elsewhere(),
}

/** Share of samples for validation. */
export const shareCheck = between(0, 1, 'high')

/** The samples: stored natively, all of them, not yet scaled. */
export interface ArraySource {
  /** `[n, ...inputShape]`, of any dtype. */
  readonly x: Tensor
  /** `[n]` or `[n, ...]` int32 labels, or `[n, ...]` targets. */
  readonly y: Tensor
  readonly scale: number
  readonly offset: number
}

interface StoredSamples {
  readonly source: ArraySource
  /** Labels in JavaScript, flat, to check. */
  readonly labels: Int32Array | undefined
  readonly classes: number | undefined
  readonly ignoreIndex: number | undefined
  readonly dtype: FloatDType
  /** Filled by `checkFinite`, once for all datasets on one source. */
  checked: Promise<void> | undefined
}

/** Rows of a shared source. */
interface SourceRows {
  readonly held: StoredSamples
  readonly rows: Int32Array
}

/**
 * Samples in memory, stored natively. A batch is a gather: no copy passes through JavaScript, and several datasets (training, validation)
 * share one source.
 *
 *     const data = new ArrayDataset(images, labels, { batchSize: 64, shuffle: true, seed: 1 })
 *     const [train, validation] = data.split(0.2)
 *     for await (using batch of train) console.log(batch.x.shape)
 *
 * @throws ShapeError for different lengths; DataError for no samples or for invalid labels, with the index
 */
export class ArrayDataset implements Dataset {
  readonly batchSize: number
  /** Whether each epoch is shuffled. */
  readonly shuffle: boolean
  readonly seed: number
  /** The samples of the source that are in this dataset, in order. */
  readonly indices: Int32Array
  readonly #held: StoredSamples
  #passes = 0

  /** @param part some rows of an existing source, for `subset` */
  constructor(x: ArrayInput, y: ArrayInput, options: ArrayDatasetOptions = {}, part?: SourceRows) {
    const given = checkOptions('ArrayDataset', options, checks)
    this.batchSize = given.batchSize ?? 32
    this.shuffle = given.shuffle ?? false
    this.seed = given.seed ?? 0
    this.#held = part?.held ?? atOnce(holding(x, y, given))
    this.indices = part?.rows ?? upTo(this.#held.source.x.shape[0] as number)
  }

  /**
   * Like the constructor, but large arrays are read in chunks, so the event loop is not blocked; do not change them until the promise has
   * resolved. @internal
   */
  static async inTurns(
    x: ArrayInput,
    y: ArrayInput,
    options: ArrayDatasetOptions = {},
  ): Promise<ArrayDataset> {
    const held = await inTurns(holding(x, y, checkOptions('ArrayDataset', options, checks)))
    const { source } = held
    return new ArrayDataset(source.x, source.y, options, { held, rows: upTo(source.x.shape[0] as number) })
  }

  /** Number of batches. */
  get length(): number {
    return Math.ceil(this.samples / this.batchSize)
  }

  get samples(): number {
    return this.indices.length
  }

  get classes(): number | undefined {
    return this.#held.classes
  }

  /** Shape of one input. */
  get inputShape(): Shape {
    return this.source.x.shape.slice(1)
  }

  /** Device of the samples. */
  get device(): Device {
    return this.source.x.device
  }

  /** Dtype of the inputs of a batch. */
  get dtype(): FloatDType {
    return this.#held.dtype
  }

  /**
   * All samples of the source; rows `indices` of it are this dataset's.
   *
   * @throws DisposedError after `dispose`
   */
  get source(): ArraySource {
    const { source } = this.#held
    if (!source.x.isDisposed) return source
    throw new DisposedError(
      `the ArrayDataset of ${this.samples} samples (or another one that shares its source) was disposed of; keep it until its last use`,
    )
  }

  /** Labels of all samples of the source, on the host, flat; undefined for other targets. */
  get labels(): Int32Array | undefined {
    return this.#held.labels
  }

  /** Rows of the source in the order of an epoch (0 is the first); batch b is the slice from `b * batchSize`. */
  epochIndices(epoch: number): Int32Array {
    return atOnce(this.ordering(epoch))
  }

  /** {@link ArrayDataset.epochIndices} as work that may take several turns. @internal */
  *ordering(epoch: number): Work<Int32Array> {
    checkValue('epochIndices: epoch', epoch, epochNumber)
    return this.shuffle ? yield* shuffledRows(this.indices, this.seed, epoch) : this.indices
  }

  /** A dataset of some of these samples, given by their indices; it shares the source. */
  subset(places: ArrayLike<number>, options: OrderOptions = {}): ArrayDataset {
    const given = checkOptions('subset', options, orderChecks)
    if (!isList(places) && !isTypedArray(places)) {
      throw new ArgumentError(`subset: given ${describe(places)}, expected an array of indices`)
    }
    const { indices } = this
    const rows = withRoom(4 * places.length, () => new Int32Array(places.length))
    for (let i = 0; i < rows.length; i++) {
      const place = places[i] as number
      const row = Number.isSafeInteger(place) ? indices[place] : undefined
      if (row === undefined) {
        throw new ArgumentError(`subset: there is no sample ${describe(place)} among ${this.samples}`)
      }
      rows[i] = row
    }
    const { batchSize, shuffle, seed } = this
    const { x, y } = this.source
    return new ArrayDataset(x, y, { batchSize, shuffle, seed, ...given }, { held: this.#held, rows })
  }

  /**
   * Splits at random into training and validation data. The validation data have the same order in every epoch; without `shuffle` the
   * training data keep the order of this dataset.
   *
   * @param share of the samples for validation, in [0, 1): n - floor(n * (1 - share)) samples
   * @param seed of the split; default the seed of the dataset
   */
  split(share: number, seed: number = this.seed): [train: ArrayDataset, validation: ArrayDataset] {
    return atOnce(this.splitting(share, seed))
  }

  /** {@link ArrayDataset.split} as work that may take several turns. @internal */
  *splitting(share: number, seed: number = this.seed): Work<[train: ArrayDataset, validation: ArrayDataset]> {
    checkValue('split: share', share, shareCheck)
    checkValue('split: seed', seed, whole(0))
    const order = yield* new HostRandom(seed).permuting(this.samples)
    // The small term compensates the rounding of 1 - share: floor(100 * (1 - 0.2)) is 80, not 79.
    const kept = Math.floor(this.samples * (1 - share) + 1e-9)
    const train = this.shuffle ? order.slice(0, kept) : yield* inOrder(order, kept)
    const rows = yield* rowsAt(this.indices, train)
    const others = yield* rowsAt(this.indices, order.subarray(kept))
    return [this.#part(rows, this.shuffle), this.#part(others, false)]
  }

  #part(rows: Int32Array, shuffle: boolean): ArrayDataset {
    const { batchSize, seed } = this
    const { x, y } = this.source
    return new ArrayDataset(x, y, { batchSize, shuffle, seed }, { held: this.#held, rows })
  }

  /**
   * Checks once that all inputs (and float targets) of the source are finite, off the JavaScript thread.
   *
   * @throws DataError (rejects) naming the first sample with another value
   */
  checkFinite(): Promise<void> {
    const held = this.#held
    const { x, y } = this.source
    held.checked ??= Promise.all([rejectNonFinite('x', x), rejectNonFinite('y', y)]).then(() => {})
    return held.checked
  }

  /**
   * Checks that all labels are below a number of classes.
   *
   * @param ignoreIndex a valid label that is not a class
   * @throws DataError naming the first sample of this dataset with an invalid label
   */
  checkClasses(classes: number, ignoreIndex?: number): void {
    checkValue('checkClasses: classes', classes, whole(1))
    if (ignoreIndex !== undefined) checkValue('checkClasses: ignoreIndex', ignoreIndex, whole())
    const { labels } = this.#held
    if (labels === undefined || (this.#held.ignoreIndex === ignoreIndex && (this.classes ?? 0) <= classes))
      return
    const perSample = labels.length / (this.source.y.shape[0] as number)
    for (const [place, row] of this.indices.entries()) {
      for (let at = row * perSample; at < (row + 1) * perSample; at++) {
        const label = labels[at] as number
        if (label !== ignoreIndex && (label < 0 || label >= classes)) throw notAClass(label, place, classes)
      }
    }
  }

  /** Batches of the next epoch; every pass is another epoch, so a shuffled dataset has another order. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    const order = await inTurns(this.ordering(this.#passes++))
    for (let start = 0; start < order.length; start += this.batchSize) {
      yield this.#gather(order.subarray(start, start + this.batchSize))
    }
  }

  #gather(rows: Int32Array): Batch {
    const { source, dtype } = this
    const index = literal(rows)
    const raw = source.x.take(index)
    const x = scaled(raw, source, dtype)
    const y = source.y.take(index)
    index.dispose()
    if (x !== raw) raw.dispose()
    return {
      x,
      y,
      [Symbol.dispose]() {
        x.dispose()
        y.dispose()
      },
    }
  }

  /**
   * Releases the source, which datasets made by `subset` and `split` share. A second call is allowed; any other use of the samples
   * afterward throws {@link DisposedError}, and a running `fit` rejects with it.
   */
  dispose(): void {
    this.#held.source.x.dispose()
    this.#held.source.y.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** Stored inputs as a model sees them. */
export function scaled(
  raw: Tensor,
  { scale, offset }: Pick<ArraySource, 'scale' | 'offset'>,
  dtype: FloatDType,
): Tensor {
  const exact = raw.dtype === dtype ? raw : raw.cast(dtype)
  const wide = scale === 1 ? exact : exact.mul(scale)
  return offset === 0 ? wide : wide.add(offset)
}

/** The numbers 0 .. n - 1. */
function upTo(n: number): Int32Array {
  const places = new Int32Array(n)
  for (let i = 0; i < n; i++) places[i] = i
  return places
}

/** The first `count` indices of a permutation, in ascending order. Marking each is faster than sorting. */
function* inOrder(order: Int32Array, count: number): Work<Int32Array> {
  const isIn = new Uint8Array(order.length)
  for (let i = 0; i < count; i++) {
    isIn[order[i] as number] = 1
    if ((i + 1) % samplesPerTurn === 0) yield
  }
  const places = new Int32Array(count)
  let at = 0
  for (let place = 0; place < isIn.length; place++) if (isIn[place] === 1) places[at++] = place
  return places
}

function* holding(givenX: ArrayInput, givenY: ArrayInput, options: ArrayDatasetOptions): Work<StoredSamples> {
  const { scale = 1, offset = 0, dtype = 'float32' } = options
  const { device = deviceAmong(givenX, givenY) } = options
  deviceNumber('ArrayDataset', device)
  const x = yield* readingInputs(givenX, dtype, options.inputShape, device)
  const count = x.shape[0] as number
  const { y, labels } = yield* readingTargets(givenY, count, dtype, { ...options, device })
  const { ignoreIndex } = options
  const classes = labels && (options.classes ?? (yield* largestLabel(labels, ignoreIndex)) + 1)
  return { source: { x, y, scale, offset }, labels, classes, ignoreIndex, dtype, checked: undefined }
}

/** The largest label except the one to ignore; 0 if there is none. */
function* largestLabel(labels: Int32Array, ignoreIndex: number | undefined): Work<number> {
  let most = 0
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number
    if (label > most && label !== ignoreIndex) most = label
    if ((i + 1) % (8 * samplesPerTurn) === 0) yield
  }
  return most
}

/**
 * Samples `[n, ...inputShape]` as a separate tensor; plain numbers become `dtype`, other data keep their dtype. @param device as for {@link
 * readingTensor}
 */
export function* readingInputs(
  given: ArrayInput,
  dtype: FloatDType,
  inputShape: Shape | undefined,
  device?: DeviceRequest,
): Work<Tensor> {
  const data = yield* readingTensor(given, dtype, device)
  if (data.rank === 0 || data.size === 0) throw new DataError('x is empty; give at least one sample')
  if (inputShape === undefined) return data
  const width = sizeOf(checkShape('inputShape', inputShape))
  if (data.size % width !== 0 || (data.rank > 1 && data.size / width !== data.shape[0])) {
    throw new ShapeError(
      `x of shape (${data.shape.join(', ')}) does not hold samples of shape (${inputShape.join(', ')}), ${width} numbers each`,
    )
  }
  const shaped = data.reshape([data.size / width, ...inputShape])
  data.dispose()
  return shaped
}

async function rejectNonFinite(what: string, values: Tensor): Promise<void> {
  if (!isFloat(values.dtype)) return
  // Inside tidy: a lazy intermediate would keep the values in its history.
  using found = tidy(() => {
    const rows = finite(values)
      .reshape([values.shape[0] as number, -1])
      .all(1)
    // The index of the first row with a false: rows as numbers, smallest first.
    return stack([rows.all().cast('int32'), rows.cast('float32').argMin(0).cast('int32')])
  })
  const [fine, index] = await found.data()
  if (fine === 1) return
  throw new DataError(
    `${what} of sample ${index} holds a value that is NaN or infinite; remove or replace such samples before training`,
  )
}
