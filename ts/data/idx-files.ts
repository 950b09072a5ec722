/** The four idx files of MNIST and its relatives: images and labels, for training and for tests. */

import { type Shape, showShape } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { decodeIdx } from './idx.js'
import type { Images } from './image-datasets.js'
import {
  type Checksum,
  checkPublished,
  locate,
  readPlain,
  readPlainHashed,
  type Searched,
} from './source-files.js'

/** One of the four files: its possible names without extension, and its published properties. */
export interface IdxSource {
  /** For example 'train-images': `train-images-idx3-ubyte` and `train-images.idx3-ubyte` are searched for, plain and .gz. */
  readonly stems: readonly string[]
  /** Number of samples of the published file. */
  readonly samples?: number
  readonly checksum?: Checksum
}

/** Properties of a data set in four idx files. */
export interface IdxSet extends Searched {
  readonly parts: { readonly [P in FileKey]: IdxSource }
  /** Shape of an image; undefined for any of at least one axis. */
  readonly imageShape: Shape | undefined
  /** The label of the first class. */
  readonly firstLabel: number
  /** Number of classes; undefined for the number of labels that occur. */
  readonly classes: number | undefined
  /** How to replace a file that is not the published one. */
  readonly again: string
}

/** One part of a data set, with the shape of its images. */
export interface IdxHalf extends Images {
  readonly imageShape: Shape
}

/** The contents of four idx files. */
export interface IdxArrays {
  readonly train: IdxHalf
  readonly test: IdxHalf
  /** The folder that was read. */
  readonly source: string
}

const parts = ['trainImages', 'trainLabels', 'testImages', 'testLabels'] as const
type FileKey = (typeof parts)[number]

/** Options of {@link readIdxSet}. */
export interface IdxReading {
  /** The only path to search. */
  readonly root: string | undefined
  readonly verify: boolean
  /** Whether every file must be the published one, not only files with the published number of samples. */
  readonly published?: boolean
}

/**
 * Reads the files of a set, and checks that they match.
 *
 * @throws IOError if files are missing, with the searched paths and names and how to get them; DataError for an invalid file
 */
export async function readIdxSet(set: IdxSet, { root, verify, published }: IdxReading): Promise<IdxArrays> {
  const layout = Object.fromEntries(parts.map((part) => [part, fileNames(set, part)])) as Record<
    FileKey,
    string[]
  >
  const { folder, paths } = await locate(set, [layout], root)
  const [trainImages, trainLabels, testImages, testLabels] = (await Promise.all(
    parts.map((part) => readPart(set, part, paths[part], verify, published ?? false)),
  )) as [Values, Values, Values, Values]
  checkPair(folder, 'training', trainImages, trainLabels)
  checkPair(folder, 'test', testImages, testLabels)
  const half = (images: Values, labels: Values): IdxHalf => ({
    images: images.data,
    imageShape: images.shape.slice(1),
    labels: labels.data,
  })
  const [train, test] = [half(trainImages, trainLabels), half(testImages, testLabels)]
  if (`${train.imageShape}` !== `${test.imageShape}`) {
    throw new DataError(
      `${folder}: training images are ${showShape(train.imageShape)} and test images ${showShape(test.imageShape)}, expected one shape; get both from the same set`,
    )
  }
  return { train, test, source: folder }
}

/** Bytes of one file with their shape. */
interface Values {
  readonly shape: Shape
  readonly data: Uint8Array
}

const isImages = (part: FileKey) => part === 'trainImages' || part === 'testImages'

/** The possible names of a file. */
function fileNames({ parts, imageShape }: IdxSet, part: FileKey): string[] {
  const ranks = !isImages(part) ? [1] : imageShape === undefined ? [3, 4, 2] : [imageShape.length + 1]
  const plain = parts[part].stems.flatMap((stem) =>
    ranks.flatMap((rank) => [`${stem}-idx${rank}-ubyte`, `${stem}.idx${rank}-ubyte`]),
  )
  return [...plain, ...plain.map((name) => `${name}.gz`)]
}

/** Values of one file, with checked shape and labels and, on request, compared with the published bytes. */
async function readPart(
  set: IdxSet,
  part: FileKey,
  path: string,
  verify: boolean,
  published: boolean,
): Promise<Values> {
  const { checksum, samples } = set.parts[part]
  const { bytes, digest } =
    verify && checksum !== undefined
      ? await readPlainHashed(path, checksum.algorithm)
      : { bytes: await readPlain(path), digest: undefined }
  const { dtype, shape, data } = await decodeIdx(bytes, path)
  if (dtype !== 'uint8' || !fits(set, part, shape)) {
    const lengths = isImages(part) ? (set.imageShape ?? ['...']) : []
    throw new DataError(
      `${path} holds ${dtype} ${showShape(shape)}, expected uint8 (${['samples', ...lengths].join(', ')}) for ${set.title}; give the folder of ${set.title} files`,
    )
  }
  if (digest !== undefined && (published || shape[0] === samples)) {
    checkPublished(set.title, path, checksum as Checksum, digest, set.again)
  }
  const values = data as Uint8Array
  return { shape, data: isImages(part) ? values : labelsFromZero(set, path, values) }
}

function fits({ imageShape }: IdxSet, part: FileKey, shape: Shape): boolean {
  if (!isImages(part)) return shape.length === 1
  if (imageShape === undefined) return shape.length > 1
  return shape.length === imageShape.length + 1 && imageShape.every((length, i) => length === shape[i + 1])
}

/** Labels as classes from 0. */
function labelsFromZero(set: IdxSet, path: string, labels: Uint8Array): Uint8Array {
  const { firstLabel, classes = 256 } = set
  const last = firstLabel + classes - 1
  const at = labels.findIndex((label) => label < firstLabel || label > last)
  if (at >= 0) {
    throw new DataError(
      `${path}: label ${labels[at]} at ${at}, expected ${firstLabel} to ${last} for ${set.title}; the file is damaged`,
    )
  }
  return firstLabel === 0 ? labels : labels.map((label) => label - firstLabel)
}

function checkPair(folder: string, which: string, { shape: [count] }: Values, labels: Values): void {
  if (count === labels.shape[0] && count !== 0) return
  throw new DataError(
    `${folder}: ${count} ${which} images and ${labels.shape[0]} labels, expected equal numbers, at least one; get both from the same set`,
  )
}
