/** A dump in chunks: while one is in memory the next is read. */

import type { ActivationRun } from '../data/activations/types.js'
import { type LazyArray, rowsOf } from '../io/lazy-array.js'
import { type DumpSamples, floatRows } from './dump-samples.js'
import type { LayerTensor } from './dump-values.js'

/** Layers of an epoch that are in memory together. */
export interface Portion {
  /** Index of the run. */
  readonly run: number
  readonly epoch: number
  readonly layers: readonly { readonly name: string; readonly array: LazyArray }[]
}

/** Maximum size of a portion in bytes, at 8 bytes per value, unless one layer is larger. */
const mostBytes = 1 << 28

/** The portions of a dump, by run and epoch. */
export function portionsOf(
  runs: readonly ActivationRun[],
  layers: readonly string[],
  epochs: ReadonlySet<number>,
  samples: number | undefined,
): Portion[] {
  return runs.flatMap((run, number) =>
    run.epochs
      .filter((epoch) => epochs.has(epoch))
      .flatMap((epoch) => {
        const own = layers.filter((name) => run.layers.includes(name))
        const there = own.flatMap((name) => {
          const array = run.layer(epoch, name)
          return array === undefined ? [] : [{ name, array }]
        })
        return grouped(there, samples).map((group) => ({ run: number, epoch, layers: group }))
      }),
  )
}

function grouped(layers: Portion['layers'], samples: number | undefined): Portion['layers'][] {
  const groups: Portion['layers'][number][][] = []
  let bytes = 0
  for (const layer of layers) {
    const { array } = layer
    const width = array.shape.slice(1).reduce((product, length) => product * length, 1)
    const own = 8 * width * Math.min(rowsOf(array), samples ?? Number.POSITIVE_INFINITY)
    const last = groups.at(-1)
    if (last === undefined || bytes + own > mostBytes) {
      groups.push([layer])
      bytes = own
    } else {
      last.push(layer)
      bytes += own
    }
  }
  return groups
}

/** Layers in memory; the caller disposes of them. */
export interface PortionTensors {
  readonly layers: readonly LayerTensor[]
  [Symbol.dispose](): void
}

/** Reads portions in order, one ahead of the measurement. */
export class DumpReader {
  readonly #dump: DumpSamples
  readonly #portions: readonly Portion[]
  #ahead: Promise<PortionTensors> | undefined
  #next = 0

  constructor(dump: DumpSamples, portions: readonly Portion[]) {
    this.#dump = dump
    this.#portions = portions
  }

  /** The next portion, which the caller disposes of; reading of the one after it begins. */
  async next(): Promise<PortionTensors> {
    const own = this.#ahead ?? this.#read()
    this.#ahead = undefined
    const tensors = await own
    if (this.#next < this.#portions.length) {
      this.#ahead = this.#read()
      // The error is thrown when the portion is requested.
      this.#ahead.catch(() => {})
    }
    return tensors
  }

  async #read(): Promise<PortionTensors> {
    const { layers } = this.#portions[this.#next++] as Portion
    const made: LayerTensor[] = []
    const dispose = () => {
      for (const { h } of made) h.dispose()
    }
    try {
      for (const { name, array } of layers)
        made.push({ name, h: await floatRows(await this.#dump.read(array)) })
    } catch (error) {
      dispose()
      throw error
    }
    return { layers: made, [Symbol.dispose]: dispose }
  }

  /** Disposes of the portion that was read ahead. */
  async close(): Promise<void> {
    const ahead = await this.#ahead?.catch(() => undefined)
    ahead?.[Symbol.dispose]()
  }
}
