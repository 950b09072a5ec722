/** Models on disk: numbers as safetensors, what they belong to as JSON. Nothing in the files is ever executed. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { showShape } from '../dtype.js'
import { ArgumentError, DataError, describe, IOError, StateError } from '../errors.js'
import { reason, writeAtomic } from '../io/atomic.js'
import type { ArrayData } from '../io/element-types.js'
import { readSafetensors, writeSafetensors } from '../io/safetensors.js'
import { checkOptions } from '../options.js'
import { type Shape, tensor } from '../tensor.js'
import { evaluate } from '../transforms.js'
import type { Variable } from '../variable.js'
import { version } from '../version.js'
import type { Network } from './network.js'
import { exclusively, stateOf } from './state.js'

const formatName = 'hyperglow-model'
/** Version of the layout that this code writes; it reads this one and older. */
const formatVersion = 1

/** Options of `load`. */
export interface LoadOptions {
  /** Also restore the optimizer, where the model is compiled and the file has one. Default true. */
  optimizer?: boolean
}

interface Architecture {
  readonly format: typeof formatName
  readonly version: number
  /** Version of hyperglow that wrote it. */
  readonly hyperglow: string
  /** Class of the model. */
  readonly kind: string
  readonly inputShape: Shape
  readonly dtype: string
  readonly seed: number
  /** Epochs trained. */
  readonly epochs: number
  readonly layers: readonly { name: string; kind: string; inputShape: Shape; outputShape: Shape }[]
  readonly optimizer: { name: string; options: object } | null
  /** Arrays of the safetensors file. */
  readonly tensors: Readonly<Record<string, { dtype: string; shape: Shape }>>
}

/** The two files of a path. */
async function filesOf(path: string): Promise<{ weights: string; architecture: string }> {
  if (typeof path !== 'string' || path === '') {
    throw new ArgumentError(
      `given ${describe(path)} as the path of a model, expected a text such as 'runs/model'`,
    )
  }
  const isFolder = /[\\/]$/.test(path) || (await stat(path).catch(() => undefined))?.isDirectory() === true
  const stem = isFolder ? join(path, 'model') : path
  return { weights: `${stem}.safetensors`, architecture: `${stem}.json` }
}

/** Prefix of the optimizer's entries. */
const optimizerPrefix = 'optimizer.'
const rngName = 'training.rng'

/** Every Variable that makes up the state of a model, by its name in the file. */
function variablesOf(model: Network): Record<string, Variable> {
  const { rng, compiled } = stateOf(model)
  const optimizer = [...(compiled?.optimizer.stateVariables() ?? [])].map(
    ([name, variable]) => [optimizerPrefix + name, variable] as const,
  )
  return { ...model.weights, ...model.stateVariables, ...Object.fromEntries(optimizer), [rngName]: rng }
}

/** The public `save` of models. */
export async function saveModel(model: Network, path: string): Promise<void> {
  await exclusively(model, 'save', async () => {
    const { weights, architecture } = await filesOf(path)
    const variables = variablesOf(model)
    await evaluate(Object.values(variables))
    const arrays: Record<string, ArrayData> = {}
    for (const [name, variable] of Object.entries(variables)) {
      arrays[name] = { dtype: variable.dtype, shape: variable.shape, data: variable.dataSync() }
    }
    await writeSafetensors(weights, arrays, { format: formatName })
    await writeAtomic(architecture, `${JSON.stringify(describeModel(model, variables), null, 2)}\n`)
  })
}

function describeModel(model: Network, variables: Record<string, Variable>): Architecture {
  const { compiled, epochs } = stateOf(model)
  return {
    format: formatName,
    version: formatVersion,
    hyperglow: version,
    kind: model.constructor.name,
    inputShape: model.inputShape,
    dtype: model.dtype,
    seed: model.seed,
    epochs,
    layers: model.layers.map(({ name, kind, inputShape = [], outputShape = [] }) => ({
      name,
      kind,
      inputShape,
      outputShape,
    })),
    optimizer:
      compiled === undefined ? null : { name: compiled.optimizer.name, options: compiled.optimizer.options },
    tensors: Object.fromEntries(
      Object.entries(variables).map(([name, { dtype, shape }]) => [name, { dtype, shape }]),
    ),
  }
}

