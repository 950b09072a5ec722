/** Setup of a store of dynamics: checked options, and handling of an existing store. */

import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ArgumentError, describeList, HyperglowError, IOError, StateError } from '../core/errors.js'
import {
  atLeast,
  type Check,
  type Checks,
  checkOptions,
  either,
  elsewhere,
  finite,
  flag,
  isPlainObject,
  listOf,
  oneOf,
  orNull,
  required,
  whole,
} from '../core/options.js'
import { checkPath, makeFolder, reason, systemCode, writeAtomic } from '../io/atomic.js'
import { toJson } from '../io/json.js'
import { temporaryName } from '../io/temporary-files.js'
import {
  coordinateNames,
  type DynamicsAttributes,
  formatName,
  formatVersion,
  groupFile,
  notStore,
  ownNames,
  readAttributes,
  segmentsName,
  valuesName,
} from './layout.js'

/** Size and description of a store. */
export interface DynamicsOptions {
  /** Epochs the run is planned for, N. */
  epochs: number
  /** Batches of an epoch, B. */
  batches: number
  /** Names of the evaluators, E of them; may be empty if only raw segments are stored. */
  evaluators: readonly string[]
  /** Names of the layers whose coordinates are stored, L of them. */
  layers: readonly string[]
  /** Options of each evaluator, as JSON values (a function by its name). Default: none. */
  evaluatorSettings?: readonly unknown[]
  /** Unit of each evaluator's values, such as `'bits'`; 'none' for numbers without a unit, null (default) if it is not known. */
  units?: readonly (string | null)[]
  /** Samples of each evaluator's values, null (default) if it is not known; `finishEpoch` may set it later. */
  samples?: readonly (number | null)[]
  /** Entropy of the target's classes over the samples, in nats, null (default) if it is not known; `finishEpoch` may set it later. */
  labelEntropy?: number | null
  /** Number of each of the N epochs in the training of the model, ascending. Default 1 to N. */
  epochNumbers?: readonly number[]
  /** Seed of the run. Default: not stored. */
  seed?: number | null
  /** Also store the raw segments given to `appendSegment`. Default false: they are large. */
  raw?: boolean
  /** Batches in a chunk: larger chunks are fewer files, and lose more when the process is killed. Default 64. */
  chunkBatches?: number
  /** Additional notes, JSON values. */
  notes?: Readonly<Record<string, unknown>>
  /**
   * Handling of an existing store in the folder: `'keep'` moves it into the subfolder `earlier-1` (or the next number), `true` does so
   * until the new store has values, false (default) refuses. Other files in the folder stay.
   */
  overwrite?: boolean | 'keep'
}

const anyText: Check<string> = { expected: 'a name', accepts: (value) => typeof value === 'string' }
const anything: Check<unknown> = elsewhere()

const checks: Checks<DynamicsOptions> = {
  // The number of each epoch is stored.
  epochs: required(whole(1, 1e6)),
  batches: required(whole(1)),
  evaluators: required(listOf(anyText)),
  layers: required(listOf(anyText)),
  evaluatorSettings: listOf(anything),
  units: listOf(orNull(anyText)),
  samples: listOf(orNull(whole(1))),
  labelEntropy: orNull(atLeast(0)),
  epochNumbers: listOf(whole()),
  seed: orNull(finite),
  raw: flag,
  chunkBatches: whole(1),
  notes: { expected: 'a plain object', accepts: isPlainObject },
  overwrite: either(flag, oneOf('keep')),
}

/**
 * The attributes of a store with these options.
 *
 * @throws UnknownNameError, ArgumentError for impossible options
 */
