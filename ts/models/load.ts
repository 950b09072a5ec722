import { type DeviceRequest, deviceNamed } from '../core/devices.js'
import { DataError } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, isList } from '../core/options.js'
import { Layer } from '../layers/layer.js'
import { argumentsOf, type Blueprint, type Plain } from '../nn/blueprint.js'
import { Network } from './network.js'
import { make, moduleOf } from './registry.js'
import { Stack } from './sequential.js'
import { fillModel, readModel, type StoredModel, type Unbuildable } from './storage.js'

/** Options of {@link load}. */
export interface LoadModelOptions {
  /** Where the model is to be, wherever it was saved. Default the default device. */
  device?: DeviceRequest
}

const checks: Checks<LoadModelOptions> = { device: elsewhere() }

/**
 * Builds a model from a file that `save` wrote: its layers, weights and state. Frozen weights are frozen again. The model is not compiled; after
 * `model.compile(...)`, `model.load(path)` restores the optimizer's state too. The model has no evaluators, and saves no dynamics.
 *
 *     const model = await load('runs/best')
 *
 * Call `register(Class)` first for layers and networks of your own.
 *
 * @param path the path that was given to `save`
 * @throws DataError for a file of an older layout, an unknown class, and a layer that cannot be built from a file, before any model is
 *   built; IOError where the file cannot be read
 */
export async function load(path: string, options: LoadModelOptions = {}): Promise<Network> {
  const { device } = checkOptions('load', options, checks)
  const wanted = deviceNamed('load', device)
  const stored = await readModel(path)
  const model = buildModel(stored)
  try {
    await fillModel(model, stored, { optimizer: false })
    const { weights } = model
    for (const name of stored.architecture.frozen ?? []) {
      const variable = weights[name]
      if (variable !== undefined) variable.trainable = false
    }
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
    for (const { name, kind: sort, blueprint } of layers) {
      const where = `${file}: layer '${name}'`
      const layer = moduleOf(where, buildable<Blueprint>(where, sort, blueprint))
      if (!(layer instanceof Layer)) {
        throw new DataError(`${where} is of a class that is no layer; register the class the layer is of`)
      }
      model.add(layer)
    }
    return model
  } catch (error) {
    model.dispose()
    throw error
  }
}

/** The file's description of how a layer or model is built. */
function buildable<T>(where: string, kind: string, told: T | Unbuildable | undefined): T {
  if (told === undefined) {
    throw new DataError(
      `${where} (${kind}): the file is of an older hyperglow and does not say how to build it; build the model and use its load, then save it again`,
    )
  }
  if (typeof told !== 'object' || told === null || !('reason' in told)) return told as T
  throw new DataError(`${where} (${kind}) cannot be built from a file: ${told.reason}`)
}
