/** The recorded information-plane coordinates of a training run. */

import { type NestedArray, type Tensor, tensor } from '../ops/tensor.js'
import { type DynamicsHeading, type DynamicsSampling, difference } from './heading.js'
import { meanOfMeasured } from './means.js'
import { Sampling, type SamplingSnapshot } from './sampling.js'

/** Averaged dynamics of a run, as plain data: the argument of plots and tables. */
export interface ModelDynamics extends DynamicsHeading, DynamicsSampling {
  /** [N, E, L, 2]: epochs, evaluators, layers, (complexity, generalization). */
  readonly shape: readonly [number, number, number, number]
  /**
   * Unweighted means over the evaluated batches of each epoch, nested as `shape`. NaN if no batch was evaluated, and if an evaluator had no
   * answer; null in JSON.
   */
  readonly values: number[][][][]
  /** Number of each of the N epochs, counted over all training of the model, from 1. */
  readonly epochs: readonly number[]
  /** Training steps up to the end of each epoch; null if they are not known, as after loading a model. */
  readonly steps: readonly (number | null)[]
}

/** Numbers of a finished epoch. */
export interface EpochMark {
  /** Number of the epoch. */
  readonly epoch: number
  /** Training steps up to its end, null if not known. */
  readonly step: number | null
}

/** A {@link DynamicsRecord} as plain data. */
export interface RecordSnapshot {
  readonly heading: DynamicsHeading
  /** Missing in checkpoints of earlier versions of hyperglow. */
  readonly sampling?: SamplingSnapshot
  readonly marks: readonly EpochMark[]
  /** Number of batches with values: in each finished epoch, and last in the current epoch. */
  readonly counts: readonly number[]
  /** Steps before each batch with values. Missing in checkpoints of earlier versions of hyperglow. */
  readonly steps?: readonly (number | null)[]
  /** Values of all batches, one after the other. */
  readonly values: Float32Array
}

/** Values of every batch, and their means over finished epochs. */
export class DynamicsRecord {
  readonly heading: DynamicsHeading
  /** One list per epoch of the [E, L, 2] values of its batches. */
  readonly #epochs: Float32Array[][] = []
  readonly #marks: EpochMark[] = []
  #current: Float32Array[] = []
  /** Steps before each batch with values: of finished epochs, and of the current one. */
  readonly #steps: (number | null)[][] = []
  #currentSteps: (number | null)[] = []
  #sampling: Sampling
  #evaluated: Tensor | undefined
  #perBatch: Tensor | undefined

  /** @param before sample sizes of earlier values */
  constructor(heading: DynamicsHeading, before?: DynamicsSampling) {
    this.heading = heading
    this.#sampling = before === undefined ? Sampling.none(heading.evaluators.length) : new Sampling(before)
  }

  /** Sample sizes of the values. */
  get sampling(): Sampling {
    return this.#sampling
  }

  get layers(): readonly string[] {
    return this.heading.layers
  }

  get evaluators(): readonly string[] {
    return this.heading.evaluators
  }

  /** The reason why later epochs under a heading cannot be appended; undefined if they can. */
  refuses(heading: DynamicsHeading): string | undefined {
    return difference(this.heading, heading)
  }

  /** Number of values of one batch, E * L * 2. */
  get width(): number {
    return this.evaluators.length * this.layers.length * 2
  }

  /** Number of finished epochs. */
  get epochs(): number {
    return this.#epochs.length
  }

  /** The numbers of the finished epochs. */
  get marks(): readonly EpochMark[] {
    return this.#marks
  }

  /**
   * Adds the values [E, L, 2] of a batch of the current epoch.
   *
   * @param step steps before the batch, -1 for a measurement at initialization; null if they are not known
   */
  add(values: Float32Array, step: number | null): void {
    this.#current.push(values)
    this.#currentSteps.push(step)
  }

  /** Replaces the values of the last batch. */
  replaceLast(values: Float32Array): void {
    this.#current[this.#current.length - 1] = values
  }

