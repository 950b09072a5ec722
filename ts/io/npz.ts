/** Named arrays in NumPy's .npz format: a zip archive of .npy files. */

import { ArgumentError, DataError, describe } from '../core/errors.js'
import { type Checks, checkOptions, flag, listOf } from '../core/options.js'
import { checkPath, replaceFile } from './atomic.js'
import { MemorySource } from './byte-source.js'
import { type ArrayData, checkForm } from './element-types.js'
import { FileReader } from './file-reader.js'
import { npyHeader, npyLayout, readArray } from './npy.js'
import { OpenArrays } from './open-arrays.js'
import { checkSnapshot, releaseAll, type Snapshot, snapshotsOf } from './snapshot.js'
import { StoredArray } from './stored-array.js'
import { readZipDirectory, type ZipEntry } from './zip.js'
import { readZipMember, ZipMemberStore } from './zip-members.js'
import { type ZipMember, zipArchive, zipMember } from './zip-writer.js'

/** Options of {@link readNpz}. */
export interface ReadNpzOptions {
  /** Read only these arrays. Default all. */
  names?: readonly string[]
}

const readChecks: Checks<ReadNpzOptions> = {
  names: listOf({ expected: 'a text', accepts: (value) => typeof value === 'string' }),
}

/**
 * Reads named arrays from an .npz file, compressed or not, as written by `numpy.savez` and `numpy.savez_compressed`. Types that the library
 * does not have are widened as by `readNpy`.
 *
 *     const arrays = await readNpz('digits.npz', { names: ['x_train', 'y_train'] })
 *     const data = new ArrayDataset(arrays.get('x_train'), arrays.get('y_train'))
 *
 * @returns arrays by name, in the order of the file, each in separate memory
 * @throws IOError if the file cannot be read; DataError for an invalid .npz file, or a missing name; DTypeError for other element types,
 *   such as Python objects
 */
export async function readNpz(path: string, options: ReadNpzOptions = {}): Promise<Map<string, ArrayData>> {
  checkPath('readNpz', path)
  const { names } = checkOptions('readNpz', options, readChecks)
  return FileReader.use(path, async (file) => {
    const entries = namedEntries(path, await readZipDirectory(file))
    const missing = names?.find((name) => !entries.has(name))
    if (missing !== undefined) {
      throw new DataError(
        `${path} has no array ${describe(missing)}; it has ${[...entries.keys()].join(', ') || 'none'}`,
      )
    }
    const wanted = names === undefined ? undefined : new Set(names)
    const arrays = new Map<string, ArrayData>()
    for (const [name, entry] of entries) {
      if (wanted !== undefined && !wanted.has(name)) continue
      const bytes = await readZipMember(file, entry)
      arrays.set(name, await readArray(new MemorySource(`${path}: '${name}'`, bytes)))
    }
    return arrays
  })
}

/** Entries by the names of their arrays. */
function namedEntries(path: string, entries: readonly ZipEntry[]): Map<string, ZipEntry> {
  const named = new Map<string, ZipEntry>()
  for (const entry of entries) {
    if (!entry.name.endsWith('.npy')) {
      throw new DataError(
        `${path} is a zip archive, but not an .npz file: it holds ${describe(entry.name)}, and arrays have names that end in .npy`,
      )
    }
    const name = entry.name.slice(0, -'.npy'.length)
    if (named.has(name))
      throw new DataError(`${path} holds the array ${describe(name)} twice; write it again`)
    named.set(name, entry)
  }
  return named
}

/**
 * The lazy arrays of an .npz file.
 *
 * @throws IOError, DataError as {@link readNpz}
 */
export async function openNpz(path: string): Promise<OpenArrays> {
  checkPath('openNpz', path)
  return FileReader.use(path, async (file) => {
    const opened = new OpenArrays()
    for (const [name, entry] of namedEntries(path, await readZipDirectory(file))) {
      await opened.add(name, async () => {
        const store = new ZipMemberStore(file, entry)
        const source = await store.open()
        try {
          return new StoredArray(store.path, store, await npyLayout(source))
        } finally {
          await source.close()
        }
      })
    }
    return opened
  })
}

/** Options of {@link writeNpz}. */
export interface WriteNpzOptions {
  /** Deflate the arrays, as `numpy.savez_compressed` does. Default false. */
  compress?: boolean
}

const writeChecks: Checks<WriteNpzOptions> = { compress: flag }

/**
 * Writes named arrays as .npz, atomically; `numpy.load` reads it. The arrays are copied at the call: later changes do not reach the file.
 * Equal contents give equal bytes.
 *
 * @param arrays by name; `data` has as many values as the product of `shape`
 * @throws ArgumentError, DTypeError, ShapeError before anything is written; IOError if writing fails, and the old file stays
 */
export async function writeNpz(
  path: string,
  arrays: Readonly<Record<string, ArrayData>> | ReadonlyMap<string, ArrayData>,
  options: WriteNpzOptions = {},
): Promise<void> {
  checkPath('writeNpz', path)
  const { compress = false } = checkOptions('writeNpz', options, writeChecks)
  if (typeof arrays !== 'object' || arrays === null || Array.isArray(arrays) || ArrayBuffer.isView(arrays)) {
    throw new ArgumentError(
      `writeNpz: given ${describe(arrays)}, expected arrays by name: { x: { dtype, shape, data } }`,
    )
  }
  const named: [string, ArrayData][] =
    arrays instanceof Map ? [...arrays] : Object.entries(arrays as Record<string, ArrayData>)
  for (const [name, array] of named) {
    if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > 1000) {
      throw new ArgumentError(`writeNpz: given ${describe(name)} as a name, expected text of 1 to 1000 bytes`)
    }
    checkForm(`writeNpz: '${name}'`, array)
  }
  const snapshots = snapshotsOf(named.flatMap(([, array]) => [npyHeader(array), array.data]))
  try {
    const members: ZipMember[] = []
    for (const [index, [name, { dtype }]] of named.entries()) {
      const [header, values] = snapshots.slice(2 * index, 2 * index + 2) as [Snapshot, Snapshot]
      if (dtype === 'bool') await checkSnapshot(`writeNpz: '${name}'`, values)
      members.push(await zipMember(`${name}.npy`, [header, values], compress))
    }
    const archive = zipArchive(members)
    await replaceFile(path, archive.pieces(), archive.length)
  } finally {
    releaseAll(snapshots)
  }
}
