/**
 * Models on disk: one safetensors file, whose metadata describe the model. Nothing in the file is ever executed.
 *
 * A file is replaced in one step, so a reader, also after a kill or a power cut, finds the old model or the new one. Version 1 had
 * the description in a second file; such pairs still load if both files are of one save. From version 3 on the description
 * contains the arguments of the constructors.
 */
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { showShape } from '../core/dtype.js'
import { ArgumentError, DataError, describe, IOError, StateError } from '../core/errors.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import { evaluate } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import { version } from '../core/version.js'
import { checkPath, reason, systemCode } from '../io/atomic.js'
import type { ArrayData } from '../io/element-types.js'
import { type Json, toJson } from '../io/json.js'
import { readSafetensors } from '../io/safetensors.js'
import { writeTensors } from '../io/tensor-file.js'
import { tensorInTurns } from '../io/uploads.js'
import * as layers from '../layers/index.js'
import { type Blueprint, type Plain, plainArguments } from '../nn/blueprint.js'
import type { AnyModule } from '../nn/module.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { exclusively, stateOf } from '../train/state.js'
import type { CompiledNetwork } from './compiled-network.js'
import { type FrozenParts, frozenParts } from './frozen.js'
import { dataOf, isUnbuildable, type Unbuildable, unlessRefused } from './settings-data.js'
import { describeTraining, type StoredTraining } from './stored-training.js'

const formatName = 'hyperglow-model'
/** Version of the layout that this code writes; it reads this version and older ones. */
const formatVersion = 3
/** Key of the description in the metadata. */
const descriptionKey = 'description'

/** Options of `load`. */
export interface LoadOptions {
  /** Also restore the optimizer, if the model is compiled and the file has an optimizer. Default true. */
  optimizer?: boolean
}

const loadChecks: Checks<LoadOptions> = { optimizer: flag }

/** A layer of the model. */
export interface StoredLayer {
  readonly name: string
  readonly kind: string
  readonly inputShape: Shape
  readonly outputShape: Shape
  /** The layer's blueprint; since version 3. */
  readonly blueprint?: Blueprint | Unbuildable
  /** The options of `add`, such as the layer's criterion; left out if there are none. */
  readonly addedWith?: Plain | Unbuildable
}

/** The description of a model. */
export interface Architecture extends Partial<FrozenParts> {
  readonly format: typeof formatName
  readonly version: number
  /** Version of hyperglow that wrote the file. */
  readonly hyperglow: string
  /** Class of the model. */
  readonly kind: string
  readonly inputShape: Shape
  readonly dtype: string
  readonly seed: number
  /** Epochs trained. */
  readonly epochs: number
  /** Steps trained; missing in files of older versions. */
  readonly steps?: number
  /** Arguments of the constructor of the model; since version 3. */
  readonly arguments?: readonly Plain[] | Unbuildable
  readonly layers: readonly StoredLayer[]
  /** `compile` options and evaluators; missing in files of older versions. */
  readonly training?: StoredTraining
  readonly optimizer: { name: string; options: object } | null
  /** Arrays of the safetensors file. */
  readonly tensors: Readonly<Record<string, { dtype: string; shape: Shape }>>
}

/** The file of a path, and the second file of version 1. */
async function filesOf(who: string, path: string): Promise<{ file: string; oldDescription: string }> {
  checkPath(who, path)
  const isFolder = /[\\/]$/.test(path) || (await stat(path).catch(() => undefined))?.isDirectory() === true
  const stem = isFolder ? join(path, 'model') : path.replace(/\.safetensors$/, '')
  return { file: `${stem}.safetensors`, oldDescription: `${stem}.json` }
}

/** Beginning of the names of arrays of optimizers. */
const optimizerEntry = /^optimizers?\./
const rngName = 'training.rng'

