/** Outputs of layers for the same samples, by run and epoch. */

import type { LazyArray } from '../../io/lazy-array.js'

/** One run: the outputs of its layers, epoch by epoch. Arrays are read on demand. */
export interface ActivationRun {
  /** Name of its folder, or for example 'seed 3'. */
  readonly name: string
  /** Ascending; `[0]` if no number is known. */
  readonly epochs: readonly number[]
  /** Whether the numbers of the epochs are known. */
  readonly epochsKnown: boolean
  /** Names of its layers, input side first if the order is known. */
  readonly layers: readonly string[]
  /** Input samples `[n, ...]`; undefined if there are none. @throws ArgumentError for a number that is not in `epochs`, with the nearest */
  x(epoch: number): LazyArray | undefined
  /** Labels `[n]` of integers, or targets `[n, ...]`; undefined if there are none. @throws as {@link x} */
  y(epoch: number): LazyArray | undefined
  /**
   * Output of a layer, `[n, ...]`; undefined if the epoch lacks a layer that other epochs of the run have.
   *
   * @throws ArgumentError for a number that is not in `epochs`, with the nearest; UnknownNameError for a name that is not in `layers`
   */
  layer(epoch: number, name: string): LazyArray | undefined
}

/** Activations of several runs of one experiment. */
export interface Activations {
  /** Source of the activations: a path, or the name of a model. */
  readonly source: string
  readonly runs: readonly ActivationRun[]
  /** Assumptions about names, and omissions, for the reader. */
  readonly notes: readonly string[]
}
