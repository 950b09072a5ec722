import { DeviceError, describe, unknownName } from './errors.js'

/** The element types. Plain numbers are float32 unless another type is given. */
export type DType = 'float32' | 'float64' | 'int32' | 'int64' | 'uint8' | 'bool' | 'uint32'

/** Extents, outermost first; `[]` is a scalar. */
export type Shape = readonly number[]

/** The arrays of values; uint8 and bool share Uint8Array. */
export type TypedArray = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint32Array

/** Element types in the order of their native codes. */
export const dtypes = [
  'float32',
  'float64',
  'int32',
  'int64',
  'uint8',
  'bool',
  'uint32',
] as const satisfies readonly DType[]

const codes = new Map<string, number>(dtypes.map((name, code) => [name, code]))

/**
 * The native code of an element type.
 *
 * @throws {UnknownNameError} for an unknown type
 */
export function dtypeCode(dtype: DType): number {
  const code = codes.get(dtype)
  if (code === undefined) throw unknownName('dtype', dtype, dtypes)
  return code
}

/** The element type of a native code. */
export function dtypeOfCode(code: number): DType {
  const dtype = dtypes[code]
  if (dtype === undefined) throw unknownName('dtype code', describe(code), dtypes)
  return dtype
}

/** True for float32 and float64. */
export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64'
}

const ranges: Partial<Record<DType, readonly [least: bigint, most: bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n],
  bool: [0n, 1n],
  uint32: [0n, 2n ** 32n - 1n],
}

/** The smallest and the largest value of an integer type, or of bool; undefined for floats. */
export function integerRange(dtype: DType): readonly [least: bigint, most: bigint] | undefined {
  return ranges[dtype]
}

/**
 * An array of `length` zeros for elements of `dtype`.
 *
 * @throws {DeviceError} if there is not enough memory
 */
export function allocate(dtype: DType, length: number): TypedArray {
  return withRoom(length * bytesOf[dtype], () => zerosOf(dtype, length))
}

/** Whether a value is a typed array; a DataView is not. */
export function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

/** Bytes of an element. */
export const bytesOf: { readonly [K in DType]: number } = {
  float32: 4,
  float64: 8,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
  uint32: 4,
}

/**
 * Calls `make`, which allocates an array of `bytes` bytes.
 *
 * @throws {DeviceError} if JavaScript or the system does not have enough memory
 */
export function withRoom<T>(bytes: number, make: () => T): T {
  try {
    return make()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new DeviceError(
      `memory: an array of ${bytes} bytes does not fit in the memory of JavaScript; process less at a time, use smaller types, or release what is no longer needed`,
      { cause },
    )
  }
}

function zerosOf(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(length)
    case 'float64':
      return new Float64Array(length)
    case 'int32':
      return new Int32Array(length)
    case 'int64':
      return new BigInt64Array(length)
    case 'uint32':
      return new Uint32Array(length)
    case 'uint8':
    case 'bool':
      return new Uint8Array(length)
    default:
      throw unknownName('dtype', dtype, dtypes)
  }
}

/** The number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1
  for (const extent of shape) size *= extent
  return size
}

/** A shape in messages: `(2, 3)`, `(4)`, `()`. */
export function showShape(shape: Shape): string {
  return `(${Array.from(shape, (extent) => (typeof extent === 'number' ? extent : describe(extent))).join(', ')})`
}
