import { ArgumentError } from '../core/errors.js'
import { reason } from './atomic.js'

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * The JSON form of a value: functions by name, big and non-finite numbers as text.
 *
 * @param who name of the caller, for the message
 * @throws ArgumentError for values that refer to themselves
 */
export function toJson(who: string, value: unknown): Json {
  try {
    const text = JSON.stringify(value, (_key, part: unknown) => {
      if (typeof part === 'function') return part.name || 'anonymous function'
      if (typeof part === 'bigint' || (typeof part === 'number' && !Number.isFinite(part)))
        return String(part)
      return part
    })
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new ArgumentError(`${who} cannot be written as JSON: ${reason(cause)}; use plain values`, { cause })
  }
}
