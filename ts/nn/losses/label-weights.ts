import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import type { NllOptions } from './cross-entropy.js'

/**
 * The weight of a batch in the mean of cross-entropy and of the log-likelihood, for means over several batches: the sum of the class weights
 * of all labels that are not ignored.
 *
 * @param labels class indices `[batch, ...]`
 * @returns float64 scalar; undefined if every weight is 1
 */
export function weightOfLabels(labels: Tensor, { weight, ignoreIndex }: NllOptions): Tensor | undefined {
  if (weight === undefined && ignoreIndex === undefined) return undefined
  const index = labels.cast('int32').flatten()
  const counted = ignoreIndex === undefined ? undefined : index.notEqual(ignoreIndex)
  if (weight === undefined) return (counted as Tensor).cast('float64').sum()
  const known = counted === undefined ? index : where(counted, index, 0)
  const weights = weight.take(known).cast('float64')
  return (counted === undefined ? weights : where(counted, weights, 0)).sum()
}
