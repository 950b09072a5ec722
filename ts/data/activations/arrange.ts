/** Arrangement of the arrays of a dump into runs and epochs. */

import { showShape } from '../../core/dtype.js'
import { DataError } from '../../core/errors.js'
import type { LazyArray } from '../../io/lazy-array.js'
import type { Leaf } from './leaves.js'
import { byName, type End, endOf } from './names.js'
import { type Placed, placesOf, type Remarks } from './places.js'
import { activationRun } from './run.js'
import type { ActivationRun } from './types.js'

/** Choices of the caller. */
export interface Wanted {
  /** Name of the array of input samples, or the array itself. */
  readonly x?: string | LazyArray | undefined
  /** Name of the array of targets, or the array itself. */
  readonly y?: string | LazyArray | undefined
  /** Names of the layers, input side first. */
  readonly layers?: readonly string[] | undefined
}

/** An epoch: its layers, and the path to them. */
interface Epoch {
  readonly layers: Map<string, Leaf>
  readonly path: readonly string[]
}

/**
 * Arranges the arrays of a dump into runs and epochs.
 *
 * @param source name of the dump in messages
 * @throws DataError if two arrays have the same run, epoch and layer, or if the samples of layers, inputs and labels do not match
 */
export function arrange(
  source: string,
  leaves: readonly Leaf[],
  wanted: Wanted,
  remarks: Remarks,
): ActivationRun[] {
  const isLayer = ({ name }: Leaf) => wanted.layers?.includes(name) === true
  const roles = leaves.map((leaf) => (isLayer(leaf) ? undefined : roleOf(leaf, wanted)))
  const those = (role: ReturnType<typeof roleOf>) => leaves.filter((_, i) => roles[i] === role)
  const ends = { x: those('x'), y: those('y') }
  const others = those(undefined)
  const runs = grouped(source, placesOf(others, remarks), remarks)
  if (runs.size === 0) {
    throw new DataError(
      `${source} holds no layers: only ${leaves
        .map(({ name }) => name)
        .slice(0, 5)
        .join(', ')}; give the folder or file with what the layers answered`,
    )
  }
  return [...runs.entries()]
    .sort(([a], [b]) => byName(a, b))
    .map(([name, epochs]) => runOf(source, name, epochs, ends, wanted, remarks))
}

/** Whether an array holds inputs or labels; 'unused' if it looks like it and the caller gives another. */
function roleOf({ name }: Leaf, wanted: Wanted): End | 'unused' | undefined {
  if (name === wanted.x) return 'x'
  if (name === wanted.y) return 'y'
  const end = endOf(name)
  return end !== undefined && wanted[end] !== undefined ? 'unused' : end
}

/** Epochs by number, for each run by name. */
function grouped(
  source: string,
  places: readonly Placed[],
  remarks: Remarks,
): Map<string, Map<number | undefined, Epoch>> {
  const runs = new Map<string, Map<number | undefined, Epoch>>()
  for (const { leaf, run, epoch, layer } of places) {
    const epochs = runs.get(run) ?? new Map<number | undefined, Epoch>()
    runs.set(run, epochs)
    const one = epochs.get(epoch) ?? { layers: new Map<string, Leaf>(), path: leaf.path }
    epochs.set(epoch, one)
    const twin = one.layers.get(layer)
    if (twin !== undefined) {
      throw new DataError(
        `${source}: ${where(twin)} and ${where(leaf)} are both layer '${layer}'${epoch === undefined ? '' : ` of epoch ${epoch}`}; ` +
          'name epochs by a number (epoch_3) and runs by folders (seed_1)',
      )
    }
    one.layers.set(layer, leaf)
  }
  for (const [run, epochs] of runs) {
    const unknown = epochs.get(undefined)
    if (unknown === undefined || epochs.size === 1) continue
    remarks.add(
      `${[...unknown.layers.values()].slice(0, 3).map(where).join(', ')}: the name has no epoch, unlike others of run '${run}'; left out`,
    )
    epochs.delete(undefined)
  }
  return runs
}

const where = ({ file, name }: Leaf) => (file.includes(name) ? file : `'${name}' of ${file}`)

type Ends = Readonly<Record<End, readonly Leaf[]>>

