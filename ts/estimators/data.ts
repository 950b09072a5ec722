/** Samples as users give them: arrays, tensors and files. */
import { nestedTensor } from '../core/create.js'
import { isFloat } from '../core/dtype.js'
import { ArgumentError, DataError, describe, ShapeError } from '../core/errors.js'
import { evaluate, tidy } from '../core/memory.js'
import { type ArrayData, isArrayData } from '../core/nested.js'
import { readNpy } from '../io/npy.js'
import { isFinite as finite } from '../ops/index.js'
import { type DeviceRequest, type NestedInput, Tensor, tensor } from '../ops/tensor.js'
import { placedOn } from '../ops/to.js'

/**
 * Samples along the first axis: nested arrays, a typed array (one number per sample), a tensor, an array with its shape such as `readNpy`
 * returns, or the path of an .npy file. An array of an integer type with one integer per sample holds class labels. Arrays are read during
 * the estimate, nested arrays in chunks: change them only after the promise has resolved.
 */
export type SampleData = NestedInput | Tensor | ArrayData | string

/** Options of {@link samplesFrom}. */
export interface SamplesOptions {
  /** Device of the result. Default: the device of the data; arrays go to the device of the other argument if that is a tensor, otherwise to the default device. */
  readonly device?: DeviceRequest | undefined
  /** The other argument. */
  readonly beside?: unknown
  /** Keep `[n, ...]` of more than two axes as it is instead of flattening samples. Default false. */
  readonly keepShape?: boolean
}

/**
 * The samples as a computed tensor: class labels as an integer vector `[n]`, everything else as float64 rows `[n, d]`. A lazy tensor would
 * be computed again by each of the many plans of an estimate.
 *
 * @param what name of the argument, for messages
 * @throws DataError for NaN and infinite values, and if all values are subnormal; ShapeError for a single number; IOError for a file that cannot be read
 */
export async function samplesFrom(
  what: string,
  data: SampleData,
  { device, beside, keepShape = false }: SamplesOptions = {},
): Promise<Tensor> {
  const given = await tensorFrom(what, data, device, beside instanceof Tensor ? beside.device : undefined)
  const made: Tensor[] = [given]
  const result = await checkedSamples(what, given, keepShape, made)
  for (const x of made) if (x !== data && x !== result) x.dispose()
  return result
}

/** Disposes of the result of {@link samplesFrom}, unless it is the given tensor. */
export function releaseSamples(samples: Tensor, data: SampleData): void {
  if (samples !== data) samples.dispose()
}

/** @param made gains the tensors on the way */
async function checkedSamples(
  what: string,
  given: Tensor,
  keepShape: boolean,
  made: Tensor[],
): Promise<Tensor> {
  if (given.rank < 1) throw new ShapeError(`${what} must hold samples [n, ...], received a number`)
  const n = given.shape[0] as number
  if (n === 0) throw new DataError(`${what} holds no samples`)
  const isColumn = given.size === n
  if (isColumn && !isFloat(given.dtype)) {
    const labels = given.rank === 1 ? given : given.reshape([n])
    await evaluate(labels)
    return labels
  }
  const rows = given.reshape([n, given.size / n])
  const numbers = rows.dtype === 'float64' ? rows : rows.cast('float64')
  made.push(rows, numbers)
  await checkFinite(what, numbers)
  return keepShape && given.rank > 2 ? numbers.reshape(given.shape) : numbers
}

/** @param other device of arrays by default */
async function tensorFrom(
  what: string,
  data: SampleData,
  device: DeviceRequest | undefined,
  other: DeviceRequest | undefined,
): Promise<Tensor> {
  const place = { device: device ?? other ?? 'auto' }
  if (data instanceof Tensor) return device === undefined ? data : placedOn(data, device)
  if (typeof data === 'string') return tensorFrom(what, await readNpy(data), device, other)
  if (typeof data !== 'object' || data === null) {
    throw new ArgumentError(
      `${what} is ${describe(data)}, expected samples as arrays, a tensor or the path of an .npy file`,
    )
  }
  if (isArrayData(data)) return tensor(data, place)
  return ArrayBuffer.isView(data) ? tensor(data, place) : nestedTensor(data, { ...place, dtype: 'float64' })
}

/** The smallest float64 with full precision. */
const leastNormal = 2 ** -1022

async function checkFinite(what: string, rows: Tensor): Promise<void> {
  using areFinite = tidy(() => finite(rows).all(1))
  await evaluate([rows, areFinite])
  const row = ((await areFinite.data()) as Uint8Array).indexOf(0)
  if (row >= 0) {
    throw new DataError(`${what} has a NaN or an infinite value in sample ${row}; remove or replace it`)
  }
  using size = tidy(() => rows.abs().max())
  const largest = await size.item()
  if (largest > 0 && largest < leastNormal) {
    throw new DataError(
      `${what} holds numbers of at most ${largest}, below ${leastNormal}, where float64 keeps only a few digits; compute them in a larger unit`,
    )
  }
}

/** Limits within which whole numbers look like class labels: number of different values, and mean number of samples per value. */
const labelLike = { values: 20, samples: 5 }

/** Whether a vector of numbers looks like class labels: whole numbers, few different values. */
export function lookLikeLabels(values: Float32Array | Float64Array): boolean {
  if (!values.every(Number.isInteger)) return false
  const different = new Set<number>(values).size
  return different >= 2 && different <= labelLike.values && different * labelLike.samples <= values.length
}

/** Estimators that have warned. */
const advised = new Set<string>()

/**
 * Warns once for each kind of estimator if an argument of numbers looks like class labels: one whole number per sample, few different
 * values, in an array of floating-point numbers. Tensors are not checked.
 *
 * @param rows the samples, as returned by {@link samplesFrom}
 */
export async function adviseOnLabels(
  name: string,
  what: string,
  data: SampleData,
  rows: Tensor,
): Promise<void> {
  if (advised.has(name) || data instanceof Tensor || !isFloat(rows.dtype) || rows.size !== rows.shape[0])
    return
  const values = (await rows.data()) as Float64Array
  if (!lookLikeLabels(values)) return
  advised.add(name)
  process.emitWarning(
    `${name}: ${what} holds ${new Set(values).size} different whole numbers as floating-point numbers, so they count as numbers: 1 is nearer to 2 than to 9; ` +
      'give class labels as integers (Int32Array.from(labels)), or a float64 tensor to declare that they are numbers',
    { type: 'HyperglowWarning', code: 'HYPERGLOW_LABELS_AS_NUMBERS' },
  )
}
