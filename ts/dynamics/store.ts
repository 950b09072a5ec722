/**
 * The dynamics of a run, written during training: a Zarr (version 3) folder that stays readable after an interrupted run.
 *
 * Values are [N, B, E, L, 2]: epoch, batch, evaluator, layer, and complexity I(H;X) or generalization I(H;Y). A chunk of one epoch and up to
 * 64 batches is written atomically when its last batch arrives, so a killed process leaves every finished chunk. Missing values are NaN.
 * `layout.ts` has the names inside.
 *
 *   const writer = await DynamicsWriter.create('runs/mnist', { epochs: 7, batches: 750, evaluators: ['hsic'], layers })
 *   await writer.append(0, 0, values)            // for every batch
 *   await writer.finishEpoch(0)                  // after every epoch: complete epochs are drawn and can be continued
 *   await writer.close()
 *   const { values, averaged } = await loadDynamics('runs/mnist')
 *
 * In Python: `zarr.open_group('runs/mnist')['dynamics'][:]`, or xarray.open_zarr.
 *
 * Zarr by the library zarrita, not by the Rust crate zarrs: zarrita is pure TypeScript, so there is nothing to compile or ship; its store
 * interface is small, so chunks can be written atomically; and Python's zarr and xarray read its files. A chunk is a few kilobytes per epoch,
 * so Rust would not be faster.
 */

import { resolve } from 'node:path'
import * as zarr from 'zarrita'
import { ArgumentError, describe, ShapeError, StateError } from '../core/errors.js'
import { atLeast, type Checks, checkOptions, checkValue, listOf, orNull, whole } from '../core/options.js'
import { checkPath } from '../io/atomic.js'
import type { ArrayData } from '../io/element-types.js'
import { FolderStore } from '../io/folder-store.js'
import type { DynamicsSampling } from './heading.js'
import { type DynamicsAttributes, dimensionNames, readAttributes, valuesName } from './layout.js'
import { openValues } from './load.js'
import { fitArrays, resumed } from './resume.js'
import { littleEndian, SegmentWriter, strides } from './segment-store.js'
import { attributesOf, type DynamicsOptions, prepareFolder, removeFolder } from './setup.js'

export { type Dynamics, loadDynamics } from './load.js'
export { loadSegment } from './segment-store.js'
export type { DynamicsOptions } from './setup.js'

/** Writers of this process, by folder. */
const openWriters = new Map<string, WeakRef<DynamicsWriter>>()

/** Position at which a run continues in a store. */
export interface StorePosition {
  /** Complete epochs to keep, from the first: the next has index `epochs`, from 0. Default: all of them. */
  epochs?: number
  /** Raw segments of earlier batches are kept in the next epoch; values of that epoch must be appended again. Default 0. */
  batch?: number
}

const positionChecks: Checks<StorePosition> = { epochs: whole(0), batch: whole(0) }

/** Writes the dynamics of one run. Batches come in order; some may be left out. */
export class DynamicsWriter {
  readonly #values: zarr.Array<'float32', FolderStore>
  #attributes: DynamicsAttributes
  readonly #segments: SegmentWriter | undefined
  readonly #chunkBatches: number
  /** Batches [begin, end) of `epoch`, all of one chunk, that wait for the last batch of the chunk. */
  #waiting: { epoch: number; begin: number; end: number; values: Float32Array } | undefined
  #lastBatch = -1
  #lastSegment = -1
  /** The run that this one replaces once it has values. */
  #replaced: string | undefined
  #pending: Promise<void> = Promise.resolve()
  #closed = false
  #isTakenOver = false

  private constructor(
    /** Folder of the store. */
    readonly folder: string,
    values: zarr.Array<'float32', FolderStore>,
    attributes: DynamicsAttributes,
    raw: boolean,
  ) {
    this.#values = values
    this.#attributes = attributes
    this.#chunkBatches = values.chunks[1] ?? 1
    const [epochs = 0, batches = 0] = attributes.shape
    this.#lastBatch = (attributes.completedEpochs ?? 0) * batches - 1
    this.#lastSegment = this.#lastBatch
    if (raw) this.#segments = new SegmentWriter(folder, epochs, batches, attributes.layers)
  }

