/**
 * Conversion of training settings to plain data for files, and back. Beyond JSON: tensors, optimizers, estimators, kernels, metrics, and functions of the
 * library by their names.
 */
import { ArgumentError, DataError, describe } from '../core/errors.js'
import { isInstance, isList, isPlainObject } from '../core/options.js'
import { Estimator } from '../estimators/estimator.js'
import * as estimatorClasses from '../estimators/index.js'
import * as kernels from '../estimators/kernels.js'
import { argumentsOf, type Plain, plainArguments } from '../nn/blueprint.js'
import * as losses from '../nn/losses/index.js'
import * as metrics from '../nn/metrics/index.js'
import type { Metric, MetricOf } from '../nn/metrics/metric.js'
import { namedOptimizer, nameOfOptimizer } from '../nn/optim/named.js'
import { Optimizer } from '../nn/optim/optimizer.js'
import { type DType, Tensor, tensor } from '../ops/tensor.js'

/** Stands for a part that cannot be written to a file. */
export interface Unbuildable {
  readonly reason: string
}

/** The data, or the reason why they cannot be written. */
export function unlessRefused<T>(describePart: () => T): T | Unbuildable {
  try {
    return describePart()
  } catch (error) {
    return { reason: error instanceof Error ? error.message : describe(error) }
  }
}

/** Whether a part could not be written. */
export function isUnbuildable(told: unknown): told is Unbuildable {
  return typeof told === 'object' && told !== null && 'reason' in told
}

type Fields = { readonly [name: string]: unknown }

/** Makes an instance of the class of that name. @param where the part of the file, for messages */
export type Make = (where: string, name: string, given: readonly unknown[]) => unknown

/** A kind of value that JSON cannot represent, with its key in the data. */
interface Kind {
  readonly key: string
  /** The parts of a value, of any kind themselves; undefined for a value of another kind. */
  parts(where: string, value: unknown): Fields | undefined
  value(where: string, parts: Fields, make: Make): unknown
}

const tensors: Kind = {
  key: '$tensor',
  parts(_, value) {
    if (!(value instanceof Tensor)) return undefined
    const { dtype, shape } = value
    return { dtype, shape: [...shape], data: Array.from(value.dataSync() as ArrayLike<number>, Number) }
  },
  value: (_, { dtype, shape, data }) =>
    tensor(data as number[], { dtype: dtype as DType, shape: shape as number[] }),
}

const optimizers: Kind = {
  key: '$optimizer',
  parts(where, value) {
    if (!isInstance(value, Optimizer)) return undefined
    const name = nameOfOptimizer(value)
    if (name === undefined) {
      throw new ArgumentError(
        `${where} is of the class ${value.constructor.name}, which is no optimizer of the library`,
      )
    }
    return { name, options: value.options, groups: value.groups }
  },
  value: (_, { name, options, groups }) => namedOptimizer(name as string, options as object, groups as []),
}

const estimators: Kind = {
  key: '$estimator',
  parts(where, value) {
    if (!isInstance(value, Estimator)) return undefined
    const { name } = value.constructor
    const known = (estimatorClasses as unknown as Fields)[name]
    if (known !== undefined && known !== value.constructor) {
      throw new ArgumentError(
        `${where} is of a class of your own that is called ${name}, as one of the library is; give it another name, and register it`,
      )
    }
    return { class: name, options: value.params }
  },
  value(where, { class: name, options }, make) {
    const made = make(where, String(name), [options])
    if (made instanceof Estimator) return made
    throw new DataError(`${where} is of the class ${name}, which is no class of estimators`)
  },
}

const kernelFunctions = kernels as unknown as Readonly<Record<string, (options: unknown) => kernels.Kernel>>

const kernelKind: Kind = {
  key: '$kernel',
  parts(where, value) {
    if (!kernels.isKernel(value)) return undefined
    const { name, params } = value
    const again = Object.hasOwn(kernels, `${name}Kernel`)
      ? kernelFunctions[`${name}Kernel`]?.(params)
      : undefined
    // A kernel of the user may have the name of a library kernel.
    if (String(again?.shifted) === String(value.shifted)) return { name, params }
    throw new ArgumentError(`${where} is a kernel of your own, '${name}'`)
  },
  value: (_, { name, params }) => kernelFunctions[`${name}Kernel`]?.(params),
}

