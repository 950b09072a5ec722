/** Activations read from disk. */

import { basename, resolve } from 'node:path'
import { DataError, IOError } from '../../core/errors.js'
import { type Check, type Checks, checkOptions, either, listOf, text } from '../../core/options.js'
import { checkPath } from '../../io/atomic.js'
import { type ArrayData, checkArray } from '../../io/element-types.js'
import { type LazyArray, lazyOf } from '../../io/lazy-array.js'
import { arrayEndings, formatOf, infoOf, openArrays, stemOf } from '../../io/open-any.js'
import { arrange } from './arrange.js'
import { leavesOf } from './leaves.js'
import type { End } from './names.js'
import type { Remarks } from './places.js'
import type { ActivationRun, Activations } from './types.js'

/** Options of {@link readActivations}. */
export interface ReadActivationsOptions {
  /**
   * The input samples: their name in the dump, the path of a file, or the array. Default: the array named x, x_test, inputs and similar.
   */
  x?: string | ArrayData
  /** The labels or targets, likewise. Default: the array named y, y_test, labels, targets and similar. */
  y?: string | ArrayData
  /** Names of the layers, input side first; others are left out. Default: all, see {@link ActivationRun.layers}. */
  layers?: readonly string[]
}

const array: Check<ArrayData> = {
  expected: 'an array { dtype, shape, data }',
  accepts: (value) => typeof value === 'object' && value !== null,
}
const end = either(text, array)
const checks: Checks<ReadActivationsOptions> = { x: end, y: end, layers: listOf(text) }

/**
 * Activations written by any program. A folder is a run, the number in a name is the epoch, files or the keys in them are layers. `x*`,
 * `inputs*` are the input samples, `y*`, `labels*`, `targets*` the labels, for every file beside them and in the folders below:
 *
 *     dump/x.npy, y.npy                        dump/seed_1/epoch_10/fc1.npy
 *     dump/epoch_10.npz                        dump/seed_1/epoch_10.pt
 *
 * Formats: .npy, .npz, .safetensors, .csv, .pt and .pth (`torch.save` of tensors), Zarr. Only headers are read here; values are read on
 * demand. Layers have the order of the file if the format has one, otherwise the order of names, fc2 before fc10.
 *
 * @param source a folder, or one file
 * @throws IOError if it cannot be read; DataError for a dump without layers, damaged files, two arrays of one run, epoch and layer, and
 *   samples that do not match
 */
export async function readActivations(
  source: string,
  options: ReadActivationsOptions = {},
): Promise<Activations> {
  checkPath('readActivations', source, 'folder')
  const { x, y, layers } = checkOptions('readActivations', options, checks)
  const wanted = { x: await givenEnd('x', x), y: await givenEnd('y', y), layers }
  if (infoOf(source) === undefined) {
    throw new IOError(`cannot read ${source}: there is no such file or folder; check the path`)
  }
  const { leaves, refused, others } = await leavesOf(source)
  if (leaves.length === 0) {
    const there = [...others, ...[...refused.keys()]].slice(0, 5).map((path) => basename(path))
    throw new DataError(
      `${source} holds no array that is read${there.length === 0 ? '' : `, but ${there.join(', ')}`}; expected files that end in ${arrayEndings.join(', ')}`,
    )
  }
  const remarks: Remarks = new Set()
  const home = stemOf(resolve(source))
  const runs = arrange(source, leaves, wanted, remarks).map((run) =>
    run.name === '' ? { ...run, name: home } : run,
  )
  for (const [what, files] of refused) {
    remarks.add(`${what}${files.length > 1 ? ` (in ${files.length} files)` : ''}; left out`)
  }
  if (others.length > 0) {
    const names = others
      .slice(0, 3)
      .map((path) => basename(path))
      .join(', ')
    remarks.add(
      `${others.length} files of other formats are left out: ${names}${others.length > 3 ? ', ...' : ''}`,
    )
  }
  return { source, runs, notes: [...remarks, ...gapsOf(runs)] }
}

/** Inputs or labels from the caller: a name in the dump, or the array. */
async function givenEnd(
  end: End,
  given: string | ArrayData | undefined,
): Promise<string | LazyArray | undefined> {
  if (given === undefined) return undefined
  const what = `readActivations: ${end}`
  if (typeof given !== 'string') {
    checkArray(what, given)
    return lazyOf(what, given)
  }
  if (formatOf(given) === undefined || infoOf(given) === undefined) return given
  const { arrays } = await openArrays(given, { labels: end === 'y' })
  const found = arrays.size === 1 ? arrays.values().next().value : arrays.get(end)
  if (found !== undefined) return found
  throw new DataError(
    `${what}: ${given} holds ${[...arrays.keys()].join(', ')}; give a file of one array, or one with '${end}'`,
  )
}

/** Notes on missing layers, epochs, inputs and labels. */
function gapsOf(runs: readonly ActivationRun[]): string[] {
  const notes: string[] = []
  const epochs = [...new Set(runs.flatMap((run) => run.epochs))].sort((a, b) => a - b)
  const layers = [...new Set(runs.flatMap((run) => run.layers))]
  const shown = (list: readonly (string | number)[]) =>
    `${list.slice(0, 8).join(', ')}${list.length > 8 ? ', ...' : ''}`
  for (const run of runs) {
    const missing = epochs.filter((epoch) => !run.epochs.includes(epoch))
    if (missing.length > 0) notes.push(`run '${run.name}' lacks epoch ${shown(missing)}`)
    const lost = layers.filter((layer) => !run.layers.includes(layer))
    if (lost.length > 0) notes.push(`run '${run.name}' lacks layer ${shown(lost)}`)
    for (const layer of run.layers) {
      const without = run.epochs.filter((epoch) => run.layer(epoch, layer) === undefined)
      if (without.length > 0) notes.push(`run '${run.name}' lacks '${layer}' in epoch ${shown(without)}`)
    }
    for (const [what, of] of [
      ['input samples (x)', run.x],
      ['labels (y)', run.y],
    ] as const) {
      const without = run.epochs.filter((epoch) => of(epoch) === undefined)
      if (without.length === 0) continue
      const which = without.length === run.epochs.length ? '' : ` in epoch ${shown(without)}`
      notes.push(`run '${run.name}' has no ${what}${which}`)
    }
  }
  if (runs.some(({ epochsKnown }) => !epochsKnown)) notes.push('no name has the number of an epoch')
  return notes
}
