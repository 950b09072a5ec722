/**
 * Augmentation: random changes of training batches, by random numbers per sample drawn from a key. The same key gives the same batch. An
 * augmentation is a function of a batch and a key; it returns lazy tensors, so it works before a step as well as inside one.
 */

import { isFloat, type Shape } from '../core/dtype.js'
import { ArgumentError, DTypeError, describe, ShapeError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import {
  above,
  atLeast,
  between,
  type Check,
  type Checks,
  checkOptions,
  elsewhere,
  finite,
  isList,
  required,
  whole,
} from '../core/options.js'
import { idOf } from '../core/tensor.js'
import { cast, exp, floor, log, log1p, minimum, mul, sigmoid, sqrt } from '../ops/elementwise.js'
import { oneHot } from '../ops/indexing.js'
import { stack } from '../ops/movement.js'
import { bernoulli, foldIn, normal, permutation, splitKey, uniform } from '../ops/random.js'
import { Tensor } from '../ops/tensor.js'
import {
  type CropOptions,
  type CutoutOptions,
  checkPadding,
  cropChecks,
  cropImages,
  cutoutChecks,
  cutoutImages,
  extentsOf,
  flipImages,
  type ImageAxis,
  mixSamples,
  normalizeImages,
  type PerChannel,
  shiftImages,
  turnImages,
} from './augment-samples.js'
import type { Batch } from './loader.js'

/** Changes a batch by random numbers from a key. The batch itself does not change; unknown entries pass through. */
export type Augmentation = (batch: Batch, key: Tensor) => Batch

/** An augmentation of only the inputs. */
const ofInputs =
  (change: (x: Tensor, key: Tensor) => Tensor): Augmentation =>
  (batch, key) => {
    const entries = entriesOf(batch)
    return { ...entries, x: change(entries.x, key) }
  }

/**
 * The tensors of a batch, without its dispose function.
 *
 * @throws {ArgumentError} unless given a batch
 */
function entriesOf(batch: Batch): Batch {
  checkBatch('augmentation', batch)
  const { [Symbol.dispose]: _, ...entries } = batch
  return entries
}

/**
 * Applies augmentations in sequence, each with its own key.
 *
 *     const change = augment([horizontalFlip(), randomCrop({ padding: 4 }), cutout({ size: 8 })])
 *     const batches = augmented(train, change, { seed: 1 })
 *
 * @throws {ArgumentError} unless every entry is a function
 */
export function augment(steps: readonly Augmentation[]): Augmentation {
  const all = isList(steps) ? [...steps] : undefined
  const wrong = all?.findIndex((step) => typeof step !== 'function') ?? -1
  if (all === undefined || wrong >= 0) {
    const given = all === undefined ? describe(steps) : `${describe(all[wrong])} at ${wrong}`
    throw new ArgumentError(
      `augment: given ${given}, expected a list of augmentations such as [horizontalFlip(), randomCrop({ padding: 4 })]`,
    )
  }
  return (batch, key) => {
    idOf('augment: key', key)
    return tidy(() =>
      all.reduce((changed, step, index) => {
        const next = step(changed, foldIn(key, index))
        checkBatch(`augment: step ${index} returned`, next)
        return next
      }, entriesOf(batch)),
    )
  }
}

/** @throws {ArgumentError} unless given a batch */
export function checkBatch(what: string, batch: Batch): void {
  if (batch?.x instanceof Tensor && batch.y instanceof Tensor) return
  throw new ArgumentError(`${what}: given ${describe(batch)}, expected a batch { x, y } of tensors`)
}

/** Options of {@link horizontalFlip} and {@link verticalFlip}. */
export interface FlipOptions {
  /** Probability of mirroring a sample, in [0, 1]. Default 0.5. */
  probability?: number
}

const flipChecks: Checks<FlipOptions> = { probability: between(0, 1) }

function flipping(what: string, axis: ImageAxis, options: FlipOptions): Augmentation {
  const { probability = 0.5 } = checkOptions(what, options, flipChecks)
  return ofInputs((x, key) => flipImages(x, bernoulli(key, [extentsOf(what, x).batch], probability), axis))
}

/** Mirrors some of the images horizontally. */
export function horizontalFlip(options: FlipOptions = {}): Augmentation {
  return flipping('horizontalFlip', 'horizontal', options)
}

/** Mirrors some of the images vertically. */
export function verticalFlip(options: FlipOptions = {}): Augmentation {
  return flipping('verticalFlip', 'vertical', options)
}

/** Integers uniform on 0 .. n - 1 for each column, int32 `[batch, columns]`. */
function integers(key: Tensor, batch: number, below: readonly number[]): Tensor {
  const columns = splitKey(key, below.length).map((own, c) => {
    const n = below[c] as number
    // A float just below 1, times n, may round to n.
    return cast(minimum(floor(mul(uniform(own, [batch]), n)), n - 1), 'int32')
  })
  return stack(columns, 1)
}

/**
 * A crop of each image at a uniformly random position, after padding: with `padding: 4` and the size of the image, the usual shift for
 * CIFAR-10.
 */
export function randomCrop(options: CropOptions = {}): Augmentation {
  const given = checkOptions('randomCrop', options, cropChecks)
  return ofInputs((x, key) => {
    const { batch, height, width } = extentsOf('randomCrop', x)
    const { size: [h, w] = [height, width], padding = 0 } = given
    checkPadding('randomCrop', x, given)
    const room: [number, number] = [height + 2 * padding - h + 1, width + 2 * padding - w + 1]
    if (Math.min(...room) < 1) {
      throw new ShapeError(
        `randomCrop: parts of ${h} x ${w} of images of ${height} x ${width} with padding ${padding}; they do not fit: lower the size, or raise the padding`,
      )
    }
    return cropImages(x, integers(key, batch, room), given)
  })
}

/** Options of {@link randomShift}. */
export interface RandomShiftOptions {
  /** Maximum shift in pixels, up or down and left or right: one number, or `[vertical, horizontal]`. */
  most: number | readonly [number, number]
  /** Value of pixels from outside the image. Default 0. */
  fill?: number
}

const pixelCount = whole(0)
const mostCheck: Check<number | readonly [number, number]> = {
  expected: 'a whole number of at least 0, or two of them',
  accepts: (value) =>
    pixelCount.accepts(value) ||
    (isList(value) && (value as unknown[]).length === 2 && (value as unknown[]).every(pixelCount.accepts)),
}
const randomShiftChecks: Checks<RandomShiftOptions> = { most: required(mostCheck), fill: finite }

/** Shifts each image by whole pixels, uniformly up to `most`. */
export function randomShift(options: RandomShiftOptions): Augmentation {
  const { most, fill = 0 } = checkOptions('randomShift', options, randomShiftChecks)
  const [down, right] = typeof most === 'number' ? [most, most] : [...most]
  return ofInputs((x, key) => {
    const { batch } = extentsOf('randomShift', x)
    const [rows, columns] = [down as number, right as number]
    const shifts = stack(
      splitKey(key).map((own, c) => {
        const reach = c === 0 ? rows : columns
        return integers(own, batch, [2 * reach + 1])
          .reshape([batch])
          .sub(reach)
      }),
      1,
    )
    return shiftImages(x, shifts, { fill })
  })
}

/** Options of {@link cutout}. */
export interface RandomCutoutOptions extends CutoutOptions {
  /** Number of squares per image. Default 1. */
  holes?: number
}

const randomCutoutChecks: Checks<RandomCutoutOptions> = { ...cutoutChecks, holes: whole(1, 1000) }

/** Covers squares of each image with uniformly random centers inside the image (DeVries and Taylor 2017). */
export function cutout(options: RandomCutoutOptions): Augmentation {
  const { holes = 1, ...square } = checkOptions('cutout', options, randomCutoutChecks)
  return ofInputs((x, key) => {
    const { batch, height, width } = extentsOf('cutout', x)
    return splitKey(key, holes).reduce(
      (covered, own) => cutoutImages(covered, integers(own, batch, [height, width]), square),
      x,
    )
  })
}

/** Options of {@link noise}. */
export interface NoiseOptions {
  /** Standard deviation. */
  std: number
}

const noiseChecks: Checks<NoiseOptions> = { std: required(atLeast(0)) }

/** Adds independent normal noise to every number of the inputs, which may have any shape. */
export function noise(options: NoiseOptions): Augmentation {
  const { std } = checkOptions('noise', options, noiseChecks)
  return ofInputs((x, key) => x.add(normal(key, x.shape, { std, dtype: floatOf('noise', x) })))
}

function floatOf(what: string, x: Tensor): 'float32' | 'float64' {
  if (x.dtype === 'float32' || x.dtype === 'float64') return x.dtype
  throw new DTypeError(`${what}: x is ${x.dtype}, expected float32 or float64; cast it`)
}

/** Options of {@link normalization}. */
export interface NormalizationOptions {
  /** One for all channels, or one per channel. */
  mean: PerChannel
  /** Likewise, greater than 0. */
  std: PerChannel
}

const normalizationChecks: Checks<NormalizationOptions> = {
  mean: required(elsewhere<PerChannel>()),
  std: required(elsewhere<PerChannel>()),
}

/** (x - mean) / std by channel, see {@link normalizeImages}: not random, one step of a sequence. */
export function normalization(options: NormalizationOptions): Augmentation {
  const { mean, std } = checkOptions('normalization', options, normalizationChecks)
  return ofInputs((x) => normalizeImages(x, mean, std))
}

/** Rotates each image, which must be square, by a uniformly random multiple of 90 degrees. */
export function quarterTurns(): Augmentation {
  return ofInputs((x, key) => {
    const { batch } = extentsOf('quarterTurns', x)
    return turnImages(x, integers(key, batch, [4]).reshape([batch]))
  })
}

/** Options of {@link mixup}. */
export interface MixupOptions {
  /** Shares are drawn from Beta(alpha, alpha): for small values most samples hardly mix; 1 is uniform. Default 0.2. */
  alpha?: number
  /** Number of classes, if targets are labels; they become rows of probabilities. */
  classes?: number
}

const mixupChecks: Checks<MixupOptions> = { alpha: above(0), classes: whole(1) }

/**
 * Mixes each sample, and its target, with another one of the batch (Zhang et al. 2018). Class labels become rows of probabilities.
 *
 * @throws {ArgumentError} (when applied) for labels without `classes`
 */
export function mixup(options: MixupOptions = {}): Augmentation {
  const { alpha = 0.2, classes } = checkOptions('mixup', options, mixupChecks)
  return (batch, key) => {
    const entries = entriesOf(batch)
    const { x, y } = entries
    const dtype = floatOf('mixup', x)
    const count = x.shape[0] as number
    const [order, drawing] = splitKey(key) as [Tensor, Tensor]
    const partners = permutation(order, count)
    const shares = betaShares(drawing, [count], alpha, dtype)
    return {
      ...entries,
      x: mixSamples(x, partners, shares),
      y: mixSamples(targetRows(y, classes, dtype), partners, shares),
    }
  }
}

/** Targets that can be mixed. */
function targetRows(y: Tensor, classes: number | undefined, dtype: 'float32' | 'float64'): Tensor {
  if (isFloat(y.dtype)) return y
  if (classes === undefined) {
    throw new ArgumentError(
      `mixup: targets are labels of ${y.dtype}, which cannot be mixed; give { classes }, the number of classes, or one-hot rows`,
    )
  }
  return oneHot(y, classes, dtype)
}

/**
 * Numbers from Beta(alpha, alpha), exactly and without rejection. With a = alpha + 1, B = (1 + sqrt(1 - U^(2 / (2a - 1))) cos 2 pi V) / 2
 * has the distribution Beta(a, a) (Ulrich 1984; Devroye 1986, IX.3). Gamma variables of shape alpha are gamma variables of shape alpha + 1
 * times U^(1 / alpha). Their quotient is computed in logarithms, in float64: for small alpha the shares are near 0 and 1.
 */
function betaShares(key: Tensor, shape: Shape, alpha: number, dtype: 'float32' | 'float64'): Tensor {
  const [first, second, third, fourth] = splitKey(key, 4).map((own) =>
    // On (0, 1], where every logarithm is finite.
    uniform(own, shape, { dtype: 'float64' }).neg().add(1),
  ) as [Tensor, Tensor, Tensor, Tensor]
  const radius = sqrt(
    exp(log(first).mul(2 / (2 * alpha + 1)))
      .neg()
      .add(1),
  )
  const spread = radius.mul(second.mul(2 * Math.PI).cos())
  const logit = log1p(spread).sub(log1p(spread.neg()))
  return cast(sigmoid(logit.add(log(third).sub(log(fourth)).div(alpha))), dtype)
}
