/** Timing of blocks of iterations, as in the peers' programs. */
import { performance } from 'node:perf_hooks'
import type { Inputs, Iteration, Setup } from './job.js'

/** Result of a block. */
export interface Block {
  /** Milliseconds per iteration. */
  readonly ms: number
  readonly iters: number
  /** Result of the very first iteration; null if there is none. */
  readonly value: number | null
}

/** A case after its setup and first iteration. */
export class Timed {
  readonly #iterate: Iteration
  readonly #value: number | null
  #iterations: number | undefined

  private constructor(iterate: Iteration, value: number | null) {
    this.#iterate = iterate
    this.#value = value
  }

  /** Sets a case up and runs its first iteration. */
  static async start(setup: Setup, inputs: Inputs): Promise<Timed> {
    const iterate = await setup(inputs)
    return new Timed(iterate, (await iterate()) ?? null)
  }

  /** Runs for about `ms` milliseconds, after a warm-up of half that time before the first block. */
  async block(ms: number): Promise<Block> {
    this.#iterations ??= await this.#warmUp(ms)
    const iters = this.#iterations
    return { ms: (await this.#run(iters)) / iters, iters, value: this.#value }
  }

  /** Number of iterations that take about `ms` milliseconds. */
  async #warmUp(ms: number): Promise<number> {
    let spent = 0
    let count = 0
    do {
      spent += await this.#run(1)
      count++
    } while (spent < ms / 2)
    return Math.max(1, Math.round((ms * count) / spent))
  }

  async #run(iterations: number): Promise<number> {
    const start = performance.now()
    for (let i = 0; i < iterations; i++) await this.#iterate()
    return performance.now() - start
  }
}

/** The median; for an even number of values, the upper of the two in the middle. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}
