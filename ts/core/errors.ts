import { ownNameFor } from './foreign-names.js'

/** The stable error codes of hyperglow. */
export type ErrorCode =
  | 'SHAPE'
  | 'DTYPE'
  | 'DEVICE'
  | 'DATA'
  | 'STATE'
  | 'NUMERICAL'
  | 'IO'
  | 'ARGUMENT'
  | 'UNKNOWN_NAME'
  | 'INTERNAL'
  | 'DISPOSED'

/** The options of an error, if they have a readable cause. */
function causeOf(options: { cause?: unknown } | undefined): ErrorOptions | undefined {
  try {
    return options !== undefined && 'cause' in options ? { cause: options.cause } : undefined
  } catch {
    return undefined
  }
}

/**
 * The base of hyperglow's errors. The message says what was given, what was expected and how to fix it; `code` is stable, so programs may
 * test it.
 */
export abstract class HyperglowError extends Error {
  /** The stable code of this class of errors, for instance `'SHAPE'`. */
  abstract readonly code: ErrorCode

  constructor(message: string, options?: { cause?: unknown }) {
    super(typeof message === 'string' ? message : describe(message), causeOf(options))
    this.name = new.target.name
  }
}

/** Shapes or axes that do not match. */
export class ShapeError extends HyperglowError {
  readonly code = 'SHAPE'
}

/** Element types that do not match. */
export class DTypeError extends HyperglowError {
  readonly code = 'DTYPE'
}

/** A device that is missing, or tensors on different ones. */
export class DeviceError extends HyperglowError {
  readonly code = 'DEVICE'
}

/** Invalid values, such as an index out of range or a ragged array. */
export class DataError extends HyperglowError {
  readonly code = 'DATA'
}

/** Use of an object in the wrong state, such as training before `compile`. */
export class StateError extends HyperglowError {
  readonly code: 'STATE' | 'DISPOSED' = 'STATE'
}

/** Use of a disposed tensor, Variable or compiled function. */
export class DisposedError extends StateError {
  override readonly code = 'DISPOSED'
}

/** A computation without a result: a matrix that is not positive definite, a loss that became NaN. */
export class NumericalError extends HyperglowError {
  readonly code = 'NUMERICAL'
}

/** A missing, unreadable or invalid file. */
export class IOError extends HyperglowError {
  readonly code = 'IO'
}

/** An argument of the wrong kind or outside its range. */
export class ArgumentError extends HyperglowError {
  readonly code: 'ARGUMENT' | 'UNKNOWN_NAME' = 'ARGUMENT'
}

/** An unknown name. */
export class UnknownNameError extends ArgumentError {
  override readonly code = 'UNKNOWN_NAME'
}

/** A bug in hyperglow. */
export class InternalError extends HyperglowError {
  readonly code = 'INTERNAL'
}

type Constructor = new (message: string, options?: { cause?: unknown }) => HyperglowError

const classOf: Record<ErrorCode, Constructor> = {
  SHAPE: ShapeError,
  DTYPE: DTypeError,
  DEVICE: DeviceError,
  DATA: DataError,
  STATE: StateError,
  NUMERICAL: NumericalError,
  IO: IOError,
  ARGUMENT: ArgumentError,
  UNKNOWN_NAME: UnknownNameError,
  INTERNAL: InternalError,
  DISPOSED: DisposedError,
}

/** The error of the class for `code`; an unknown code gives an {@link InternalError}. */
export function errorOfCode(code: string, message: string): HyperglowError {
  const ErrorClass = Object.hasOwn(classOf, code) ? classOf[code as ErrorCode] : InternalError
  return new ErrorClass(message)
}

/** Number of insertions, deletions, substitutions and transpositions that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = swapped ? (beforePrevious[j - 2] ?? 0) + 1 : change
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, change, swap))
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length] ?? 0
}

/** Maximum length of names that are compared: misspelled names are shorter. */
const COMPARED = 64

/** The valid name nearest to `given`, if it is near; case and separators are ignored. */
function nearestName(given: string, valid: readonly string[]): string | undefined {
  if (given.length > COMPARED) return undefined
  const plain = (name: string) => name.toLowerCase().replace(/[-_ ]/g, '')
  const ranked = valid
    .map((name) => ({ name, distance: editDistance(plain(given), plain(name)) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.max(1, Math.floor(given.length / 3)) ? best.name : undefined
}

/**
 * The error for an invalid name. It suggests the valid name with the same meaning, or the nearest by edit distance.
 *
 * @param kind of the name, for instance `'loss'`
 */
export function unknownName(
  kind: string,
  given: unknown,
  valid: readonly string[],
  most = Number.POSITIVE_INFINITY,
): UnknownNameError {
  const more = valid.length > most ? ` and ${valid.length - most} more` : ''
  const list = valid.length === 0 ? 'none' : `${valid.slice(0, most).join(', ')}${more}`
  if (typeof given !== 'string') {
    return new UnknownNameError(`${kind}: given ${describe(given)}, expected one of ${list}`)
  }
  const near = ownNameFor(given, valid) ?? nearestName(given, valid)
  const hint = near === undefined ? '' : `did you mean "${near}"? `
  // In 'Dense: activation' the kind is activation.
  const inner = kind.lastIndexOf(': ') + 1
  const what = inner === 0 ? `unknown ${kind}` : `${kind.slice(0, inner)} unknown${kind.slice(inner)}`
  return new UnknownNameError(`${what} ${describe(given)}: ${hint}valid are ${list}`)
}

/** A short description of a value, for error messages; never throws. */
export function describe(value: unknown): string {
  try {
    return described(value)
  } catch {
    return 'an object that cannot be read'
  }
}

function described(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)
  if (typeof value === 'function') return `the function ${String(value.name) || '(anonymous)'}`
  if (typeof value === 'bigint') return `${value}n`
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  return `an object of class ${String(value.constructor?.name ?? 'Object')}`
}

/** A short description of a list, `[1, "a", undefined]`, for error messages; never throws. */
export function describeList(list: ArrayLike<unknown>): string {
  try {
    const shown = Array.from({ length: Math.min(list.length, 12) }, (_, i) => describe(list[i]))
    return `[${[...shown, ...(list.length > 12 ? ['...'] : [])].join(', ')}]`
  } catch {
    return 'an array that cannot be read'
  }
}
