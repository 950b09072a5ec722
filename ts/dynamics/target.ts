/** Targets of a dump: classes or numbers. */

import { labelEntropy } from '../analysis/plane.js'
import { isFloat } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { nextTurn } from '../core/turns.js'
import { lookLikeLabels } from '../estimators/data.js'
import { areNumbers } from '../estimators/samples.js'
import { type ArrayData, elementCount } from '../io/element-types.js'
import { tensorInTurns } from '../io/uploads.js'

/** Targets in the form that estimators take. */
export interface Target {
  readonly kind: 'classes' | 'numbers'
  /** Classes int32 `[n]`, numbered from 0 in the order of their labels; numbers float64 `[n, k]`. */
  readonly data: ArrayData
  /** Number of classes; null for numbers. */
  readonly classes: number | null
  /** Entropy of the classes in nats; null for numbers. */
  readonly entropy: number | null
  /** How the values, not the type, decided the kind, as text. */
  readonly note: string | undefined
}

/** Number of values in one turn of the event loop. */
const turn = 1 << 16

/**
 * Targets from an array. One integer per sample and one-hot rows are classes. Integers that hardly repeat are numbers. Floating-point
 * values are numbers, unless they are whole and few of them differ.
 *
 * @throws DataError for NaN and infinite values
 */
export async function targetOf(what: string, array: ArrayData): Promise<Target> {
  const { dtype, shape } = array
  const n = shape[0] ?? 1
  const values = await numbersOf(what, array)
  const width = n === 0 ? 1 : elementCount(shape) / n
  if (width > 1) {
    const hot = await hotOf(values, n, width)
    return hot === undefined ? numbers(values, n, width) : classes(hot, 'one-hot rows are read as classes')
  }
  const isWhole = values.every(Number.isInteger)
  if (isFloat(dtype)) {
    if (!lookLikeLabels(values)) return numbers(values, n, 1)
    return classes(
      values,
      'whole numbers in a floating-point array, few of them different, are read as classes',
    )
  }
  const counts = await countsOf(values)
  const singles = [...counts.values()].filter((count) => count === 1).length
  if (isWhole && !areNumbers(singles, n)) return classes(values, undefined)
  return numbers(values, n, 1, 'integers that hardly repeat are read as numbers, not as classes')
}

async function numbersOf(what: string, { data }: ArrayData): Promise<Float64Array> {
  const values = new Float64Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i])
    if (!Number.isFinite(value))
      throw new DataError(`${what} has ${value} at ${i}; remove or replace such samples`)
    values[i] = value
    if (i % turn === turn - 1) await nextTurn()
  }
  return values
}

async function countsOf(values: Float64Array): Promise<Map<number, number>> {
  const counts = new Map<number, number>()
  for (const [i, value] of values.entries()) {
    counts.set(value, (counts.get(value) ?? 0) + 1)
    if (i % turn === turn - 1) await nextTurn()
  }
  return counts
}

/** The index of the 1 in each row; undefined unless every row is one 1 among zeros. */
async function hotOf(values: Float64Array, n: number, width: number): Promise<Float64Array | undefined> {
  const hot = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let ones = 0
    for (let j = 0; j < width; j++) {
      const value = values[i * width + j]
      if (value === 1) {
        ones++
        hot[i] = j
      } else if (value !== 0) return undefined
    }
    if (ones !== 1) return undefined
    if ((i * width) % turn > turn - width) await nextTurn()
  }
  return hot
}

function numbers(data: Float64Array, n: number, width: number, note?: string): Target {
  return {
    kind: 'numbers',
    data: { dtype: 'float64', shape: [n, width], data },
    classes: null,
    entropy: null,
    note,
  }
}

async function classes(values: Float64Array, note: string | undefined): Promise<Target> {
  const counts = await countsOf(values)
  const place = new Map([...counts.keys()].sort((a, b) => a - b).map((value, i) => [value, i]))
  const data = Int32Array.from(values, (value) => place.get(value) as number)
  const labels: ArrayData = { dtype: 'int32', shape: [values.length], data }
  if (values.length === 0) return { kind: 'classes', data: labels, classes: 0, entropy: null, note }
  using given = await tensorInTurns(labels)
  const { value } = await labelEntropy(given)
  return { kind: 'classes', data: labels, classes: counts.size, entropy: value, note }
}
