/** Zarr arrays and groups, version 2 and 3, in a folder: read chunk by chunk through zarrita, which has the codecs. */

import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as zarr from 'zarrita'
import { allocate, type Shape, showShape, sizeOf } from '../core/dtype.js'
import { DataError, HyperglowError, IOError } from '../core/errors.js'
import { checkPath, reason } from './atomic.js'
import { MemorySource } from './byte-source.js'
import { type ArrayData, elementCount } from './element-types.js'
import { FolderStore } from './folder-store.js'
import { checkRows, type LazyArray, type RowRange, rowsOf } from './lazy-array.js'
import { OpenArrays } from './open-arrays.js'
import { denseSteps } from './stored-array.js'
import { decodeStored, dtypeOfStored, type StoredType, storedBytes } from './stored-types.js'
import { copyStrided } from './strided.js'
import { plainNames } from './zarr-codecs.js'
import { ZarrFolder } from './zarr-metadata.js'

/** Files that mark a folder as a Zarr node. */
const nodeFiles = ['zarr.json', '.zarray', '.zgroup']
/** Maximum depth of groups. */
const deepest = 16

/** Whether a folder is a Zarr array or group. */
export function isZarr(folder: string): boolean {
  return nodeFiles.some((name) => existsSync(join(folder, name)))
}

/**
 * The lazy arrays of a Zarr folder: arrays of a group by their paths in it, a single array by the name 'data'.
 *
 * @throws IOError if there is none; `refused` lists the arrays of a group that are not read
 */
export async function openZarr(folder: string): Promise<OpenArrays> {
  checkPath('openZarr', folder, 'folder')
  if (!isZarr(folder)) {
    throw new IOError(
      `cannot read ${folder}: it is not a Zarr array or group, which has a file zarr.json, .zarray or .zgroup; check the path`,
    )
  }
  const store = new ZarrFolder(new FolderStore(folder))
  const opened = new OpenArrays()
  await addBelow(store, folder, '', opened, 0)
  return opened
}

type Node = zarr.Array<zarr.DataType, ZarrFolder> | zarr.Group<ZarrFolder>

