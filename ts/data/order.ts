/** The order of samples in an epoch. */
import { type Check, type Checks, flag, whole } from '../core/options.js'
import type { Work } from '../core/turns.js'
import { HostRandom } from '../ops/random.js'
import { samplesPerTurn } from './targets.js'

/** The size and the order of batches. */
export interface OrderOptions {
  /** Samples in a batch; the last one may have fewer. Default 32. */
  batchSize?: number | undefined
  /** Shuffle the samples in every epoch. Default false. */
  shuffle?: boolean | undefined
  /** Seed of the orders. Default 0. */
  seed?: number | undefined
}

/** The checks of {@link OrderOptions}. */
export const orderChecks: Checks<OrderOptions> = { batchSize: whole(1), shuffle: flag, seed: whole(0) }

/** The check of an epoch's number. */
export const epochNumber: Check<number> = whole(0, 2 ** 32 - 2)

/** The numbers below `count` in the order of an epoch (from 0): different for every seed and epoch. */
export function shuffledOrder(count: number, seed: number, epoch: number): Work<Int32Array> {
  // Seed in the low word, epoch in the high word: orders of different epochs are independent streams.
  return new HostRandom(BigInt(seed) ^ (BigInt(epoch + 1) << 32n)).permuting(count)
}

/** Rows in the order of an epoch, by {@link shuffledOrder}. */
export function* shuffledRows(rows: Int32Array, seed: number, epoch: number): Work<Int32Array> {
  return yield* rowsAt(rows, yield* shuffledOrder(rows.length, seed, epoch))
}

/** The rows at some indices. */
export function* rowsAt(rows: Int32Array, places: Int32Array): Work<Int32Array> {
  const chosen = new Int32Array(places.length)
  for (let i = 0; i < chosen.length; i++) {
    chosen[i] = rows[places[i] as number] as number
    if ((i + 1) % samplesPerTurn === 0) yield
  }
  return chosen
}
