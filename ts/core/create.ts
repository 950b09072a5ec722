/** Creation of tensors from data, and of constants. */
import { type DeviceRequest, defaultDevice, deviceNumber, isDivided } from './devices.js'
import {
  allocate,
  type DType,
  dtypeCode,
  isFloat,
  isTypedArray,
  type Shape,
  showShape,
  sizeOf,
  type TypedArray,
} from './dtype.js'
import { ArgumentError, DTypeError, describe, describeList, ShapeError } from './errors.js'
import { native } from './native.js'
import { type ArrayData, dtypeOfArray, flattening, isArrayData, type NestedInput } from './nested.js'
import { dtype as anyDType } from './operands.js'
import { type Check, type Checks, checkOptions, checkValue, elsewhere, finite, isList } from './options.js'
import { checkScalar, constant, type Scalar } from './scalars.js'
import { idOf, Tensor } from './tensor.js'
import { atOnce, inTurns } from './turns.js'

/** Options of {@link tensor}. */
export interface TensorOptions {
  /** Extents; by default those of the nesting, or one axis for a typed array. */
  shape?: Shape
  /** Element type; by default that of a typed array, bool for booleans, int64 for bigints, otherwise float32. */
  dtype?: DType
  /** Device of the tensor; default `'auto'`. */
  device?: DeviceRequest
}

/** Options of constant tensors. */
export interface FillOptions {
  /** Element type; default float32. */
  dtype?: DType
  /** Device of the tensor. By default it is on every device where it is used, and otherwise on the default device. */
  device?: DeviceRequest
}

const tensorChecks: Checks<TensorOptions> = {
  shape: elsewhere(),
  dtype: anyDType,
  device: elsewhere(),
}
const fillChecks: Checks<FillOptions> = { dtype: anyDType, device: elsewhere() }
const anyScalar: Check<Scalar | boolean> = {
  expected: 'a number, a bigint, true or false',
  accepts: (value) => ['number', 'bigint', 'boolean'].includes(typeof value),
}

/** A constant on the requested device; without one it is computed wherever it is used. */
function placed(op: string, made: Tensor, device: DeviceRequest | undefined): Tensor {
  if (device === undefined) return made
  using free = made
  return Tensor.own(native.to(free.id, deviceNumber(op, device)))
}

/** The device of a tensor, unless it is the default one. */
function deviceLike(x: Tensor): Pick<FillOptions, 'device'> {
  if (!isDivided()) return {}
  const { device } = x
  return device === defaultDevice() ? {} : { device }
}

/**
 * Checks extents: integers of 0 or more.
 *
 * @returns a copy for the native side
 */
export function checkShape(op: string, shape: Shape): number[] {
  if (!isList(shape)) {
    throw new ShapeError(
      `${op}: the shape is ${describe(shape)}, expected an array of extents such as [2, 3]`,
    )
  }
  for (const [axis, extent] of shape.entries()) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new ShapeError(
        `${op}: extent ${describe(extent)} on axis ${axis} of ${describeList(shape)}, expected an integer of 0 or more`,
      )
    }
  }
  return [...shape]
}

/** A typed array as elements of the requested dtype: its own type, or bool for bytes. @throws DTypeError for another */
export function fromTypedArray(
  data: TypedArray,
  asked: DType | undefined,
): { values: TypedArray; dtype: DType } {
  const own = dtypeOfArray(data)
  const wanted = asked ?? own
  if (wanted === own) return { values: data, dtype: own }
  if (wanted === 'bool' && data instanceof Uint8Array)
    return { values: data.map((x) => (x ? 1 : 0)), dtype: 'bool' }
  throw new DTypeError(
    `tensor: given ${data.constructor.name} (${own}) for dtype ${wanted}; ` +
      `leave out dtype and cast: tensor(data).cast('${wanted}')`,
  )
}

