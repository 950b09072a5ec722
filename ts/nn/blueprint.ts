/** Blueprints: the class of a module and the arguments of its constructor, as plain data for files. */
import { ArgumentError, describe } from '../core/errors.js'
import { isList, isPlainObject } from '../core/options.js'

/** Plain data for a file. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain }

/** The class of a module and the arguments of its constructor. A module among the arguments is `{ $module: Blueprint }`. */
export interface Blueprint {
  readonly class: string
  readonly arguments: readonly Plain[]
}

/** The part of a module that blueprints use. */
interface Made {
  readonly name: string
  readonly named: boolean
  clone(): unknown
  toJSON(): Blueprint
}

/** Key of a module among arguments, and of a number that JSON cannot hold. */
const moduleKey = '$module'
const numberKey = '$number'

function isModule(value: unknown): value is Made {
  const made = value as Partial<Made> | null
  return typeof made === 'object' && typeof made?.clone === 'function' && typeof made.toJSON === 'function'
}

/**
 * The arguments of a class without `settings`: only the name, if the class has the constructor of `Module`.
 *
 * @throws ArgumentError if the class, or a class that it extends, has its own constructor, whose arguments are then unknown
 */
export function defaultSettings(module: Made): readonly unknown[] {
  const own = module.constructor.name
  let Class: object = module.constructor
  let parent: unknown = Object.getPrototypeOf(Class)
  // The last class of the chain is Module.
  while (typeof parent === 'function' && parent !== Function.prototype) {
    // Only the source text of a class shows whether it has a constructor.
    if (/\bconstructor\s*\(/.test(Function.prototype.toString.call(Class))) {
      const whose =
        Class === module.constructor ? 'has' : `extends ${(Class as { name: string }).name}, which has`
      throw new ArgumentError(
        `${module.name}: the class ${own} ${whose} a constructor of its own, so it must say how to make the module again: give it settings() { return [...] }, the arguments of the constructor`,
      )
    }
    Class = parent
    parent = Object.getPrototypeOf(Class)
  }
  return module.named ? [{ name: module.name }] : []
}

/** Arguments for another module: modules among the arguments are copied, since a module is part of one network only. */
export function copyOf<T>(value: T): T {
  const copy = (node: unknown): unknown => {
    if (isModule(node)) return node.clone()
    if (isList(node)) return (node as unknown[]).map(copy)
    if (!isPlainObject(node)) return node
    return Object.fromEntries(Object.entries(node).map(([name, inner]) => [name, copy(inner)]))
  }
  return copy(value) as T
}

/**
 * A module as plain data.
 *
 * @throws ArgumentError for an argument that is not plain data
 */
export function blueprintOf(module: Made, settings: readonly unknown[]): Blueprint {
  return { class: module.constructor.name, arguments: plainArguments(module.name, settings) }
}

/**
 * Arguments of a constructor as plain data.
 *
 * @param who the module's name for messages
 * @throws ArgumentError for an argument that is not plain data
 */
export function plainArguments(who: string, settings: readonly unknown[]): Plain[] {
  if (!isList(settings)) {
    throw new ArgumentError(
      `${who}: settings() gave ${describe(settings)}, expected the arguments of the constructor in an array`,
    )
  }
  return settings.map((value) => plainOf(who, value) ?? null)
}

function plainOf(who: string, value: unknown, option = ''): Plain | undefined {
  if (value === undefined) return undefined
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : { [numberKey]: String(value) }
  if (isModule(value)) return { [moduleKey]: value.toJSON() as unknown as Plain }
  if (isList(value)) return (value as unknown[]).map((entry) => plainOf(who, entry, option) ?? null)
  if (isPlainObject(value)) {
    const entries = Object.entries(value).flatMap(([name, inner]) => {
      const plain = plainOf(who, inner, name)
      return plain === undefined ? [] : [[name, plain] as const]
    })
    return Object.fromEntries(entries)
  }
  // The file holds the weights, so the initializer is not needed.
  if (typeof value === 'function' && /initializer$/i.test(option)) return undefined
  throw new ArgumentError(
    `${who}: ${option === '' ? 'an argument' : `'${option}'`} is ${describe(value)}, which cannot be written to a file; give a name that the library knows, or write a class that computes it`,
  )
}

/**
 * Makes a module from plain data.
 *
 * @param make makes an instance of the named class
 * @throws ArgumentError for data that do not describe a module
 */
export function build<T>(blueprint: Blueprint, make: (name: string, given: unknown[]) => T): T {
  const { class: name, arguments: given } = (blueprint ?? {}) as Partial<Blueprint>
  if (typeof name !== 'string' || !isList(given)) {
    throw new ArgumentError(`given ${describe(blueprint)}, expected { class, arguments } as toJSON gives it`)
  }
  return make(name, argumentsOf(given as Plain[], make))
}

/** The arguments that plain data describe. */
export function argumentsOf(
  plain: readonly Plain[],
  make: (name: string, given: unknown[]) => unknown,
): unknown[] {
  const read = (node: unknown): unknown => {
    if (isList(node)) return (node as unknown[]).map(read)
    if (!isPlainObject(node)) return node
    const fields = node as Record<string, unknown>
    if (moduleKey in fields) return build(fields[moduleKey] as Blueprint, make)
    if (numberKey in fields) return Number(fields[numberKey])
    return Object.fromEntries(Object.entries(fields).map(([key, inner]) => [key, read(inner)]))
  }
  return plain.map(read)
}
