/**
 * How the dynamics of a run lie in a folder: the names and the metadata that the writer and the reader share.
 *
 *   zarr.json                the group; its attributes hold {@link DynamicsAttributes}
 *   dynamics/                float32 [epoch, batch, evaluator, layer, coordinate]; chunks of 1 epoch x 64 batches
 *   segments/x, h1 .. hL, y  on request: [epoch, batch, sample, ...]; chunks of 1 batch
 *   segments/samples         int32 [epoch, batch]: samples in that batch; written last, so > 0 means whole
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DataError, describe, IOError } from '../errors.js'
import { reason, systemCode } from './atomic.js'

/** Value of the attribute `format` by which a store is known. */
export const formatName = 'hyperglow-dynamics'
/** Version of the layout that this code writes; it reads this one and older. */
export const formatVersion = 1

/** Names inside the folder. */
export const valuesName = 'dynamics'
export const segmentsName = 'segments'
export const samplesName = `${segmentsName}/samples`
/** All that a store puts into its folder. */
export const ownNames = ['zarr.json', valuesName, segmentsName] as const

export const dimensionNames = ['epoch', 'batch', 'evaluator', 'layer', 'coordinate']
/** Meaning of the last axis. */
export const coordinateNames = ['complexity: H against X', 'generalization: H against Y'] as const

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Attributes of the group. */
export interface DynamicsAttributes {
  readonly format: typeof formatName
  readonly version: number
  /** [N, B, E, L, 2]. */
  readonly shape: readonly number[]
  /** L names. */
  readonly layers: readonly string[]
  /** E names. */
  readonly evaluators: readonly string[]
  /** Options of each evaluator, E of them. */
  readonly evaluatorSettings: readonly Json[]
  /** Seed of the run, if it had one. */
  readonly seed: number | null
  readonly coordinateNames: readonly string[]
  /** True once the writer was closed; false while it runs, and for ever after a kill. */
  readonly finished: boolean
  /** Whatever else the run wanted to note. */
  readonly notes: { readonly [key: string]: Json }
}

/** Names of the arrays of a raw segment with `layers` layers, in order: x, h1 .. hL, y. */
export function segmentNames(layers: number): string[] {
  return ['x', ...Array.from({ length: layers }, (_, l) => `h${l + 1}`), 'y']
}

/**
 * Attributes of the store in `folder`, checked; undefined where the folder or its zarr.json is missing.
 *
 * @throws DataError where there is a zarr.json which is not that of a store; IOError where it cannot be read
 */
export async function readAttributes(folder: string): Promise<DynamicsAttributes | undefined> {
  const text = await readText(join(folder, 'zarr.json'))
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
  const { shape, layers, evaluators, evaluatorSettings, seed } = found
  const fits =
    Array.isArray(shape) &&
    shape.length === 5 &&
    shape.every((length) => Number.isSafeInteger(length) && length >= 0) &&
    areNames(evaluators, shape[2]) &&
    areNames(layers, shape[3]) &&
    Array.isArray(evaluatorSettings) &&
    (seed === null || typeof seed === 'number')
  if (!fits) throw notStore(folder, 'its shape, layers, evaluators or seed are missing or do not agree')
  return found as unknown as DynamicsAttributes
}

function areNames(value: unknown, length: number): boolean {
  return Array.isArray(value) && value.length === length && value.every((name) => typeof name === 'string')
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
