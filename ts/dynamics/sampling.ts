/** Sample sizes of recorded values, and the entropy of their classes. */
import type { DynamicsSampling } from './heading.js'

/** Counts up to some moment. */
interface Seen extends DynamicsSampling {
  /** Samples of each class, the last entry for samples without a class; null if no classes were counted. */
  readonly classCounts: readonly number[] | null
}

/** A {@link Sampling} as plain data. */
export interface SamplingSnapshot extends Seen {
  /** Up to the last finished epoch. */
  readonly finished: Seen
}

/** Counts the samples of evaluators, epoch by epoch. */
export class Sampling implements DynamicsSampling {
  #now: Seen
  #finished: Seen

  /** @param before counts of earlier values, or a snapshot */
  constructor(before: DynamicsSampling | SamplingSnapshot) {
    const { finished = before } = before as Partial<SamplingSnapshot>
    this.#now = seenBy(before)
    this.#finished = seenBy(finished)
  }

  /** Empty counts for a number of evaluators. */
  static none(evaluators: number): Sampling {
    return new Sampling({ samples: new Array<null>(evaluators).fill(null), labelEntropy: null })
  }

  get samples(): readonly (number | null)[] {
    return this.#now.samples
  }

  get labelEntropy(): number | null {
    return this.#now.labelEntropy
  }

  /** Counts the samples of a value of an evaluator. */
  see(evaluator: number, samples: number): void {
    const most = Math.max(this.samples[evaluator] ?? 0, samples)
    if (most === this.samples[evaluator]) return
    this.#now = { ...this.#now, samples: this.samples.map((n, e) => (e === evaluator ? most : n)) }
  }

  /**
   * Counts the classes of the samples.
   *
   * @param counts samples of each class
   * @param samples number of all samples, those without a class included
   */
  seeClasses(counts: ArrayLike<number>, samples: number): void {
    const seen = Array.from(counts)
    const all = [...seen, samples - seen.reduce((sum, count) => sum + count, 0)]
    const { classCounts: before } = this.#now
    const classCounts = before?.length === all.length ? all.map((n, c) => n + (before[c] as number)) : all
    this.#now = { ...this.#now, classCounts, labelEntropy: entropyOfCounts(classCounts) }
  }

  /** Keeps the counts of the epoch. */
  finishEpoch(): void {
    this.#finished = this.#now
  }

  /** Drops the counts since the last finished epoch. */
  dropEpoch(): void {
    this.#now = this.#finished
  }

  snapshot(): SamplingSnapshot {
    return { ...this.#now, finished: this.#finished }
  }
}

function seenBy({ samples, labelEntropy, classCounts = null }: DynamicsSampling & Partial<Seen>): Seen {
  return { samples: [...samples], labelEntropy, classCounts }
}

/** Entropy of relative frequencies, in nats. */
function entropyOfCounts(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.reduce((sum, count) => (count > 0 ? sum - (count / total) * Math.log(count / total) : sum), 0)
}
