/** Checks of custom activations. */

import { showShape, sizeOf } from '../../core/dtype.js'
import { ArgumentError, DataError, describe } from '../../core/errors.js'
import { isList } from '../../core/options.js'
import { checkForm, elementCount } from '../../io/element-types.js'
import { type LazyArray, type RowRange, rowsOf } from '../../io/lazy-array.js'
import type { ActivationRun, Activations } from './types.js'

/**
 * The same activations with checked properties; arrays are checked when they are read.
 *
 * @throws ArgumentError unless given activations, with the faulty property
 */
export function checkedActivations(who: string, given: unknown): Activations {
  const { source, runs, notes } = Object(given) as Record<string, unknown>
  if (!isList(runs) || (runs as unknown[]).length === 0) {
    throw new ArgumentError(
      `${who}: given ${describe(given)}, expected activations { source, runs, notes } of at least one run, as returned by readActivations('folder')`,
    )
  }
  const checked = Array.from(runs as unknown[], (run, i) => checkedRun(`${who}: run ${i}`, run))
  const twice = checked.find(({ name }, i) => checked.findIndex((run) => run.name === name) !== i)
  if (twice !== undefined)
    throw new ArgumentError(`${who}: two runs are called ${describe(twice.name)}; give each its own name`)
  return {
    source: typeof source === 'string' ? source : 'activations',
    runs: checked,
    notes: textsIn(notes) ?? [],
  }
}

function textsIn(given: unknown): string[] | undefined {
  if (!isList(given)) return undefined
  const texts = Array.from(given as unknown[])
  return texts.every((text) => typeof text === 'string') ? (texts as string[]) : undefined
}

function checkedRun(what: string, given: unknown): ActivationRun {
  const { name, epochs, epochsKnown, layers } = Object(given) as Record<string, unknown>
  const wrong = (part: string, value: unknown, expected: string) =>
    new ArgumentError(`${what}: ${part} is ${describe(value)}, expected ${expected}`)
  if (typeof name !== 'string') throw wrong('name', name, 'a text')
  const numbers = isList(epochs) ? Array.from(epochs as unknown[]) : []
  const isRising = numbers.every(
    (epoch, i) => Number.isSafeInteger(epoch) && (i === 0 || (epoch as number) > (numbers[i - 1] as number)),
  )
  if (numbers.length === 0 || !isRising)
    throw wrong('epochs', epochs, 'ascending whole numbers, at least one')
  const names = textsIn(layers)
  if (names === undefined || new Set(names).size !== names.length)
    throw wrong('layers', layers, 'names, each once')
  // Called as a method, since the object may be of a class.
  const call = (part: 'x' | 'y' | 'layer', ...args: unknown[]) => {
    const method = Object(given)[part] as unknown
    if (typeof method !== 'function') throw wrong(part, method, 'a function of the epoch')
    const where = `${what}: ${part} of ${args.join(', ')}`
    return checkedArray(where, method.apply(given, args) as unknown)
  }
  return {
    name,
    epochs: numbers as number[],
    epochsKnown: epochsKnown !== false,
    layers: names,
    x: (epoch) => call('x', epoch),
    y: (epoch) => call('y', epoch),
    layer: (epoch, layer) => call('layer', epoch, layer),
  }
}

/** Arrays that were wrapped before. The same wrapper is returned again, since readers compare arrays by identity. */
const wrapped = new WeakMap<object, CheckedArray>()

function checkedArray(what: string, given: unknown): LazyArray | undefined {
  if (given === undefined) return undefined
  const { dtype, shape, read } = Object(given) as Record<string, unknown>
  const lengths = isList(shape) ? Array.from(shape as unknown[]) : [Number.NaN]
  if (typeof dtype !== 'string' || typeof read !== 'function' || Number.isNaN(elementCount(lengths))) {
    throw new ArgumentError(
      `${what} is ${describe(given)}, expected undefined or an array that is read on demand: { dtype, shape, read([from, to]) }`,
    )
  }
  const known = wrapped.get(given as object)
  if (known !== undefined) return known
  const made = new CheckedArray(what, given as LazyArray, lengths as number[])
  wrapped.set(given as object, made)
  return made
}

/** An array whose results are checked against its shape. */
class CheckedArray implements LazyArray {
  readonly dtype: string
  readonly band?: number
  readonly isSequential: boolean

  constructor(
    private readonly what: string,
    private readonly array: LazyArray,
    readonly shape: readonly number[],
  ) {
    this.dtype = array.dtype
    this.isSequential = array.isSequential === true && typeof array.blocks === 'function'
    if (Number.isSafeInteger(array.band) && (array.band as number) > 0) this.band = array.band as number
  }

  async read(rows?: RowRange) {
    const data = await this.array.read(rows)
    this.#check(data, rows === undefined ? rowsOf(this) : rows[1] - rows[0])
    return data
  }

  async *blocks(rows: number) {
    const count = rowsOf(this)
    if (typeof this.array.blocks !== 'function') {
      for (let from = 0; from < count; from += rows)
        yield await this.read([from, Math.min(count, from + rows)])
      return
    }
    for await (const block of this.array.blocks(rows)) {
      this.#check(block, undefined)
      yield block
    }
  }

  #check(data: Awaited<ReturnType<LazyArray['read']>>, rows: number | undefined): void {
    checkForm(this.what, data)
    const wanted = this.shape.length === 0 ? [] : [rows ?? data.shape[0], ...this.shape.slice(1)]
    if (String(data.shape) === String(wanted) && data.data.length === sizeOf(data.shape)) return
    throw new DataError(
      `${this.what}: its read returned shape ${showShape(data.shape)}, expected ${showShape(wanted as number[])}; correct the read function`,
    )
  }
}
