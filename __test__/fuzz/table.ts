/** Every call that the fuzzer starts from, and what of the public interface none of them covers. */
import * as hg from '../../ts/index.js'
import { type Call, functionCalls } from './call.js'
import { estimatorCallsOfAll, otherOptions } from './estimators.js'
import { modelCallsOfAll } from './models.js'
import { operations } from './operations.js'
import { partCalls } from './parts.js'

const exports = hg as unknown as Readonly<Record<string, unknown>>
const operationCalls = functionCalls(exports, operations)

export const calls: readonly Call[] = [
  ...operationCalls,
  ...partCalls(operationCalls),
  ...estimatorCallsOfAll,
  ...otherOptions,
  ...modelCallsOfAll,
]

/** Classes that others extend: their methods are called on those. */
const bases = new Set([
  'ActivatedLayer',
  'AvgPool',
  'BatchNorm',
  'Conv',
  'Estimator',
  'Gated',
  'HyperglowError',
  'InformationEstimator',
  'Layer',
  'MaxPool',
  'Network',
  'Optimizer',
  'Pool',
  'Recurrent',
  'Stack',
])

/** Methods that are not public, by the class that has them first; the native handle and what models are made with are marked internal. */
const internal: Readonly<Record<string, readonly string[]>> = {
  Layer: ['param', 'stateVar', 'build'],
  Pool: ['geometry', 'naming', 'settings'],
  Recurrent: ['step'],
  Optimizer: ['rule'],
  Network: ['pass', 'lossOf'],
  Estimator: ['samples', 'takesLabelsAsNumbers', 'value', 'checkCounts'],
  InformationEstimator: ['nats', 'forClasses', 'checkNumbers', 'inUnits', 'numbers'],
  Binned: ['bins'],
  RenyiMI: ['entropy'],
  Chart: ['html', 'content'],
}
const trainedOnly = ['weights', 'objective', 'score', 'bound', 'memory', 'ofScores', 'objectiveOfScores']

/** Lazy values that these estimators say they have not. */
const notLazy = ['criterion', 'evaluateSegment']

type Type = { readonly name: string; readonly prototype: object }

const isClass = (value: unknown): value is Type =>
  typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))

const isOf = (prototype: object, type: Type) =>
  prototype === type.prototype || prototype instanceof (type as unknown as new () => object)

/** Names of the public methods of a class, inherited ones too. */
function methodsOf(type: Type): string[] {
  const own = type.prototype
  const hidden = new Set(
    Object.entries(internal).flatMap(([name, methods]) => (isOf(own, exports[name] as Type) ? methods : [])),
  )
  if (own instanceof hg.InformationEstimator) for (const name of trainedOnly) hidden.add(name)
  if (own instanceof hg.Estimator) for (const name of notLazy) hidden.add(name)
  const found = new Set<string>()
  for (let at = own; at !== Object.prototype && at !== Error.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      const { value } = Object.getOwnPropertyDescriptor(at, name) as PropertyDescriptor
      if (typeof value === 'function' && name !== 'constructor' && !hidden.has(name)) found.add(name)
    }
  }
  return [...found]
}

/** Functions, constructors and methods of the public interface. */
export function publicNames(): string[] {
  const entries = Object.entries(exports).flatMap(([name, value]): [string, unknown][] =>
    // Namespaces such as `initializers` and `mnist`.
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).map(([inner, member]) => [`${name}.${inner}`, member])
      : [[name, value]],
  )
  return entries.flatMap(([name, value]) => {
    if (!isClass(value)) return typeof value === 'function' ? [name] : []
    if (bases.has(name)) return []
    const made = name === 'Tensor' || name === 'DynamicsWriter' ? [] : [`new ${name}`]
    return [...made, ...methodsOf(value).map((method) => `${name}.${method}`)]
  })
}
