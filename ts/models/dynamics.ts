/** The information-plane coordinates of a training run, as they are recorded. */
import { meanOfMeasured } from '../io/dynamics-means.js'
import { type NestedArray, type Tensor, tensor } from '../tensor.js'

/** Averaged dynamics of a run, as plain data: what plots and tables take. */
export interface ModelDynamics {
  /** [N, E, L, 2]: epochs, evaluators, layers, (complexity, generalization). */
  readonly shape: readonly [number, number, number, number]
  /** Unweighted means over the batches of each epoch that were evaluated, nested as `shape` says; NaN where none was. */
  readonly values: number[][][][]
  /** Names of the L layers, input side first. */
  readonly layers: readonly string[]
  /** Names of the E evaluators, in the order in which they were attached. */
  readonly evaluators: readonly string[]
}

/** Values of every batch and their means, of finished epochs. */
export class DynamicsRecord {
  readonly layers: readonly string[]
  readonly evaluators: readonly string[]
  /** One list an epoch of the [E, L, 2] values of its batches. */
  readonly #epochs: Float32Array[][] = []
  #current: Float32Array[] = []
  #evaluated: Tensor | undefined
  #perBatch: Tensor | undefined

  constructor(layers: readonly string[], evaluators: readonly string[]) {
    this.layers = layers
    this.evaluators = evaluators
  }

  /** Whether later epochs with these layers and evaluators can go on this record. */
  fits(layers: readonly string[], evaluators: readonly string[]): boolean {
    return String([...layers, '', ...evaluators]) === String([...this.layers, '', ...this.evaluators])
  }

  /** Numbers of one batch, E * L * 2. */
  get width(): number {
    return this.evaluators.length * this.layers.length * 2
  }

  /** Finished epochs. */
  get epochs(): number {
    return this.#epochs.length
  }

  /** Takes the values [E, L, 2] of a batch of the epoch under way. */
  add(values: Float32Array): void {
    this.#current.push(values)
  }

  /** Makes the epoch under way a finished one; values of its end, NaN where there are none, go beside its last batch. */
  finishEpoch(values?: Float32Array): void {
    const last = this.#current.pop()
    const row = values === undefined ? last : withValues(last, values)
    if (row !== undefined) this.#current.push(row)
    this.#epochs.push(this.#current)
    this.#current = []
    this.#forget()
  }

  /** Drops what came of an epoch that was cut short. */
  dropEpoch(): void {
    this.#current = []
  }

  /** Releases the tensors handed out. */
  dispose(): void {
    this.#forget()
  }

  #forget(): void {
    this.#evaluated?.dispose()
    this.#perBatch?.dispose()
    this.#evaluated = undefined
    this.#perBatch = undefined
  }

  /** Means over batches, N * E * L * 2 numbers. */
  #means(): Float32Array {
    const { width } = this
    const means = new Float32Array(this.epochs * width).fill(Number.NaN)
    for (const [epoch, batches] of this.#epochs.entries()) {
      means.set(meanOfMeasured(batches, this.evaluators.length), epoch * width)
    }
    return means
  }

  /** float32 [N, E, L, 2], kept until another epoch is finished. */
  evaluated(): Tensor {
    if (this.#evaluated === undefined || this.#evaluated.isDisposed) {
      const shape = [this.epochs, this.evaluators.length, this.layers.length, 2]
      this.#evaluated = tensor(this.#means(), { shape })
    }
    return this.#evaluated
  }

  /** float32 [N, B, E, L, 2] with B the batches of the longest epoch; NaN where an epoch had fewer. */
  perBatch(): Tensor {
    if (this.#perBatch === undefined || this.#perBatch.isDisposed) {
      const { width } = this
      const batches = Math.max(0, ...this.#epochs.map((epoch) => epoch.length))
      const values = new Float32Array(this.epochs * batches * width).fill(Number.NaN)
      for (const [n, epoch] of this.#epochs.entries()) {
        for (const [b, batch] of epoch.entries()) values.set(batch, (n * batches + b) * width)
      }
      const shape = [this.epochs, batches, this.evaluators.length, this.layers.length, 2]
      this.#perBatch = tensor(values, { shape })
    }
    return this.#perBatch
  }

  /** The means as plain data. */
  toDynamics(): ModelDynamics {
    const { epochs, layers, evaluators } = this
    const shape = [epochs, evaluators.length, layers.length, 2] as const
    return { shape, values: nest(this.#means(), shape) as number[][][][], layers, evaluators }
  }
}

/** `row` with the numbers among `values` put in. */
export function withValues(row: Float32Array | undefined, values: Float32Array): Float32Array {
  return values.map((value, i) => (Number.isNaN(value) ? (row?.[i] ?? Number.NaN) : value))
}

function nest(flat: Float32Array, [extent, ...rest]: readonly number[]): NestedArray {
  if (extent === undefined) return flat[0] as number
  const step = extent === 0 ? 0 : flat.length / extent
  return Array.from({ length: extent }, (_, i) => nest(flat.subarray(i * step, (i + 1) * step), rest))
}

/** Names with a number behind those that came before: `['HSIC', 'HSIC']` become `['HSIC', 'HSIC_2']`. */
export function distinct(names: readonly string[]): string[] {
  const seen = new Set<string>()
  return names.map((name) => {
    let free = name
    for (let count = 2; seen.has(free); count++) free = `${name}_${count}`
    seen.add(free)
    return free
  })
}
