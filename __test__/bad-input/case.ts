/** Wrong calls and the required content of their messages. */

import type { HyperglowError } from '../../ts/index.js'

/** The constructor of an error class. */
export type ErrorClass = new (message: string) => HyperglowError

/** A wrong call, and the error that it must give. */
export interface BadInput {
  readonly name: string
  readonly error: ErrorClass
  /** The required content of the message: what was given, what was expected, how to mend it. */
  readonly says: readonly RegExp[]
  /** The wrong call; it throws or rejects. */
  run(): unknown
}

/** A row of a table of wrong calls. */
export function bad(name: string, error: ErrorClass, says: readonly RegExp[], run: () => unknown): BadInput {
  return { name, error, says, run }
}

/** A value of a type that the signature forbids, as a program without types might pass it. */
export function untyped<T>(value: unknown): T {
  return value as T
}
