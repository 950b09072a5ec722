import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as zarr from 'zarrita'
import { withRoom } from '../core/dtype.js'
import { DataError, IOError } from '../core/errors.js'
import { reason, systemCode } from '../io/atomic.js'
import { FolderStore } from '../io/folder-store.js'
import { groupFile, notStore, type RunDescription, readAttributes, valuesName } from './layout.js'
import { meanOfMeasured } from './means.js'

/** Maximum number of values to read into memory, 2 GiB; read parts of a larger store with a Zarr library. */
const maxValues = 2 ** 29

/** The dynamics of a run, read from its store. */
export interface Dynamics extends RunDescription {
  /** [N, B, E, L, 2]: epoch, batch, evaluator, layer, (complexity, generalization). */
  readonly shape: readonly [number, number, number, number, number]
  /** Values, last axis fastest; NaN for batches that were not stored. The array of all N epochs is made on first access. */
  readonly values: Float32Array
  /** False if the run was interrupted, or is still running. */
  readonly finished: boolean
  /** Number of batches with values, of N * B. */
  readonly completedBatches: number
  /** The same for each of the N epochs. */
  readonly completedPerEpoch: readonly number[]
  /**
   * Unweighted mean over the batches of each epoch, [N, E, L, 2]. Batches without a value of an evaluator do not count for it; an epoch
   * without any is NaN. A NaN that an evaluator returned among other values stays NaN.
   */
  averaged(): { shape: readonly [number, number, number, number]; values: Float32Array }
}

/**
 * Reads the store of a run, finished or not.
 *
 * @param folder the folder given to `DynamicsWriter.create`
 * @throws IOError if there is none; DataError if the folder holds something else or is damaged
 */
export async function loadDynamics(folder: string): Promise<Dynamics> {
  const attributes = await readAttributes(folder)
  if (attributes === undefined) {
    throw new IOError(`cannot read dynamics from ${folder}: there is no zarr.json; check the path`)
  }
  const shape = attributes.shape as Dynamics['shape']
  const { rows, isBegun } = await readRows(folder, shape)
  const [epochs, batches] = shape
  const width = shape[2] * shape[3] * 2
  const completedPerEpoch = Array.from({ length: epochs }, (_, epoch) => {
    const values = rows.get(epoch)
    let count = 0
    for (let batch = 0; values !== undefined && batch < batches; batch++) {
      if (hasValues(values, batch * width, width)) count++
    }
    return count
  })
  const { layers, evaluators, evaluatorSettings, units, steps, seed, notes, finished } = attributes
  let all: Float32Array | undefined
  return {
    shape,
    get values() {
      all ??= allValues(rows, shape)
      return all
    },
    layers,
    evaluators,
    evaluatorSettings,
    units,
    samples: attributes.samples ?? evaluators.map(() => null),
    labelEntropy: attributes.labelEntropy ?? null,
    epochs: attributes.epochs,
    steps,
    completedEpochs: attributes.completedEpochs,
    seed,
    notes: notes ?? {},
    finished: finished === true && isBegun,
    completedBatches: completedPerEpoch.reduce((sum, count) => sum + count, 0),
    completedPerEpoch,
    averaged: () => average(rows, shape),
  }
}

/** Values by epoch, of all batches of the epoch; epochs without stored values are left out. */
type Rows = ReadonlyMap<number, Float32Array>