/** All Variables of a model and of the given optimizers, by their names in the file. */
function variablesOf(
  model: CompiledNetwork,
  optimizers: ReadonlyMap<string, Optimizer> = model.ownOptimizers(),
): Record<string, Variable> {
  const trained = [...optimizers].flatMap(([key, optimizer]) =>
    [...optimizer.stateVariables()].map(([name, variable]) => [`${key}.${name}`, variable] as const),
  )
  return {
    ...model.weights,
    ...model.stateVariables,
    ...Object.fromEntries(trained),
    [rngName]: stateOf(model).record.rng,
  }
}

/** `save` of models. */
export async function saveModel(model: CompiledNetwork, path: string): Promise<void> {
  await exclusively(model, 'save', async () => {
    checkPath('save', path)
    const variables = variablesOf(model)
    const description = JSON.stringify(describeModel(model, variables))
    // The current versions: an assignment during the write makes new versions.
    const values = Object.entries(variables).map(([name, variable]): [string, Tensor] => [
      name,
      variable.value,
    ])
    try {
      const { file, oldDescription } = await filesOf('save', path)
      await writeTensors(file, values, { format: formatName, [descriptionKey]: description })
      await removeOldDescription(oldDescription)
    } finally {
      for (const [, value] of values) value.dispose()
    }
  })
}

/** Removes the second file of version 1, which would describe the replaced numbers. */
async function removeOldDescription(path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => '')
  if (formatOf(text) === formatName) await rm(path, { force: true }).catch(() => {})
}

function formatOf(text: string): unknown {
  try {
    return (JSON.parse(text) as Partial<Architecture> | null)?.format
  } catch {
    return undefined
  }
}

function describeModel(model: CompiledNetwork, variables: Record<string, Variable>): Architecture {
  const { compiled, record } = stateOf(model)
  return {
    format: formatName,
    version: formatVersion,
    hyperglow: version,
    kind: model.constructor.name,
    inputShape: model.inputShape,
    dtype: model.dtype,
    seed: model.seed,
    epochs: record.epochs,
    steps: record.steps,
    arguments: unlessRefused(() => plainArguments(model.constructor.name, model.settings())),
    layers: model.layers.map((layer) => {
      const { name, kind, inputShape = [], outputShape = [] } = layer
      const addedWith = model.addedWith?.(layer)
      return {
        name,
        kind,
        inputShape,
        outputShape,
        // Every model can be saved; where there is no blueprint the file holds the reason, which `load(path)` throws.
        blueprint: unlessRefused(() => blueprintOf(layer)),
        ...(addedWith === undefined ? {} : { addedWith: unlessRefused(() => dataOf(name, addedWith)) }),
      }
    }),
    training: describeTraining(model),
    ...frozenParts(model.module),
    optimizer:
      compiled === undefined ? null : { name: compiled.optimizer.name, options: compiled.optimizer.options },
    tensors: Object.fromEntries(
      Object.entries(variables).map(([name, { dtype, shape }]) => [name, { dtype, shape }]),
    ),
  }
}

/** How a model is made and trained, as JSON holds it: layers, loss, metrics, optimizer and the further options of `compile`. */
export function planOf(model: CompiledNetwork): Json {
  const { kind, inputShape, dtype, layers, optimizer, training } = describeModel(model, {})
  const { lossName = null, metrics, segment } = model
  const given = training?.compile
  const { loss: _, metrics: __, optimizer: ___, ...further } = isUnbuildable(given) ? {} : Object(given)
  const frozen = frozenParts(model.module)
  const compiled = { lossName, metrics, optimizer, ...further }
  return toJson('a model', { kind, inputShape, dtype, segment, layers, ...frozen, ...compiled })
}

/**
 * The blueprint of a layer.
 *
 * @throws ArgumentError if the layer, or a layer inside of it, is of a user's class with the name of a class of the library: the file would name the library's class
 */
function blueprintOf(layer: AnyModule): Blueprint {
  refuseNamesakes(layer)
  return layer.toJSON()
}

function refuseNamesakes({ name, constructor: Class, children }: AnyModule): void {
  const ours = (layers as Readonly<Record<string, unknown>>)[Class.name]
  if (ours !== undefined && ours !== Class) {
    throw new ArgumentError(
      `${name} is of a class of your own that is called ${Class.name}, as one of the library is; give it another name, register it, and save the model again`,
    )
  }
  for (const child of children.values()) refuseNamesakes(child)
}

