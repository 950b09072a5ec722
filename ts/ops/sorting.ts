/** Sorting along an axis. */
import { showShape } from '../core/dtype.js'
import { ArgumentError, describe } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { resolveAxis } from './axes.js'

const own = Tensor.own

/** Options of {@link sort}. */
export interface SortOptions {
  /** Largest first; default false. */
  descending?: boolean
}

const sortChecks: Checks<SortOptions> = { descending: flag }

/** The indices (int32) that sort x along `axis` (default the last). Stable; NaN counts as largest. */
export function argSort(x: Tensor, axis = -1, options: SortOptions = {}): Tensor {
  const { descending = false } = checkOptions('argSort', options, sortChecks)
  return own(native.argSort(idOf('argSort', x), resolveAxis('argSort', axis, x.shape), descending))
}

/** x sorted along `axis` (default the last). */
export function sort(x: Tensor, axis = -1, options: SortOptions = {}): Tensor {
  const order = argSort(x, axis, options)
  return own(native.gather(x.id, order.id, resolveAxis('sort', axis, x.shape)))
}

/** Options of {@link topK}. */
export interface TopKOptions {
  /** The largest, otherwise the smallest; default true. */
  largest?: boolean
}

const topKChecks: Checks<TopKOptions> = { largest: flag }

/** The k largest (or smallest) elements along `axis` (default the last), in order, and their indices (int32). */
export function topK(
  x: Tensor,
  k: number,
  axis = -1,
  options: TopKOptions = {},
): { values: Tensor; indices: Tensor } {
  const { largest = true } = checkOptions('topK', options, topKChecks)
  const id = idOf('topK', x)
  const along = resolveAxis('topK', axis, x.shape)
  if (!Number.isSafeInteger(k) || k < 0 || k > (x.shape[along] as number)) {
    throw new ArgumentError(
      `topK: k is ${describe(k)} on axis ${along} of ${showShape(x.shape)}, expected an integer from 0 to ${x.shape[along]}`,
    )
  }
  const indices = own(native.topK(id, k, along, largest))
  return { values: own(native.gather(id, indices.id, along)), indices }
}

/** An index (int32) per row of x (n, d): equal rows get equal indices, 0, 1, 2 ... by first appearance. */
export function uniqueRows(x: Tensor): Tensor {
  return own(native.uniqueRows(idOf('uniqueRows', x)))
}
