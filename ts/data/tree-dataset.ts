/** Samples of any structure: a tree of arrays, one row per sample. */
import { type DeviceRequest, deviceNumber } from '../core/devices.js'
import { isTypedArray } from '../core/dtype.js'
import {
  ArgumentError,
  DataError,
  DisposedError,
  describe,
  HyperglowError,
  ShapeError,
} from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { isArrayData } from '../core/nested.js'
import { type Checks, checkOptions, checkValue, elsewhere, isList, isPlainObject } from '../core/options.js'
import { type TreeStructure, treeFlatten, treeMap } from '../core/tree.js'
import { atOnce, inTurns, type Work } from '../core/turns.js'
import { Tensor } from '../ops/tensor.js'
import { epochNumber, type OrderOptions, orderChecks, shuffledRows } from './order.js'
import { type ArrayInput, deviceAmong, readingTensor } from './targets.js'

/** Options of {@link TreeDataset}. */
export interface TreeDatasetOptions extends OrderOptions {
  /**
   * Device of the samples and the batches. Default: the device of the first tensor among the arrays, or the default device without tensors.
   * A task on another device gets copies of the batches, one by one.
   */
  device?: DeviceRequest | undefined
}

const checks: Checks<TreeDatasetOptions> = { ...orderChecks, device: elsewhere() }

/** A tree of samples: arrays nested in records. */
export type TreeInput = ArrayInput | { readonly [name: string]: TreeInput }

/** The batches of a {@link TreeDataset}: a tensor for every array. */
export type TreeBatch<T> = T extends ArrayInput ? Tensor : { [Name in keyof T]: TreeBatch<T[Name]> }

/**
 * Samples in memory, stored natively: a record of arrays, which may hold further records, with one row per sample. A batch is the same
 * record with some of the rows. Plain numbers become float32; pass other types as typed arrays or tensors.
 *
 *     const data = new TreeDataset({ image, mask, meta: { age } }, { batchSize: 64, shuffle: true, seed: 1 })
 *     await fit(task, data, { epochs: 10 }) // step({ image, mask, meta: { age } }, ctx)
 *
 * @throws ShapeError for arrays of different lengths, ArgumentError for anything but arrays, with the path
 */
export class TreeDataset<T extends TreeInput = TreeInput> implements AsyncIterable<TreeBatch<T>> {
  readonly batchSize: number
  /** Whether each epoch is shuffled. */
  readonly shuffle: boolean
  readonly seed: number
  /** Number of samples. */
  readonly samples: number
  readonly #leaves: Tensor[]
  readonly #structure: TreeStructure<unknown>
  readonly #rows: Int32Array
  #passes = 0

  constructor(arrays: T, options: TreeDatasetOptions = {}) {
    const given = checkOptions('TreeDataset', options, checks)
    const { batchSize = 32, shuffle = false, seed = 0, device } = given
    deviceNumber('TreeDataset', device)
    this.batchSize = batchSize
    this.shuffle = shuffle
    this.seed = seed
    const { leaves, structure, samples } = hold(arrays, device)
    this.#leaves = leaves
    this.#structure = structure
    this.samples = samples
    this.#rows = Int32Array.from({ length: samples }, (_, row) => row)
  }

  /** Number of batches. */
  get length(): number {
    return Math.ceil(this.samples / this.batchSize)
  }

  /**
   * All samples, as a tree of tensors owned by the dataset.
   *
   * @throws DisposedError after `dispose`
   */
  get source(): TreeBatch<T> {
    if (this.#leaves.every(({ isDisposed }) => !isDisposed)) {
      return this.#structure.unflatten(this.#leaves) as TreeBatch<T>
    }
    throw new DisposedError(
      `the TreeDataset of ${this.samples} samples was disposed of; keep it until its last use`,
    )
  }

  /** The rows of the source in their own order. @internal */
  get rows(): Int32Array {
    return this.#rows
  }

