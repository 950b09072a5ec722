import { ArgumentError } from '../core/errors.js'
import { isPlainObject } from '../core/options.js'
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

/** The differences between two JSON values by path, as `layers.0.name: 'a' -> 'b'`; empty for equal values. */
export function differencesOf(was: Json | undefined, is: Json | undefined, path = ''): string[] {
  if (JSON.stringify(was) === JSON.stringify(is)) return []
  const areNested = (Array.isArray(was) && Array.isArray(is)) || (isPlainObject(was) && isPlainObject(is))
  if (!areNested) return [`${path}: ${shown(was)} -> ${shown(is)}`]
  const [old, now] = [was, is] as Readonly<Record<string, Json | undefined>>[]
  const keys = new Set([...Object.keys(old ?? {}), ...Object.keys(now ?? {})])
  return [...keys].flatMap((key) =>
    differencesOf(old?.[key], now?.[key], path === '' ? key : `${path}.${key}`),
  )
}

function shown(value: Json | undefined): string {
  if (value === undefined || value === null) return 'none'
  if (typeof value === 'string') return `'${value}'`
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** Differences in one line, the first eight of them. */
export function differencesText(differences: readonly string[]): string {
  const more = differences.length - 8
  return more > 0 ? `${differences.slice(0, 8).join(', ')} and ${more} more` : differences.join(', ')
}
