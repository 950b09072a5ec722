/** One number over several runs. */
import { deviationOf, meanOf } from '../analysis/distributions.js'

/** A value over runs: NaN stands for a run without it. */
export interface Spread {
  /** Mean of the runs that have a value; NaN where none has. */
  readonly mean: number
  /** Standard error of the mean, s / sqrt(r) with s over r - 1, r the runs that have a value; NaN for fewer than two. */
  readonly se: number
  /** One a run, in the order of the runs. */
  readonly values: readonly number[]
}

/** Mean and standard error of the values of runs. */
export function spreadOf(values: readonly number[]): Spread {
  const there = values.filter((value) => !Number.isNaN(value))
  const runs = there.length
  return {
    mean: runs === 0 ? Number.NaN : meanOf(there),
    se: runs < 2 ? Number.NaN : deviationOf(there) / Math.sqrt(runs),
    values,
  }
}
