/** Activations of the layers of a network for given samples. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { sizeOf } from '../core/dtype.js'
import { ArgumentError, describe } from '../core/errors.js'
import { isArrayData } from '../core/nested.js'
import {
  signal as anySignal,
  type Checks,
  checkOptions,
  either,
  elsewhere,
  isInstance,
  isList,
  listOf,
  text,
  whole,
} from '../core/options.js'
import { version } from '../core/version.js'
import { readActivations } from '../data/activations/index.js'
import { endOf, epochIn } from '../data/activations/names.js'
import { activationRun, type EpochArrays } from '../data/activations/run.js'
import type { ActivationRun, Activations } from '../data/activations/types.js'
import { ArrayDataset, type ArrayInput } from '../data/array-dataset.js'
import type { BatchSource } from '../data/loader.js'
import { checkPath } from '../io/atomic.js'
import type { ArrayData } from '../io/element-types.js'
import { checkRows, type LazyArray, lazyOf, type RowRange } from '../io/lazy-array.js'
import { holdsArray, writeLazyNpy, writeLazySafetensors } from '../io/lazy-writer.js'
import { matching } from '../nn/paths.js'
import { Tensor } from '../ops/tensor.js'
import { exclusively, stateOf } from '../train/state.js'
import { StoredSamples } from './activation-samples.js'
import { collected } from './collected-samples.js'
import type { Composition } from './composition.js'
import { PinnedModel, type Point, type PointActivations, pointsOf } from './pinned-model.js'

/** Options of `activations`. */
export interface ActivationsOptions {
  /**
   * Layers: names or patterns, in which `*` matches any text within one name and `**` any number of names. Nested layers have names such as
   * `residual_1.branch.0`. Points that `forward` names with `ctx.point` are included. '**' selects all. Default: the points of the
   * information plane.
   */
  layers?: string | readonly string[]
  /** Targets of the samples, n labels or `[n, ...]`; a dataset has its own. Default: none. */
  y?: ArrayInput
  /** Samples that go through the network at a time. Default 256. */
  batchSize?: number
  /** Name of the run. Default 'seed 3' of a model with the seed 3. */
  run?: string
  /** Number of the epoch. Default: epochs that the model was trained. */
  epoch?: number
  /**
   * Folder to write the activations to, for {@link readActivations} and for Python: a file `epoch_3.safetensors`, replaced atomically, next
   * to `x.npy` and `y.npy`. The result then contains all epochs in the folder. Default: nothing is written.
   */
  to?: string
  signal?: AbortSignal
}

const checks: Checks<ActivationsOptions> = {
  layers: either(text, listOf(text)),
  y: elsewhere(),
  batchSize: whole(1),
  run: text,
  epoch: whole(0),
  to: text,
  signal: anySignal,
}

/** Activations of a model. Disposing of them releases weights and samples early. */
export interface ModelActivations extends Activations, Disposable {}

/** Bytes of activations up to which all layers are computed in one pass and kept. */
const maxCachedBytes = 2 ** 28

/** The public `activations` of models. */
export async function activationsOf(
  model: Composition,
  data: ArrayInput | BatchSource,
  options: ActivationsOptions,
): Promise<ModelActivations> {
  const given = checkOptions('activations', options, checks)
  const { to, signal, batchSize = 256 } = given
  stateOf(model)
  if (to !== undefined) checkPath('activations: to', to, 'folder')
  signal?.throwIfAborted()
  return exclusively(model, 'activations', async () => {
    const points = selectPoints(pointsOf(model), given.layers)
    if (to !== undefined) checkNames(points)
    const pinned = new PinnedModel(model)
    const found = await arraysOf(model, pinned, points, data, { ...given, batchSize }).catch((error) => {
      pinned.dispose()
      throw error
    })
    const activations = describeRun(model, points, found, given)
    if (to === undefined) return activations
    try {
      await writeDump(to, activations, signal)
    } finally {
      found[Symbol.dispose]()
    }
    return { ...(await readActivations(to)), [Symbol.dispose]() {} }
  })
}

/** Activations of a network for samples or batches. */
async function arraysOf(
  model: Composition,
  pinned: PinnedModel,
  points: readonly Point[],
  data: ArrayInput | BatchSource,
  options: ActivationsOptions & { batchSize: number },
): Promise<ActivationArrays> {
  await pinned.prepare()
  return isInMemory(data)
    ? fromMemory(model, pinned, points, data, options.y, options.batchSize)
    : fromBatches(model, pinned, points, data, options)
}

/** Whether the samples are in memory, so that rows can be read repeatedly. */
function isInMemory(data: ArrayInput | BatchSource): data is ArrayInput | ArrayDataset {
  if (isInstance(data, ArrayDataset) || data instanceof Tensor) return true
  if (ArrayBuffer.isView(data) || isArrayData(data)) return true
  // A list of batches is not a list of numbers.
  return (
    isList(data) &&
    (typeof (data as readonly unknown[])[0] !== 'object' || isList((data as readonly unknown[])[0]))
  )
}

/** The points that match names and patterns, in the order of the network. */
function selectPoints(points: readonly Point[], wanted: string | readonly string[] | undefined): Point[] {
  if (wanted === undefined) return points.filter(({ isTracked }) => isTracked)
  const names = points.map(({ name }) => name)
  const patterns = typeof wanted === 'string' ? [wanted] : wanted
  const found = new Set(
    patterns.flatMap((pattern) =>
      names.includes(pattern) ? [pattern] : matching('activations', pattern, names, 'layer'),
    ),
  )
  if (found.size === 0) {
    throw new ArgumentError(
      `activations: layers is ${describe(wanted)}, expected some of ${names.join(', ')}`,
    )
  }
  return points.filter(({ name }) => found.has(name))
}

