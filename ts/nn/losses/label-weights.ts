import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import type { NllOptions } from './cross-entropy.js'

/**
 * The weight of each label of a batch in the mean of cross-entropy and of the log-likelihood: the weight of its class, 0 for ignored labels.
 *
 * @param labels class indices `[batch, ...]`
 * @returns float64 of the shape of the labels; undefined if every weight is 1
 */
export function weightsOfLabels(labels: Tensor, { weight, ignoreIndex }: NllOptions): Tensor | undefined {
  if (weight === undefined && ignoreIndex === undefined) return undefined
  const index = labels.cast('int32')
  const counted = ignoreIndex === undefined ? undefined : index.notEqual(ignoreIndex)
  if (weight === undefined) return (counted as Tensor).cast('float64')
  const known = counted === undefined ? index : where(counted, index, 0)
  const weights = weight.take(known).cast('float64')
  return counted === undefined ? weights : where(counted, weights, 0)
}

/**
 * The weight of a batch in the mean of cross-entropy and of the log-likelihood, for means over several batches: the sum of the class weights
 * of all labels that are not ignored.
 *
 * @param labels class indices `[batch, ...]`
 * @returns float64 scalar; undefined if every weight is 1
 */
export function weightOfLabels(labels: Tensor, options: NllOptions): Tensor | undefined {
  return weightsOfLabels(labels, options)?.sum()
}
