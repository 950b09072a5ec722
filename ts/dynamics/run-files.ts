/** Runs as stores of dynamics. */
import { join } from 'node:path'
import { DataError } from '../core/errors.js'
import { checkPath } from '../io/atomic.js'
import type { Json } from '../io/json.js'
import type { DynamicsLike } from './source.js'
import { DynamicsWriter } from './store.js'

/** Key of a run's name in the notes of a store. */
export const runNameKey = 'run'

/** The folder name of a run: its name, with hyphens for characters that file systems refuse. */
export function folderOfRun(name: string): string {
  return name.replace(/[^\p{L}\p{N}._=+-]+/gu, '-').replace(/^\.+/, '-')
}

/** Writes each run as a store in a separate folder. */
export async function saveRuns(
  folder: string,
  runs: readonly { readonly name: string; readonly dynamics: DynamicsLike }[],
): Promise<void> {
  checkPath('RunSet.save', folder, 'folder')
  const folders = runs.map(({ name }) => folderOfRun(name))
  const twice = runs.findIndex((_, i) => folders.indexOf(folders[i] as string) < i)
  if (twice >= 0) {
    throw new DataError(
      `RunSet.save: two runs would have the folder ${folders[twice]}, one of them ${runs[twice]?.name}; give them names that differ in letters and digits`,
    )
  }
  for (const [i, { name, dynamics }] of runs.entries()) {
    await writeRun(join(folder, folders[i] as string), name, dynamics)
  }
}

/**
 * Writes the dynamics of a run, means over batches, as a store.
 *
 * @param name of the run
 * @param notes additional notes
 * @throws StateError if the folder has a store; IOError if it cannot be written
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
