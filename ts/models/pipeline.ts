/** Steps that run while the next ones are being prepared. */

/** Steps under way at a time: one runs, one waits, so the device never idles and the queue stays short. */
const depth = 2

/** Starts steps in order, at most two under way, and takes their results in order. */
export class Pipeline<T> {
  readonly #take: (result: T, index: number) => Promise<void> | void
  readonly #discard: (result: T) => void
  #underWay: Promise<T>[] = []
  #taken = 0

  /**
   * @param take uses a result and releases it; what it throws ends the run
   * @param discard releases a result that comes after an error
   */
  constructor(take: (result: T, index: number) => Promise<void> | void, discard: (result: T) => void) {
    this.#take = take
    this.#discard = discard
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

  /** Waits for all steps and drops their results; never throws. */
  async abandon(): Promise<void> {
    const left = this.#underWay
    this.#underWay = []
    for (const step of left) await step.then(this.#discard, () => {})
  }

  async #settle(): Promise<void> {
    const step = this.#underWay.shift() as Promise<T>
    await this.#take(await step, this.#taken++)
  }
}