/**
 * A tensor of given values. The values are copied before the call returns: a typed array at the speed of memory, nested arrays number by
 * number (a few milliseconds for 20,000 x 20). Pass large arrays as typed arrays with a shape.
 *
 *     tensor([[1, 2], [3, 4]])                              // float32 (2, 2)
 *     tensor(new Float64Array(6), { shape: [2, 3] })
 *     tensor([0, 2, 1], { dtype: 'int32' })
 *     tensor(await readNpy('x.npy'))
 *
 * @throws {DataError} if nested rows differ in length or an element is not a number (the message has its path)
 * @throws {ShapeError} if the product of `shape` is not the number of elements
 * @throws {DTypeError} if a typed array has another element type than `dtype`
 */
export function tensor(data: NestedInput | ArrayData, options: TensorOptions = {}): Tensor {
  const given = checkOptions('tensor', options, tensorChecks)
  if (isArrayData(data)) return tensor(data.data, { dtype: data.dtype, shape: data.shape, ...given })
  const device = deviceNumber('tensor', given.device)
  let values: TypedArray
  let dtype: DType
  let shape: Shape
  if (isTypedArray(data)) {
    ;({ values, dtype } = fromTypedArray(data, given.dtype))
    shape = [data.length]
  } else {
    ;({ values, shape, dtype } = atOnce(flattening(data, given.dtype)))
  }
  if (given.shape !== undefined) {
    const wanted = checkShape('tensor', given.shape)
    if (sizeOf(wanted) !== values.length) {
      throw new ShapeError(
        `tensor: ${values.length} elements for shape ${showShape(wanted)}, which has ${sizeOf(wanted)}; ` +
          'the product of the extents must be the number of elements',
      )
    }
    shape = wanted
  }
  const extents = [...shape]
  const id = native.source(values, dtypeCode(dtype), extents, device)
  return Tensor.own(id, Object.freeze(extents), dtype)
}

/**
 * The constants of a formula as a tensor that is not bound to a device: like `zeros`, it is computed on the device that uses it.
 *
 * @param values are copied
 * @param shape default one axis
 */
export function literal(values: TypedArray, shape: Shape = [values.length]): Tensor {
  const dtype = dtypeOfArray(values)
  const extents = [...shape]
  const id = native.source(values, dtypeCode(dtype), extents)
  return Tensor.own(id, Object.freeze(extents), dtype)
}

/**
 * Like {@link tensor} of nested data without `shape`, but large arrays are converted in chunks, so the event loop is not blocked; do not
 * change the data until the promise has resolved.
 *
 * @throws {DataError} (rejects) as {@link tensor} does
 */
export async function nestedTensor(
  data: NestedInput,
  options: Omit<TensorOptions, 'shape'> = {},
): Promise<Tensor> {
  const { values, shape, dtype } = await inTurns(flattening(data, options.dtype))
  return tensor(values, { ...options, shape, dtype })
}

/**
 * A tensor of `shape` filled with `value`, by default bool for a boolean, int64 for a bigint, otherwise float32.
 *
 * @throws {DTypeError} if the dtype cannot hold the value, such as 0.5 or 300 for uint8
 */
export function full(shape: Shape, value: Scalar | boolean, options: FillOptions = {}): Tensor {
  checkValue('full: value', value, anyScalar)
  const plain = typeof value === 'boolean' ? 'bool' : typeof value === 'bigint' ? 'int64' : 'float32'
  return filled('full', shape, value, options, plain)
}

function filled(
  op: string,
  shape: Shape,
  value: Scalar | boolean,
  options: FillOptions,
  fallback: DType = 'float32',
): Tensor {
  const { dtype = fallback, device } = checkOptions(op, options, fillChecks)
  return placed(op, constant(op, value, dtype, checkShape(op, shape)), device)
}

/** A tensor of `shape` filled with 0. */
export function zeros(shape: Shape, options: FillOptions = {}): Tensor {
  return filled('zeros', shape, 0, options)
}

/** A tensor of `shape` filled with 1. */
export function ones(shape: Shape, options: FillOptions = {}): Tensor {
  return filled('ones', shape, 1, options)
}

/** Zeros of the shape, dtype and device of `x`. */
export function zerosLike(x: Tensor): Tensor {
  idOf('zerosLike', x)
  return full(x.shape, 0, { dtype: x.dtype, ...deviceLike(x) })
}

/** Ones of the shape, dtype and device of `x`. */
export function onesLike(x: Tensor): Tensor {
  idOf('onesLike', x)
  return full(x.shape, 1, { dtype: x.dtype, ...deviceLike(x) })
}

