/**
 * Options and their checks. A function with options declares them once, as a record of checks with exactly the names of the option's type,
 * and reads them from the result of {@link checkOptions}:
 *
 *     const checks: Checks<DropoutOptions> = { rate: between(0, 1), seed: whole(0) }
 *     const { rate = 0.5, seed = 0 } = checkOptions('Dropout', options, checks)
 */
import { ArgumentError, describe, describeList, unknownName } from './errors.js'

/** The valid values of type `T`. */
export interface Check<T> {
  /** The expected value, as text after "must be". */
  readonly expected: string
  /** Whether a value is valid; never throws. */
  readonly accepts: (value: unknown) => boolean
  /** The valid names, if a name is expected. */
  readonly names?: readonly string[]
  /** True if the option is required. */
  readonly isRequired?: boolean
  /** Never set: it ties the check to its type, so that a check of a wider or narrower type does not compile. */
  readonly type?: (value: T) => T
}

/** The check of a required option; see {@link required}. */
export interface RequiredCheck<T> extends Check<T> {
  readonly isRequired: true
}

/** A check for each option of type `O`: a missing name, an additional name or a check of another type does not compile. */
export type Checks<O> = {
  readonly [Name in keyof O]-?: Record<never, never> extends Pick<O, Name>
    ? Check<Exclude<O[Name], undefined>>
    : RequiredCheck<O[Name]>
}

const NONE = Object.freeze(Object.create(null) as object)

/**
 * Checks options first, and returns the given ones: only own properties, each read once, none undefined.
 *
 * @param what owner of the options, for instance `'Dense'`
 * @param options a plain object; undefined means no options
 * @throws {UnknownNameError} for an unknown option, with the nearest valid one, and for an unknown name as value; {ArgumentError} for an
 *   invalid value, a missing one, and for anything but a plain object
 */
export function checkOptions<O extends object>(what: string, options: O | undefined, checks: Checks<O>): O {
  const byName = checks as Readonly<Record<string, Check<unknown>>>
  if (options !== undefined && !isPlainObject(options)) throw notOptions(what, options, byName)
  const names = options === undefined ? [] : Object.keys(options)
  // Without a prototype: additions to Object.prototype are not options.
  const given: Record<string, unknown> = names.length === 0 ? NONE : Object.create(null)
  for (const name of names) {
    const check = Object.hasOwn(byName, name) ? byName[name] : undefined
    if (check === undefined) throw unknownOption(what, name, Object.keys(byName))
    const value = (options as Record<string, unknown>)[name]
    if (value === undefined) continue
    checkValue(`${what}: ${name}`, value, check)
    given[name] = value
  }
  for (const name in byName) {
    if (byName[name]?.isRequired && given[name] === undefined) {
      throw new ArgumentError(
        `${what}: ${name} is missing; give { ${name} }, which must be ${byName[name].expected}`,
      )
    }
  }
  return given as O
}

/**
 * Checks one value, such as an argument: `checkValue('Dense: units', units, whole(1))`; returns it.
 *
 * @throws {ArgumentError} for an invalid value; {UnknownNameError} for an unknown name
 */
export function checkValue<T>(what: string, value: T, check: Check<T>): T {
  if (check.accepts(value)) return value
  if (check.names !== undefined) throw unknownName(what, value, check.names)
  const received = isList(value) ? describeList(value as unknown as ArrayLike<unknown>) : describe(value)
  throw new ArgumentError(`${what} must be ${check.expected}, received ${received}`)
}

/** True for objects made by `{}` or `Object.create(null)`, in this realm or another. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  try {
    if (Array.isArray(value)) return false
    const prototype: unknown = Object.getPrototypeOf(value)
    return prototype === null || Object.getPrototypeOf(prototype) === null
  } catch {
    // A revoked proxy.
    return false
  }
}

function notOptions(
  what: string,
  given: unknown,
  checks: Readonly<Record<string, Check<unknown>>>,
): ArgumentError {
  const names = Object.keys(checks)
  const first = names.find((name) => checks[name]?.isRequired) ?? names[0]
  const example = first === undefined ? '{}' : `{ ${first}: ... }`
  return new ArgumentError(
    `${what}: given ${describe(given)} as options, expected a plain object such as ${example}; options are ${names.join(', ')}`,
  )
}

function unknownOption(what: string, name: string, known: readonly string[]): Error {
  return unknownName(`option of ${what}`, name, known)
}

/** Makes an option required. */
export function required<T>(check: Check<T>): RequiredCheck<T> {
  return { ...check, isRequired: true }
}

