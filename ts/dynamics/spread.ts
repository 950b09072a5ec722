/** One value over several runs. */
import { deviationOf, meanOf } from '../analysis/distributions.js'

/** A value over runs; NaN for a run without it. */
export interface Spread {
  /** Mean of the runs with a value; NaN if none has one. */
  readonly mean: number
  /** Standard error of the mean, s / sqrt(r) with s over r - 1, r the runs with a value; NaN for fewer than two. */
  readonly se: number
  /** One per run, in the order of the runs. */
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
