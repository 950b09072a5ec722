/** Classes by name, for models that are built from files. */
import { ArgumentError, DataError, describe } from '../core/errors.js'
import { Estimator } from '../estimators/estimator.js'
import * as estimators from '../estimators/index.js'
import * as layers from '../layers/index.js'
import { type Blueprint, build } from '../nn/blueprint.js'
import { type AnyModule, Module } from '../nn/module.js'
import { HSICSequential } from './hsic-sequential.js'
import { HSICSigma } from './hsic-sigma.js'
import { IBSequential } from './ib-sequential.js'
import { Network } from './network.js'
import { Sequential } from './sequential.js'

/** A class of modules, networks or estimators. */
export type Buildable =
  | (abstract new (
      ...given: never[]
    ) => Module<object, unknown, unknown>)
  | (abstract new (
      ...given: never[]
    ) => Network)
  | (abstract new (
      ...given: never[]
    ) => Estimator)

const ours = new Map<string, unknown>(
  Object.entries({ ...estimators, ...layers, Sequential, IBSequential, HSICSequential, HSICSigma }).filter(
    ([, value]) => isBuildable(value),
  ),
)
const registered = new Map<string, unknown>()

function isBuildable(value: unknown): value is Buildable {
  if (typeof value !== 'function') return false
  const { prototype } = value as { prototype?: unknown }
  return [Module, Network, Estimator].some((Base) => prototype instanceof Base)
}

/**
 * Makes a class of your own known to `load(path)`, which builds models of it. Files refer to the class by its name.
 *
 *     register(Scale)
 *     const model = await load('runs/best')
 *
 * An estimator is rebuilt as `new Class(params)`.
 *
 * @throws ArgumentError for anything but a class of modules (layers, say), networks or estimators, and for the name of a class of the library
 */
export function register(Class: Buildable): void {
  if (!isBuildable(Class)) {
    throw new ArgumentError(
      `register: given ${describe(Class)}, expected a class that extends Layer, Module, Network or Estimator`,
    )
  }
  const { name } = Class
  if (name === '' || (ours.has(name) && ours.get(name) !== Class)) {
    throw new ArgumentError(
      `register: the class ${name === '' ? 'has no name' : `is called ${name}, as one of the library is`}; give it a name of its own`,
    )
  }
  if (!ours.has(name)) registered.set(name, Class)
}

/**
 * An instance of the class with that name.
 *
 * @param where the part of the file, for the message
 * @throws DataError for an unknown class, and for arguments that the constructor refuses
 */
export function make(where: string, name: string, given: readonly unknown[]): unknown {
  const Class = registered.get(name) ?? ours.get(name)
  if (Class === undefined) {
    throw new DataError(
      `${where} is of the class ${name}, which is not known; call register(${name}) before, or build the model and use its load`,
    )
  }
  try {
    return new (Class as new (...given: readonly unknown[]) => unknown)(...given)
  } catch (cause) {
    throw new DataError(
      `${where}: the class ${name} does not take the arguments in the file: ${cause instanceof Error ? cause.message : describe(cause)}; let its settings() give the arguments of its constructor`,
      { cause },
    )
  }
}

/**
 * Builds a module from its blueprint, the result of `toJSON`. The module is not declared yet, and gets new weights.
 *
 *     const twin = buildModule(JSON.parse(JSON.stringify(layer)))
 *
 * @throws ArgumentError for anything but a blueprint; DataError for a class that is unknown (see {@link register}) or not a module, and for
 *   arguments that the constructor refuses
 */
export function buildModule(blueprint: Blueprint): AnyModule {
  return moduleOf('the blueprint', blueprint)
}

/** {@link buildModule} with the blueprint's part of the file for messages. */
export function moduleOf(where: string, blueprint: Blueprint): AnyModule {
  const made = build(blueprint, (name, given) => make(where, name, given))
  if (made instanceof Module) return made
  throw new DataError(`${where} is of the class ${blueprint.class}, which is no class of layers or modules`)
}
