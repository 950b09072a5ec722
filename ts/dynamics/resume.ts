/** Continuation of a store of dynamics: checks, and arrays with room for new epochs. */

import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DataError, IOError, StateError } from '../core/errors.js'
import { reason, systemCode, writeAtomic } from '../io/atomic.js'
import {
  type DynamicsAttributes,
  groupFile,
  readAttributes,
  samplesName,
  segmentNames,
  segmentsName,
  valuesName,
} from './layout.js'

/**
 * The attributes of the store in `folder` with the epochs of `added` after its complete ones.
 *
 * @param keep complete epochs to keep, from the first; default all of them
 * @throws StateError if there is no store that the epochs can follow
 */
export async function resumed(
  folder: string,
  added: DynamicsAttributes,
  keep?: number,
): Promise<DynamicsAttributes> {
  const before = await readAttributes(folder)
  const refuse = (why: string) =>
    new StateError(
      `cannot continue the dynamics in ${folder}: ${why}; give another folder, or start a new run`,
    )
  if (before === undefined) throw refuse('there are none')
  const { completedEpochs: whole, epochs: numbers } = before
  if (whole === null || numbers === null)
    throw refuse('an earlier version of hyperglow wrote it, without a mark on complete epochs')
  const kept = keep ?? whole
  if (kept > whole) throw refuse(`it holds ${whole} complete epochs, and ${kept} are to be kept`)
  for (const part of ['layers', 'evaluators', 'units', 'evaluatorSettings'] as const) {
    const [was, is] = [JSON.stringify(before[part]), JSON.stringify(added[part])]
    if (was !== is) throw refuse(`its ${part} are ${was}, the new ones ${is}`)
  }
  const [last, next] = [numbers[kept - 1], added.epochs?.[0] as number]
  if (last !== undefined && next <= last) {
    throw refuse(`it holds the epochs up to number ${last}, and the next would be ${next}`)
  }
  const [epochs = 0, batches = 0, ...inner] = added.shape
  return {
    ...added,
    shape: [kept + epochs, Math.max(batches, before.shape[1] ?? 0), ...inner],
    epochs: [...numbers.slice(0, kept), ...(added.epochs ?? [])],
    steps: Array.from({ length: kept }, (_, row) => before.steps[row] ?? null),
    completedEpochs: kept,
    samples: before.samples ?? before.units.map(() => null),
    labelEntropy: before.labelEntropy ?? null,
  }
}

/**
 * Resizes the arrays of a store to the extents of its attributes, without the values of an interrupted epoch.
 *
 * @param batch raw segments of earlier batches are kept in the epoch after the complete ones
 */
export async function fitArrays(folder: string, attributes: DynamicsAttributes, batch = 0): Promise<void> {
  const segments = segmentNames(attributes.layers.length).map((name) => `${segmentsName}/${name}`)
  const [epochs = 0, batches = 0] = attributes.shape
  const kept = attributes.completedEpochs ?? 0
  for (const name of [valuesName, samplesName, ...segments]) {
    const array = join(folder, name)
    const begun = name === valuesName || batch === 0 ? 0 : 1
    await dropFrom(join(array, 'c'), kept + begun)
    // One chunk of raw segments is one batch.
    if (begun > 0) await dropFrom(join(array, 'c', String(kept)), batch)
    await resize(join(array, groupFile), epochs, batches)
  }
}

/** Removes the chunks whose number along an axis is `first` or more. */
async function dropFrom(chunks: string, first: number): Promise<void> {
  try {
    const rows = (await readdir(chunks)).filter((name) => Number(name) >= first)
    for (const row of rows) await rm(join(chunks, row), { recursive: true })
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw new IOError(`cannot remove from ${chunks}: ${reason(error)}; check that it may be written`, {
      cause: error,
    })
  }
}

/** Changes the first two extents in the description of an array, if it exists; its chunks stay in place. */
async function resize(path: string, epochs: number, batches: number): Promise<void> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw new IOError(`cannot read ${path}: ${reason(error)}; check that it may be read`, { cause: error })
  }
  let array: { shape: number[] }
  try {
    array = JSON.parse(text) as { shape: number[] }
  } catch (cause) {
    throw new DataError(`${path} is not JSON: ${reason(cause)}; the store was damaged`, { cause })
  }
  await writeAtomic(path, JSON.stringify({ ...array, shape: [epochs, batches, ...array.shape.slice(2)] }))
}