/** `load` of models. */
export async function loadModel(model: CompiledNetwork, path: string, options: LoadOptions): Promise<void> {
  const given = checkOptions('load', options, loadChecks)
  await exclusively(model, 'load', async () => fillModel(model, await readModel(path), given))
}

/** Assigns the stored values to the Variables of a model, all or none. */
export async function fillModel(
  model: CompiledNetwork,
  { file, architecture, tensors }: StoredModel,
  given: LoadOptions,
): Promise<void> {
  checkLayers(file, model, architecture)
  const taken = takenOptimizers(file, model, architecture, given)
  const wanted = variablesOf(model, taken)
  checkArrays(file, wanted, tensors)
  await assignAll(wanted, tensors)
  for (const [key, optimizer] of taken) {
    await adoptRest(key, optimizer, wanted, tensors)
    // Files of older versions contain the rate only as an array.
    const array = tensors.get(`${key}.${optimizer.name}.learningRate`)?.data[0]
    const rate = architecture.training?.optimizers[key]?.learningRate ?? array
    if (rate !== undefined) optimizer.learningRate = Number(rate)
  }
  const { record } = stateOf(model)
  record.epochs = architecture.epochs
  record.steps = architecture.steps ?? record.steps
  await evaluate(Object.values(wanted))
}

/** A stored model: numbers and description of one save. */
export interface StoredModel {
  readonly file: string
  readonly architecture: Architecture
  readonly tensors: ReadonlyMap<string, ArrayData>
}

/** Reads a file of `save`. */
export async function readModel(path: string): Promise<StoredModel> {
  const { file, oldDescription } = await filesOf('load', path)
  if ((await stat(file).catch(() => undefined)) === undefined) {
    throw new IOError(`cannot read ${file}: there is no such file; give the path that was given to save`)
  }
  const { tensors, metadata } = await readSafetensors(file)
  const own = metadata[descriptionKey]
  if (metadata.format === formatName && own !== undefined) {
    return { file, tensors, architecture: parseArchitecture(file, own) }
  }
  const text = await readOldDescription(file, oldDescription)
  const architecture = parseArchitecture(oldDescription, text)
  checkPair(file, oldDescription, architecture, tensors)
  return { file, tensors, architecture }
}

async function readOldDescription(file: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') {
      throw new IOError(`cannot read ${path}: ${reason(cause)}; check that it may be read`, { cause })
    }
    throw new DataError(
      `${file} does not describe a model, and there is no ${path} of an older hyperglow that does; give the path that was given to save, or read its arrays with readSafetensors`,
      { cause },
    )
  }
}

function parseArchitecture(path: string, text: string): Architecture {
  let found: Partial<Architecture> | null
  try {
    found = JSON.parse(text) as Partial<Architecture> | null
  } catch (cause) {
    throw new DataError(
      `${path}: its description is not JSON: ${reason(cause)}; give the path that was given to save`,
      { cause },
    )
  }
  const sound =
    found?.format === formatName &&
    Array.isArray(found.layers) &&
    Number.isSafeInteger(found.epochs) &&
    typeof found.tensors === 'object' &&
    found.tensors !== null
  if (!sound) throw new DataError(`${path} does not describe a model; give the path that was given to save`)
  const given = found as Architecture
  if (!Number.isSafeInteger(given.version) || given.version > formatVersion) {
    throw new DataError(
      `${path} has layout version ${describe(given.version)}, this hyperglow reads up to ${formatVersion}; use a newer hyperglow`,
    )
  }
  return given
}

