/** From pixels and labels in memory to batches for training, validation and tests: shared code of all image data sets. */

import { type DeviceRequest, deviceNamed } from '../core/devices.js'
import { type Shape, sizeOf } from '../core/dtype.js'
import { type Checks, elsewhere, whole } from '../core/options.js'
import { evaluate } from '../core/transforms.js'
import { nextTurn } from '../core/turns.js'
import { tensorInTurns } from '../io/uploads.js'
import { HostRandom } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { ArrayDataset, type ArrayDatasetOptions, shareCheck } from './array-dataset.js'
import { type SourceOptions, sourceChecks } from './source-files.js'

/** Options of the loaders of images. */
export interface ImageSetOptions extends SourceOptions {
  /** Default 64. */
  batchSize?: number
  /** Share of the training images for validation, in [0, 1). Default 0.2. */
  validationSplit?: number
  /** Seed of the validation split and the training order. Default 0. */
  seed?: number
  /** Maximum number of training images (validation included), and of test images. Default all. */
  limit?: number
  /** Device of the images and the batches, see {@link ArrayDatasetOptions}. Default: the default device. */
  device?: DeviceRequest
}

/** The checks of {@link ImageSetOptions}. */
export const imageSetChecks: Checks<ImageSetOptions> = {
  ...sourceChecks,
  batchSize: whole(1),
  validationSplit: shareCheck,
  seed: whole(0),
  limit: whole(1),
  device: elsewhere(),
}

/** Images in batches: `[batch, channels, height, width]` with pixels from -1 (byte 0) to 1 (byte 255), and a class from 0 for each. */
export interface ImageDatasets {
  /** Shuffled in every epoch. */
  train: ArrayDataset
  /** The first floor(split * n) of a random permutation of the training images. */
  validation: ArrayDataset
  /** In the order of the file. */
  test: ArrayDataset
  /** Name of each class, in the order of the labels. */
  classNames: readonly string[]
}

/** Images and labels of one part of a data set. */
export interface Images {
  /** Bytes `[n, ...]`. */
  readonly images: Uint8Array
  /** A class from 0 for each image. */
  readonly labels: Uint8Array
}

/** Layout of images. */
export interface ImageForm {
  /** Shape of an image in a batch: channels, height, width. */
  readonly shape: Shape
  readonly classNames: readonly string[]
  /** Whether the bytes of an image are column-major. */
  readonly byColumns?: boolean
}

/** Pixels (p / 255 - 0.5) / 0.5. */
const pixels = { scale: 2 / 255, offset: -1 } as const

/**
 * Batches of images that are stored as bytes.
 *
 * @param options already checked
 */
export async function imageDatasets(
  training: Images,
  tests: Images,
  form: ImageForm,
  options: ImageSetOptions,
): Promise<ImageDatasets> {
  const { batchSize = 64, validationSplit = 0.2, seed = 0, limit } = options
  const { classNames } = form
  const device = deviceNamed('load', options.device)
  const common: ArrayDatasetOptions = {
    ...pixels,
    batchSize,
    seed,
    classes: classNames.length,
    labels: true,
    device,
  }
  const part = async ({ images, labels }: Images) => {
    const count = Math.min(limit ?? labels.length, labels.length)
    using x = await imagesOf(images, count, form)
    return ArrayDataset.inTurns(x, labels.subarray(0, count), common)
  }
  const all = await part(training)
  // Each of these passes through all samples once, so each takes a turn of the event loop.
  await nextTurn()
  const order = new HostRandom(seed).permutation(all.samples)
  const validating = Math.floor(validationSplit * all.samples)
  await nextTurn()
  const train = all.subset(order.subarray(validating), { shuffle: true })
  const validation = all.subset(order.subarray(0, validating))
  await nextTurn()
  return { train, validation, test: await part(tests), classNames }
}

/** The first `count` images as a tensor `[count, ...shape]`. */
async function imagesOf(bytes: Uint8Array, count: number, { shape, byColumns }: ImageForm): Promise<Tensor> {
  const size = sizeOf(shape)
  const data = bytes.subarray(0, count * size)
  if (!byColumns) return tensorInTurns({ dtype: 'uint8', shape: [count, ...shape], data })
  const [height, width] = shape.slice(-2) as [number, number]
  using stored = await tensorInTurns({
    dtype: 'uint8',
    shape: [count, ...shape.slice(0, -2), width, height],
    data,
  })
  const upright = stored.transpose(-2, -1)
  await evaluate(upright)
  return upright
}
