import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import type { NllOptions } from './cross-entropy.js'

/**
 * What each label of a batch weighs in the mean of cross-entropy and of the log-likelihood: its class weight, 0 where it is ignored.
 *
 * @param labels class indices `[batch, ...]`
 * @returns float64 of the shape of the labels; undefined where each of them weighs 1
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
 * What the labels of a batch weigh together in the mean of cross-entropy and of the log-likelihood, so that means of batches can be put
 * together: the sum of the class weights of all labels that count.
 *
 * @param labels class indices `[batch, ...]`
 * @returns float64 scalar; undefined where each of them weighs 1
 */
export function weightOfLabels(labels: Tensor, options: NllOptions): Tensor | undefined {
  return weightsOfLabels(labels, options)?.sum()
}
