/**
 * Changes of images by given numbers per sample: augmentation after its random numbers are drawn. Images are `[batch, ..., height, width]`,
 * such as `[batch, channels, height, width]`; results are lazy, and differentiable in the images.
 */

import { literal } from '../core/create.js'
import { isFloat, type Shape, showShape } from '../core/dtype.js'
import { ArgumentError, DTypeError, describe, ShapeError } from '../core/errors.js'
import {
  type Checks,
  checkOptions,
  checkValue,
  finite,
  oneOf,
  pairOf,
  required,
  whole,
} from '../core/options.js'
import { idOf } from '../core/tensor.js'
import { abs, cast, clip, greaterEqual, less, logicalAnd, mul, rem, where } from '../ops/elementwise.js'
import { takeAlong } from '../ops/indexing.js'
import { broadcastTo, flip, indexAlong, reshape, slice, transpose } from '../ops/movement.js'
import type { PadMode } from '../ops/padding.js'
import type { Tensor } from '../ops/tensor.js'

/** Axis of an image. */
export type ImageAxis = 'horizontal' | 'vertical'

/** Options of {@link cropImages}. */
export interface CropOptions {
  /** Height and width of the result. Default: the size of x. */
  size?: readonly [number, number]
  /** Padding on each side before cropping, in pixels. Default 0. */
  padding?: number
  /** Kind of padding: `fill`, the image mirrored without its edge, or the edge itself. Default 'constant'. */
  mode?: PadMode
  /** Default 0. */
  fill?: number
}

/** Options of {@link shiftImages}. */
export interface ShiftOptions {
  /** Value of pixels from outside the image. Default 0. */
  fill?: number
}

/** Options of {@link cutoutImages}. */
export interface CutoutOptions {
  /** Height and width of the square, in pixels. */
  size: number
  /** Value inside the square. Default 0. */
  fill?: number
}

const axisCheck = oneOf('horizontal', 'vertical')
export const cropChecks: Checks<CropOptions> = {
  size: pairOf(whole(1)),
  padding: whole(0),
  mode: oneOf('constant', 'reflect', 'replicate'),
  fill: finite,
}
const shiftChecks: Checks<ShiftOptions> = { fill: finite }
export const cutoutChecks: Checks<CutoutOptions> = { size: required(whole(1)), fill: finite }

/** Extents of images `[batch, ..., height, width]`. */
interface Extents {
  readonly batch: number
  readonly height: number
  readonly width: number
}

/** @throws {ShapeError} for fewer than three axes */
export function extentsOf(what: string, x: Tensor): Extents {
  idOf(what, x)
  const { shape } = x
  if (shape.length < 3) {
    throw new ShapeError(
      `${what}: x has shape ${showShape(shape)}, expected images [batch, ..., height, width]; reshape it`,
    )
  }
  const [height, width] = shape.slice(-2) as [number, number]
  return { batch: shape[0] as number, height, width }
}

/** Numbers per sample, as int32 of the expected shape. */
function perSample(what: string, name: string, given: Tensor, shape: Shape): Tensor {
  idOf(`${what}: ${name}`, given)
  if (isFloat(given.dtype)) {
    throw new DTypeError(`${what}: ${name} is ${given.dtype}, expected an integer dtype or bool; cast it`)
  }
  if (`${given.shape}` !== `${shape}`) {
    throw new ShapeError(
      `${what}: ${name} has shape ${showShape(given.shape)}, expected ${showShape(shape)}: one entry for each sample`,
    )
  }
  return given.dtype === 'int32' ? given : cast(given, 'int32')
}

/** Column c of `[batch, 2]`, as `[batch, 1]`. */
const column = (pairs: Tensor, c: 0 | 1) => slice(pairs, [0, c], [null, c + 1])

/** `[batch, n]` reshaped for x: n along an axis, 1 elsewhere except the batch. */
function alongAxis(values: Tensor, x: Tensor, axis: -1 | -2): Tensor {
  const shape: number[] = x.shape.map(() => 1)
  shape[0] = values.shape[0] as number
  shape[x.rank + axis] = values.shape[1] as number
  return reshape(values, shape)
}

/** The indices 0 .. n - 1, `[1, n]`. */
const places = (n: number) => indexAlong([1, n], 1)

/**
 * Mirrors selected samples.
 *
 * @param flips `[batch]`, not 0 for mirrored samples
 * @param axis 'horizontal' exchanges left and right, 'vertical' above and below
 * @throws {ShapeError} for other shapes; {DTypeError} for flips of floats
 */
export function flipImages(x: Tensor, flips: Tensor, axis: ImageAxis = 'horizontal'): Tensor {
  checkValue('flipImages: axis', axis, axisCheck)
  const { batch } = extentsOf('flipImages', x)
  const chosen = perSample('flipImages', 'flips', flips, [batch])
  const mask = reshape(chosen, [batch, ...x.shape.slice(1).map(() => 1)]).notEqual(0)
  return where(mask, flip(x, [axis === 'horizontal' ? -1 : -2]), x)
}

