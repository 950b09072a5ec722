/** The header of an .npy file: a Python dict with exactly the keys descr, fortran_order and shape. */

import type { Shape } from '../core/dtype.js'

/** Contents of a header. */
export interface NpyHeader {
  /** Type string such as '<f4'; 'a record' for fields. */
  readonly descr: string
  readonly fortranOrder: boolean
  readonly shape: Shape
}

const keys: readonly string[] = ['descr', 'fortran_order', 'shape']

/** A key with its value: text, a word, or a bracketed expression. Records contain brackets and text. */
const entry =
  /\s*(?:'([^']*)'|"([^"]*)")\s*:\s*('[^']*'|"[^"]*"|\w+|\([^()]*\)|\[(?:'[^']*'|"[^"]*"|[^'"])*\])\s*/y

/**
 * Parses the text of a header.
 *
 * @param version of the format, 1 to 3: NumPy accepts Python 2 syntax only in versions 1 and 2
 * @param fail makes the error for an invalid header from a description
 */
export function parseNpyHeader(text: string, version: number, fail: (what: string) => Error): NpyHeader {
  const values = entriesOf(text.trim(), fail)
  const missing = keys.find((key) => !values.has(key))
  if (missing !== undefined) throw fail(`its header lacks ${missing}`)
  const [descr, order, shape] = keys.map((key) => values.get(key)) as [string, string, string]
  if (order !== 'True' && order !== 'False') {
    throw fail(`its header lacks a fortran_order of True or False, it has ${shown(order)}`)
  }
  if (!/^['"[(]/.test(descr)) throw fail(`its header lacks a descr that is text, it has ${shown(descr)}`)
  return {
    descr: /^['"]/.test(descr) ? descr.slice(1, -1) : 'a record',
    fortranOrder: order === 'True',
    shape: shapeOf(shape, version, fail),
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}

/** The values by key, as text. */
function entriesOf(dict: string, fail: (what: string) => Error): Map<string, string> {
  const none = () =>
    fail(`its header ${shown(dict)} lacks descr, fortran_order or shape, or is not a dict of these`)
  if (!dict.startsWith('{') || !dict.endsWith('}')) throw none()
  const inside = dict.slice(1, -1)
  const values = new Map<string, string>()
  for (let at = 0; at < inside.length; at++) {
    if (inside.slice(at).trim() === '') break
    entry.lastIndex = at
    const [whole, single, double, value] = entry.exec(inside) ?? []
    if (whole === undefined || value === undefined) throw none()
    const key = single ?? double ?? ''
    if (!keys.includes(key))
      throw fail(`its header has the key ${shown(key)}, which the format does not have`)
    if (values.has(key)) throw fail(`its header has '${key}' twice`)
    values.set(key, value)
    at += whole.length
    if (at < inside.length && inside[at] !== ',') throw none()
  }
  return values
}

function shapeOf(tuple: string, version: number, fail: (what: string) => Error): Shape {
  const bad = (why: string) => fail(`its header has the shape ${shown(tuple)}: ${why}`)
  if (!/^\(.*\)$/s.test(tuple)) throw bad('expected a tuple such as (2, 3)')
  const inside = tuple.slice(1, -1).trim()
  if (inside === '') return []
  const parts = inside.split(',').map((part) => part.trim())
  if (parts.length === 1) throw bad(`a tuple of one length is written (${inside},)`)
  if (parts.at(-1) === '') parts.pop()
  return parts.map((part) => {
    // Python 2 wrote long integers as '3L'.
    if (/^\d+$/.test(part) || (version < 3 && /^\d+L$/.test(part))) return Number.parseInt(part, 10)
    throw bad(`${part === '' ? 'an empty length' : shown(part)} is not a whole number of 0 or more`)
  })
}
