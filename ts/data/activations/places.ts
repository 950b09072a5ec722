/** Run and epoch of the arrays of a dump, by the names of their folders and files. */

import type { Leaf } from './leaves.js'
import { epochIn, isRunName, numberIn } from './names.js'

/** An array with its run and epoch. */
export interface Placed {
  readonly leaf: Leaf
  /** Name of the run; empty if no name has it. */
  readonly run: string
  /** Undefined if no name has it. */
  readonly epoch: number | undefined
  /** Name of the layer, without the epoch. */
  readonly layer: string
}

/** Assumptions about names, for the reader. */
export type Remarks = Set<string>

/** Finds run, epoch and layer of the arrays. */
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
    // Files of layers that hold one array per epoch.
    if (layer === '') layer = rest.pop() ?? leaf.name
    return { leaf, run: rest.join('/'), epoch: epoch ?? own?.epoch, layer }
  })
}

/**
 * Levels of names that differ only by a number and are not marked as runs: without a word such as `epoch`, the innermost of each path is
 * the level of the epochs.
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
    if (around !== '#') remarks.add(`the numbers in names such as '${path[level]}' are read as epochs`)
    return true
  }
}
