/** What layers answered to the same samples, by run and epoch. */

import type { LazyArray } from '../../io/lazy-array.js'

/** One run: what its layers answered, epoch by epoch. Arrays are read only when they are asked for. */
export interface ActivationRun {
  /** Name of its folder, or for instance 'seed 3'. */
  readonly name: string
  /** Rising; `[0]` where no number is known. */
  readonly epochs: readonly number[]
  /** Whether the numbers of the epochs are known. */
  readonly epochsKnown: boolean
  /** Names of its layers, input side first where that is known. */
  readonly layers: readonly string[]
  /** Input samples `[n, ...]`; undefined where there are none. */
  x(epoch: number): LazyArray | undefined
  /** Labels `[n]` of integers, or targets `[n, ...]`; undefined where there are none. */
  y(epoch: number): LazyArray | undefined
  /** What a layer answered, `[n, ...]`; undefined where the epoch lacks it. */
  layer(epoch: number, name: string): LazyArray | undefined
}

/** Activations of several runs of one experiment. */
export interface Activations {
  /** Where they come from: a path, or the name of a model. */
  readonly source: string
  readonly runs: readonly ActivationRun[]
  /** What was taken for what, and what was left out, for a reader. */
  readonly notes: readonly string[]
}
