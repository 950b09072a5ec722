/** What a file of arrays holds. */

import { HyperglowError } from '../core/errors.js'
import type { LazyArray } from './lazy-array.js'

/** The arrays of a file by name, in the order of the file, and what of it is not read. */
export class OpenArrays {
  readonly arrays = new Map<string, LazyArray>()
  /** What has no numbers that are read, such as text, and why. */
  readonly refused: { readonly name: string; readonly reason: string }[] = []

  /** Adds an array, or the reason why it is none. */
  async add(name: string, open: () => LazyArray | Promise<LazyArray>): Promise<void> {
    try {
      this.arrays.set(name, await open())
    } catch (error) {
      if (!(error instanceof HyperglowError)) throw error
      this.refused.push({ name, reason: error.message })
    }
  }
}