/** Checks that the two files of version 1 are of one save: a program killed between the two writes left a new file and an old one. */
function checkPair(
  file: string,
  description: string,
  { tensors: described }: Architecture,
  tensors: ReadonlyMap<string, ArrayData>,
): void {
  const show = (one: { dtype: string; shape: Shape } | undefined) =>
    one === undefined ? 'nothing' : `${one.dtype} ${showShape(one.shape)}`
  for (const name of new Set([...Object.keys(described), ...tensors.keys()])) {
    const [told, found] = [show(described[name]), show(tensors.get(name))]
    if (told === found) continue
    throw new DataError(
      `${file} and ${description} are not of one save: '${name}' is ${found} in the first and ${told} in the second; the program was killed while it saved: load another checkpoint`,
    )
  }
}

/** Assigns stored values, after all of them were found. */
async function assignAll(
  wanted: Readonly<Record<string, Variable>>,
  stored: ReadonlyMap<string, ArrayData>,
): Promise<void> {
  const values: [Variable, Tensor][] = []
  try {
    for (const [name, variable] of Object.entries(wanted)) {
      values.push([variable, await tensorInTurns(stored.get(name) as ArrayData, variable.device)])
    }
    for (const [variable, value] of values) variable.assign(value)
  } finally {
    for (const [, value] of values) value.dispose()
  }
}

function checkLayers(path: string, model: CompiledNetwork, { layers, inputShape }: Architecture): void {
  const show = (list: readonly { kind: string; outputShape?: Shape | undefined }[]) =>
    list.map(({ kind, outputShape = [] }) => `${kind} ${showShape(outputShape)}`).join(', ')
  const own = show(model.layers)
  if (String(inputShape) === String(model.inputShape) && show(layers) === own) return
  throw new DataError(
    `${path} describes another model: input ${showShape(inputShape)}, layers ${show(layers)}; this one has input ` +
      `${showShape(model.inputShape)}, layers ${own}; build the same layers, then load`,
  )
}

/** The optimizers of a model whose state is in the file. */
function takenOptimizers(
  path: string,
  model: CompiledNetwork,
  { optimizer, training }: Architecture,
  { optimizer: wanted = true }: LoadOptions,
): ReadonlyMap<string, Optimizer> {
  const taken = new Map<string, Optimizer>()
  if (!wanted) return taken
  for (const [key, own] of model.ownOptimizers()) {
    const saved =
      training === undefined && key === 'optimizer' ? optimizer?.name : training?.optimizers[key]?.kind
    if (saved === undefined) continue
    if (saved !== own.name) {
      throw new StateError(
        `${path} was saved with the optimizer '${saved}', this model is compiled with '${own.name}'; compile with the same one, or load with { optimizer: false }`,
      )
    }
    taken.set(key, own)
  }
  return taken
}

/** Hands an optimizer the stored state of weights that it has not prepared yet. */
async function adoptRest(
  key: string,
  optimizer: Optimizer,
  wanted: Readonly<Record<string, Variable>>,
  tensors: ReadonlyMap<string, ArrayData>,
): Promise<void> {
  const rest = new Map<string, Tensor>()
  for (const [name, data] of tensors) {
    if (!name.startsWith(`${key}.`) || wanted[name] !== undefined) continue
    rest.set(name.slice(key.length + 1), await tensorInTurns(data))
  }
  optimizer.adopt(rest)
  for (const value of rest.values()) value.dispose()
}

function checkArrays(
  path: string,
  wanted: Record<string, Variable>,
  tensors: ReadonlyMap<string, ArrayData>,
): void {
  for (const [name, { shape, dtype }] of Object.entries(wanted)) {
    const found = tensors.get(name)
    if (found === undefined) throw new DataError(`${path} has no '${name}'; it was saved from another model`)
    if (found.dtype === dtype && String(found.shape) === String(shape)) continue
    throw new DataError(
      `${path}: '${name}' is ${found.dtype} ${showShape(found.shape)}, this model needs ${dtype} ${showShape(shape)}; build the same layers, then load`,
    )
  }
  const expected = (name: string) => wanted[name] !== undefined || optimizerEntry.test(name)
  const stranger = [...tensors.keys()].find((name) => !expected(name))
  if (stranger !== undefined) {
    throw new DataError(
      `${path} has '${stranger}', which this model has not; build the same layers, then load`,
    )
  }
}