/** Arrays of the activations of a network. */
interface ActivationArrays extends EpochArrays, Disposable {
  readonly x: LazyArray
}

/**
 * Activations of samples in memory, computed when they are read: all layers at once if they are small, otherwise the requested rows of one
 * layer.
 */
async function fromMemory(
  model: Composition,
  pinned: PinnedModel,
  points: readonly Point[],
  data: ArrayInput | ArrayDataset,
  y: ArrayInput | undefined,
  batchSize: number,
): Promise<ActivationArrays> {
  const samples = await StoredSamples.of(model, data, y)
  const { count } = samples
  const bytes =
    points.reduce((sum, { shape }) => sum + sizeOf(shape), 0) * count * (model.dtype === 'float64' ? 8 : 4)
  let kept: Promise<PointActivations> | undefined
  const activations = (wanted: readonly Point[], rows: RowRange) =>
    pinned.activations(wanted, samples.batches(rows, batchSize), rows[1] - rows[0])
  const lazy = (point: Point): LazyArray => {
    const { name } = point
    const shape = [count, ...point.shape]
    const width = sizeOf(point.shape)
    return {
      dtype: model.dtype,
      shape,
      async read(given): Promise<ArrayData> {
        const rows = checkRows(`activations: ${name}`, shape, given)
        const part = { dtype: model.dtype, shape: [rows[1] - rows[0], ...point.shape] }
        if (bytes > maxCachedBytes) {
          return { ...part, data: (await activations([point], rows)).get(name) } as ArrayData
        }
        kept ??= activations(points, [0, count])
        const all = (await kept).get(name)
        return { ...part, data: all?.subarray(rows[0] * width, rows[1] * width) } as ArrayData
      },
    }
  }
  return {
    x: samples.x,
    y: samples.y,
    layers: new Map(points.map((point) => [point.name, lazy(point)])),
    [Symbol.dispose]() {
      samples.dispose()
      pinned.dispose()
    },
  }
}

/** Activations of batches that can be read only once, computed now. */
async function fromBatches(
  model: Composition,
  pinned: PinnedModel,
  points: readonly Point[],
  data: BatchSource,
  { y, signal }: ActivationsOptions,
): Promise<ActivationArrays> {
  if (typeof data !== 'object' || data === null) {
    throw new ArgumentError(
      `activations: given ${describe(data)}, expected samples, or a dataset of { x, y } batches`,
    )
  }
  if (y !== undefined) {
    throw new ArgumentError(
      'activations: y was given together with a dataset, which has its own targets; leave y out',
    )
  }
  const make = (x: Tensor) => pinned.outputs(points, x)
  const found = await collected(data, model.inputShape, model.dtype, make, signal)
  pinned.dispose()
  const lazy = (name: string, array: ArrayData) => lazyOf(`activations: ${name}`, array)
  return {
    x: lazy('x', found.x),
    y: lazy('y', found.y),
    layers: new Map([...found.made].map(([name, array]) => [name, lazy(name, array)])),
    [Symbol.dispose]() {},
  }
}

/** Arrays as the activations of a run. */
function describeRun(
  model: Composition,
  points: readonly Point[],
  found: ActivationArrays,
  { run: name = `seed ${model.seed}`, epoch }: ActivationsOptions,
): ModelActivations {
  const { epochs, steps } = stateOf(model).record
  const number = epoch ?? epochs
  const layers = points.map((point) => point.name)
  const run = activationRun({ name, epochs: [number], epochsKnown: true, layers }, new Map([[number, found]]))
  return {
    source: model.constructor.name,
    runs: [run],
    notes: [
      `${model.constructor.name} in evaluation mode, with the weights after ${epochs} epochs and ${steps} steps`,
    ],
    [Symbol.dispose]: () => found[Symbol.dispose](),
  }
}

/** Refuses names that a reader of the folder would mistake for another array. */
function checkNames(points: readonly Point[]): void {
  const bad = points.find(({ name }) => endOf(name) !== undefined || epochIn(name, 'array') !== undefined)
  if (bad === undefined) return
  throw new ArgumentError(
    `activations: a layer that is called '${bad.name}' would be taken for ${endOf(bad.name) === undefined ? 'another epoch' : 'the samples or targets'} in a folder; give it another name, or read it from memory`,
  )
}

/** Writes the activations of an epoch; existing samples are not written again. */
async function writeDump(
  folder: string,
  { runs, source, notes }: Activations,
  signal?: AbortSignal,
): Promise<void> {
  const run = runs[0] as ActivationRun
  const epoch = run.epochs[0] as number
  const layers = run.layers.map((name) => [name, run.layer(epoch, name) as LazyArray] as const)
  const own: (readonly [string, LazyArray])[] = []
  for (const end of ['x', 'y'] as const) {
    const array = run[end](epoch)
    if (array === undefined) continue
    const path = join(folder, `${end}.npy`)
    if (!existsSync(path)) await writeLazyNpy(path, array)
    else if (!(await holdsArray(path, array))) own.push([end, array])
    signal?.throwIfAborted()
  }
  const metadata = { hyperglow: version, source, run: run.name, notes: notes.join('; ') }
  await writeLazySafetensors(join(folder, `epoch_${epoch}.safetensors`), [...own, ...layers], metadata)
}