/** The public `load` of models. */
export async function loadModel(model: Network, path: string, options: LoadOptions): Promise<void> {
  checkOptions('load', options, ['optimizer'])
  await exclusively(model, 'load', async () => {
    const files = await filesOf(path)
    const architecture = await readArchitecture(files.architecture)
    const { tensors } = await readSafetensors(files.weights)
    checkLayers(files.architecture, model, architecture)
    const wanted = variablesOf(model)
    if (!takesOptimizer(files.architecture, model, architecture, options)) {
      for (const name of Object.keys(wanted)) if (name.startsWith(optimizerPrefix)) delete wanted[name]
    }
    checkArrays(files.weights, wanted, tensors)
    for (const [name, variable] of Object.entries(wanted)) {
      const { data, shape } = tensors.get(name) as ArrayData
      using value = tensor(data, { shape })
      variable.assign(value)
    }
    const { optimizer } = model
    const rate = [...tensors].find(([name]) => wanted[name] && name.endsWith('.learningRate'))?.[1].data[0]
    if (optimizer !== undefined && rate !== undefined) optimizer.learningRate = Number(rate)
    stateOf(model).epochs = architecture.epochs
    await evaluate(Object.values(wanted))
  })
}

async function readArchitecture(path: string): Promise<Architecture> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new IOError(`cannot read ${path}: ${reason(cause)}; give the path that was given to save`, {
      cause,
    })
  }
  let found: Partial<Architecture> | null
  try {
    found = JSON.parse(text) as Partial<Architecture> | null
  } catch (cause) {
    throw new DataError(`${path} is not JSON: ${reason(cause)}; give the path that was given to save`, {
      cause,
    })
  }
  if (found?.format !== formatName || !Array.isArray(found.layers) || !Number.isSafeInteger(found.epochs)) {
    throw new DataError(`${path} does not describe a model; give the path that was given to save`)
  }
  if (!Number.isSafeInteger(found.version) || (found.version as number) > formatVersion) {
    throw new DataError(
      `${path} has layout version ${describe(found.version)}, this hyperglow reads up to ${formatVersion}; use a newer hyperglow`,
    )
  }
  return found as Architecture
}

function checkLayers(path: string, model: Network, { layers, inputShape }: Architecture): void {
  const show = (list: readonly { kind: string; outputShape?: Shape | undefined }[]) =>
    list.map(({ kind, outputShape = [] }) => `${kind} ${showShape(outputShape)}`).join(', ')
  const own = show(model.layers)
  if (String(inputShape) === String(model.inputShape) && show(layers) === own) return
  throw new DataError(
    `${path} describes another model: input ${showShape(inputShape)}, layers ${show(layers)}; this one has input ` +
      `${showShape(model.inputShape)}, layers ${own}; build the same layers, then load`,
  )
}

function takesOptimizer(
  path: string,
  model: Network,
  architecture: Architecture,
  { optimizer: wanted = true }: LoadOptions,
): boolean {
  const saved = architecture.optimizer?.name
  const own = model.optimizer?.name
  if (!wanted || own === undefined || saved === undefined) return false
  if (saved === own) return true
  throw new StateError(
    `${path} was saved with the optimizer '${saved}', this model is compiled with '${own}'; compile with the same one, or load with { optimizer: false }`,
  )
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
  const expected = (name: string) => wanted[name] !== undefined || name.startsWith(optimizerPrefix)
  const stranger = [...tensors.keys()].find((name) => !expected(name))
  if (stranger !== undefined) {
    throw new DataError(
      `${path} has '${stranger}', which this model has not; build the same layers, then load`,
    )
  }
}
