/** Every call that the fuzzer starts from, and the public names that none of them covers. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../ts/core/package-root.js'
import * as hg from '../../ts/index.js'
import { activationCalls } from './activations.js'
import { analysisCalls } from './analysis.js'
import { type Call, functionCalls } from './call.js'
import { estimatorCallsOfAll, otherOptions } from './estimators.js'
import { hsicModelCalls } from './hsic-models.js'
import { modelCallsOfAll } from './models.js'
import { operations } from './operations.js'
import { partCalls } from './parts.js'
import { runCalls } from './runs.js'
import { taskCalls } from './tasks.js'
import { vibCalls } from './vib.js'

const exports = hg as unknown as Readonly<Record<string, unknown>>
const operationCalls = functionCalls(exports, operations)

export const calls: readonly Call[] = [
  ...operationCalls,
  ...partCalls(operationCalls),
  ...analysisCalls,
  ...estimatorCallsOfAll,
  ...otherOptions,
  ...modelCallsOfAll,
  ...hsicModelCalls,
  ...vibCalls,
  ...taskCalls,
  ...runCalls,
  ...activationCalls,
]

/** Classes to extend: their methods are called on subclasses. */
const bases = new Set([
  'ActivatedLayer',
  'AvgPool',
  'BatchNorm',
  'Branches',
  'Conv',
  'ConvTranspose',
  'DepthwiseConv',
  'Estimator',
  'Gated',
  'HSICNetwork',
  'HyperglowError',
  'InformationEstimator',
  'Layer',
  'MaxPool',
  'Module',
  'Network',
  'Optimizer',
  'Pool',
  'Recurrent',
  'RowNorm',
  'SeparableConv',
  'Stack',
])

/** Names of methods that the sources mark as protected, private or internal, by the class that has them first. */
const internal = ((): ReadonlyMap<string, ReadonlySet<string>> => {
  const found = new Map<string, Set<string>>()
  const folder = join(packageRoot, 'ts')
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    let own = new Set<string>()
    let isInternal = false
    for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
      const type = /^(?:export )?(?:abstract )?class (\w+)/.exec(line)?.[1]
      if (type !== undefined) {
        own = new Set()
        found.set(type, own)
      }
      if (line.includes('@internal')) isInternal = true
      const member =
        /^ {2}((?:protected |private |override |abstract |async |static |get |\*)*)(\w+)[(<]/.exec(line)
      if (member === null) continue
      if (isInternal || /protected|private/.test(member[1] as string)) own.add(member[2] as string)
      isInternal = false
    }
  }
  return found
})()

/** Lazy values that these estimators say they have not. */
const notLazy = ['criterion', 'evaluateSegment']

/** Classes that are never made by `new`. */
const unmade = new Set(['Tensor', 'DynamicsWriter', 'RunSet'])

type Type = { readonly name: string; readonly prototype: object }

const isClass = (value: unknown): value is Type =>
  typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))

const isOf = (prototype: object, type: Type) =>
  prototype === type.prototype || prototype instanceof (type as unknown as new () => object)

/** Names of the public methods of a class, inherited ones too. */
function methodsOf(type: Type): string[] {
  const own = type.prototype
  // What a layer builds, it builds while it is initialized.
  const hidden = new Set(['build'])
  for (const [name, methods] of internal) {
    if (isClass(exports[name]) && isOf(own, exports[name])) for (const method of methods) hidden.add(method)
  }
  for (const method of [...(internal.get('TrainedEstimator') ?? []), ...(internal.get('ScoreBound') ?? [])]) {
    if (own instanceof hg.InformationEstimator) hidden.add(method)
  }
  if (own instanceof hg.Network) for (const method of internal.get('Composition') ?? []) hidden.add(method)
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
    const made = unmade.has(name) ? [] : [`new ${name}`]
    return [...made, ...methodsOf(value).map((method) => `${name}.${method}`)]
  })
}
