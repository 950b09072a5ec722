/**
 * The raw tensors of a run, batch by batch, beside its dynamics: a segment is the list [x, h_1, ..., h_L, y].
 *
 * Each entry of the list is one Zarr array [epoch, batch, sample, ...] with one chunk per batch. The first segment fixes element types,
 * widths and the number of samples; a shorter last batch is padded, and `samples` holds its length.
 */

import * as zarr from 'zarrita'
import { type Shape, showShape } from '../core/dtype.js'
import { ArgumentError, DataError, describe, IOError, ShapeError, StateError } from '../core/errors.js'
import { reason } from '../io/atomic.js'
import { type ArrayData, checkArray, elementCount, elementTypes, typedArray } from '../io/element-types.js'
import { FolderStore } from '../io/folder-store.js'
import { readAttributes, samplesName, segmentNames, segmentsName } from './layout.js'

type NumberArray = zarr.Array<zarr.NumberDataType | zarr.BigintDataType, FolderStore>

/** Writes segments, in order of batches. */
export class SegmentWriter {
  readonly #root: zarr.Location<FolderStore>
  readonly #names: readonly string[]
  #entries: { array: NumberArray; like: ArrayData }[] | undefined
  #samples: zarr.Array<'int32', FolderStore> | undefined

  constructor(
    folder: string,
    private readonly epochs: number,
    private readonly batches: number,
    private readonly layers: readonly string[],
  ) {
    // Chunks are not synced one by one: a sync would take longer than the training step.
    this.#root = zarr.root(new FolderStore(folder, false))
    this.#names = segmentNames(layers.length)
  }

  /** Opens the existing arrays. */
  async open(): Promise<void> {
    const at = (name: string) => zarr.open.v3(this.#root.resolve(name), { kind: 'array' })
    try {
      const samples = await at(samplesName)
      if (!samples.is('int32')) throw new DataError(`${samplesName} is ${samples.dtype}, not int32`)
      const entries = []
      for (const name of this.#names) {
        const array = await at(`${segmentsName}/${name}`)
        const dtype = array.attrs.dtype as ArrayData['dtype']
        const like = { dtype, shape: array.shape.slice(2), data: typedArray(dtype, new ArrayBuffer(0)) }
        entries.push({ array: array as NumberArray, like })
      }
      this.#samples = samples
      this.#entries = entries
    } catch (error) {
      // No arrays yet, or only some: the first segment makes them.
      if (zarr.isZarritaError(error, 'NotFoundError')) return
      if (error instanceof IOError) throw error
      throw new DataError(`the raw segments cannot be continued: ${reason(error)}; the store was damaged`, {
        cause: error,
      })
    }
  }

  /** Throws unless `segment` is a list [x, h_1, ..., h_L, y] that matches the earlier ones. */
  check(segment: readonly ArrayData[]): void {
    if (!Array.isArray(segment)) {
      throw new ArgumentError(
        `appendSegment: given ${describe(segment)}, expected a list of ${this.#names.length} arrays: ${this.#names.join(', ')}`,
      )
    }
    if (segment.length !== this.#names.length) {
      throw new ShapeError(
        `appendSegment: given ${segment.length} tensors, expected ${this.#names.length}: ${this.#names.join(', ')}`,
      )
    }
    checkArray(`appendSegment: ${this.#names[0]}`, segment[0] as ArrayData)
    const samples = segment[0]?.shape[0]
    for (const [i, array] of segment.entries()) {
      const what = `appendSegment: ${this.#names[i]}`
      checkArray(what, array)
      const { shape, data, dtype } = array
      if (shape.length === 0 || shape[0] !== samples || data.length === 0) {
        throw new ShapeError(
          `${what} has shape ${showShape(shape)}, expected (${samples}, ...) without zeros: the samples of x come first`,
        )
      }
      const like = this.#entries?.[i]?.like
      if (like !== undefined && (dtype !== like.dtype || !fits(shape, like.shape))) {
        throw new ShapeError(
          `${what} is ${dtype} ${showShape(shape)}, the first stored was ${like.dtype} ${showShape(like.shape)}; ` +
            'a later one may only have fewer samples',
        )
      }
    }
  }

  /** Stores a segment that passed {@link check}. */
  async write(epoch: number, batch: number, segment: readonly ArrayData[]): Promise<void> {
    this.#entries ??= await this.#create(segment)
    for (const [i, { array }] of this.#entries.entries()) {
      const { shape, data } = segment[i] as ArrayData
      const whole = [1, 1, ...shape]
      const where = [cell(epoch), cell(batch), ...shape.map((length) => zarr.slice(0, length))]
      await zarr.set(array, where, { data, shape: whole, stride: strides(whole) } as never)
    }
    const count = { data: Int32Array.of(segment[0]?.shape[0] ?? 0), shape: [1, 1], stride: [1, 1] }
    await zarr.set(this.#sampleCounts(), [cell(epoch), cell(batch)], count)
  }

  #sampleCounts(): zarr.Array<'int32', FolderStore> {
    if (this.#samples === undefined) throw new StateError('appendSegment: the arrays were not created')
    return this.#samples
  }

  async #create(segment: readonly ArrayData[]): Promise<{ array: NumberArray; like: ArrayData }[]> {
    await zarr.create(this.#root.resolve(segmentsName), { attributes: { names: this.#names } })
    this.#samples = await zarr.create(this.#root.resolve(samplesName), {
      dtype: 'int32',
      shape: [this.epochs, this.batches],
      chunkShape: [1, 1],
      fillValue: 0,
      dimensionNames: ['epoch', 'batch'],
      codecs: littleEndian(4),
      attributes: { dtype: 'int32' },
    })
    const entries: { array: NumberArray; like: ArrayData }[] = []
    for (const [i, { dtype, shape }] of segment.entries()) {
      const layer = this.layers[i - 1]
      const array = await zarr.create(this.#root.resolve(`${segmentsName}/${this.#names[i]}`), {
        dtype: elementTypes[dtype].zarr,
        shape: [this.epochs, this.batches, ...shape],
        chunkShape: [1, 1, ...shape],
        fillValue: dtype.startsWith('float') ? Number.NaN : 0,
        dimensionNames: [
          'epoch',
          'batch',
          'sample',
          ...shape.slice(1).map((_, k) => `${this.#names[i]}_${k + 1}`),
        ],
        codecs: littleEndian(elementTypes[dtype].bytes),
        attributes: { dtype, ...(layer === undefined ? {} : { layer }) },
      })
      // Keeps the shape, not the values.
      entries.push({
        array: array as unknown as NumberArray,
        like: { dtype, shape: [...shape], data: typedArray(dtype, new ArrayBuffer(0)) },
      })
    }
    return entries
  }
}