function runOf(
  source: string,
  name: string,
  found: ReadonlyMap<number | undefined, Epoch>,
  ends: Ends,
  wanted: Wanted,
  remarks: Remarks,
): ActivationRun {
  const epochsKnown = !found.has(undefined)
  const epochs = epochsKnown ? [...found.keys()].map((epoch) => epoch as number).sort((a, b) => a - b) : [0]
  const ordered = new Map<number, ReturnType<typeof sound>>()
  for (const epoch of epochs) {
    const one = found.get(epochsKnown ? epoch : undefined) as Epoch
    ordered.set(epoch, sound(source, one, ends, wanted, remarks))
  }
  const layers = layerOrder(
    [...ordered.values()].map(({ layers }) => [...layers.keys()]),
    wanted,
    remarks,
  )
  return activationRun({ name, epochs, epochsKnown, layers }, ordered)
}

/** The arrays of an epoch with the same number of samples. */
function sound(source: string, { layers, path }: Epoch, ends: Ends, wanted: Wanted, remarks: Remarks) {
  const counts = [...layers.values()].map(({ array }) => array.shape[0])
  const near = (end: End) => nearest(ends[end], path)
  const [xs, ys] = [near('x'), near('y')]
  const given = [wanted.x, wanted.y].filter((end) => typeof end === 'object')
  const n = samplesOf(counts, [...given, ...xs.map(({ array }) => array), ...ys.map(({ array }) => array)])
  const [x, y] = [endAmong(source, 'x', xs, n, wanted), endAmong(source, 'y', ys, n, wanted)]
  const kept = new Map<string, LazyArray>()
  for (const [layer, leaf] of layers) {
    if (wanted.layers !== undefined && !wanted.layers.includes(layer)) continue
    if (leaf.array.shape[0] === n) kept.set(layer, leaf.array)
    else
      remarks.add(
        `'${layer}' of shape ${showShape(leaf.array.shape)} does not have the ${n} samples of the others; left out`,
      )
  }
  return { x, y, layers: kept }
}

/** The number of samples: that of most layers; among equally frequent numbers, that of inputs or labels. */
function samplesOf(counts: readonly (number | undefined)[], ends: readonly LazyArray[]): number | undefined {
  const given = new Set(ends.map(({ shape }) => shape[0]))
  const frequency = new Map<number, number>()
  for (const count of counts) if (count !== undefined) frequency.set(count, (frequency.get(count) ?? 0) + 1)
  const all = [...frequency].filter(([count]) => given.size === 0 || given.has(count))
  const among = all.length > 0 ? all : [...frequency]
  return among.sort((a, b) => b[1] - a[1])[0]?.[0]
}

/** Inputs or labels in the innermost folder around an epoch. */
function nearest(ends: readonly Leaf[], path: readonly string[]): Leaf[] {
  const around = ends.filter((end) => end.path.every((name, level) => path[level] === name))
  const most = Math.max(-1, ...around.map((end) => end.path.length))
  return around.filter((end) => end.path.length === most)
}

/** The candidate with the samples of the layers. */
function endAmong(
  source: string,
  end: End,
  found: readonly Leaf[],
  n: number | undefined,
  { [end]: given }: Wanted,
): LazyArray | undefined {
  const differ = (what: string, { shape }: LazyArray) =>
    new DataError(
      `${source}: ${what} has ${shape[0] ?? 'no'} samples, and the layers have ${n}, so the samples differ; write both from the same pass`,
    )
  if (typeof given === 'object') {
    if (given.shape[0] !== n) throw differ(`the given ${end}`, given)
    return given
  }
  const [first] = found
  if (first === undefined) {
    if (given === undefined) return undefined
    throw new DataError(`${source} has no array '${given}' for ${end} where it has layers; check the name`)
  }
  const fitting = found.filter(({ array }) => array.shape[0] === n)
  if (fitting.length === 0) throw differ(where(first), first.array)
  const named = fitting.find(({ name }) => name.toLowerCase() === end)
  if (fitting.length > 1 && named === undefined) {
    throw new DataError(
      `${source}: ${fitting.map(where).join(' and ')} could both be ${end}; say which: { ${end}: '${fitting[0]?.name}' }`,
    )
  }
  return (named ?? (fitting[0] as Leaf)).array
}

/**
 * The layers of a run: in the caller's order; otherwise in the order of the files, unless it is alphabetical (a recorder writes layers in
 * the order of calls); otherwise by name, with fc2 before fc10.
 */
function layerOrder(lists: readonly (readonly string[])[], wanted: Wanted, remarks: Remarks): string[] {
  const all = [...new Set(lists.flat())]
  if (wanted.layers !== undefined) return wanted.layers.filter((layer) => all.includes(layer))
  const [first = []] = lists
  const isByLetters = first.every((name, i) => i === 0 || (first[i - 1] as string) <= name)
  const natural = [...all].sort(byName)
  if (isByLetters) return natural
  if (String(natural) !== String(all))
    remarks.add('layers are in the order of the files; give { layers } for another order')
  return all
}
