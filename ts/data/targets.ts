/** Targets as users give them: class labels of whole numbers, or numbers. */
import type { Device, DeviceRequest } from '../core/devices.js'
import { isFloat, isTypedArray, type TypedArray, withRoom } from '../core/dtype.js'
import { ArgumentError, DataError, describe, ShapeError } from '../core/errors.js'
import { type ArrayData, dtypeOfArray, flattening, isArrayData, shapeAlongFirst } from '../core/nested.js'
import { isList } from '../core/options.js'
import type { Work } from '../core/turns.js'
import { uploading } from '../io/uploads.js'
import type { FloatDType } from '../nn/initializers.js'
import { alias } from '../ops/operands.js'
import { type NestedInput, type Shape, Tensor, tensor } from '../ops/tensor.js'
import { placedOn } from '../ops/to.js'

/**
 * Samples as a tensor, a typed array, nested arrays, or an array with its shape such as `readNpy` returns. `fit`, `evaluate` and `predict`
 * read large arrays in chunks: change an array only after the promise has resolved.
 */
export type ArrayInput = Tensor | NestedInput | ArrayData

/** Options of the reading of targets. */
export interface TargetOptions {
  /** Whether they are labels; undefined to decide by their type. */
  readonly labels?: boolean | undefined
  readonly classes?: number | undefined
  /** A valid label that is not a class. */
  readonly ignoreIndex?: number | undefined
  /** Device of the result. Default: the device of the data, for labels and arrays the default device. */
  readonly device?: DeviceRequest | undefined
}

/** Targets in memory. */
export interface Targets {
  /** `[n]` or `[n, ...]`: int32 labels, or numbers. */
  readonly y: Tensor
  /** Labels on the host, flat; undefined for numbers. */
  readonly labels: Int32Array | undefined
}

/** Numbers or labels in one turn of the event loop: a few milliseconds. */
export const samplesPerTurn = 1 << 17

/** The device of the first tensor among arrays; undefined if there is none. */
export function deviceAmong(...given: readonly unknown[]): Device | undefined {
  return given.find((one) => one instanceof Tensor)?.device
}

/**
 * A tensor that may be disposed of without effect on the argument.
 *
 * @param device default: a tensor stays, an array goes to the default device
 */
export function* readingTensor(given: ArrayInput, dtype: FloatDType, device?: DeviceRequest): Work<Tensor> {
  if (given instanceof Tensor) {
    const placed = device === undefined ? given : placedOn(given, device)
    return placed === given ? alias(given) : placed
  }
  if (given instanceof Float64Array && dtype === 'float32')
    return yield* uploadingFlat(yield* rounding(given), device)
  if (given instanceof DataView) return tensor(given)
  if (ArrayBuffer.isView(given)) return yield* uploadingFlat(given, device)
  if (isArrayData(given)) {
    const { shape, data } = given
    const isExact = data instanceof Float64Array && dtype === 'float32'
    return yield* uploading(isExact ? { dtype, shape, data: yield* rounding(data) } : given, device)
  }
  const { values: data, shape } = yield* flattening(given, dtype)
  return yield* uploading({ dtype, shape, data }, device)
}

function uploadingFlat(data: TypedArray, device: DeviceRequest | undefined): Work<Tensor> {
  return uploading({ dtype: dtypeOfArray(data), shape: [data.length], data }, device)
}

function* rounding(exact: Float64Array): Work<Float32Array> {
  const rounded = withRoom(4 * exact.length, () => new Float32Array(exact.length))
  const step = 8 * samplesPerTurn
  for (let start = 0; start < exact.length; start += step) {
    if (start > 0) yield
    rounded.set(exact.subarray(start, start + step), start)
  }
  return rounded
}

/**
 * Refuses anything but an array of samples, for example a dataset.
 *
 * @param what name of the argument
 * @param remedy what to do with a dataset
 */
export function checkArrayInput(what: string, given: unknown, remedy: string): void {
  if (given instanceof Tensor || ArrayBuffer.isView(given) || isList(given) || isArrayData(given)) return
  throw new ArgumentError(`${what}: given ${describe(given)}, expected an array of samples; ${remedy}`)
}

/**
 * Extents of an array, read along its first elements.
 *
 * @throws DataError for arrays that contain themselves
 */
