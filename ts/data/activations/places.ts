/** Which run and which epoch the arrays of a dump belong to, by the names of what they lie in. */

import type { Leaf } from './leaves.js'
import { epochIn, isRunName, numberIn } from './names.js'

/** An array with its place. */
export interface Placed {
  readonly leaf: Leaf
  /** Name of the run; empty where nothing names it. */
  readonly run: string
  /** Undefined where no name tells it. */
  readonly epoch: number | undefined
  /** Name of the layer, without the epoch. */
  readonly layer: string
}

/** What was taken for what, for a reader. */
export type Remarks = Set<string>

/** Finds the places of the arrays of layers. */
export function placesOf(leaves: readonly Leaf[], remarks: Remarks): Placed[] {
  const isEpoch = numberedLevels(leaves, remarks)
  return leaves.map((leaf) => {
    let epoch: number | undefined
    const rest: string[] = []
    for (const [level, name] of leaf.path.entries()) {
      const told = epochIn(name, 'folder')
      if (told?.counts === 'steps') remarks.add('the numbers of the epochs count steps, as the names say')
      if (told !== undefined) {
        epoch = told.epoch
        if (told.rest !== '') rest.push(told.rest)
      } else if (isEpoch(leaf.path, level)) epoch = numberIn(name)?.number
      else rest.push(name)
    }
    const own = epoch === undefined ? epochIn(leaf.name, 'array') : undefined
    let layer = own?.rest ?? leaf.name
    // Files of layers that hold an array for each epoch.
    if (layer === '') layer = rest.pop() ?? leaf.name
    return { leaf, run: rest.join('/'), epoch: epoch ?? own?.epoch, layer }
  })
}

/**
 * Levels whose names differ by a number alone and are not told to be runs: the innermost of each path is that of the epochs, where none is
 * told by a word.
 */
function numberedLevels(
  leaves: readonly Leaf[],
  remarks: Remarks,
): (path: readonly string[], level: number) => boolean {
  const siblings = new Map<string, Set<string>>()
  const key = (path: readonly string[], level: number) => JSON.stringify(path.slice(0, level))
  for (const { path } of leaves) {
    for (const [level, name] of path.entries()) {
      const at = key(path, level)
      siblings.set(at, (siblings.get(at) ?? new Set()).add(name))
    }
  }
  const numbered = (path: readonly string[], level: number) => {
    const names = [...(siblings.get(key(path, level)) ?? [])]
    const own = numberIn(path[level] as string)
    if (own === undefined || isRunName(path[level] as string)) return false
    return (
      own.around === '#' || (names.length > 1 && names.every((name) => numberIn(name)?.around === own.around))
    )
  }
  return (path, level) => {
    if (path.some((name) => epochIn(name, 'folder') !== undefined)) return false
    const last = path.findLastIndex((_, at) => numbered(path, at))
    if (last !== level) return false
    const { around } = numberIn(path[level] as string) as { around: string }
    if (around !== '#')
      remarks.add(`the numbers in names such as '${path[level]}' are taken as those of epochs`)
    return true
  }
}
