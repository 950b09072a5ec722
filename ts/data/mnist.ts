/** The handwritten digits of MNIST (LeCun, Cortes and Burges): 60,000 for training, 10,000 for tests, 28 x 28 pixels. */
import { type Checks, checkOptions, whole } from '../core/options.js'
import { HostRandom } from '../ops/random.js'
import { type Tensor, tensor } from '../ops/tensor.js'
import { ArrayDataset, type ArrayDatasetOptions, shareCheck } from './array-dataset.js'
import { filesChecks, type MnistFilesOptions, readMnist } from './mnist-files.js'

/** Options of {@link mnist.load}. */
export interface MnistOptions extends MnistFilesOptions {
  /** Default 64. */
  batchSize?: number
  /** Share of the training images that validates, in [0, 1). Default 0.2. */
  validationSplit?: number
  /** Decides which images validate, and the order of training. Default 0. */
  seed?: number
  /** Use at most this many of the training images (validation included), and of the test images. Default all. */
  limit?: number
}

const checks: Checks<MnistOptions> = {
  ...filesChecks,
  batchSize: whole(1),
  validationSplit: shareCheck,
  seed: whole(0),
  limit: whole(1),
}

/** MNIST in batches: images `[batch, 1, 28, 28]` with pixels from -1 (paper) to 1 (ink), labels `[batch]` from 0 to 9. */
export interface MnistData {
  /** Another order in every epoch. */
  train: ArrayDataset
  /** The first floor(split * n) of a random permutation of the training images. */
  validation: ArrayDataset
  /** In the order of the file. */
  test: ArrayDataset
}

/** Pixels (p / 255 - 0.5) / 0.5. */
const pixels = { scale: 2 / 255, offset: -1 } as const

async function load(options: MnistOptions = {}): Promise<MnistData> {
  const given = checkOptions('mnist.load', options, checks)
  const { batchSize = 64, validationSplit = 0.2, seed = 0, limit, ...where } = given
  const files = await readMnist(where)
  const common: ArrayDatasetOptions = { ...pixels, batchSize, seed, classes: 10, labels: true }
  const part = (images: Uint8Array, labels: Uint8Array) => {
    const count = Math.min(limit ?? labels.length, labels.length)
    return new ArrayDataset(imagesOf(images, count), labels.subarray(0, count), common)
  }
  const all = part(files.trainImages, files.trainLabels)
  const order = new HostRandom(seed).permutation(all.samples)
  const validating = Math.floor(validationSplit * all.samples)
  return {
    train: all.subset(order.subarray(validating), { shuffle: true }),
    validation: all.subset(order.subarray(0, validating)),
    test: part(files.testImages, files.testLabels),
  }
}

function imagesOf(bytes: Uint8Array, count: number): Tensor {
  return tensor(bytes.subarray(0, count * 28 * 28), { shape: [count, 1, 28, 28] })
}

/**
 * MNIST from files on this machine.
 *
 *     const { train, validation, test } = await mnist.load({ batchSize: 64, validationSplit: 0.2, seed: 1 })
 *
 * With the defaults these are 48,000, 12,000 and 10,000 images: 750, 188 and 157 batches. Images stay bytes in memory.
 *
 * @throws IOError where the files are not found, saying where to put them; DataError where they are not MNIST
 */
export const mnist = { load } as const
