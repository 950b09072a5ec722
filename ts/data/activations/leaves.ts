/** Every array of a dump with its path of folders, files and groups. */

import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DataError, HyperglowError } from '../../core/errors.js'
import type { LazyArray } from '../../io/lazy-array.js'
import { formatOf, openArrays, stemOf } from '../../io/open-any.js'
import { temporaryPrefix } from '../../io/temporary-files.js'
import { byName, endOf } from './names.js'

/** An array of a dump. */
export interface Leaf {
  /** Names of the folders, of the file if it holds several arrays, and of its groups, outermost first. */
  readonly path: readonly string[]
  /** Name of the array in the innermost of them. */
  readonly name: string
  readonly array: LazyArray
  /** The file of the array. */
  readonly file: string
}

/** Contents of a folder or a file. */
export interface Found {
  /** In order of the files, by name, and of the arrays in them. */
  readonly leaves: Leaf[]
  /** Arrays that are not read: for each reason, the files. */
  readonly refused: Map<string, string[]>
  /** Files of other formats. */
  readonly others: string[]
}

/** Maximum number of files and arrays of a dump. */
const mostLeaves = 1e6
/** Maximum depth of folders. */
const deepest = 12

/** Lists the arrays of a folder, or of a file. */
export async function leavesOf(root: string): Promise<Found> {
  const found: Found = { leaves: [], refused: new Map(), others: [] }
  if (formatOf(root) === undefined) await addFolder(root, [], found, 0)
  else await addFile(root, [], found)
  return found
}

async function addFolder(
  folder: string,
  path: readonly string[],
  found: Found,
  level: number,
): Promise<void> {
  if (level > deepest)
    throw new DataError(
      `${folder}: folders are nested deeper than ${deepest} levels; give the folder of the runs`,
    )
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries.sort((a, b) => byName(a.name, b.name))) {
    const { name } = entry
    if (name.startsWith('.') || name.startsWith('__') || name.startsWith(temporaryPrefix)) continue
    const below = join(folder, name)
    if (formatOf(below) !== undefined) await addFile(below, path, found)
    else if (entry.isDirectory()) await addFolder(below, [...path, name], found, level + 1)
    else found.others.push(below)
  }
}

async function addFile(file: string, path: readonly string[], found: Found): Promise<void> {
  const stem = stemOf(file)
  const refuse = (name: string, reason: string) => {
    const key = `${name}: ${reason.replace(file, basename(file))}`
    found.refused.set(key, [...(found.refused.get(key) ?? []), file])
  }
  let opened: Awaited<ReturnType<typeof openArrays>>
  try {
    opened = await openArrays(file, { labels: endOf(stem) === 'y' })
  } catch (error) {
    if (!(error instanceof HyperglowError)) throw error
    // A dump without a damaged file would look complete.
    throw new DataError(`${error.message}; correct the file, or move it out of the dump`, { cause: error })
  }
  const { arrays, refused } = opened
  for (const { name, reason } of refused) refuse(name, reason)
  const isSingle = arrays.size === 1 && (arrays.has(stem) || arrays.has('data')) && opened.format !== 'npz'
  const holdsEnds = [...arrays.keys()].every((name) => endOf(name.split('/').at(-1) as string) !== undefined)
  for (const [key, array] of arrays) {
    const parts = isSingle ? [stem] : key.split('/')
    const name = parts.at(-1) as string
    const inner = parts.slice(0, -1)
    // A file of only inputs and labels applies to everything beside it.
    const own = isSingle || holdsEnds ? [] : [stem]
    found.leaves.push({ path: [...path, ...own, ...inner], name, array, file })
    if (found.leaves.length > mostLeaves)
      throw new DataError(`${file}: a dump of more than ${mostLeaves} arrays; give a part of it`)
  }
}