  /**
   * Starts a store in `folder`, which is created if necessary. `overwrite` decides about an existing store.
   *
   * @throws ArgumentError for impossible options; StateError if the folder has a store and `overwrite` is not set; DataError if it has
   *   other Zarr data; IOError if it cannot be written. Nothing has changed then.
   */
  static async create(folder: string, options: DynamicsOptions): Promise<DynamicsWriter> {
    const attributes = attributesOf(folder, options)
    const { overwrite = false, raw = false, chunkBatches } = options
    if (overwrite !== false) await DynamicsWriter.#takeOver(folder)
    const earlier = await prepareFolder(folder, overwrite !== false)
    // The group first: it marks the arrays as ours, even if the process dies here.
    await writeGroup(folder, attributes)
    const values = await createValues(folder, attributes, chunkBatches)
    if (earlier !== undefined && overwrite === 'keep') tellOfEarlier(folder, earlier)
    const writer = new DynamicsWriter(folder, values, attributes, raw)
    if (overwrite === true) writer.#replaced = earlier
    openWriters.set(resolve(folder), new WeakRef(writer))
    return writer
  }

  /**
   * Continues the store in `folder`: its complete epochs stay, and the N epochs of the options follow, with ascending numbers. An
   * interrupted epoch is dropped.
   *
   * @param from position at which a resumed run continues; default after all complete epochs
   * @throws ArgumentError for impossible options; StateError if there is no store, or one of other layers, evaluators or settings, or of
   *   later epochs; DataError, IOError. Nothing has changed then.
   */
  static async resume(
    folder: string,
    options: DynamicsOptions,
    from?: StorePosition,
  ): Promise<DynamicsWriter> {
    const { epochs: kept, batch = 0 } = checkOptions('DynamicsWriter.resume', from, positionChecks)
    const attributes = await resumed(folder, attributesOf(folder, options), kept)
    await DynamicsWriter.#takeOver(folder)
    await writeGroup(folder, attributes)
    await fitArrays(folder, attributes, batch)
    // A process that was killed at its start left none.
    const values =
      (await openValues(folder)) ?? (await createValues(folder, attributes, options.chunkBatches))
    const writer = new DynamicsWriter(folder, values, attributes, options.raw ?? false)
    await writer.#segments?.open()
    writer.#lastSegment += batch
    openWriters.set(resolve(folder), new WeakRef(writer))
    return writer
  }

  /**
   * Marks the store in `folder`, all of whose epochs are complete, as finished: for a process that was killed before it closed its writer.
   */
  static async finish(folder: string): Promise<void> {
    checkPath('DynamicsWriter.finish', folder, 'folder')
    const attributes = await readAttributes(folder)
    if (attributes !== undefined && !attributes.finished) {
      await writeGroup(folder, { ...attributes, finished: true })
    }
  }

  /** Closes the other writer of this process for the folder, so that its values do not mix with those of another run. */
  static async #takeOver(folder: string): Promise<void> {
    const before = openWriters.get(resolve(folder))?.deref()
    if (before === undefined || before.#closed) return
    before.#isTakenOver = true
    await before.#pending
  }

  /**
   * Takes the values of one batch. The promise resolves at once while a chunk is incomplete; with the last batch of a chunk it resolves
   * when the chunk is on disk.
   *
   * @param epoch row of the store, from 0
   * @param batch in the epoch, from 0
   * @param values [E, L, 2], E * L * 2 numbers, copied
   * @throws ArgumentError out of range or order; ShapeError for a wrong number of values; StateError once closed; IOError if the chunk
   *   cannot be written (its values are then lost; later chunks may still succeed)
   */
  async append(epoch: number, batch: number, values: Float32Array): Promise<void> {
    const width = this.#width
    if (!(values instanceof Float32Array) || values.length !== width) {
      const given = values instanceof Float32Array ? `${values.length} values` : describe(values)
      throw new ShapeError(
        `append: given ${given}, expected a Float32Array of E x L x 2 = ${this.#attributes.evaluators.length} x ` +
          `${this.#attributes.layers.length} x 2 = ${width}`,
      )
    }
    await this.#advance('append', epoch, batch, values)
  }

