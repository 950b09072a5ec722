import { ArgumentError, describe, describeList } from '../errors.js'
import { checkValue, whole } from '../options.js'

/** Throws ArgumentError unless `value` is a whole number of at least `least`; returns it. */
export function wholeNumber(what: string, value: number, least = 1): number {
  return checkValue(what, value, whole(least))
}

/** A number for all axes, or one per axis, as an array of `rank` whole numbers of at least `least`. */
export function perAxis(
  what: string,
  value: number | readonly number[],
  rank: number,
  least: number,
): readonly number[] {
  if (typeof value === 'number') return new Array<number>(rank).fill(wholeNumber(what, value, least))
  if (!Array.isArray(value) || value.length !== rank) {
    throw new ArgumentError(
      `${what} must be a number or have ${rank} entries, one per spatial axis; received ${
        Array.isArray(value) ? describeList(value) : describe(value)
      }`,
    )
  }
  // Array.from, since a hole is an entry that is missing.
  return Array.from(value as readonly number[], (entry) => wholeNumber(what, entry, least))
}
