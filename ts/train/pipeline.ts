/** Steps that run while later steps are prepared. */
import { unlessAborted } from './unless-aborted.js'

/** Most started steps at a time: one runs, one waits, so the device never idles and the queue stays short. */
const depth = 2

/** A step that was started. */
interface UnderWay<T> {
  readonly step: Promise<T>
  /** Resolves after its result was taken. */
  taken: Promise<void>
  /** Whether the result was passed to `take`. */
  isOwned: boolean
}

/**
 * Starts steps in order, at most two at a time, and takes their results in order, each as soon as it is ready: also while the caller waits,
 * for the next batch for instance.
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
   * @param take uses a result and releases it; an error in it ends the run
   * @param discard releases a result after an error
   * @param signal ends waiting; started steps then finish on the device in order
   * @param onFailure called at once with the error that ends the run; `push` and `drain` throw it
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

  /** Starts a step; with two started steps, it first waits for the older one and takes its result. */
  async push(start: () => Promise<T>): Promise<void> {
    while (this.#underWay.length >= depth) await this.#underWay[0]?.taken
    const step = start()
    // A rejection during the wait for an earlier step is handled later, in order.
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

  /** Waits for all steps, unless the signal was aborted, and drops their results; never throws. */
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