  /** Notes that a batch has no values (one sample, for example): it stays NaN, and its chunk does not wait for it. */
  async skip(epoch: number, batch: number): Promise<void> {
    await this.#advance('skip', epoch, batch, undefined)
  }

  /**
   * Stores the current raw tensors [x, h_1, ..., h_L, y] of one batch, each [samples, ...]. Needs `raw: true`.
   *
   * @throws as {@link append} does; ShapeError if a tensor does not match the earlier ones
   */
  async appendSegment(epoch: number, batch: number, segment: readonly ArrayData[]): Promise<void> {
    const segments = this.#segments
    if (segments === undefined) {
      throw new StateError('appendSegment: this store keeps no raw segments; create it with raw: true')
    }
    const position = this.#checkBatch('appendSegment', epoch, batch, this.#lastSegment)
    segments.check(segment)
    this.#lastSegment = position
    const copies = segment.map((array) => ({ ...array, data: array.data.slice() }))
    await this.#enqueue(() => segments.write(epoch, batch, copies))
  }

  /** Writes everything taken so far, incomplete chunks included. */
  async flush(): Promise<void> {
    this.#checkOpen('flush')
    await this.#writeWaiting()
  }

  /**
   * Writes everything taken so far and notes that the epochs up to this one are complete: they can be continued.
   *
   * @param epoch row of the store, from 0
   * @param step training steps up to its end, if known
   * @param sampling sample sizes of the values so far; default unchanged
   */
  async finishEpoch(
    epoch: number,
    step: number | null = null,
    sampling: Partial<DynamicsSampling> = {},
  ): Promise<void> {
    this.#checkOpen('finishEpoch')
    checkValue('finishEpoch: step', step, orNull(whole(0)))
    const { evaluators } = this.#attributes
    const noted = checkOptions('finishEpoch', sampling, {
      samples: listOf(orNull(whole(1)), evaluators.length),
      labelEntropy: orNull(atLeast(0)),
    })
    const [epochs = 0] = this.#attributes.shape
    const { completedEpochs, steps } = this.#attributes
    if (!Number.isInteger(epoch) || epoch < (completedEpochs ?? 0) || epoch >= epochs) {
      throw new ArgumentError(
        `finishEpoch: given ${describe(epoch)}, expected an epoch from ${completedEpochs ?? 0} to ${epochs - 1}`,
      )
    }
    await this.#writeWaiting()
    const known = Array.from({ length: epoch + 1 }, (_, row) => steps[row] ?? null)
    known[epoch] = step
    this.#attributes = { ...this.#attributes, ...noted, steps: known, completedEpochs: epoch + 1 }
    await this.#enqueue(() => writeGroup(this.folder, this.#attributes))
  }

