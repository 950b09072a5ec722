/** What kind of data samples are. */
import type { Tensor } from '../tensor.js'
import { classCounts, classesOf, isLabels } from './samples.js'

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

/** Part of the samples up to which exceptions are passed over. */
const tolerated = 0.02

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
  const limit = Math.max(tolerated * n, 2)
  const singles = counts.reduce((sum, count) => sum + Number(count === 1), 0)
  const base = { classes, counts, hasDiscreteColumns: false }
  if (isLabels(x) || singles <= limit) return { ...base, kind: 'classes' }
  if (n - singles > limit) return { ...base, kind: 'mixed' }
  for (let column = 0; column < (x.shape[1] as number); column++) {
    const own = await occurrences(x.slice([null, column], [null, column + 1]))
    const repeated = own.reduce((sum, count) => sum + Number(count > 1), 0)
    const isConstant = own[0] === n
    if (repeated > limit && !isConstant) return { ...base, kind: 'numbers', hasDiscreteColumns: true }
  }
  return { ...base, kind: 'numbers' }
}

async function occurrences(x: Tensor): Promise<Float64Array> {
  const classes = classesOf('samples', x)
  return (await classCounts(classes).take(classes).data()) as Float64Array
}
