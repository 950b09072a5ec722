/** Images in the form that the programs of this folder take. */
import {
  ArrayDataset,
  fashionMnist,
  readCifar10,
  readMnist,
  type Shape,
  type Tensor,
} from '../../ts/index.js'

/** Sets of images in 10 classes. */
export type ImageSet = 'mnist' | 'fashion' | 'cifar10'

/** Shape of an image: channels, rows, columns. */
export const imageShape: Readonly<Record<ImageSet, readonly [number, number, number]>> = {
  mnist: [1, 28, 28],
  fashion: [1, 28, 28],
  cifar10: [3, 32, 32],
}

/** Number of values of an image. */
export const pixelsOf = (set: ImageSet): number => imageShape[set].reduce((size, extent) => size * extent, 1)

/** Training and test images. */
export interface Digits {
  readonly train: ArrayDataset
  readonly test: ArrayDataset
}

/** Format of the images. */
export interface DigitOptions {
  /** Default 'mnist'. */
  readonly set?: ImageSet
  readonly batchSize: number
  /** Range of pixels. Default [0, 1]. */
  readonly range?: readonly [low: number, high: number]
  /** Shuffle in every epoch. Default false. */
  readonly shuffle?: boolean
  readonly seed: number
  /** Return an image as a row of numbers. Default true; otherwise as channels, rows, columns. */
  readonly flat?: boolean
  /** Maximum number of training images. Default all. */
  readonly limit?: number
}

/**
 * The training and test images of a set: 60,000 and 10,000; for CIFAR-10 50,000 and 10,000.
 *
 * @throws IOError if the files are not on this machine, with the folder to put them
 */
export async function digits(options: DigitOptions): Promise<Digits> {
  const { set = 'mnist', batchSize, range = [0, 1], shuffle = false, seed, flat = true } = options
  const [low, high] = range
  const shape: Shape = flat ? [pixelsOf(set)] : imageShape[set]
  const common = { inputShape: shape, classes: 10, scale: (high - low) / 255, offset: low, seed }
  const { trainImages, trainLabels, testImages, testLabels } = await filesOf(set)
  const { limit = trainLabels.length } = options
  const pixels = trainImages.subarray(0, (limit * trainImages.length) / trainLabels.length)
  const labels = Int32Array.from(trainLabels.subarray(0, limit))
  return {
    train: new ArrayDataset(pixels, labels, { ...common, batchSize, shuffle }),
    test: new ArrayDataset(testImages, Int32Array.from(testLabels), { ...common, batchSize: 1000 }),
  }
}

async function filesOf(set: ImageSet) {
  if (set === 'mnist') return readMnist()
  if (set === 'cifar10') return readCifar10()
  const { train, test } = await fashionMnist.load({ validationSplit: 0 })
  const bytes = async (x: Tensor) => (await x.data()) as Uint8Array
  try {
    return {
      trainImages: await bytes(train.source.x),
      trainLabels: (await train.source.y.data()) as Int32Array,
      testImages: await bytes(test.source.x),
      testLabels: (await test.source.y.data()) as Int32Array,
    }
  } finally {
    disposeOf({ train, test })
  }
}

/** Releases the images. */
export function disposeOf({ train, test }: Digits): void {
  train.dispose()
  test.dispose()
}
