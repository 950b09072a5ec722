/** Runs in a folder: one store of dynamics per subfolder. */
import { readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { DataError, IOError } from '../core/errors.js'
import { checkPath, reason } from '../io/atomic.js'
import { holdsStore } from './layout.js'
import { type Dynamics, loadDynamics } from './load.js'
import type { NamedRun } from './merged-runs.js'
import { runNameKey } from './run-files.js'
import { RunSet } from './run-set.js'

/**
 * Reads the runs in a folder, each a store of dynamics in a subfolder, as written by `runs` with `saveTo`, by `RunSet.save`, or by models
 * with `saveDynamics`. The name of a run is its given name, otherwise the name of its folder. Other folders are skipped.
 *
 *     const set = await readRuns('runs/mnist')
 *
 * @param folder of the runs, or of a single run
 * @returns the runs in natural order of their names. An interrupted run has its complete epochs; `notes()` names it
 * @throws IOError if there is no such folder; DataError if it holds no run, or runs that do not match
 */
export async function readRuns(folder: string): Promise<RunSet> {
  checkPath('readRuns', folder, 'folder')
  const found = await storesIn(folder)
  const runs: NamedRun[] = []
  const without: string[] = []
  for (const { path, name } of found) {
    const stored = await loadDynamics(path)
    const known = stored.notes[runNameKey]
    const run = typeof known === 'string' ? known : name
    if (epochsOf(stored) === 0) without.push(run)
    else runs.push(stored.finished ? { name: run, dynamics: stored } : cutShort(run, stored))
  }
  if (runs.length === 0) {
    throw new DataError(
      found.length === 0
        ? `readRuns: ${folder} holds no dynamics of runs; give the folder that runs({ saveTo }) wrote, or one whose folders are stores of saveDynamics`
        : `readRuns: no run in ${folder} has a complete epoch yet: ${without.join(', ')}`,
    )
  }
  const note = without.map((name) => `${name} was interrupted before its first epoch, and is left out`)
  return RunSet.of(
    runs.map((run, i) =>
      i > 0 || note.length === 0 ? run : { ...run, notes: [...note, ...(run.notes ?? [])] },
    ),
  )
}

function cutShort(name: string, stored: Dynamics): NamedRun {
  const note = `${name} was interrupted, or is not finished: ${epochsOf(stored)} of ${stored.shape[0]} epochs are complete`
  return { name, dynamics: stored, notes: [note] }
}

/** Number of complete epochs of a store with values. */
function epochsOf({ completedEpochs, completedPerEpoch }: Dynamics): number {
  return completedEpochs ?? completedPerEpoch.findLastIndex((count) => count > 0) + 1
}

/** The stores in a folder, or the folder itself if it is a store. */
async function storesIn(folder: string): Promise<{ path: string; name: string }[]> {
  let names: string[]
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    names = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name)
  } catch (error) {
    throw new IOError(`readRuns: cannot read ${folder}: ${reason(error)}; give the folder of the runs`, {
      cause: error,
    })
  }
  if (await holdsStore(folder)) return [{ path: folder, name: basename(resolve(folder)) }]
  const stores: { path: string; name: string }[] = []
  for (const name of names.sort(byNumbers)) {
    const path = join(folder, name)
    if (await holdsStore(path)) stores.push({ path, name })
  }
  return stores
}

const { compare: byNumbers } = new Intl.Collator('en', { numeric: true })
