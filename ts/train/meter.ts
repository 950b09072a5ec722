/** Means over an epoch, added up on the device. */
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { Variable } from '../core/variable.js'
import { stack, where } from '../ops/index.js'
import { full, Tensor, tensor, zeros } from '../ops/tensor.js'
import type { Outcome, Reading } from './task.js'

/** Means of an epoch, by what they are of. */
export interface Means {
  /** Undefined for a task that gives no loss. */
  readonly loss: number | undefined
  /** By name. */
  readonly metrics: Readonly<Record<string, number>>
}

/** What a meter holds, as plain data. */
export interface MeterSnapshot {
  readonly names: readonly string[]
  readonly hasLoss: boolean
  readonly sums: readonly boolean[]
  /** Sums, then their weights. */
  readonly totals: readonly number[]
}

/** The names of the readings of a task, and which of them are sums. */
interface Columns {
  readonly hasLoss: boolean
  readonly names: readonly string[]
  readonly sums: readonly boolean[]
}

/**
 * Sums of loss and logs over an epoch, and of the weights that they are means over, in Variables that steps add to: the means then do not
 * depend on how the data were divided into batches.
 */
export class Meter {
  /** float64 [2, N]: sums, and their weights. Made by the first step, which says what there is to add. */
  #totals: Variable | undefined
  #columns: Columns | undefined
  #restored: MeterSnapshot | undefined

  /** Adds a batch of `size` samples and gives its readings, loss first; part of a step. */
  add(outcome: Outcome, size: number): Reading[] {
    const { columns, readings } = readingsOf(outcome)
    const totals = this.#prepare(columns)
    const all = full([], size, { dtype: 'float64' })
    const weights = readings.map(({ weight }) => weight ?? all)
    const sums = readings.map(({ value, weight, isSum }) => {
      const exact = value.cast('float64')
      if (isSum === true) return exact
      // A batch without weight was divided by 1: label smoothing gives it a sum all the same.
      return exact.mul(weight === undefined ? all : where(weight.greater(0), weight, 1))
    })
    if (readings.length > 0) {
      totals.assign(totals.value.add(stack([...sums, ...weights]).reshape([2, readings.length])))
    }
    return readings
  }

  #prepare(columns: Columns): Variable {
    const known = this.#columns
    if (known === undefined) {
      this.#columns = columns
      const shape = [2, columns.sums.length]
      const start = this.#restored?.totals
      const initial =
        start === undefined ? zeros(shape, { dtype: 'float64' }) : tensor(Float64Array.from(start), { shape })
      this.#restored = undefined
      this.#totals = new Variable(initial, { name: 'totals', trainable: false })
    } else if (known.hasLoss !== columns.hasLoss || String(known.names) !== String(columns.names)) {
      const show = ({ hasLoss, names }: Columns) =>
        [...(hasLoss ? ['loss'] : []), ...names].join(', ') || 'none'
      throw new ArgumentError(
        `fit: a step reports ${show(columns)}, and one before reported ${show(known)}; give the same names in every step`,
      )
    }
    return this.#totals as Variable
  }

  reset(): void {
    this.#restored = undefined
    this.#totals?.assign(0)
  }

  /** The sums so far. Waits for the steps under way. */
  async snapshot(): Promise<MeterSnapshot | undefined> {
    if (this.#totals === undefined || this.#columns === undefined) return this.#restored
    const totals = [...((await this.#totals.data()) as Float64Array)]
    return { ...this.#columns, totals }
  }

  /** Goes on from a snapshot. */
  restore(snapshot: MeterSnapshot | undefined): void {
    this.#restored = snapshot
  }

  /** What steps add to; undefined before the first one. */
  get totals(): Variable | undefined {
    return this.#totals
  }

  /** Readings of one batch by what they are of. */
  named(values: readonly number[]): Means {
    return meansOf(values, this.#columns?.hasLoss ?? false, this.#columns?.names ?? [])
  }

  /** Means of all steps so far; undefined where nothing counted. Waits for the steps under way. */
  async means(): Promise<Means | undefined> {
    const held = await this.snapshot()
    if (held === undefined) return { loss: undefined, metrics: {} }
    const { names, hasLoss, sums, totals } = held
    const width = totals.length / 2
    const values = Array.from({ length: width }, (_, index) => {
      const [sum, weight] = [totals[index] as number, totals[width + index] as number]
      return sums[index] === true ? sum : sum / weight
    })
    if (hasLoss && totals[width] === 0) return undefined
    return meansOf(values, hasLoss, names)
  }

  dispose(): void {
    this.#totals?.dispose()
  }
}

/** Numbers, loss first, by what they are of. */
function meansOf(values: readonly number[], hasLoss: boolean, names: readonly string[]): Means {
  const rest = hasLoss ? values.slice(1) : values
  return {
    loss: hasLoss ? values[0] : undefined,
    metrics: Object.fromEntries(names.map((name, index) => [name, rest[index] ?? Number.NaN])),
  }
}

/** Loss and logs of a batch as a list, loss first. */
function readingsOf({ loss, logs = {} }: Outcome): { columns: Columns; readings: Reading[] } {
  const names = Object.keys(logs)
  const own = loss === undefined ? [] : [readingOf('loss', loss)]
  const readings = [...own, ...names.map((name) => readingOf(name, logs[name]))]
  return {
    columns: { hasLoss: loss !== undefined, names, sums: readings.map(({ isSum }) => isSum === true) },
    readings,
  }
}

function readingOf(name: string, given: Tensor | Reading | undefined): Reading {
  const reading = given instanceof Tensor ? { value: given } : given
  if (!(reading?.value instanceof Tensor)) {
    throw new ArgumentError(`fit: a step gave ${describe(given)} as '${name}', expected a scalar tensor`)
  }
  if (reading.value.rank === 0) return reading
  throw new ShapeError(
    `fit: a step gave '${name}' of shape [${reading.value.shape}], expected a scalar: the mean over the batch`,
  )
}
