/** What comes before the first batch: checking the options of a store of dynamics, and making its folder ready. */

import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ArgumentError, describe, IOError, StateError } from '../errors.js'
import { reason, systemCode } from './atomic.js'
import {
  coordinateNames,
  type DynamicsAttributes,
  formatName,
  formatVersion,
  type Json,
  notStore,
  ownNames,
  readAttributes,
} from './dynamics-layout.js'

/** What a run stores, and about what. */
export interface DynamicsOptions {
  /** Epochs the run is planned for, N. */
  epochs: number
  /** Batches of an epoch, B. */
  batches: number
  /** Names of the evaluators, E of them; may be empty where only raw segments are kept. */
  evaluators: readonly string[]
  /** Names of the layers whose coordinates are stored, L of them. */
  layers: readonly string[]
  /** Options of each evaluator, as JSON holds them (a function by its name). Default: none. */
  evaluatorSettings?: readonly object[]
  /** Seed of the run. Default: not noted. */
  seed?: number | null
  /** Also take the raw segments given to `appendSegment`. Default false: they are large. */
  raw?: boolean
  /** Batches in a chunk: more are fewer files, and more lost when the process is killed. Default 64. */
  chunkBatches?: number
  /** Anything else to note, as JSON holds it. */
  notes?: Readonly<Record<string, unknown>>
  /** Replace a store that is in the folder already. Files of others in the folder stay. Default false. */
  overwrite?: boolean
}

/**
 * The attributes of a store with these options.
 *
 * @throws ArgumentError for options that make no sense
 */
export function checkOptions(folder: string, options: DynamicsOptions): DynamicsAttributes {
  const who = 'DynamicsWriter.create'
  const { epochs, batches, evaluators, layers, seed = null, chunkBatches = 64, raw = false } = options
  if (typeof folder !== 'string' || folder === '') {
    throw new ArgumentError(`${who}: folder must be a path, given ${describe(folder)}`)
  }
  for (const [name, value] of Object.entries({ epochs, batches, chunkBatches })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ArgumentError(`${who}: ${name} must be a whole number >= 1, given ${describe(value)}`)
    }
  }
  for (const [name, value] of Object.entries({ evaluators, layers })) {
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'string')) {
      throw new ArgumentError(`${who}: ${name} must be a list of names, given ${describe(value)}`)
    }
  }
  if (layers.length === 0 || (evaluators.length === 0 && !raw)) {
    const what = layers.length === 0 ? 'layers is empty' : 'evaluators is empty and raw is false'
    throw new ArgumentError(`${who}: ${what}, so there would be nothing to store; name at least one`)
  }
  const settings = options.evaluatorSettings ?? evaluators.map(() => ({}))
  if (settings.length !== evaluators.length) {
    throw new ArgumentError(
      `${who}: given ${settings.length} evaluatorSettings for ${evaluators.length} evaluators; give one each`,
    )
  }
  if (seed !== null && !Number.isFinite(seed)) {
    throw new ArgumentError(`${who}: seed must be a number or null, given ${describe(seed)}`)
  }
  return {
    format: formatName,
    version: formatVersion,
    shape: [epochs, batches, evaluators.length, layers.length, 2],
    layers: [...layers],
    evaluators: [...evaluators],
    evaluatorSettings: settings.map((value) => toJson(`${who}: evaluatorSettings`, value)),
    seed,
    coordinateNames,
    finished: false,
    notes: toJson(`${who}: notes`, options.notes ?? {}) as DynamicsAttributes['notes'],
  }
}

/** The value as JSON holds it: functions by name, big and non-finite numbers as text. */
function toJson(who: string, value: unknown): Json {
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

/**
 * Makes the folder ready for a new store, or throws before anything in it is changed.
 *
 * @throws StateError where it has a store and `overwrite` is not set; DataError where it has Zarr data of
 *   others; IOError
 */
export async function prepareFolder(folder: string, overwrite: boolean): Promise<void> {
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
    // The mark goes last: a removal that is cut short can be taken up again.
    for (const name of [...taken].reverse()) await rm(join(folder, name), { recursive: true })
    await mkdir(folder, { recursive: true })
  } catch (error) {
    throw new IOError(`cannot prepare ${folder}: ${reason(error)}; check that it may be written`, {
      cause: error,
    })
  }
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
