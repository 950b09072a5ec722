/** Contents of a file of arrays. */

import { HyperglowError } from '../core/errors.js'
import type { LazyArray } from './lazy-array.js'

/** The arrays of a file by name, in the order of the file, and the contents that are not read. */
export class OpenArrays {
  readonly arrays = new Map<string, LazyArray>()
  /** Contents without supported numbers, such as text, and the reasons. */
  readonly refused: { readonly name: string; readonly reason: string }[] = []

  /** Adds an array, or the reason why it cannot be read. */
  async add(name: string, open: () => LazyArray | Promise<LazyArray>): Promise<void> {
    try {
      this.arrays.set(name, await open())
    } catch (error) {
      if (!(error instanceof HyperglowError)) throw error
      this.refused.push({ name, reason: error.message })
    }
  }
}
