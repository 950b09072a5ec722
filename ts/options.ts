import { ArgumentError, describe, unknownName } from './errors.js'

/**
 * Checks that options are an object that has no other names than `known`, so that a misspelt option is not ignored.
 *
 * @param what whose options they are, for instance `'Dense'`
 * @throws {UnknownNameError} for another name, with the nearest known one; {ArgumentError} for no object
 */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new ArgumentError(
      `${what}: given ${describe(options)} as options, expected an object; options are ${known.join(', ')}`,
    )
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw unknownName(`option of ${what}`, name, known)
  }
}

/** Throws ArgumentError unless `signal` is an AbortSignal or left out. */
export function checkSignal(what: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  throw new ArgumentError(`${what}: signal is ${describe(signal)}, expected an AbortSignal`)
}