const metricFunctions = new Map(
  Object.values(metrics).flatMap((value) => {
    const made = value as Partial<MetricOf<object>>
    return typeof value === 'function' && made.streaming !== undefined ? [[value.name, made] as const] : []
  }),
)

const metricKind: Kind = {
  key: '$metric',
  parts(where, value) {
    const isFunction = typeof value === 'function'
    const own = isFunction ? metricFunctions.get(value.name) : undefined
    if (isFunction && own === value) return { function: value.name, options: {} }
    const { init, update, made, name } = Object(value) as Partial<Metric>
    if (isFunction || typeof init !== 'function' || typeof update !== 'function') return undefined
    if (made !== undefined) return { function: made.function, options: made.options }
    throw new ArgumentError(`${where} is a metric of your own, '${name}'`)
  },
  value: (where, { function: name, options }) => {
    const found = metricFunctions.get(String(name))?.streaming
    if (found !== undefined) return found(options as object)
    throw new DataError(`${where} is the metric '${name}', which this hyperglow does not have`)
  },
}

const lossFunctions = losses as unknown as Readonly<Record<string, unknown>>

const functions: Kind = {
  key: '$function',
  parts(where, value) {
    if (typeof value !== 'function') return undefined
    const name = Object.keys(lossFunctions).find((key) => lossFunctions[key] === value)
    if (name !== undefined) return { name }
    throw new ArgumentError(`${where} is ${describe(value)}, and functions cannot be written to a file`)
  },
  value(where, { name }) {
    if (Object.hasOwn(lossFunctions, String(name))) return lossFunctions[String(name)]
    throw new DataError(`${where} is the function '${name}', which this hyperglow does not have`)
  },
}

const patterns: Kind = {
  key: '$pattern',
  parts: (_, value) => (isInstance(value, RegExp) ? { source: value.source, flags: value.flags } : undefined),
  value: (_, { source, flags }) => new RegExp(String(source), String(flags)),
}

const kinds = [tensors, optimizers, estimators, kernelKind, metricKind, functions, patterns]

/**
 * Settings as plain data.
 *
 * @param where owner of the settings, for messages
 * @throws ArgumentError for a value that cannot be written, with its path
 */
export function dataOf(where: string, value: unknown): Plain {
  for (const kind of kinds) {
    const parts = kind.parts(where, value)
    if (parts !== undefined) return { [kind.key]: recordOf(where, parts) }
  }
  if (isList(value)) return (value as unknown[]).map((one, index) => dataOf(`${where}[${index}]`, one))
  if (isPlainObject(value)) return recordOf(where, value as Fields)
  return plainArguments(where, [value])[0] as Plain
}

function recordOf(where: string, fields: Fields): Plain {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries.map(([name, value]) => [name, dataOf(`${where}.${name}`, value)]))
}

/**
 * The settings from plain data.
 *
 * @param make makes estimators
 * @throws DataError for data that do not describe settings
 */
export function settingsOf(where: string, data: Plain, make: Make): unknown {
  if (isList(data)) return (data as Plain[]).map((one, index) => settingsOf(`${where}[${index}]`, one, make))
  if (!isPlainObject(data)) return data
  const fields = Object.entries(data as { readonly [name: string]: Plain })
  const kind = kinds.find(({ key }) => fields.length === 1 && fields[0]?.[0] === key)
  const inner = (parts: typeof fields) =>
    Object.fromEntries(parts.map(([name, value]) => [name, settingsOf(`${where}.${name}`, value, make)]))
  if (kind === undefined) {
    // A number that JSON cannot represent.
    return fields.length === 1 && fields[0]?.[0] === '$number'
      ? argumentsOf([data], () => undefined)[0]
      : inner(fields)
  }
  const parts = fields[0]?.[1]
  if (!isPlainObject(parts))
    throw new DataError(`${where}: ${kind.key} is ${describe(parts)}, expected a record`)
  return kind.value(where, inner(Object.entries(parts as { readonly [name: string]: Plain })), make)
}
