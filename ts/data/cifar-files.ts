/** The files of CIFAR-10 and CIFAR-100 (Krizhevsky 2009), in the binary and the Python version, unpacked or in their archives. */

import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { DataError } from '../core/errors.js'
import { nextTurn } from '../core/turns.js'
import { FileReader } from '../io/file-reader.js'
import { numpyDialect, PickledArray } from '../io/numpy-pickle.js'
import { type Pickled, readPickle } from '../io/pickle.js'
import { readTar } from '../io/tar.js'
import type { Images } from './image-datasets.js'
import {
  type Checksum,
  checkPublished,
  type Layout,
  locate,
  type Searched,
  unzippedPieces,
} from './source-files.js'

/** Bytes of an image: 32 x 32 red values, then green, then blue. */
const pixels = 3 * 32 * 32

/** One version of a data set: its files, in order, training first. */
interface Version {
  readonly archive: string
  readonly md5: string
  readonly folder: string
  readonly training: readonly string[]
  readonly tests: string
  readonly isPickle: boolean
}

/** One of the two data sets. */
export interface CifarSet extends Searched {
  readonly versions: readonly Version[]
  /** Number of classes of each label of an image, in the order of the binary files. */
  readonly labels: readonly { readonly classes: number; readonly key: string }[]
}