  /** Marks the current epoch as finished. */
  finishEpoch(mark: EpochMark): void {
    this.#epochs.push(this.#current)
    this.#steps.push(this.#currentSteps)
    this.#marks.push(mark)
    this.#current = []
    this.#currentSteps = []
    this.sampling.finishEpoch()
    this.#forget()
  }

  /** Values of the batches of the current epoch. */
  get current(): readonly Float32Array[] {
    return this.#current
  }

  /** Values of every batch with values in finished epochs, with the steps before it and the number of its epoch. */
  get rows(): readonly {
    readonly values: Float32Array
    readonly step: number | null
    readonly epoch: number
  }[] {
    return this.#epochs.flatMap((batches, n) =>
      batches.map((values, b) => ({
        values,
        step: this.#steps[n]?.[b] ?? null,
        epoch: (this.#marks[n] as EpochMark).epoch,
      })),
    )
  }

  /** All recorded values, as plain data and one array; see {@link DynamicsRecord.from}. */
  snapshot(): RecordSnapshot {
    const { heading, sampling } = this
    const all = [...this.#epochs, this.#current]
    const { width } = this
    const values = new Float32Array(all.reduce((total, { length }) => total + length * width, 0))
    for (const [row, batch] of all.flat().entries()) values.set(batch, row * width)
    const counts = all.map(({ length }) => length)
    const steps = [...this.#steps, this.#currentSteps].flat()
    return { heading, sampling: sampling.snapshot(), marks: [...this.#marks], counts, steps, values }
  }

  /** The record of a snapshot. */
  static from({ heading, sampling, marks, counts, steps, values }: RecordSnapshot): DynamicsRecord {
    const record = new DynamicsRecord(heading)
    const { width } = record
    let row = 0
    for (const [epoch, count] of counts.entries()) {
      for (let batch = 0; batch < count; batch++, row++) {
        record.add(values.slice(row * width, (row + 1) * width), steps?.[row] ?? null)
      }
      const mark = marks[epoch]
      if (mark !== undefined) record.finishEpoch(mark)
    }
    if (sampling !== undefined) record.#sampling = new Sampling(sampling)
    return record
  }

  /** Drops the values of an interrupted epoch. */
  dropEpoch(): void {
    this.#current = []
    this.#currentSteps = []
    this.sampling.dropEpoch()
  }

  /** Makes new tensors on the next access: returned tensors belong to the caller. */
  #forget(): void {
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

  /** float32 [N, E, L, 2], the same tensor until the next epoch is finished. */
  evaluated(): Tensor {
    if (this.#evaluated === undefined || this.#evaluated.isDisposed) {
      const shape = [this.epochs, this.evaluators.length, this.layers.length, 2]
      this.#evaluated = tensor(this.#means(), { shape })
    }
    return this.#evaluated
  }

  /** float32 [N, B, E, L, 2] with B the batches of the longest epoch; NaN if an epoch had fewer. */
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
    const { epochs, layers, evaluators, sampling } = this
    const shape = [epochs, evaluators.length, layers.length, 2] as const
    return {
      shape,
      values: nest(this.#means(), shape) as number[][][][],
      ...this.heading,
      samples: sampling.samples,
      labelEntropy: sampling.labelEntropy,
      epochs: this.#marks.map(({ epoch }) => epoch),
      steps: this.#marks.map(({ step }) => step),
    }
  }
}

/** `row` with the values that are not NaN in `values`. */
export function withValues(row: Float32Array | undefined, values: Float32Array): Float32Array {
  return values.map((value, i) => (Number.isNaN(value) ? (row?.[i] ?? Number.NaN) : value))
}

function nest(flat: Float32Array, [extent, ...rest]: readonly number[]): NestedArray {
  if (extent === undefined) return flat[0] as number
  const step = extent === 0 ? 0 : flat.length / extent
  return Array.from({ length: extent }, (_, i) => nest(flat.subarray(i * step, (i + 1) * step), rest))
}
