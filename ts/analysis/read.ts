/** Reading of samples and evaluation of results, for all measures of this room. */
import { DataError, DTypeError, ShapeError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { type SampleData, samplesFrom } from '../estimators/data.js'
import { isLabels, numbersOf } from '../estimators/samples.js'
import { concat } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'

/**
 * Samples of numbers, float64 rows `[n, d]`.
 *
 * @throws DTypeError for class labels; DataError for fewer than `least` samples and for values that are not finite
 */
export async function rowsFrom(what: string, data: SampleData, least = 1): Promise<Tensor> {
  const given = await samplesFrom(what, data)
  if (isLabels(given)) {
    throw new DTypeError(
      `${what} is an integer vector, so it holds class labels, not numbers; ` +
        `give Float64Array.from(labels) for numbers`,
    )
  }
  const n = given.shape[0] as number
  if (n < least) throw new DataError(`${what} holds ${n} samples; needs at least ${least}`)
  return numbersOf(what, given)
}

/** Throws ShapeError unless all have the same number of samples; returns it. */
export function sameCount(name: string, ...data: readonly Tensor[]): number {
  const counts = data.map(({ shape }) => shape[0] as number)
  if (counts.every((count) => count === counts[0])) return counts[0] as number
  throw new ShapeError(
    `${name}: all arguments must hold the same samples, received ${counts.join(', ')} samples; each row of one argument belongs to a row of the others`,
  )
}

/**
 * Computes tensors by name in one plan, off the JavaScript thread, and returns their entries.
 *
 * @param make lazy; its intermediate tensors are disposed of
 */
export async function entriesOf<K extends string>(
  make: () => Readonly<Record<K, Tensor>>,
): Promise<Record<K, number[]>> {
  const { all, parts } = tidy(() => {
    const made = Object.entries(make()) as [K, Tensor][]
    const flat = made.map(([, x]) => (x.dtype === 'float64' ? x : x.cast('float64')).reshape([x.size]))
    return { all: concat(flat), parts: made.map(([name, { size }]) => ({ name, size })) }
  })
  try {
    const values = [...((await all.data()) as Float64Array)]
    let start = 0
    const found = parts.map(({ name, size }) => {
      start += size
      return [name, values.slice(start - size, start)]
    })
    return Object.fromEntries(found) as Record<K, number[]>
  } finally {
    all.dispose()
  }
}

/** The same for scalars. */
export async function scalarsOf<K extends string>(
  make: () => Readonly<Record<K, Tensor>>,
): Promise<Record<K, number>> {
  const entries = await entriesOf(make)
  const numbers = Object.entries<number[]>(entries).map(([name, [value]]) => [name, value])
  return Object.fromEntries(numbers) as Record<K, number>
}

/** A flat list as rows. */
export function inRows(values: readonly number[], width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width))
}
