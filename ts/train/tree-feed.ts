/** Batches of tasks as arguments of compiled steps: trees of tensors. */
import type { Device } from '../core/devices.js'
import { isFloat } from '../core/dtype.js'
import { ArgumentError, DataError, describe, HyperglowError } from '../core/errors.js'
import { evaluate, tidy } from '../core/transforms.js'
import { type Tree, treeMap } from '../core/tree.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, scaled } from '../data/array-dataset.js'
import { fingerprintOf, fingerprintOfRows } from '../data/fingerprint.js'
import { batchCount } from '../data/loader.js'
import { rowsOf, TreeDataset } from '../data/tree-dataset.js'
import { isFinite as finite, stack } from '../ops/index.js'
import { Tensor } from '../ops/tensor.js'
import { batchesOf } from './batches.js'
import { delivered, type FedBatch, isOn } from './delivery.js'
import { divisionOf, type Feed } from './feed.js'
import { unlessAborted } from './unless-aborted.js'

/** Data of a task: a dataset, or any iterable of batches that can be iterated once an epoch. */
export type TreeSource<B> = AsyncIterable<B> | Iterable<B>

/** The feed of a source of trees. @param device the task's device, to which batches are copied */
export function treeFeedOf<B>(source: TreeSource<B>, device: Device): Feed<B> {
  const given: unknown = source
  if (given instanceof TreeDataset) return new RowsFeed<B>(given, device, (batch) => batch as B)
  if (given instanceof ArrayDataset) {
    const decode = ({ x, y }: { x: Tensor; y: Tensor }) =>
      ({ x: scaled(x, given.source, given.dtype), y }) as B
    return new RowsFeed<B>(given, device, (batch) => decode(batch as { x: Tensor; y: Tensor }))
  }
  if (given === null || typeof given !== 'object') {
    throw new ArgumentError(
      `fit: given ${describe(given)} as data, expected a dataset or an iterable of batches`,
    )
  }
  return new IterableFeed<B>(source, device)
}

/** The source and the rows of the batch; without rows, the batch itself, gathered on the dataset's device. */
type RowsInput = { source: Tree; rows?: Tensor }

/** Samples in native memory: a batch is a list of rows, gathered inside the step. */
class RowsFeed<B> implements Feed<B> {
  readonly #data: TreeDataset | ArrayDataset
  readonly #device: Device
  readonly #decode: (batch: Tree) => B

  constructor(data: TreeDataset | ArrayDataset, device: Device, decode: (batch: Tree) => B) {
    this.#data = data
    this.#device = device
    this.#decode = decode
  }

  get batches(): number {
    return this.#data.length
  }