/**
 * Equally spaced numbers: `arange(n)` gives 0 .. n - 1, `arange(start, stop, step)` gives the numbers from `start` up to but without
 * `stop`.
 *
 * @returns (ceil((stop - start) / step)), by default float32
 * @throws {ArgumentError} if the step is 0 or a bound is not finite
 * @throws {DTypeError} if an integer dtype cannot hold a number
 */
export function arange(n: number, options?: FillOptions): Tensor
export function arange(start: number, stop: number, options?: FillOptions): Tensor
export function arange(start: number, stop: number, step: number, options?: FillOptions): Tensor
export function arange(...args: (number | FillOptions | undefined)[]): Tensor {
  // Options come last; undefined counts as missing.
  const given = args.filter((arg) => arg !== undefined)
  const hasOptions = given.length > 1 && typeof given.at(-1) !== 'number'
  const { dtype = 'float32', device } = checkOptions(
    'arange',
    hasOptions ? (given.at(-1) as FillOptions) : {},
    fillChecks,
  )
  const numbers = hasOptions ? given.slice(0, -1) : given
  if (numbers.length < 1 || numbers.length > 3 || !numbers.every(Number.isFinite) || numbers[2] === 0) {
    throw new ArgumentError(
      `arange: given ${describeList(numbers)}, expected start, stop and step: finite numbers, the step other than 0`,
    )
  }
  const [start, stop, step = 1] =
    numbers.length === 1 ? [0, numbers[0] as number] : (numbers as [number, number, number?])
  const length = Math.max(0, Math.ceil((stop - start) / step))
  if (isFloat(dtype) || length === 0) {
    return placed(
      'arange',
      affine(Tensor.own(native.iota(dtypeCode(dtype), [length], 0)), step, start),
      device,
    )
  }
  for (const number of length === 1 ? [start] : [start, step + start, start + (length - 1) * step]) {
    checkScalar('arange', number, dtype)
  }
  // In int64, so that a descending sequence of unsigned numbers has its step.
  const whole = affine(Tensor.own(native.iota(dtypeCode('int64'), [length], 0)), step, start)
  const made = dtype === 'int64' ? whole : Tensor.own(native.cast(whole.id, dtypeCode(dtype)))
  return placed('arange', made, device)
}

function affine(x: Tensor, scale: number, shift: number): Tensor {
  const scaled = scale === 1 ? x : x.mul(scale)
  return shift === 0 ? scaled : scaled.add(shift)
}

/**
 * `count` equally spaced numbers from `start` to `stop`, both included.
 *
 * @returns (count), by default float32
 * @throws {DTypeError} if an integer dtype cannot hold a number
 */
export function linspace(start: number, stop: number, count: number, options: FillOptions = {}): Tensor {
  const { dtype = 'float32', device } = checkOptions('linspace', options, fillChecks)
  checkValue('linspace: start', start, finite)
  checkValue('linspace: stop', stop, finite)
  const [length] = checkShape('linspace', [count]) as [number]
  const values = allocate('float64', length)
  for (let i = 0; i < length; i++) values[i] = start + (i * (stop - start)) / Math.max(1, length - 1)
  // Without the rounding error of the last step.
  if (length > 1) values[length - 1] = stop
  if (!isFloat(dtype)) for (const value of values) checkScalar('linspace', Number(value), dtype)
  const exact = Tensor.own(native.source(values, dtypeCode('float64'), [length]))
  return placed('linspace', dtype === 'float64' ? exact : exact.cast(dtype), device)
}

/** The identity matrix (n, n), or (n, m) with ones on the main diagonal. */
export function eye(n: number, m: number = n, options: FillOptions = {}): Tensor {
  const { dtype = 'float32', device } = checkOptions('eye', options, fillChecks)
  const shape = checkShape('eye', [n, m])
  const int32 = dtypeCode('int32')
  const rows = Tensor.own(native.iota(int32, shape, 0))
  const columns = Tensor.own(native.iota(int32, shape, 1))
  return placed('eye', rows.equal(columns).cast(dtype), device)
}