/**
 * The segment [x, h_1, ..., h_L, y] of one batch, as given to `appendSegment`; undefined if it was not stored.
 *
 * @throws IOError if the folder cannot be read; DataError unless it is a store of dynamics with valid segments
 */
export async function loadSegment(
  folder: string,
  epoch: number,
  batch: number,
): Promise<ArrayData[] | undefined> {
  for (const [name, value] of Object.entries({ epoch, batch })) {
    if (Number.isSafeInteger(value)) continue
    throw new ArgumentError(`loadSegment: ${name} is ${describe(value)}, expected a whole number`)
  }
  const attributes = await readAttributes(folder)
  if (attributes === undefined) {
    throw new IOError(`cannot read dynamics from ${folder}: there is no zarr.json; check the path`)
  }
  const root = zarr.root(new FolderStore(folder))
  const samples = await readCell(root, samplesName, epoch, batch)
  const count = Number(samples?.data[0] ?? 0)
  if (count === 0) return undefined
  const segment: ArrayData[] = []
  for (const name of segmentNames(attributes.layers.length)) {
    const entry = await readCell(root, `${segmentsName}/${name}`, epoch, batch)
    if (entry === undefined || count > (entry.shape[0] ?? 0)) {
      throw new DataError(`${folder}: segment ${name} is missing or too short; the store was damaged`)
    }
    const shape = [count, ...entry.shape.slice(1)]
    segment.push({ dtype: entry.dtype, shape, data: entry.data.slice(0, elementCount(shape)) } as ArrayData)
  }
  return segment
}

async function readCell(
  root: zarr.Location<FolderStore>,
  name: string,
  epoch: number,
  batch: number,
): Promise<ArrayData | undefined> {
  const where = `${root.store.folder}/${name}`
  try {
    const array = await zarr.open.v3(root.resolve(name), { kind: 'array' })
    const [epochs = 0, batches = 0] = array.shape
    if (!(epoch >= 0 && epoch < epochs && batch >= 0 && batch < batches)) return undefined
    const { data } = await array.getChunk([epoch, batch, ...array.shape.slice(2).map(() => 0)])
    const shape = array.shape.slice(2)
    const dtype = array.attrs.dtype as ArrayData['dtype']
    if ((data as { length: number }).length !== elementCount(shape)) {
      throw new DataError(`${where}: chunk ${epoch}/${batch} has the wrong size; the store was damaged`)
    }
    const read = { dtype, shape, data } as ArrayData
    checkArray(where, read)
    return read
  } catch (error) {
    if (zarr.isZarritaError(error, 'NotFoundError')) return undefined
    if (error instanceof IOError || error instanceof DataError) throw error
    throw new DataError(`${where} cannot be read: ${reason(error)}; the store was damaged`, { cause: error })
  }
}

/** A slice of one index. */
function cell(index: number): zarr.Slice {
  return zarr.slice(index, index + 1)
}

/** Whether `shape` equals `first` except for fewer samples. */
function fits(shape: Shape, first: Shape): boolean {
  if (shape.length !== first.length || (shape[0] as number) > (first[0] as number)) return false
  return shape.every((length, axis) => axis === 0 || length === first[axis])
}

/** Strides of a dense array, last axis fastest. */
export function strides(shape: Shape): number[] {
  const steps = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    steps[axis] = (steps[axis + 1] as number) * (shape[axis + 1] as number)
  }
  return steps
}

/** The codec of every array here: plain little-endian values. */
export function littleEndian(bytes: number): zarr.CodecMetadata[] {
  return [{ name: 'bytes', configuration: bytes > 1 ? { endian: 'little' } : {} }]
}
