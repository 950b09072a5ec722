import type { LimitKind } from '../dynamics/naming.js'
import { baseOfUnit } from '../estimators/unit.js'

/** A value that a measure of information cannot exceed, in the unit of the axis. */
export interface Limit {
  readonly kind: LimitKind
  readonly value: number
}

/** Bounds of the two measures, as far as they are known. */
export interface Limits {
  /** ln n: n samples that all differ have no more to tell. */
  readonly x?: Limit
  /** H(Y), the entropy of the classes. */
  readonly y?: Limit
}

/**
 * The bounds of values in that unit; none where the unit is not one of information.
 *
 * @param samples of each estimate; null where not known
 * @param labelEntropy in nats; null where not known
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

/** How far above the largest value a bound may lie, as a part of it, and still be drawn. */
const reach = 0.3

/** Whether a bound is drawn beside these values: values far below it would be pressed into a corner by it. */
export function isNear({ value }: Limit, values: readonly number[]): boolean {
  const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return largest >= value / (1 + reach)
}
