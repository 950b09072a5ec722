/** Runs as stores of dynamics. */
import { join } from 'node:path'
import { DataError } from '../core/errors.js'
import { checkPath } from '../io/atomic.js'
import type { Json } from '../io/json.js'
import type { DynamicsLike } from './source.js'
import { DynamicsWriter } from './store.js'

/** Key of the notes of a store under which a run has its name. */
export const runNameKey = 'run'

/** The name of the folder of a run: its own, with a hyphen for what file systems do not take. */
export function folderOfRun(name: string): string {
  return name.replace(/[^\p{L}\p{N}._=+-]+/gu, '-').replace(/^\.+/, '-')
}

/** Writes each run as a store in a folder of its own. */
export async function saveRuns(
  folder: string,
  runs: readonly { readonly name: string; readonly dynamics: DynamicsLike }[],
): Promise<void> {
  checkPath('RunSet.save', folder, 'folder')
  const folders = runs.map(({ name }) => folderOfRun(name))
  const twice = runs.findIndex((_, i) => folders.indexOf(folders[i] as string) < i)
  if (twice >= 0) {
    throw new DataError(
      `RunSet.save: two runs would lie in the folder ${folders[twice]}, one of them ${runs[twice]?.name}; give them names that differ in letters and digits`,
    )
  }
  for (const [i, { name, dynamics }] of runs.entries()) {
    await writeRun(join(folder, folders[i] as string), name, dynamics)
  }
}

/**
 * Writes the dynamics of a run, means over batches, as a store.
 *
 * @param name of the run; @param notes what else to note
 * @throws StateError where the folder has a store; IOError where it cannot be written
 */
export async function writeRun(
  folder: string,
  name: string,
  dynamics: DynamicsLike,
  notes: { readonly [key: string]: Json } = {},
): Promise<void> {
  const {
    values,
    layers,
    evaluators,
    epochs,
    units,
    evaluatorSettings,
    samples,
    labelEntropy = null,
  } = dynamics
  const unknown = evaluators.map(() => null)
  const writer = await DynamicsWriter.create(folder, {
    epochs: values.length,
    batches: 1,
    layers,
    evaluators,
    units: units ?? unknown,
    evaluatorSettings: evaluatorSettings ?? evaluators.map(() => ({})),
    samples: samples ?? unknown,
    labelEntropy,
    ...(epochs ? { epochNumbers: epochs } : {}),
    notes: { ...notes, [runNameKey]: name },
    overwrite: true,
  })
  for (const [row, value] of values.entries()) {
    const flat = value.flat(2).map((number) => number ?? Number.NaN)
    await writer.append(row, 0, Float32Array.from(flat))
    await writer.finishEpoch(row)
  }
  await writer.close()
}
