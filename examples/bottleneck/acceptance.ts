/** Acceptance of a published number as reproduced. */
import type { Published } from './experiment.js'

/** Our mean over seeds, with its error. */
export interface Summary {
  readonly count: number
  readonly mean: number
  /** Sample standard deviation over seeds; NaN for one seed. */
  readonly deviation: number
  /** Standard error of the mean; NaN for one seed. */
  readonly standardError: number
}

/** Number of seeds that a verdict needs. */
export const seedsNeeded = 3

/** Mean and spread of numbers. */
export function summarize(values: readonly number[]): Summary {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const deviation = count > 1 ? Math.sqrt(squares / (count - 1)) : Number.NaN
  return { count, mean, deviation, standardError: deviation / Math.sqrt(count) }
}

export type Verdict =
  | 'reproduced'
  | 'better than published'
  | 'not reproduced'
  | 'reached'
  | 'not reached'
  | 'fewer than 3 seeds'

/**
 * Reproduced: with three seeds or more our mean lies within max(2 sqrt(SE_ours^2 + SE_published^2), tolerance) of the published one. A
 * better number at the published settings also passes, with its own name.
 */
export function verdictOf(ours: Summary, published: Published, higherIsBetter = true): Verdict {
  if (ours.count < seedsNeeded) return 'fewer than 3 seeds'
  const { value, tolerance, standardError = 0 } = published
  const difference = ours.mean - value
  if (Math.abs(difference) <= Math.max(2 * Math.hypot(ours.standardError, standardError), tolerance)) {
    return 'reproduced'
  }
  return difference > 0 === higherIsBetter ? 'better than published' : 'not reproduced'
}

/** Whether our mean reaches a goal. */
export function goalReached(ours: Summary, goal: { atLeast: number } | { atMost: number }): Verdict {
  if (ours.count < seedsNeeded) return 'fewer than 3 seeds'
  const reached = 'atLeast' in goal ? ours.mean >= goal.atLeast : ours.mean <= goal.atMost
  return reached ? 'reached' : 'not reached'
}

/** `94.01 ± .12`, mean and sample standard deviation over seeds, with digits to match the spread. */
export function spread(values: readonly number[]): string {
  const { count, mean, deviation } = summarize(values)
  if (count < 2) return mean.toFixed(digitsFor(mean))
  return `${mean.toFixed(digitsFor(mean))} ± ${deviation.toFixed(digitsFor(mean))}`
}

const digitsFor = (mean: number) => (Math.abs(mean) < 1 ? 3 : 2)
