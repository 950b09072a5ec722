import { checkValue, finite } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { checkEstimator, type Estimator } from './estimator.js'

/**
 * Objective of one layer of the HSIC bottleneck (Ma, Lewis and Kleijn 2019, eq. 5):
 * `estimator(z, x) - coefficient * estimator(z, y)`; training minimizes it.
 *
 * @param z `[batch, ...]` output of the layer
 * @param x `[batch, ...]` input of the network
 * @param y `[batch, ...]` target; class labels as one-hot rows
 * @param coefficient weight of the dependence on the target
 */
export function hsicLoss(z: Tensor, x: Tensor, y: Tensor, estimator: Estimator, coefficient: number): Tensor {
  checkEstimator('hsicLoss', estimator)
  checkValue('hsicLoss: coefficient', coefficient, finite)
  return estimator.criterion(z, x).sub(estimator.criterion(z, y).mul(coefficient))
}
