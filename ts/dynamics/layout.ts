/**
 * Layout of the dynamics of a run in a folder: the names and metadata shared by writer and reader.
 *
 *   zarr.json                the group; its attributes hold {@link DynamicsAttributes}
 *   dynamics/                float32 [epoch, batch, evaluator, layer, coordinate]; chunks of 1 epoch x 64 batches
 *   segments/x, h1 .. hL, y  on request: [epoch, batch, sample, ...]; chunks of 1 batch
 *   segments/samples         int32 [epoch, batch]: samples of the batch; written last, so > 0 means complete
 *   earlier-1, earlier-2 ..  earlier runs in the same folder, each a separate store
 *
 * The group is written first and is replaced atomically. A group without arrays is a store without a batch yet.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DataError, describe, IOError } from '../core/errors.js'
import { unitOfBase } from '../estimators/unit.js'
import { checkPath, reason, systemCode } from '../io/atomic.js'
import type { Json } from '../io/json.js'

/** Value of the attribute `format` that identifies a store. */
export const formatName = 'hyperglow-dynamics'
/** Version of the layout that this code writes; it reads this version and older ones. Version 1 had no units, epochs and steps. */
export const formatVersion = 2

/** Names inside the folder. */
export const groupFile = 'zarr.json'
export const valuesName = 'dynamics'
export const segmentsName = 'segments'
export const samplesName = `${segmentsName}/samples`
/** All names that a store puts into its folder. */
export const ownNames = [groupFile, valuesName, segmentsName] as const

export const dimensionNames = ['epoch', 'batch', 'evaluator', 'layer', 'coordinate']
/** Meaning of the last axis. */
export const coordinateNames = ['complexity: H against X', 'generalization: H against Y'] as const

/** The description of a run with N epochs, E evaluators and L layers. */
export interface RunDescription {
  /** Names of the L layers. */
  readonly layers: readonly string[]
  /** Names of the E evaluators. */
  readonly evaluators: readonly string[]
  /** Options of each of the E evaluators. */
  readonly evaluatorSettings: readonly Json[]
  /** Unit of each evaluator's values, such as `'bits'`; 'none' for numbers without a unit, null if the unit is not known. */
  readonly units: readonly (string | null)[]
  /** Samples of each evaluator's values, the maximum if batches differ; null if it is not known. */
  readonly samples: readonly (number | null)[]
  /** Entropy of the target's classes over the samples of the first evaluator, in nats; null if the target is not classes, or not known. */
  readonly labelEntropy: number | null
  /** Number of each of the N epochs in the training of the model; null in stores of earlier versions of hyperglow. */
  readonly epochs: readonly number[] | null
  /** Training steps up to the end of each epoch; null if they are not known. */
  readonly steps: readonly (number | null)[]
  /** Number of complete epochs from the first epoch on, without a partial next epoch; null if it is not known. */
  readonly completedEpochs: number | null
  /** Seed of the run; null for a run without one. */
  readonly seed: number | null
  /** Further notes of the run. */
  readonly notes: { readonly [key: string]: Json }
}

/** Fields of {@link RunDescription} that stores of earlier versions of hyperglow do not have. */
type Later = 'samples' | 'labelEntropy'

/** Attributes of the group. */
export interface DynamicsAttributes
  extends Omit<RunDescription, Later>,
    Partial<Pick<RunDescription, Later>> {
  readonly format: typeof formatName
  readonly version: number
  /** [N, B, E, L, 2]. */
  readonly shape: readonly number[]
  readonly coordinateNames: readonly string[]
  /** True after the writer was closed; false during the run, and after a kill. */
  readonly finished: boolean
}

/** Names of the arrays of a raw segment with `layers` layers, in order: x, h1 .. hL, y. */
export function segmentNames(layers: number): string[] {
  return ['x', ...Array.from({ length: layers }, (_, l) => `h${l + 1}`), 'y']
}

/**
 * Checked attributes of the store in `folder`; undefined if the folder or its zarr.json is missing.
 *
 * @throws DataError if zarr.json is not that of a store; IOError if it cannot be read
 */
export async function readAttributes(folder: string): Promise<DynamicsAttributes | undefined> {
  checkPath('dynamics', folder, 'folder')
  const text = await readText(join(folder, groupFile))
  if (text === undefined) return undefined
  let group: unknown
  try {
    group = JSON.parse(text)
  } catch (cause) {
    throw notStore(folder, `its zarr.json is not JSON: ${reason(cause)}`, cause)
  }
  const { node_type: kind, attributes } = (group ?? {}) as Record<string, unknown>
  const found = (attributes ?? {}) as Record<keyof DynamicsAttributes, unknown>
  if (kind !== 'group' || found.format !== formatName) {
    throw notStore(folder, `its zarr.json is not that of a group with format '${formatName}'`)
  }
  if (!Number.isInteger(found.version) || (found.version as number) > formatVersion) {
    throw new DataError(
      `${folder}: layout version ${describe(found.version)}, this hyperglow reads up to ${formatVersion}; use a newer hyperglow`,
    )
  }
  const read = found.version === 1 ? fromVersion1(found) : found
  if (!isSound(read)) {
    throw notStore(folder, 'its shape, layers, evaluators, units, epochs or seed are missing or do not agree')
  }
  return read as unknown as DynamicsAttributes
}

/** Whether a folder holds a store, valid or not. */
export async function holdsStore(folder: string): Promise<boolean> {
  try {
    const group = JSON.parse((await readText(join(folder, groupFile))) ?? 'null')
    return group?.attributes?.format === formatName
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

type Found = Record<keyof DynamicsAttributes, unknown>

/** Fields that version 1 lacks: the unit follows from the base among the settings, if there is one. */
function fromVersion1(found: Found): Found {
  const settings = Array.isArray(found.evaluatorSettings) ? (found.evaluatorSettings as unknown[]) : []
  const units = settings.map((one) => {
    const { base } = (one ?? {}) as { base?: unknown }
    return typeof base === 'number' ? unitOfBase(base) : null
  })
  return { ...found, units, epochs: null, steps: [], completedEpochs: null }
}

function isSound({ shape, layers, evaluators, evaluatorSettings, ...rest }: Found): boolean {
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
  if (!Array.isArray(shape) || shape.length !== 5 || !shape.every(isCount)) return false
  const [epochs, , width] = shape as number[]
  const isList = (list: unknown, length: unknown, good: (value: unknown) => boolean) =>
    Array.isArray(list) && list.length === length && list.every(good)
  const isName = (value: unknown) => typeof value === 'string'
  return (
    isList(evaluators, width, isName) &&
    isList(layers, shape[3], isName) &&
    isList(evaluatorSettings, width, () => true) &&
    isList(rest.units, width, (unit) => unit === null || isName(unit)) &&
    (rest.samples === undefined || isList(rest.samples, width, (n) => n === null || isCount(n))) &&
    Number.isFinite(rest.labelEntropy ?? 0) &&
    (rest.epochs === null || isList(rest.epochs, epochs, Number.isFinite)) &&
    Array.isArray(rest.steps) &&
    (rest.completedEpochs === null || isCount(rest.completedEpochs)) &&
    (rest.seed === null || typeof rest.seed === 'number')
  )
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new IOError(`cannot read ${path}: ${reason(error)}; check that it may be read`, { cause: error })
  }
}

/** The error for a folder that holds something else. */
export function notStore(folder: string, what: string, cause?: unknown): DataError {
  return new DataError(
    `${folder} is not a store of dynamics: ${what}; give the folder that saveDynamics wrote, or another one to write to`,
    { cause },
  )
}