/** Source index of each row or column of the result, int32 `[batch, n]`, and whether it is inside the image. */
function comesFrom(at: Tensor, extent: number, mode: PadMode): { from: Tensor; inside: Tensor | undefined } {
  const last = extent - 1
  if (mode === 'constant') {
    const inside = logicalAnd(greaterEqual(at, 0), less(at, extent))
    return { from: clip(at, 0, last), inside }
  }
  if (mode === 'replicate') return { from: clip(at, 0, last), inside: undefined }
  // An index beyond the last is mirrored at the last.
  const before = abs(at)
  return { from: clip(abs(before.neg().add(last)).neg().add(last), 0, last), inside: undefined }
}

/** The pixels at `rows` `[batch, h]` and `columns` `[batch, w]` of each image, in one gather. */
function pixelsAt(x: Tensor, rows: Tensor, columns: Tensor, mode: PadMode, fill: number): Tensor {
  const { height, width } = extentsOf('pixelsAt', x)
  const [row, col] = [comesFrom(rows, height, mode), comesFrom(columns, width, mode)]
  const batch = x.shape[0] as number
  const [h, w] = [rows.shape[1] as number, columns.shape[1] as number]
  const channels = x.size / Math.max(1, batch * height * width)
  const flat = reshape(x, [batch, channels, height * width])
  const index = mul(reshape(row.from, [batch, h, 1]), width).add(reshape(col.from, [batch, 1, w]))
  const found = takeAlong(flat, broadcastTo(reshape(index, [batch, 1, h * w]), [batch, channels, h * w]), 2)
  const shaped = reshape(found, [...x.shape.slice(0, -2), h, w])
  if (row.inside === undefined || col.inside === undefined) return shaped
  const inside = logicalAnd(alongAxis(row.inside, shaped, -2), alongAxis(col.inside, shaped, -1))
  return where(inside, shaped, fill)
}

/**
 * A crop of each image, after optional padding.
 *
 * @param offsets integers `[batch, 2]`: row and column, in the padded image, at which the crop begins
 * @throws {ShapeError} for other shapes, and for a reflection wider than the image; {DTypeError} for offsets of floats
 */
export function cropImages(x: Tensor, offsets: Tensor, options: CropOptions = {}): Tensor {
  const given = checkOptions('cropImages', options, cropChecks)
  const { batch, height, width } = extentsOf('cropImages', x)
  const { size: [h, w] = [height, width], padding = 0, mode = 'constant', fill = 0 } = given
  checkPadding('cropImages', x, given)
  const at = perSample('cropImages', 'offsets', offsets, [batch, 2])
  const rows = column(at, 0).add(places(h)).sub(padding)
  const columns = column(at, 1).add(places(w)).sub(padding)
  return pixelsAt(x, rows, columns, mode, fill)
}

/** @throws {ShapeError} for a reflection wider than the image */
export function checkPadding(what: string, x: Tensor, { padding = 0, mode }: CropOptions): void {
  const { height, width } = extentsOf(what, x)
  if (mode !== 'reflect' || padding < Math.min(height, width)) return
  throw new ShapeError(
    `${what}: padding ${padding} by reflection for images of ${height} x ${width}; it reaches at most ${Math.min(height, width) - 1}`,
  )
}

/**
 * Shifts each image; pixels beyond the border are lost.
 *
 * @param shifts integers `[batch, 2]`: pixels down and to the right
 * @throws {ShapeError} for other shapes; {DTypeError} for shifts of floats
 */
export function shiftImages(x: Tensor, shifts: Tensor, options: ShiftOptions = {}): Tensor {
  const { fill = 0 } = checkOptions('shiftImages', options, shiftChecks)
  const { batch, height, width } = extentsOf('shiftImages', x)
  const by = perSample('shiftImages', 'shifts', shifts, [batch, 2])
  const [rows, columns] = [places(height).sub(column(by, 0)), places(width).sub(column(by, 1))]
  return pixelsAt(x, rows, columns, 'constant', fill)
}

/**
 * Covers a square of each image, clipped at the border, in all channels (DeVries and Taylor 2017).
 *
 * @param centers integers `[batch, 2]`: row and column; the square begins floor(size / 2) before it
 * @throws {ShapeError} for other shapes; {DTypeError} for centers of floats
 */
