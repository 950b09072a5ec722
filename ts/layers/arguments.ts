import { ArgumentError } from '../errors.js'

/** Throws ArgumentError unless `value` is a whole number of at least `least`; returns it. */
export function wholeNumber(what: string, value: number, least = 1): number {
  if (!Number.isInteger(value) || value < least) {
    throw new ArgumentError(`${what} must be a whole number of at least ${least}, received ${value}`)
  }
  return value
}

/** A number for all axes, or one per axis, as an array of `rank` whole numbers of at least `least`. */
export function perAxis(
  what: string,
  value: number | readonly number[],
  rank: number,
  least: number,
): readonly number[] {
  const values = typeof value === 'number' ? new Array<number>(rank).fill(value) : value
  if (values.length !== rank) {
    throw new ArgumentError(
      `${what} must be a number or have ${rank} entries, one per spatial axis; received [${values}]`,
    )
  }
  for (const entry of values) wholeNumber(what, entry, least)
  return [...values]
}