const batches = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}`)

const remedyOf = (name: string) =>
  `Fetch ${name}-binary.tar.gz or ${name}-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, put it into data (it need not be unpacked), ` +
  'or give its path or folder as dataDir'

/** CIFAR-10: one label. */
export const tenClasses: CifarSet = {
  title: 'CIFAR-10',
  subfolders: ['cifar-10', 'cifar10'],
  remedy: remedyOf('cifar-10'),
  labels: [{ classes: 10, key: 'labels' }],
  versions: [
    {
      archive: 'cifar-10-binary.tar.gz',
      md5: 'c32a1d4ab5d03f1284b67883e8d87530',
      folder: 'cifar-10-batches-bin',
      training: batches.map((name) => `${name}.bin`),
      tests: 'test_batch.bin',
      isPickle: false,
    },
    {
      archive: 'cifar-10-python.tar.gz',
      md5: 'c58f30108f718f92721af3b95e74349a',
      folder: 'cifar-10-batches-py',
      training: batches,
      tests: 'test_batch',
      isPickle: true,
    },
  ],
}

/** CIFAR-100: a coarse label and a fine one. */
export const hundredClasses: CifarSet = {
  title: 'CIFAR-100',
  subfolders: ['cifar-100', 'cifar100'],
  remedy: remedyOf('cifar-100'),
  labels: [
    { classes: 20, key: 'coarse_labels' },
    { classes: 100, key: 'fine_labels' },
  ],
  versions: [
    {
      archive: 'cifar-100-binary.tar.gz',
      md5: '03b5dce01913d631647c71ecec9e9cb8',
      folder: 'cifar-100-binary',
      training: ['train.bin'],
      tests: 'test.bin',
      isPickle: false,
    },
    {
      archive: 'cifar-100-python.tar.gz',
      md5: 'eb9058c3a382ffc7106e4002c42a8d85',
      folder: 'cifar-100-python',
      training: ['train'],
      tests: 'test',
      isPickle: true,
    },
  ],
}

/** Images of one part, with each of their labels. */
export interface CifarHalf {
  /** Bytes `[n, 3, 32, 32]`: red, green, blue. */
  readonly images: Uint8Array
  /** Each label of all images, in the order of the set. */
  readonly labels: readonly Uint8Array[]
}

/** Contents of a set. */
export interface CifarArrays {
  readonly train: CifarHalf
  readonly test: CifarHalf
  /** The folder or archive that was read. */
  readonly source: string
}

/** Maximum number of bytes of one file: the largest published one has 155 million. */
const mostBytes = 2 ** 28
/** Number of published images, for training and for tests. */
const published = [50_000, 10_000]

/**
 * Reads a set from an archive, or from the folder of unpacked files. If both exist, the folder is used.
 *
 * @param root folder to search, or the path of an archive
 * @throws IOError if nothing is found, with the searched paths and how to get the files; DataError for invalid files
 */
export async function readCifarSet(
  set: CifarSet,
  root: string | undefined,
  verify: boolean,
): Promise<CifarArrays> {
  const { path, version, paths } = await find(set, root)
  const files = paths === undefined ? await fromArchive(path, version) : await fromFolder(version, paths)
  const parts: CifarHalf[] = []
  for (const name of [...version.training, version.tests]) {
    const bytes = files.contents.get(name) as Uint8Array
    files.contents.delete(name)
    parts.push(await (version.isPickle ? ofPickle : ofRecords)(set, `${path}: ${name}`, bytes))
    await nextTurn()
  }
  const test = parts.pop() as CifarHalf
  const train = await joined(set, parts)
  const counts = [train, test].map(({ images }) => images.length / pixels)
  if (counts.includes(0))
    throw new DataError(`${path}: there must be at least one image for training and one for tests`)
  if (verify && files.md5 !== undefined && `${counts}` === `${published}`) {
    const checksum: Checksum = { algorithm: 'md5', digits: version.md5 }
    checkPublished(set.title, path, checksum, files.md5, 'fetch it again')
  }
  return { train, test, source: path }
}

interface Found {
  readonly path: string
  readonly version: Version
  /** Path of each file by its name, if they are unpacked. */
  readonly paths: Readonly<Record<string, string>> | undefined
}

async function find(set: CifarSet, root: string | undefined): Promise<Found> {
  const given = root === undefined ? undefined : await stat(root).catch(() => undefined)
  if (root !== undefined && given?.isFile()) {
    const version = set.versions.find(({ archive }) => archive === basename(root))
    if (version !== undefined) return { path: resolve(root), version, paths: undefined }
    const names = set.versions.map(({ archive }) => archive).join(' or ')
    throw new DataError(
      `${root} is a file of another name than the archives of ${set.title}; give ${names}, or the folder that holds it`,
    )
  }
  const layouts = new Map<Layout, Version>()
  for (const version of set.versions) {
    const files = [...version.training, version.tests]
    const unpacked = files.map((name) => [name, [`${version.folder}/${name}`, name]] as const)
    layouts.set(Object.fromEntries(unpacked), version)
  }
  for (const version of set.versions) layouts.set({ archive: [version.archive] }, version)
  const { folder, layout, paths } = await locate(set, [...layouts.keys()], root)
  const version = layouts.get(layout) as Version
  const archive = paths.archive
  return archive === undefined
    ? { path: folder, version, paths }
    : { path: archive, version, paths: undefined }
}

/** Contents of files by name, and the MD5 of their archive. */
interface Files {
  readonly contents: Map<string, Uint8Array>
  readonly md5?: string
}

async function fromFolder(version: Version, paths: Readonly<Record<string, string>>): Promise<Files> {
  const contents = new Map<string, Uint8Array>()
  for (const name of [...version.training, version.tests]) {
    contents.set(name, await FileReader.use(paths[name] as string, (file) => file.bytes(0, file.size)))
  }
  return { contents }
}

async function fromArchive(path: string, version: Version): Promise<Files> {
  const wanted = new Set([...version.training, version.tests])
  const contents = new Map<string, Uint8Array>()
  const { pieces, md5 } = unzippedPieces(path)
  await readTar(path, pieces, {
    limitOf: (name) => (wanted.has(basename(name)) ? mostBytes : undefined),
    take: ({ name }, bytes) => void contents.set(basename(name), bytes),
  })
  const missing = [...wanted].filter((name) => !contents.has(name))
  if (missing.length > 0) {
    throw new DataError(`${path} has no ${missing.join(', ')}, so it is another archive; fetch it again`)
  }
  return { contents, md5: md5() }
}

/** Images of a binary file: each record is the labels, one byte each, and the pixels. */
async function ofRecords({ labels, title }: CifarSet, what: string, bytes: Uint8Array): Promise<CifarHalf> {
  const record = labels.length + pixels
  const count = bytes.length / record
  if (!Number.isInteger(count)) {
    throw new DataError(
      `${what} has ${bytes.length} bytes, not a multiple of the ${record} of a ${title} image with its label; fetch it again`,
    )
  }
  const images = new Uint8Array(count * pixels)
  const found = labels.map(() => new Uint8Array(count))
  for (let i = 0; i < count; i++) {
    const start = i * record
    for (const [l, values] of found.entries()) values[i] = bytes[start + l] as number
    images.set(bytes.subarray(start + labels.length, start + record), i * pixels)
    if (i % 2048 === 2047) await nextTurn()
  }
  for (const [l, values] of found.entries()) checkLabels(what, values, labels[l] as (typeof labels)[number])
  return { images, labels: found }
}

/** Images of a pickled dict: rows of pixels under 'data', and a list per label. */
async function ofPickle({ labels, title }: CifarSet, what: string, bytes: Uint8Array): Promise<CifarHalf> {
  const dict = await readPickle(what, bytes, numpyDialect)
  const data = dict instanceof Map ? (dict as ReadonlyMap<string, Pickled>).get('data') : undefined
  if (!(dict instanceof Map) || !(data instanceof PickledArray)) {
    throw new DataError(
      `${what} is not a dict with an array 'data', unlike files of ${title}; fetch it again`,
    )
  }
  const [count, width] = data.shape
  if (data.shape.length !== 2 || width !== pixels || data.fortranOrder) {
    throw new DataError(
      `${what} has 'data' of shape (${data.shape.join(', ')}), expected rows of ${pixels} bytes`,
    )
  }
  const found = labels.map((label) => {
    const list: unknown = dict.get(label.key)
    if (!Array.isArray(list) || list.length !== count) {
      const given = Array.isArray(list) ? `${list.length} entries` : 'no list'
      throw new DataError(`${what} has ${count} images and ${given} under '${label.key}'; fetch it again`)
    }
    checkLabels(what, list, label)
    return Uint8Array.from(list as number[])
  })
  return { images: data.data, labels: found }
}

/** @throws DataError naming the first invalid label */
function checkLabels(
  what: string,
  labels: Uint8Array | readonly unknown[],
  { classes, key }: CifarSet['labels'][number],
): void {
  const values: ArrayLike<unknown> = labels
  for (let i = 0; i < values.length; i++) {
    const label = values[i]
    if (Number.isInteger(label) && (label as number) >= 0 && (label as number) < classes) continue
    throw new DataError(
      `${what}: label ${String(label)} at ${i} of '${key}', expected 0 to ${classes - 1}; the file is damaged`,
    )
  }
}

/** Several files as one. */
async function joined({ labels }: CifarSet, parts: CifarHalf[]): Promise<CifarHalf> {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const count = parts.reduce((sum, { images }) => sum + images.length / pixels, 0)
  const images = new Uint8Array(count * pixels)
  const all = labels.map(() => new Uint8Array(count))
  let at = 0
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    for (let start = 0; start < part.images.length; start += 1 << 22) {
      images.set(part.images.subarray(start, start + (1 << 22)), at * pixels + start)
      await nextTurn()
    }
    for (const [l, values] of all.entries()) values.set(part.labels[l] as Uint8Array, at)
    at += part.images.length / pixels
  }
  return { images, labels: all }
}

/** The images of a part with one of their labels. */
export function withLabel({ images, labels }: CifarHalf, place: number): Images {
  return { images, labels: labels[place] as Uint8Array }
}