/** The stored values, and whether there is an array at all: a run that just began has none. */
async function readRows(folder: string, shape: Dynamics['shape']): Promise<{ rows: Rows; isBegun: boolean }> {
  const [epochs, batches, evaluators, layers] = shape
  const width = evaluators * layers * 2
  const size = epochs * batches * width
  if (Math.max(size, epochs * batches) > maxValues) {
    throw new DataError(
      `${folder}: ${size} values, at most ${maxValues} are read at once; read parts of the store with a Zarr library`,
    )
  }
  const rows = new Map<number, Float32Array>()
  const array = await openValues(folder)
  if (array === undefined) return { rows, isBegun: false }
  if (!isOf(array.shape, shape)) {
    throw notStore(
      folder,
      `its array is [${array.shape.join(', ')}], its attributes say [${shape.join(', ')}]`,
    )
  }
  if (size === 0) return { rows, isBegun: true }
  const [, step = 1] = array.chunks
  if (array.chunks.join() !== [1, step, evaluators, layers, 2].join()) {
    throw notStore(folder, `its chunks are [${array.chunks.join(', ')}]`)
  }
  const [planned = 0, columns = 0] = array.shape
  const stored = await storedEpochs(folder)
  for (let epoch = 0; epoch < Math.min(epochs, planned); epoch++) {
    if (stored?.has(String(epoch)) === false) continue
    const values = new Float32Array(batches * width).fill(Number.NaN)
    rows.set(epoch, values)
    for (let begin = 0; begin < Math.min(batches, columns); begin += step) {
      const chunk = await readChunk(folder, array, [epoch, begin / step, 0, 0, 0])
      if (chunk.length !== step * width) {
        throw new DataError(
          `${folder}: chunk ${epoch}/${begin / step} has ${chunk.length} values, expected ${step * width}; the store was damaged, delete the chunk to go without it`,
        )
      }
      const count = Math.min(step, batches - begin)
      values.set(chunk.subarray(0, count * width), begin * width)
    }
  }
  return { rows, isBegun: true }
}

/** Names of the folders with the chunks of an epoch; undefined if another program uses other names. */
async function storedEpochs(folder: string): Promise<ReadonlySet<string> | undefined> {
  try {
    const names = await readdir(join(folder, valuesName))
    if (names.some((name) => name.startsWith('c.') || /^\d/.test(name))) return undefined
    return new Set(names.includes('c') ? await readdir(join(folder, valuesName, 'c')) : [])
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return new Set()
    throw new IOError(`cannot read ${folder}: ${reason(error)}; check that it may be read`, { cause: error })
  }
}

/** The values of all epochs, NaN for epochs without stored values. */
function allValues(rows: Rows, [epochs, batches, evaluators, layers]: Dynamics['shape']): Float32Array {
  const width = batches * evaluators * layers * 2
  const values = withRoom(4 * epochs * width, () => new Float32Array(epochs * width)).fill(Number.NaN)
  for (const [epoch, row] of rows) values.set(row, epoch * width)
  return values
}

/** Whether an array can belong to a store of this shape. During an append the group has the new shape first. */
function isOf(
  [, columns = 0, ...inner]: readonly number[],
  [, batches, ...wanted]: Dynamics['shape'],
): boolean {
  return columns <= batches && inner.join() === wanted.join()
}

/** The array of values; undefined if a process was killed before it made the array. */
export async function openValues(folder: string): Promise<zarr.Array<'float32', FolderStore> | undefined> {
  const array = join(folder, valuesName)
  if (!existsSync(join(array, groupFile)) && !existsSync(join(array, 'c'))) return undefined
  const location = zarr.root(new FolderStore(folder)).resolve(valuesName)
  try {
    const array = await zarr.open.v3(location, { kind: 'array' })
    if (array.is('float32')) return array
    throw notStore(folder, `its values are ${array.dtype}, not float32`)
  } catch (error) {
    if (error instanceof DataError || error instanceof IOError) throw error
    throw notStore(folder, `its array ${valuesName} cannot be opened: ${reason(error)}`, error)
  }
}

async function readChunk(
  folder: string,
  array: zarr.Array<'float32', FolderStore>,
  where: number[],
): Promise<Float32Array> {
  try {
    return (await array.getChunk(where)).data
  } catch (error) {
    if (error instanceof IOError) throw error
    throw new DataError(
      `${folder}: chunk ${where[0]}/${where[1]} cannot be read: ${reason(error)}; the store was damaged`,
      {
        cause: error,
      },
    )
  }
}

/** Whether any of `width` values from `start` is a number. */
function hasValues(values: Float32Array, start: number, width: number): boolean {
  for (let i = start; i < start + width; i++) if (!Number.isNaN(values[i])) return true
  return false
}

function average(stored: Rows, [epochs, batches, evaluators, layers]: Dynamics['shape']) {
  const width = evaluators * layers * 2
  const means = new Float32Array(epochs * width).fill(Number.NaN)
  for (const [epoch, values] of stored) {
    const rows = Array.from({ length: batches }, (_, batch) =>
      values.subarray(batch * width, (batch + 1) * width),
    )
    means.set(meanOfMeasured(rows, evaluators), epoch * width)
  }
  return { shape: [epochs, evaluators, layers, 2] as const, values: means }
}