/** Adds the array at a path, or the arrays of a group. */
async function addBelow(
  store: ZarrFolder,
  folder: string,
  path: string,
  opened: OpenArrays,
  level: number,
): Promise<void> {
  const what = path === '' ? folder : `${folder}: '${path}'`
  if (level > deepest) throw new DataError(`${what}: groups are nested deeper than ${deepest} levels`)
  const node = await nodeAt(store, what, path).catch((error: unknown) => {
    if (path === '' || !(error instanceof HyperglowError)) throw error
    opened.refused.push({ name: path, reason: error.message })
  })
  if (node === undefined) return
  if (node.kind === 'array') {
    await opened.add(
      path === '' ? 'data' : path,
      () => new ZarrArray(what, node, store.typeOf(node.path) as StoredType),
    )
    return
  }
  const names = (await readdir(join(folder, path), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && isZarr(join(folder, path, entry.name)))
    .map(({ name }) => name)
  for (const name of names.sort()) {
    await addBelow(store, folder, path === '' ? name : `${path}/${name}`, opened, level + 1)
  }
}

/** @throws DataError, DTypeError for unsupported metadata */
async function nodeAt(store: ZarrFolder, what: string, path: string): Promise<Node> {
  try {
    // A name is a folder, not a part of an address.
    return await zarr.open(new zarr.Location(store, `/${path}`))
  } catch (cause) {
    if (cause instanceof HyperglowError) throw cause
    throw new DataError(`${what} is not a supported Zarr array: ${reason(cause)}`, { cause })
  }
}

/** An array of Zarr. */
class ZarrArray implements LazyArray {
  readonly dtype: string
  readonly shape: Shape
  readonly band: number
  readonly #what: string
  readonly #type: StoredType
  readonly #array: zarr.Array<zarr.DataType, ZarrFolder>
  readonly #chunk: Shape

  constructor(what: string, array: zarr.Array<zarr.DataType, ZarrFolder>, type: StoredType) {
    const { shape, chunks } = array
    const isSound = chunks.length === shape.length && chunks.every((length) => length > 0)
    if (!isSound || Number.isNaN(elementCount(shape)) || Number.isNaN(elementCount(chunks))) {
      throw new DataError(
        `${what} has shape ${showShape(shape)} in chunks ${showShape(chunks)}, which is impossible; write it again`,
      )
    }
    this.dtype = type
    this.shape = shape
    this.band = chunks[0] ?? 1
    this.#what = what
    this.#type = type
    this.#array = array
    this.#chunk = chunks
  }

  async read(rows?: RowRange): Promise<ArrayData> {
    const [from, to] = checkRows(this.#what, this.shape, rows)
    const shape = this.shape.length === 0 ? [] : [to - from, ...this.shape.slice(1)]
    const dtype = dtypeOfStored(this.#type)
    const data = allocate(dtype, sizeOf(shape))
    const result = { dtype, shape, data }
    if (data.length === 0) return result
    for (const place of this.#chunksOf(from, to)) await this.#copy(place, from, to, result)
    return result
  }

  /** In bands of whole chunks, so that none is decompressed twice. */
  async *blocks(rows: number): AsyncGenerator<ArrayData> {
    const height = this.#chunk[0] ?? 1
    const step = Math.max(1, Math.floor(rows / height)) * height
    for (let from = 0; from < rowsOf(this); from += step) {
      yield await this.read([from, Math.min(rowsOf(this), from + step)])
    }
  }

  /** Indices of the chunks with some of the rows. */
  *#chunksOf(from: number, to: number): Generator<number[]> {
    const ranges = this.shape.map((length, axis) => {
      const chunk = this.#chunk[axis] as number
      return axis === 0 ? [Math.floor(from / chunk), Math.ceil(to / chunk)] : [0, Math.ceil(length / chunk)]
    }) as [number, number][]
    const index = ranges.map(([first]) => first)
    for (;;) {
      yield [...index]
      let axis = ranges.length - 1
      while (axis >= 0 && (index[axis] as number) + 1 === (ranges[axis]?.[1] as number)) {
        index[axis] = ranges[axis]?.[0] as number
        axis--
      }
      if (axis < 0) return
      index[axis] = (index[axis] as number) + 1
    }
  }

  /** Copies the requested rows of a chunk to their position in the result. */
  async #copy(place: readonly number[], from: number, to: number, { shape, data }: ArrayData): Promise<void> {
    const { values, steps } = await this.#values(place)
    const wanted = this.shape.map(
      (length, axis) => (axis === 0 ? [from, to] : [0, length]) as [number, number],
    )
    const toSteps = denseSteps(shape)
    let [start, into] = [0, 0]
    const extents = wanted.map(([low, high], axis) => {
      const chunk = this.#chunk[axis] as number
      const begin = (place[axis] as number) * chunk
      const first = Math.max(low, begin)
      start += (first - begin) * (steps[axis] as number)
      into += (first - low) * (toSteps[axis] as number)
      return Math.min(high, begin + chunk) - first
    })
    await copyStrided(extents, { values, start, steps }, { values: data, start: into, steps: toSteps })
  }

  async #values(place: readonly number[]) {
    const what = `${this.#what}, chunk ${place.join('/')}`
    const chunk = await this.#array.getChunk([...place]).catch((cause: unknown) => {
      if (cause instanceof HyperglowError) throw cause
      const why =
        cause instanceof Error && cause.cause !== undefined
          ? `${reason(cause)} (${reason(cause.cause)})`
          : reason(cause)
      throw new DataError(
        `${what} cannot be read: ${plainNames(why)}; the array was damaged, write or copy it again`,
        {
          cause,
        },
      )
    })
    const { buffer, byteOffset, byteLength } = chunk.data as unknown as ArrayBufferView<ArrayBuffer>
    const wanted = sizeOf(this.#chunk) * storedBytes(this.#type)
    if (byteLength !== wanted) {
      throw new DataError(
        `${what} has ${byteLength} bytes, expected ${wanted}; write or copy the array again`,
      )
    }
    const view = new Uint8Array(buffer, byteOffset, byteLength)
    const bytes = await new MemorySource(what, view).bytes(0, byteLength)
    const { data } = await decodeStored(what, this.#type, bytes)
    return { values: data, steps: chunk.stride }
  }
}
