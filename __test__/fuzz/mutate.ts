/** One change to the arguments of a call. */
import { inspect } from 'node:util'
import { junk } from './junk.js'

/** What to change: numbers that are taken modulo the number of choices. */
export interface Choice {
  readonly kind: 'replace' | 'drop' | 'append' | 'name'
  readonly place: number
  readonly value: number
}

/** Kinds by how often they are chosen. */
export const weights: { readonly [K in Choice['kind']]: number } = {
  replace: 20,
  drop: 1,
  append: 1,
  name: 2,
}

const junkNames = Object.keys(junk)

/** Names of options that nothing has, and some that others have. */
const optionNames = [
  'unheardOf',
  'lr',
  'keep_dims',
  'toString',
  'constructor',
  '',
  'x'.repeat(300),
  'a\0b',
  'length',
]

type Path = readonly (string | number)[]

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** Every place in the arguments, four levels deep. */
function places(value: unknown, path: Path = []): Path[] {
  const own = path.length === 0 ? [] : [path]
  if (path.length === 4) return own
  // The first entries of long lists represent the others.
  if (Array.isArray(value))
    return [...own, ...value.slice(0, 4).flatMap((entry, i) => places(entry, [...path, i]))]
  if (!isPlain(value)) return own
  return [...own, ...Object.entries(value).flatMap(([name, entry]) => places(entry, [...path, name]))]
}

/** A copy of arrays and plain objects with another value at a place. */
function withValue(value: unknown, path: Path, replacement: unknown): unknown {
  const [first, ...rest] = path
  if (first === undefined) return replacement
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
    string | number,
    unknown
  >
  Object.defineProperty(copy, first, {
    value: withValue(copy[first], rest, replacement),
    writable: true,
    enumerable: true,
    configurable: true,
  })
  return copy
}

export interface Mutated {
  readonly args: readonly unknown[]
  /** What was changed, for the report. */
  readonly change: string
}

/** The arguments with the selected change; 'none' if there is nothing of that kind to change. */
export function mutate(args: readonly unknown[], { kind, place, value }: Choice): Mutated {
  const name = junkNames[value % junkNames.length] as string
  const make = junk[name] as () => unknown
  switch (kind) {
    case 'replace': {
      const all = places(args)
      if (all.length === 0) return { args, change: 'none' }
      const path = all[place % all.length] as Path
      return { args: withValue(args, path, make()) as unknown[], change: `${path.join('.')} = ${name}` }
    }
    case 'drop': {
      const kept = args.length === 0 ? 0 : place % args.length
      return { args: args.slice(0, kept), change: `the first ${kept} arguments` }
    }
    case 'append':
      return { args: [...args, make()], change: `one argument more: ${name}` }
    case 'name': {
      const records = places(args).filter((path) =>
        isPlain(path.reduce((at: unknown, key) => (at as Record<string | number, unknown>)[key], args)),
      )
      const path = records[place % records.length]
      const option = optionNames[value % optionNames.length] as string
      if (path === undefined) return { args, change: 'none' }
      const changed = withValue(args, [...path, option], 1) as unknown[]
      return { args: changed, change: `${path.join('.')} has ${inspect(option)}` }
    }
  }
}
