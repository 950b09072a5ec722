/** Steps that run while the next ones are being prepared. */
import { unlessAborted } from './unless-aborted.js'

/** Steps under way at a time: one runs, one waits, so the device never idles and the queue stays short. */
const depth = 2

/** A step that was started. */
interface UnderWay<T> {
  readonly step: Promise<T>
  /** When its result has been taken. */
  taken: Promise<void>
  /** Whether its result is the taker's. */
  isOwned: boolean
}

/**
 * Starts steps in order, at most two under way, and takes their results in order, each as soon as it is there: also while the caller waits
 * for something else, such as the next batch.
 */
export class Pipeline<T> {
  readonly #take: (result: T, index: number) => Promise<void> | void
  readonly #discard: (result: T) => void
  readonly #signal: AbortSignal | undefined
  readonly #onFailure: (error: unknown) => void
  #underWay: UnderWay<T>[] = []
  #last: Promise<void> = Promise.resolve()
  #started = 0

  /**
   * @param take uses a result and releases it; what it throws ends the run
   * @param discard releases a result that comes after an error
   * @param signal ends waiting; steps under way then end by themselves, in their order on the device
   * @param onFailure told at once what ends the run, which `push` and `drain` throw
   */
  constructor(
    take: (result: T, index: number) => Promise<void> | void,
    discard: (result: T) => void,
    signal?: AbortSignal,
    onFailure: (error: unknown) => void = () => {},
  ) {
    this.#take = take
    this.#discard = discard
    this.#signal = signal
    this.#onFailure = onFailure
  }

  /** Starts a step, after the oldest one is done and taken where two are under way. */
  async push(start: () => Promise<T>): Promise<void> {
    while (this.#underWay.length >= depth) await this.#underWay[0]?.taken
    const step = start()
    // A step that fails while an earlier one is waited for is not unhandled: its turn comes.
    step.catch(() => {})
    const entry: UnderWay<T> = { step, taken: this.#last, isOwned: false }
    entry.taken = this.#takeAfter(this.#last, entry, this.#started++)
    entry.taken.catch(this.#onFailure)
    this.#last = entry.taken
    this.#underWay.push(entry)
  }

  /** Waits for all steps and takes their results. */
  drain(): Promise<void> {
    return this.#last
  }

  /** Waits for all steps, unless the signal was aborted, and drops results not yet taken; never throws. */
  async abandon(): Promise<void> {
    const left = this.#underWay
      .filter(({ isOwned }) => !isOwned)
      .map(({ step }) => step.then(this.#discard, () => {}))
    this.#underWay = []
    if (!this.#signal?.aborted) await Promise.all(left)
  }

  async #takeAfter(previous: Promise<void>, entry: UnderWay<T>, index: number): Promise<void> {
    await previous
    const result = await unlessAborted(entry.step, this.#signal)
    entry.isOwned = true
    await this.#take(result, index)
    this.#underWay.shift()
  }
}
