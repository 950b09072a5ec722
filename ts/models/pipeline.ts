/** Steps that run while the next ones are being prepared. */
import { unlessAborted } from './unless-aborted.js'

/** Steps under way at a time: one runs, one waits, so the device never idles and the queue stays short. */
const depth = 2

/** Starts steps in order, at most two under way, and takes their results in order. */
export class Pipeline<T> {
  readonly #take: (result: T, index: number) => Promise<void> | void
  readonly #discard: (result: T) => void
  readonly #signal: AbortSignal | undefined
  #underWay: Promise<T>[] = []
  #taken = 0

  /**
   * @param take uses a result and releases it; what it throws ends the run
   * @param discard releases a result that comes after an error
   * @param signal ends waiting; steps under way then end by themselves, in their order on the device
   */
  constructor(
    take: (result: T, index: number) => Promise<void> | void,
    discard: (result: T) => void,
    signal?: AbortSignal,
  ) {
    this.#take = take
    this.#discard = discard
    this.#signal = signal
  }

  /** Starts a step, after the oldest one is done where two are under way. */
  async push(start: () => Promise<T>): Promise<void> {
    while (this.#underWay.length >= depth) await this.#settle()
    const step = start()
    // A step that fails while an earlier one is waited for is not unhandled: its turn comes.
    step.catch(() => {})
    this.#underWay.push(step)
  }

  /** Waits for all steps and takes their results. */
  async drain(): Promise<void> {
    while (this.#underWay.length > 0) await this.#settle()
  }

  /** Waits for all steps, unless the signal was aborted, and drops their results; never throws. */
  async abandon(): Promise<void> {
    const left = this.#underWay.map((step) => step.then(this.#discard, () => {}))
    this.#underWay = []
    if (!this.#signal?.aborted) await Promise.all(left)
  }

  async #settle(): Promise<void> {
    const result = await unlessAborted(this.#underWay[0] as Promise<T>, this.#signal)
    this.#underWay.shift()
    await this.#take(result, this.#taken++)
  }
}
