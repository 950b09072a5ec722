/** MNIST as the programs of this folder take it. */
import { ArrayDataset, readMnist } from '../../ts/index.js'

/** Training and test images. */
export interface Digits {
  readonly train: ArrayDataset
  readonly test: ArrayDataset
}

/** How images are given. */
export interface DigitOptions {
  readonly batchSize: number
  /** Range of pixels. */
  readonly range: readonly [low: number, high: number]
  /** Another order in every epoch. */
  readonly shuffle: boolean
  readonly seed: number
}

/** All 60,000 training and 10,000 test images, as rows of 784 pixels. */
export async function digits({
  batchSize,
  range: [low, high],
  shuffle,
  seed,
}: DigitOptions): Promise<Digits> {
  const files = await readMnist()
  const common = { inputShape: [784], classes: 10, scale: (high - low) / 255, offset: low, seed }
  const { trainImages, trainLabels, testImages, testLabels } = files
  return {
    train: new ArrayDataset(trainImages, Int32Array.from(trainLabels), { ...common, batchSize, shuffle }),
    test: new ArrayDataset(testImages, Int32Array.from(testLabels), { ...common, batchSize: 1000 }),
  }
}
