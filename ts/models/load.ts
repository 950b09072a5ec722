import { type DeviceRequest, deviceNamed } from '../core/devices.js'
import { DataError } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, flag, isList } from '../core/options.js'
import { Layer } from '../layers/layer.js'
import { argumentsOf, type Blueprint, type Plain } from '../nn/blueprint.js'
import { freezeParts } from './frozen.js'
import { Network } from './network.js'
import { make, moduleOf } from './registry.js'
import { Stack } from './sequential.js'
import { isUnbuildable, settingsOf, type Unbuildable } from './settings-data.js'
import { fillModel, readModel, type StoredModel } from './storage.js'
import { restoreTraining } from './stored-training.js'

/** Options of {@link load}. */
export interface LoadModelOptions {
  /** Device of the model, whatever device it was saved on. Default: the default device. */
  device?: DeviceRequest
  /**
   * Compile the model as before, restore the optimizer's state, and attach the evaluators: training continues as if the model had never been saved. Default true.
   */
  compile?: boolean
}

const checks: Checks<LoadModelOptions> = { device: elsewhere(), compile: flag }

/**
 * Builds a model from a file that `save` wrote: its layers, weights and state, frozen where they were, compiled as before, with the state of its optimizer
 * and with its evaluators. Further training gives the same bits as without saving. The file does not contain history and dynamics of earlier fits.
 *
 *     const model = await load('runs/best')
 *     await model.fit(x, y, { epochs: 10 })
 *
 * Call `register(Class)` first for layers, networks and estimators of your own.
 *
 * @param path the path that was given to `save`
 * @throws DataError for a file of an older layout, an unknown class, and parts that a file cannot contain, such as a loss that is a function; it names every part, and
 *   says what to do; IOError if the file cannot be read
 */
export async function load(path: string, options: LoadModelOptions = {}): Promise<Network> {
  const { device, compile = true } = checkOptions('load', options, checks)
  const wanted = deviceNamed('load', device)
  const stored = await readModel(path)
  const { file, architecture } = stored
  const model = buildModel(stored)
  try {
    freezeParts(model.module, architecture)
    const { training } = architecture
    if (compile && training !== undefined) restoreTraining(file, model, training, make)
    await fillModel(model, stored, { optimizer: compile })
    return await model.to(wanted)
  } catch (error) {
    model.dispose()
    throw error
  }
}

function buildModel({ file, architecture }: StoredModel): Network {
  const { kind, layers, arguments: given } = architecture
  const plain = buildable<readonly Plain[]>(`${file}: the model`, kind, given)
  if (!isList(plain)) throw new DataError(`${file}: the arguments of ${kind} are no array; save it again`)
  const settings = argumentsOf(plain, (name, inner) => make(`${file}: an argument of the model`, name, inner))
  const model = make(`${file}: the model`, kind, settings)
  if (!(model instanceof Network)) {
    throw new DataError(`${file}: the class ${kind} is no network; register the class the model is of`)
  }
  if (!(model instanceof Stack) || model.numLayers > 0) return model
  try {
    for (const { name, kind: sort, blueprint, addedWith } of layers) {
      const where = `${file}: layer '${name}'`
      const layer = moduleOf(where, buildable<Blueprint>(where, sort, blueprint))
      if (!(layer instanceof Layer)) {
        throw new DataError(`${where} is of a class that is no layer; register the class the layer is of`)
      }
      if (addedWith === undefined) model.add(layer)
      else add(model, layer, where, buildable<Plain>(where, sort, addedWith))
    }
    return model
  } catch (error) {
    model.dispose()
    throw error
  }
}

/** Adds a layer with what it was added with. */
function add(model: Stack, layer: Layer, where: string, data: Plain): void {
  const adds: { add(layer: Layer, options: unknown): unknown } = model
  adds.add(layer, settingsOf(where, data, make))
}

/** The file's description of how a layer or model is built. */
function buildable<T>(where: string, kind: string, told: T | Unbuildable | undefined): T {
  if (told === undefined) {
    throw new DataError(
      `${where} (${kind}): the file is of an older hyperglow and does not say how to build it; build the model and use its load, then save it again`,
    )
  }
  if (!isUnbuildable(told)) return told as T
  throw new DataError(`${where} (${kind}) cannot be built from a file: ${told.reason}`)
}