  /** Writes the remaining values and marks the store as finished, all epochs that began as complete. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed || this.#isTakenOver) return this.#pending
    this.#closed = true
    openWriters.delete(resolve(this.folder))
    await this.#writeWaiting()
    await this.#enqueue(async () => {
      const { shape, completedEpochs } = this.#attributes
      const begun = Math.floor(this.#lastBatch / (shape[1] ?? 1)) + 1
      await writeGroup(this.folder, {
        ...this.#attributes,
        completedEpochs: Math.max(begun, completedEpochs ?? 0),
        finished: true,
      })
      await this.#removeReplaced()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Number of values of one batch, E * L * 2. */
  get #width(): number {
    return this.#attributes.evaluators.length * this.#attributes.layers.length * 2
  }

  async #advance(who: string, epoch: number, batch: number, values: Float32Array | undefined): Promise<void> {
    this.#lastBatch = this.#checkBatch(who, epoch, batch, this.#lastBatch)
    const width = this.#width
    const size = this.#chunkBatches
    const chunk = Math.floor(batch / size)
    const before = this.#waiting
    const moved = before && (before.epoch !== epoch || Math.floor(before.begin / size) !== chunk)
    const earlier = moved ? this.#writeWaiting() : undefined
    this.#waiting ??= {
      epoch,
      begin: batch,
      end: batch,
      values: new Float32Array(size * width).fill(Number.NaN),
    }
    if (values) this.#waiting.values.set(values, (batch - this.#waiting.begin) * width)
    this.#waiting.end = batch + 1
    const complete = batch + 1 === Math.min((chunk + 1) * size, this.#attributes.shape[1] ?? 0)
    await Promise.all([earlier, complete ? this.#writeWaiting() : undefined])
  }

  /** Writes the waiting batches into their chunk, beside those of an earlier flush. */
  #writeWaiting(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined || this.#width === 0) return this.#pending
    const { epoch, begin, end, values } = waiting
    return this.#enqueue(async () => {
      const [, , evaluators = 0, layers = 0] = this.#attributes.shape
      const shape = [1, end - begin, evaluators, layers, 2]
      const where = [zarr.slice(epoch, epoch + 1), zarr.slice(begin, end), null, null, null]
      await zarr.set(this.#values, where, {
        data: values.subarray(0, (end - begin) * this.#width),
        shape,
        stride: strides(shape),
      })
      await this.#removeReplaced()
    })
  }

  async #removeReplaced(): Promise<void> {
    const earlier = this.#replaced
    this.#replaced = undefined
    if (earlier !== undefined) await removeFolder(earlier)
  }

  /** Runs writes in sequence; a failed write rejects its own promise and the next one begins. */
  #enqueue(write: () => Promise<void>): Promise<void> {
    const done = this.#pending.then(write)
    this.#pending = done.catch(() => {})
    return done
  }

  /** Index of a batch in the run, after checking that it comes after position `last`. */
  #checkBatch(who: string, epoch: number, batch: number, last: number): number {
    this.#checkOpen(who)
    const [epochs = 0, batches = 0] = this.#attributes.shape
    const inside = (value: number, end: number) => Number.isInteger(value) && value >= 0 && value < end
    if (!inside(epoch, epochs) || !inside(batch, batches)) {
      throw new ArgumentError(
        `${who}: epoch ${describe(epoch)}, batch ${describe(batch)} is outside ${epochs} epochs of ${batches} batches (both count from 0)`,
      )
    }
    const position = epoch * batches + batch
    if (position <= last) {
      throw new ArgumentError(
        `${who}: epoch ${epoch}, batch ${batch} comes after epoch ${Math.floor(last / batches)}, batch ${last % batches}; give each batch once, in order`,
      )
    }
    return position
  }

  #checkOpen(who: string): void {
    if (this.#isTakenOver) {
      throw new StateError(
        `${who}: another run has taken over the folder ${this.folder}; give each run a folder of its own`,
      )
    }
    if (this.#closed)
      throw new StateError(`${who}: the store in ${this.folder} is closed; create another writer`)
  }
}

/** Makes the array of values, with chunks of one epoch and at most `chunkBatches` batches. */
function createValues(folder: string, { shape }: DynamicsAttributes, chunkBatches = 64) {
  const [, batches = 0, evaluators = 0, layers = 0] = shape
  return zarr.create(zarr.root(new FolderStore(folder)).resolve(valuesName), {
    dtype: 'float32',
    shape: [...shape],
    chunkShape: [1, Math.min(chunkBatches, batches), Math.max(1, evaluators), layers, 2],
    fillValue: Number.NaN,
    dimensionNames,
    codecs: littleEndian(4),
  })
}

/** Writes the description of a store atomically. */
async function writeGroup(folder: string, attributes: DynamicsAttributes): Promise<void> {
  await zarr.create(zarr.root(new FolderStore(folder)), { attributes: { ...attributes } })
}

function tellOfEarlier(folder: string, earlier: string): void {
  process.emitWarning(
    `${folder} held the dynamics of an earlier run, which are now in ${earlier}; delete them if you do not need them`,
    { type: 'HyperglowWarning', code: 'HYPERGLOW_EARLIER_RUN' },
  )
}