export function attributesOf(folder: string, given: DynamicsOptions): DynamicsAttributes {
  const who = 'DynamicsWriter.create'
  checkPath(who, folder, 'folder')
  const options = checkOptions(who, given, checks)
  const { epochs, batches, evaluators, layers, seed = null, raw = false } = options
  if (layers.length === 0 || (evaluators.length === 0 && !raw)) {
    const what = layers.length === 0 ? 'layers is empty' : 'evaluators is empty and raw is false'
    throw new ArgumentError(`${who}: ${what}, so there would be nothing to store; name at least one`)
  }
  const settings = options.evaluatorSettings ?? evaluators.map(() => ({}))
  const units = options.units ?? evaluators.map(() => null)
  const samples = options.samples ?? evaluators.map(() => null)
  for (const [name, list] of Object.entries({ evaluatorSettings: settings, units, samples })) {
    if (list.length === evaluators.length) continue
    throw new ArgumentError(
      `${who}: given ${list.length} ${name} for ${evaluators.length} evaluators; give one each`,
    )
  }
  const numbers = options.epochNumbers ?? Array.from({ length: epochs }, (_, n) => n + 1)
  const rising = (n: number, i: number) => i === 0 || n > (numbers[i - 1] as number)
  if (numbers.length !== epochs || !numbers.every(rising)) {
    throw new ArgumentError(
      `${who}: epochNumbers must be ${epochs} rising whole numbers, given ${describeList(numbers)}`,
    )
  }
  return {
    format: formatName,
    version: formatVersion,
    shape: [epochs, batches, evaluators.length, layers.length, 2],
    layers: [...layers],
    evaluators: [...evaluators],
    evaluatorSettings: settings.map((value) => toJson(`${who}: evaluatorSettings`, value)),
    units: [...units],
    samples: [...samples],
    labelEntropy: options.labelEntropy ?? null,
    epochs: [...numbers],
    steps: [],
    completedEpochs: 0,
    seed,
    coordinateNames,
    finished: false,
    notes: toJson(`${who}: notes`, options.notes ?? {}) as DynamicsAttributes['notes'],
  }
}

/** Prefix of the folders of earlier runs inside a store; a number follows. */
const earlierPrefix = 'earlier-'

/**
 * Prepares the folder for a new store, or throws before anything in it changes. An existing store moves into a subfolder: at every moment
 * it is a complete store, in one place or the other.
 *
 * @returns the subfolder, if a store was moved
 * @throws StateError if the folder has a store and `overwrite` is not set; DataError if it has other Zarr data; IOError
 */
export async function prepareFolder(folder: string, overwrite: boolean): Promise<string | undefined> {
  const present = await namesIn(folder)
  const taken = ownNames.filter((name) => present.includes(name))
  const foreign = ['.zgroup', '.zarray', '.zmetadata'].find((name) => present.includes(name))
  const store = await readAttributes(folder)
  if (foreign !== undefined || (store === undefined && taken.length > 0)) {
    throw notStore(folder, `it holds ${foreign ?? taken.join(', ')} of something else`)
  }
  if (store !== undefined && !overwrite) {
    throw new StateError(
      `${folder} already holds the dynamics of a run; give another folder, or overwrite: true to replace them`,
    )
  }
  try {
    await makeFolder(folder, `cannot prepare ${folder}`)
    return store === undefined ? undefined : await setAside(folder, present)
  } catch (error) {
    if (error instanceof HyperglowError) throw error
    throw new IOError(`cannot prepare ${folder}: ${reason(error)}; check that it may be written`, {
      cause: error,
    })
  }
}

/** Moves the arrays of a store, with a copy of its description, into the next free subfolder; a store without a batch is only emptied. */
async function setAside(folder: string, present: readonly string[]): Promise<string | undefined> {
  const arrays = [segmentsName, valuesName].filter((name) => present.includes(name))
  const hasValues = await Promise.all(
    arrays.map(async (name) => name === segmentsName || (await namesIn(join(folder, name))).includes('c')),
  )
  if (!hasValues.includes(true)) {
    for (const name of arrays) await rm(join(folder, name), { recursive: true })
    return undefined
  }
  const numbers = present.map((name) =>
    Number(name.startsWith(earlierPrefix) && name.slice(earlierPrefix.length)),
  )
  const last = numbers.filter(Number.isSafeInteger).reduce((most, number) => Math.max(most, number), 0)
  const earlier = join(folder, `${earlierPrefix}${last + 1}`)
  const begun = join(folder, temporaryName())
  await mkdir(begun)
  // The description first, the values last: a process killed in between leaves two readable stores.
  await writeAtomic(join(begun, groupFile), await readFile(join(folder, groupFile)))
  await rename(begun, earlier)
  for (const name of arrays) await rename(join(folder, name), join(earlier, name))
  return earlier
}

/** Removes a folder atomically, as seen from outside; if that fails, the folder stays and does no harm. */
export async function removeFolder(folder: string): Promise<void> {
  const leaving = join(dirname(folder), temporaryName())
  await rename(folder, leaving)
    .then(() => rm(leaving, { recursive: true, force: true }))
    .catch(() => {})
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') return []
    const hint = code === 'ENOTDIR' ? 'give the path of a folder' : 'check that it may be read'
    throw new IOError(`cannot use ${folder} as a folder: ${reason(error)}; ${hint}`, { cause: error })
  }
}