  /** Rows of the source in the order of an epoch (from 0); batch b is the slice from `b * batchSize`. */
  epochIndices(epoch: number): Int32Array {
    return atOnce(this.ordering(epoch))
  }

  /** {@link TreeDataset.epochIndices} as work that may take several turns. @internal */
  *ordering(epoch: number): Work<Int32Array> {
    checkValue('epochIndices: epoch', epoch, epochNumber)
    return this.shuffle ? yield* shuffledRows(this.#rows, this.seed, epoch) : this.#rows
  }

  /** Batches of the next epoch; every pass is another epoch, so a shuffled dataset has another order. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TreeBatch<T>> {
    const order = await inTurns(this.ordering(this.#passes++))
    for (let start = 0; start < order.length; start += this.batchSize) {
      const rows = order.subarray(start, start + this.batchSize)
      yield tidy(() => rowsOf(this.source, rows))
    }
  }

  /** Releases the samples. A second call is allowed; any other use of the samples afterward throws {@link DisposedError}. */
  dispose(): void {
    for (const leaf of this.#leaves) leaf.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** Some rows of every tensor of a tree. */
export function rowsOf<T>(tree: T, rows: Tensor | Int32Array): T {
  const { leaves, structure } = treeFlatten(tree)
  return structure.unflatten(leaves.map((leaf) => (leaf as Tensor).take(rows))) as T
}

/** The arrays of a tree as separate tensors. @param wanted device of the tensors; default the device of the first tensor */
function hold(
  arrays: TreeInput,
  wanted: DeviceRequest | undefined,
): { leaves: Tensor[]; structure: TreeStructure<unknown>; samples: number } {
  const isLeaf = (node: unknown) => !isPlainObject(node) || isArrayData(node)
  const given: unknown[] = []
  treeMap<unknown, void>(
    arrays,
    (leaf) => {
      given.push(leaf)
    },
    isLeaf,
  )
  const device = wanted ?? deviceAmong(...given)
  const held: { path: string; leaf: Tensor }[] = []
  const visit = (given: unknown, where: readonly (string | number)[]): Tensor => {
    const path = where.join('.')
    const leaf = leafOf(given, path, device)
    held.push({ path, leaf })
    const [first] = held
    if (leaf.shape[0] === first?.leaf.shape[0]) return leaf
    throw new ShapeError(
      `TreeDataset: '${path}' holds ${leaf.shape[0]} samples and '${first?.path}' ${first?.leaf.shape[0]}; give a row for each sample in every array`,
    )
  }
  try {
    const tree = treeMap<unknown, Tensor>(arrays, visit, isLeaf)
    const samples = held[0]?.leaf.shape[0]
    if (samples === undefined) {
      throw new ArgumentError('TreeDataset: there is no array; give at least one, such as { x }')
    }
    return { leaves: held.map(({ leaf }) => leaf), structure: treeFlatten<unknown>(tree).structure, samples }
  } catch (error) {
    for (const { leaf } of held) leaf.dispose()
    throw error
  }
}

/** An array as a tensor. */
function leafOf(given: unknown, path: string, device: DeviceRequest | undefined): Tensor {
  const where = path === '' ? 'TreeDataset' : `TreeDataset: '${path}'`
  const isArray = given instanceof Tensor || isList(given) || isArrayData(given) || isTypedArray(given)
  if (!isArray) {
    throw new ArgumentError(
      `${where} is ${describe(given)}, expected a tensor, a typed array, a list of numbers, or { dtype, shape, data }`,
    )
  }
  const leaf = converted(given as ArrayInput, where, device)
  if (leaf.rank > 0 && leaf.size > 0) return leaf
  leaf.dispose()
  throw new DataError(`${where} holds no samples; give one row for each, at least one`)
}

function converted(given: ArrayInput, where: string, device: DeviceRequest | undefined): Tensor {
  try {
    return atOnce(readingTensor(given, 'float32', device))
  } catch (error) {
    if (!(error instanceof HyperglowError)) throw error
    throw new ArgumentError(`${where}: ${error.message}`, { cause: error })
  }
}