export function cutoutImages(x: Tensor, centers: Tensor, options: CutoutOptions): Tensor {
  const { size, fill = 0 } = checkOptions('cutoutImages', options, cutoutChecks)
  const { batch, height, width } = extentsOf('cutoutImages', x)
  const at = perSample('cutoutImages', 'centers', centers, [batch, 2])
  const covered = (c: 0 | 1, extent: number) => {
    const distance = places(extent)
      .sub(column(at, c))
      .add(Math.floor(size / 2))
    return logicalAnd(greaterEqual(distance, 0), less(distance, size))
  }
  const hole = logicalAnd(alongAxis(covered(0, height), x, -2), alongAxis(covered(1, width), x, -1))
  return where(hole, fill, x)
}

/**
 * Rotates each image by multiples of 90 degrees, counterclockwise.
 *
 * @param turns integers `[batch]`; 1 is 90 degrees, -1 is 90 degrees clockwise
 * @throws {ShapeError} for images that are not square; {DTypeError} for turns of floats
 */
export function turnImages(x: Tensor, turns: Tensor): Tensor {
  const { batch, height, width } = extentsOf('turnImages', x)
  if (height !== width) {
    throw new ShapeError(
      `turnImages: images of ${height} x ${width} become ${width} x ${height}; give square ones, as cropImages makes them`,
    )
  }
  const given = perSample('turnImages', 'turns', turns, [batch])
  const quarter = reshape(rem(rem(given, 4).add(4), 4), [batch, ...x.shape.slice(1).map(() => 1)])
  const across = transpose(x, -2, -1)
  const once = flip(across, [-2])
  const twice = flip(x, [-2, -1])
  const thrice = flip(across, [-1])
  const odd = where(quarter.equal(1), once, thrice)
  return where(quarter.equal(0), x, where(quarter.equal(2), twice, odd))
}

/** One number for all channels, or one per channel. */
export type PerChannel = number | readonly number[] | Tensor

/**
 * (x - mean) / std, by channel: axis 1.
 *
 * @param mean a number, or `[channels]`
 * @param std likewise, above 0
 * @throws {ShapeError} unless there is one number, or one per channel; {ArgumentError} for numbers that are not finite, or a std of 0 or
 *   less
 */
export function normalizeImages(x: Tensor, mean: PerChannel, std: PerChannel): Tensor {
  extentsOf('normalizeImages', x)
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`normalizeImages: x is ${x.dtype}, expected float32 or float64; cast it`)
  }
  return x.sub(channelwise('mean', x, mean)).div(channelwise('std', x, std))
}

/** A statistic in the shape of x, 1 except on axis 1. */
function channelwise(name: 'mean' | 'std', x: Tensor, given: PerChannel): Tensor | number {
  const what = `normalizeImages: ${name}`
  if (typeof given === 'number') return checkStatistic(what, name, given)
  const values = Array.isArray(given)
    ? literal(Float64Array.from(given, (value) => checkStatistic(what, name, value)))
    : (given as Tensor)
  idOf(what, values)
  const channels = x.shape[1] as number
  if (x.rank < 4 || values.rank !== 1 || values.size !== channels) {
    throw new ShapeError(
      `${what} has shape ${showShape(values.shape)} for images ${showShape(x.shape)}; give one number, or one for each channel of [batch, channels, height, width]`,
    )
  }
  const shape = x.shape.map((_, axis) => (axis === 1 ? channels : 1))
  return reshape(values.dtype === x.dtype ? values : cast(values, x.dtype), shape)
}

function checkStatistic(what: string, name: 'mean' | 'std', value: number): number {
  if (Number.isFinite(value) && (name === 'mean' || value > 0)) return value
  throw new ArgumentError(
    `${what} is ${describe(value)}, expected ${name === 'mean' ? 'a finite number' : 'a finite number above 0'}`,
  )
}

/**
 * Each sample mixed with another: x share + x[partners] (1 - share).
 *
 * @param x floats `[batch, ...]`
 * @param partners integers `[batch]`: the indices of the others
 * @param shares floats `[batch]`, of the dtype of x
 * @throws {ShapeError} for other shapes; {DTypeError} for an x of integers or partners of floats
 */
export function mixSamples(x: Tensor, partners: Tensor, shares: Tensor): Tensor {
  idOf('mixSamples', x)
  idOf('mixSamples: shares', shares)
  if (!isFloat(x.dtype)) {
    throw new DTypeError(
      `mixSamples: x is ${x.dtype}, expected float32 or float64; cast it, or give labels as one-hot rows`,
    )
  }
  const batch = x.shape[0]
  if (batch === undefined || `${shares.shape}` !== `${[batch]}`) {
    throw new ShapeError(
      `mixSamples: x has shape ${showShape(x.shape)} and shares ${showShape(shares.shape)}; give one share for each sample`,
    )
  }
  const others = perSample('mixSamples', 'partners', partners, [batch])
  const own = shares.dtype === x.dtype ? shares : cast(shares, x.dtype)
  const share = reshape(own, [batch, ...x.shape.slice(1).map(() => 1)])
  return x.mul(share).add(x.take(others).mul(share.neg().add(1)))
}
