import type { LimitKind } from '../dynamics/naming.js'
import { baseOfUnit } from '../estimators/unit.js'

/** The maximum of a measure of information, in the unit of the axis. */
export interface Limit {
  readonly kind: LimitKind
  readonly value: number
}

/** Bounds of the two measures, if they are known. */
export interface Limits {
  /** ln n: n different samples hold no more. */
  readonly x?: Limit
  /** H(Y), the entropy of the classes. */
  readonly y?: Limit
}

/**
 * The bounds of values in that unit; none if the unit is not one of information.
 *
 * @param samples of each estimate; null if not known
 * @param labelEntropy in nats; null if not known
 */
export function limitsOf(unit: string | null, samples: number | null, labelEntropy: number | null): Limits {
  const base = unit === null ? undefined : baseOfUnit(unit)
  if (base === undefined) return {}
  const inUnit = (nats: number) => nats / Math.log(base)
  return {
    ...(samples === null || samples < 2 ? {} : { x: { kind: 'samples', value: inUnit(Math.log(samples)) } }),
    ...(labelEntropy === null || labelEntropy <= 0
      ? {}
      : { y: { kind: 'labels', value: inUnit(labelEntropy) } }),
  }
}

/** Maximum distance of a drawn bound above the largest value, as a fraction of that value. */
const reach = 0.3

/** Whether a bound is drawn beside the values: a distant bound would compress values into a corner. */
export function isNear({ value }: Limit, values: readonly number[]): boolean {
  const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return largest >= value / (1 + reach)
}