  get division(): string | undefined {
    return divisionOf(this.#data)
  }

  fingerprint(): Promise<string> {
    const data = this.#data
    if (data instanceof ArrayDataset) return fingerprintOf(data)
    const leaves = leavesOfTree(this.#source)
    const paths = leaves.map(({ path }) => path).join()
    return fingerprintOfRows(
      leaves.map(({ leaf }) => leaf),
      data.rows,
      paths,
    )
  }

  /** The tensors of the source. */
  get #source(): Tree {
    if (!(this.#data instanceof ArrayDataset)) return this.#data.source as Tree
    const { x, y } = this.#data.source
    return { x, y }
  }

  decode(input: object): B {
    const { source, rows } = input as RowsInput
    return this.#decode(rows === undefined ? source : rowsOf(source, rows))
  }

  sizeOf(input: object): number {
    const { source, rows } = input as RowsInput
    return rows === undefined ? sizeOf(source) : (rows.shape[0] as number)
  }

  async prepare(): Promise<void> {
    const source = this.#source
    await evaluate(source)
    await checkFinite(source, 'data')
  }

  async *epoch(number: number, _signal?: AbortSignal, skip = 0): AsyncGenerator<FedBatch> {
    const source = this.#source
    const { batchSize } = this.#data
    const device = this.#device
    const isHere = leavesOfTree(source).every(({ leaf }) => isOn(device, leaf))
    const order = await inTurns(this.#data.ordering(number))
    for (let start = skip * batchSize; start < order.length; start += batchSize) {
      const rows = order.subarray(start, start + batchSize)
      if (isHere) {
        yield { input: { source, rows }, size: rows.length }
        continue
      }
      const gathered = tidy(() => rowsOf(source, rows))
      const made = leavesOfTree(gathered).map(({ leaf }) => leaf)
      yield delivered({ source: gathered }, rows.length, device, made)
    }
  }
}

type TreeInput = { batch: Tree }

/** Batches of a user's iterator; each batch is checked. */
class IterableFeed<B> implements Feed<B> {
  readonly #source: TreeSource<B>
  readonly #device: Device
  readonly batches: number | undefined
  readonly division: string | undefined

  constructor(source: TreeSource<B>, device: Device) {
    this.#source = source
    this.#device = device
    this.batches = batchCount(source)
    this.division = divisionOf(source)
  }

  decode(input: object): B {
    return (input as TreeInput).batch as B
  }

  sizeOf(input: object): number {
    return sizeOf((input as TreeInput).batch)
  }

  async prepare(): Promise<void> {}

  async *epoch(_number: number, signal?: AbortSignal, skip = 0): AsyncGenerator<FedBatch> {
    let index = 0
    for await (const given of batchesOf(this.#source, signal)) {
      const where = `batch ${index++}`
      if (index <= skip) continue
      const batch = asTree(given, where)
      await unlessAborted(checkFinite(batch, where), signal)
      yield delivered<TreeInput>({ batch }, sizeOf(batch), this.#device)
    }
    if (index === 0) {
      throw new DataError(
        'the data gave no batch in this epoch; a generator object can be gone through only once: give an array, a dataset, or an object whose [Symbol.asyncIterator] starts anew',
      )
    }
  }
}

/** Leaves of a tree with their paths. */
function leavesOfTree(tree: Tree): { path: string; leaf: Tensor }[] {
  const leaves: { path: string; leaf: Tensor }[] = []
  treeMap<unknown, void>(tree, (leaf, path) => {
    leaves.push({ path: path.length === 0 ? 'the batch' : `'${path.join('.')}'`, leaf: leaf as Tensor })
  })
  return leaves
}

/** Number of samples of a batch: the first extent of its first tensor. */
function sizeOf(batch: Tree): number {
  return leavesOfTree(batch)[0]?.leaf.shape[0] ?? 1
}

/**
 * A batch without its `Symbol.dispose`.
 *
 * @throws ArgumentError for a value that is not a tree of tensors, with the path
 */
function asTree(given: unknown, where: string): Tree {
  try {
    const tree = treeMap<unknown, Tensor>(given, (leaf, path) => {
      if (leaf instanceof Tensor && !leaf.isDisposed) return leaf
      const what = leaf instanceof Tensor ? 'a tensor that was disposed of' : 'a Variable'
      throw new ArgumentError(`'${path.join('.')}' is ${what}, expected a tensor that stays`)
    }) as Tree
    if (leavesOfTree(tree).length > 0) return tree
  } catch (error) {
    if (!(error instanceof HyperglowError)) throw error
    throw new ArgumentError(`fit: ${where}: ${error.message}`, { cause: error })
  }
  throw new ArgumentError(
    `fit: ${where} is ${describe(given)}, expected tensors nested in records and arrays`,
  )
}

/** @throws DataError (rejects) naming the first tensor that holds NaN or an infinite value */
async function checkFinite(tree: Tree, where: string): Promise<void> {
  const floats = leavesOfTree(tree).filter(({ leaf }) => isFloat(leaf.dtype))
  if (floats.length === 0) return
  using verdicts = tidy(() => stack(floats.map(({ leaf }) => finite(leaf).all())))
  const bad = ((await verdicts.data()) as Uint8Array).indexOf(0)
  if (bad < 0) return
  throw new DataError(
    `fit: ${where}: ${floats[bad]?.path} holds a value that is NaN or infinite; remove or replace such samples before training`,
  )
}
