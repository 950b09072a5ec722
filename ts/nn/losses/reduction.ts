import { ShapeError } from '../../core/errors.js'
import { type Checks, oneOf } from '../../core/options.js'
import { idOf } from '../../core/tensor.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'

/** Reduction of per-entry losses: mean, sum or none. */
export type Reduction = 'mean' | 'sum' | 'none'

/** Options that every loss takes. */
export interface LossOptions {
  /** Default 'mean'. */
  reduction?: Reduction
}

/** A loss: predictions and targets of a batch to a scalar (or to per-entry values with reduction 'none'). */
export type Loss = (pred: Tensor, target: Tensor) => Tensor

/** The checks of {@link LossOptions}. */
export const lossChecks: Checks<LossOptions> = { reduction: oneOf('mean', 'sum', 'none') }

/** Tolerance for a rounded probability of 0 or 1. */
const slack = 1e-6

/** True where values are probabilities: in [0, 1], up to rounding. */
export function isProbability(values: Tensor): Tensor {
  return values.greaterEqual(-slack).logicalAnd(values.lessEqual(1 + slack))
}

/** Applies a reduction. */
export function reduce(values: Tensor, reduction: Reduction = 'mean'): Tensor {
  if (reduction === 'none') return values
  return reduction === 'sum' ? values.sum() : values.mean()
}

/** Throws ShapeError unless both tensors have the same shape; a loss never broadcasts silently. */
export function checkSameShape(loss: string, pred: Tensor, target: Tensor): void {
  idOf(`${loss}: prediction`, pred)
  idOf(`${loss}: target`, target)
  if (pred.rank !== target.rank || pred.shape.some((extent, axis) => extent !== target.shape[axis])) {
    throw new ShapeError(
      `${loss}: prediction and target must have the same shape, received [${pred.shape}] and [${target.shape}]; reshape one of them`,
    )
  }
}

/** `share` times log-probabilities, and 0 where the share is 0 and the logarithm -infinite. */
export function countedProduct(share: Tensor, logProbs: Tensor): Tensor {
  const isNone = share.equal(0).logicalAnd(logProbs.equal(-Infinity))
  return where(isNone, 0, logProbs).mul(share)
}