export function shapeOfInput(given: ArrayInput): Shape {
  return given instanceof Tensor || isArrayData(given) ? given.shape : shapeAlongFirst(given)
}

/**
 * The targets of `count` samples.
 *
 * @throws ShapeError for another number; DataError naming the first invalid label
 */
export function* readingTargets(
  given: ArrayInput,
  count: number,
  dtype: FloatDType,
  options: TargetOptions,
): Work<Targets> {
  if (!areLabels(given, options.labels)) {
    const y = yield* readingTensor(given, dtype, options.device)
    if (y.shape[0] === count) return { y, labels: undefined }
    throw new ShapeError(
      `x holds ${count} samples and y ${y.shape[0] ?? 'one number'}; give one target for each input`,
    )
  }
  const shape = shapeOfInput(given)
  const values = flat(given)
  if (values.length !== count && shape[0] !== count) {
    throw new ShapeError(
      `x holds ${count} samples and y ${values.length} labels; give one label for each input, and rows such as one-hot rows as a tensor with their shape`,
    )
  }
  const labels = new Int32Array(values.length)
  const perSample = values.length / count
  const kind = kindOf(values[0])
  for (let index = 0; index < values.length; index++) {
    const label = kindOf(values[index]) === kind ? classOf(values[index], options) : undefined
    if (label === undefined) throw notAClass(values[index], Math.floor(index / perSample), options.classes)
    labels[index] = label
    if ((index + 1) % samplesPerTurn === 0) yield
  }
  const { device = 'auto' } = options
  return { y: tensor(labels, { shape: values.length === count ? [count] : shape, device }), labels }
}

/** Whether targets are class labels. */
function areLabels(given: ArrayInput, wanted: boolean | undefined): boolean {
  if (wanted === false) return false
  if (given instanceof Tensor || isArrayData(given)) return wanted || !isFloat(given.dtype)
  if (isTypedArray(given)) {
    return wanted || !(given instanceof Float32Array || given instanceof Float64Array)
  }
  if (!isList(given)) throw new ArgumentError(`y is ${describe(given)}, expected a tensor or an array`)
  return (
    wanted ||
    (given as readonly unknown[]).every((value) => Number.isInteger(value) && (value as number) >= 0)
  )
}

/** All elements in order, of any type; holes are undefined. */
function flat(given: ArrayInput): ArrayLike<unknown> {
  if (given instanceof Tensor) return given.dataSync()
  if (ArrayBuffer.isView(given)) return given as TypedArray
  if (isArrayData(given)) {
    // As a tensor: checks that its shape is regular.
    tensor(given).dispose()
    return given.data
  }
  const values: unknown[] = []
  const { length: depth } = shapeOfInput(given)
  // Deeper levels than the first element's are kept: they are not labels.
  const visit = (level: ArrayLike<unknown>, axis: number) => {
    for (let i = 0; i < level.length; i++) {
      const value = level[i]
      const isRow = axis + 1 < depth && (isList(value) || ArrayBuffer.isView(value))
      if (isRow) visit(value as ArrayLike<unknown>, axis + 1)
      else values.push(value)
    }
  }
  visit(given as readonly unknown[], 0)
  return values
}

/** Booleans among numbers are a mistake; only booleans are two classes. */
function kindOf(value: unknown): 'boolean' | 'number' {
  return typeof value === 'boolean' ? 'boolean' : 'number'
}

/** The class of an element; undefined if it is not one. Not by Number(...): Number(null) is 0. */
function classOf(value: unknown, { classes = 2 ** 31, ignoreIndex }: TargetOptions): number | undefined {
  const isNumber = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
  if (!isNumber) return undefined
  const label = Number(value)
  if (label === ignoreIndex) return label
  return Number.isInteger(label) && label >= 0 && label < classes ? label : undefined
}

/** The error for an invalid label. */
export function notAClass(label: unknown, index: number, classes: number | undefined): DataError {
  const range = classes === undefined ? 'whole numbers from 0' : `numbered 0 to ${classes - 1}`
  const remedy =
    typeof label === 'string'
      ? 'map texts to numbers first, for instance labels.map((label) => names.indexOf(label))'
      : 'renumber the labels, or raise the number of classes; ignoreIndex names a label to leave out'
  return new DataError(
    `label ${describe(label)} at index ${index} is not a class: classes are ${range}; ${remedy}`,
  )
}
