/** What kind of data samples are. */
import { concat, where } from '../ops/index.js'
import { type Tensor, zeros } from '../tensor.js'
import { areNumbers, classCounts, classesOf, isLabels, toleratedOf } from './samples.js'

/**
 * - `numbers`: hardly a value is given twice.
 * - `classes`: hardly a value is given once only: labels, one-hot rows, counts.
 * - `mixed`: both: values that occur again and again (atoms) among others that do not, or columns of both kinds.
 */
export type DataKind = 'numbers' | 'classes' | 'mixed'

/** Samples and what they look like. */
export interface KindOfSamples {
  readonly kind: DataKind
  /** Class of each sample: equal rows are one class. */
  readonly classes: Int32Array
  /** How often the row of each sample occurs. */
  readonly counts: Float64Array
  /** Whether single columns repeat values though rows do not. */
  readonly hasDiscreteColumns: boolean
}

/**
 * The kind of data by its values: an integer vector holds classes; of rows, the part that occurs once decides: at least 98 % of them for
 * numbers, at most 2 % for classes (in each case all but two samples are enough).
 *
 * @param x labels `[n]` or float64 rows `[n, d]`
 */
export async function kindOfSamples(x: Tensor): Promise<KindOfSamples> {
  const n = x.shape[0] as number
  const classes = (await classesOf('samples', x).data()) as Int32Array
  const counts = await occurrences(x)
  const limit = toleratedOf(n)
  const singles = counts.reduce((sum, count) => sum + Number(count === 1), 0)
  const base = { classes, counts, hasDiscreteColumns: false }
  if (isLabels(x) || singles <= limit) return { ...base, kind: 'classes' }
  if (!areNumbers(singles, n)) return { ...base, kind: 'mixed' }
  const repeated = (await repeatedValues(x).data()) as Float64Array
  return { ...base, kind: 'numbers', hasDiscreteColumns: repeated.some((count) => count > limit) }
}

async function occurrences(x: Tensor): Promise<Float64Array> {
  const classes = classesOf('samples', x)
  return (await classCounts(classes).take(classes).data()) as Float64Array
}

/** How many samples of each column share their value with another, float64 `[d]`; 0 where the column is constant. */
function repeatedValues(x: Tensor): Tensor {
  const [n, d] = x.shape as [number, number]
  const sorted = x.sort(0)
  const same = sorted
    .slice([1])
    .equal(sorted.slice([0], [n - 1]))
    .cast('float64')
  const none = zeros([1, d], { dtype: 'float64' })
  const repeats = concat([none, same])
    .maximum(concat([same, none]))
    .sum(0)
  return where(x.max(0).equal(x.min(0)), 0, repeats)
}