/** Whether a value is an array; never throws. Unlike `Array.isArray`, it preserves the type of a readonly array. */
export function isList(value: unknown): boolean {
  try {
    return Array.isArray(value)
  } catch {
    // A revoked proxy.
    return false
  }
}

function check<T>(expected: string, accepts: (value: unknown) => boolean): Check<T> {
  return { expected, accepts }
}

/** True or false. */
export const flag: Check<boolean> = check('true or false', (value) => typeof value === 'boolean')

/** A non-empty string. */
export const text: Check<string> = check(
  'a text that is not empty',
  (value) => typeof value === 'string' && value !== '',
)

/** A whole number from `least` to `most`. */
export function whole(least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER): Check<number> {
  const from = least === Number.MIN_SAFE_INTEGER ? '' : ` of at least ${least}`
  const expected =
    most === Number.MAX_SAFE_INTEGER ? `a whole number${from}` : `a whole number from ${least} to ${most}`
  return check(
    expected,
    (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
  )
}

/** A finite number. */
export const finite: Check<number> = check('a finite number', Number.isFinite)

/** A finite number greater than `bound`. */
export function above(bound: number): Check<number> {
  return check(
    `a finite number above ${bound}`,
    (value) => Number.isFinite(value) && (value as number) > bound,
  )
}

/** A finite number of at least `bound`. */
export function atLeast(bound: number): Check<number> {
  return check(
    `a finite number of at least ${bound}`,
    (value) => Number.isFinite(value) && (value as number) >= bound,
  )
}

/** Excluded ends of {@link between}. */
export type OpenEnds = 'none' | 'low' | 'high' | 'both'

/** A number from `low` to `high`, without open ends. */
export function between(low: number, high: number, open: OpenEnds = 'none'): Check<number> {
  const openLow = open === 'low' || open === 'both'
  const openHigh = open === 'high' || open === 'both'
  return check(
    `a number in ${openLow ? '(' : '['}${low}, ${high}${openHigh ? ')' : ']'}`,
    (value) =>
      typeof value === 'number' &&
      (openLow ? value > low : value >= low) &&
      (openHigh ? value < high : value <= high),
  )
}

/** One of some names. */
export function oneOf<const Name extends string>(...names: readonly Name[]): Check<Name> {
  const given = (value: unknown) => (names as readonly unknown[]).includes(value)
  return { expected: `one of ${names.join(', ')}`, accepts: given, names }
}

/** One of some names, or a function of the same kind. */
export function nameOrFunction<const Name extends string, F extends (...args: never[]) => unknown>(
  names: readonly Name[],
): Check<Name | F> {
  const given = (value: unknown) =>
    typeof value === 'function' || (names as readonly unknown[]).includes(value)
  return { expected: `a function, or one of ${names.join(', ')}`, accepts: given, names }
}

/** A function. */
export function callable<F extends (...args: never[]) => unknown>(): Check<F> {
  return check('a function', (value) => typeof value === 'function')
}

/** An instance of a class. */
export function instance<T>(type: abstract new (...args: never[]) => T, article: 'a' | 'an' = 'a'): Check<T> {
  return check(`${article} ${type.name}`, (value) => isInstance(value, type))
}

/** Whether a value is an instance of a class; never throws. */
export function isInstance<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  try {
    return value instanceof type
  } catch {
    // A revoked proxy.
    return false
  }
}

/** The signal that aborts a long operation. */
export const signal: Check<AbortSignal> = instance(AbortSignal, 'an')

/** An array whose entries all pass a check; of `length` entries, if given. */
export function listOf<T>(entry: Check<T>, length?: number): Check<readonly T[]> {
  const count = length === undefined ? 'an array' : `an array of ${length}`
  return check(
    `${count} whose entries are each ${entry.expected}`,
    (value) =>
      isList(value) &&
      (length === undefined || (value as unknown[]).length === length) &&
      // Array.from, since a hole counts as a missing entry.
      Array.from(value as unknown[]).every(entry.accepts),
  )
}

/** Two values that each pass a check. */
export function pairOf<T>(entry: Check<T>): Check<readonly [T, T]> {
  const { expected, accepts } = listOf(entry, 2)
  return { expected, accepts }
}

/** A value that passes either check. */
export function either<A, B>(a: Check<A>, b: Check<B>): Check<A | B> {
  return check(`${a.expected}, or ${b.expected}`, (value) => a.accepts(value) || b.accepts(value))
}

/** A value that passes a check, or null. */
export function orNull<T>(inner: Check<T>): Check<T | null> {
  return check(`${inner.expected}, or null`, (value) => value === null || inner.accepts(value))
}

/** Any value: the reader of the option checks it, since its validity depends on other arguments. */
export function elsewhere<T>(): Check<T> {
  return check('a value', () => true)
}
