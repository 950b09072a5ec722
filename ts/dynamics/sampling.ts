/** What recorded values were estimated from: how many samples, and how much their classes leave to know. */
import type { DynamicsSampling } from './heading.js'

/** What was seen up to some moment. */
interface Seen extends DynamicsSampling {
  /** Samples of each class, last of those without a class; null where no classes were seen. */
  readonly classCounts: readonly number[] | null
}

/** A {@link Sampling} as plain data. */
export interface SamplingSnapshot extends Seen {
  /** Up to the last finished epoch. */
  readonly finished: Seen
}

/** Sees the samples that evaluators are given, epoch by epoch. */
export class Sampling implements DynamicsSampling {
  #now: Seen
  #finished: Seen

  /** @param before what is known of earlier values, or what a snapshot holds */
  constructor(before: DynamicsSampling | SamplingSnapshot) {
    const { finished = before } = before as Partial<SamplingSnapshot>
    this.#now = seenBy(before)
    this.#finished = seenBy(finished)
  }

  /** That of nothing, for so many evaluators. */
  static none(evaluators: number): Sampling {
    return new Sampling({ samples: new Array<null>(evaluators).fill(null), labelEntropy: null })
  }

  get samples(): readonly (number | null)[] {
    return this.#now.samples
  }

  get labelEntropy(): number | null {
    return this.#now.labelEntropy
  }

  /** Notes how many samples a value of an evaluator was estimated from. */
  see(evaluator: number, samples: number): void {
    const most = Math.max(this.samples[evaluator] ?? 0, samples)
    if (most === this.samples[evaluator]) return
    this.#now = { ...this.#now, samples: this.samples.map((n, e) => (e === evaluator ? most : n)) }
  }

  /**
   * Notes the classes of the samples.
   *
   * @param counts samples of each class; @param samples all of them, those that are of no class too
   */
  seeClasses(counts: ArrayLike<number>, samples: number): void {
    const seen = Array.from(counts)
    const all = [...seen, samples - seen.reduce((sum, count) => sum + count, 0)]
    const { classCounts: before } = this.#now
    const classCounts = before?.length === all.length ? all.map((n, c) => n + (before[c] as number)) : all
    this.#now = { ...this.#now, classCounts, labelEntropy: entropyOfCounts(classCounts) }
  }

  /** What was seen stays. */
  finishEpoch(): void {
    this.#finished = this.#now
  }

  /** Forgets what was seen since the last finished epoch. */
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

/** Entropy of frequencies, in nats. */
function entropyOfCounts(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.reduce((sum, count) => (count > 0 ? sum - (count / total) * Math.log(count / total) : sum), 0)
}
