/** Array arguments of the command line: `x.npy`, `dump.npz:fc1`. */
import { existsSync } from 'node:fs'
import { ArgumentError, DataError } from '../core/errors.js'
import type { ArrayData } from '../io/element-types.js'
import { openArrays } from '../io/open-any.js'

/**
 * Reads an array. `file:name` names one array of a file with several.
 *
 * @param labels whether a CSV file of one column may hold labels
 * @throws IOError if it cannot be read; DataError for another format; ArgumentError if a file holds several arrays and none is named
 */
export async function arrayOf(given: string, labels = false): Promise<ArrayData> {
  const at = existsSync(given) ? -1 : given.lastIndexOf(':')
  const [path, name] = at <= 0 ? [given, undefined] : [given.slice(0, at), given.slice(at + 1)]
  const { arrays, refused } = await openArrays(path, { labels })
  if (name === undefined && arrays.size === 1)
    return (arrays.values().next().value as { read(): Promise<ArrayData> }).read()
  const names = [...arrays.keys()]
  if (names.length === 0) throw new DataError(`${path}: ${refused[0]?.reason ?? 'it holds no array'}`)
  if (name === undefined) {
    throw new ArgumentError(
      `${path} holds ${names.slice(0, 8).join(', ')}; name one of them, as in ${path}:${names[0]}`,
    )
  }
  const found = arrays.get(name)
  if (found !== undefined) return found.read()
  throw new ArgumentError(
    `${given}: there is no "${name}" in ${path}; it holds ${names.slice(0, 8).join(', ')}`,
  )
}
