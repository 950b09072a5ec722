import { ArgumentError, ShapeError, unknownName } from '../errors.js'
import type { Tensor } from '../tensor.js'

/** How per-entry losses become the result: their mean, their sum, or as they are. */
export type Reduction = 'mean' | 'sum' | 'none'

/** Options that every loss takes. */
export interface LossOptions {
  /** Default 'mean'. */
  reduction?: Reduction
}

/** A loss: predictions and targets of a batch to a scalar (or to per-entry values with reduction 'none'). */
export type Loss = (pred: Tensor, target: Tensor) => Tensor

const REDUCTIONS: readonly Reduction[] = ['mean', 'sum', 'none']

/** Names of {@link LossOptions}. */
export const lossOptionNames: readonly (keyof LossOptions)[] = ['reduction']

/** What rounding may add to a probability that is 0 or 1. */
const slack = 1e-6

/** Where values are probabilities: in [0, 1], but for rounding. */
export function isProbability(values: Tensor): Tensor {
  return values.greaterEqual(-slack).logicalAnd(values.lessEqual(1 + slack))
}

/** Applies a reduction. Throws UnknownNameError for a name that is none. */
export function reduce(values: Tensor, reduction: Reduction = 'mean'): Tensor {
  switch (reduction) {
    case 'mean':
      return values.mean()
    case 'sum':
      return values.sum()
    case 'none':
      return values
    default:
      throw unknownName('reduction', String(reduction), REDUCTIONS)
  }
}

/** Throws ShapeError unless both tensors have the same shape; a loss never broadcasts silently. */
export function checkSameShape(loss: string, pred: Tensor, target: Tensor): void {
  if (pred.rank !== target.rank || pred.shape.some((extent, axis) => extent !== target.shape[axis])) {
    throw new ShapeError(
      `${loss}: prediction and target must have the same shape, received [${pred.shape}] and [${target.shape}]; reshape one of them`,
    )
  }
}

/** Throws ArgumentError unless the number is finite and above `bound` (or equal to it, with `orEqual`). */
export function checkAbove(what: string, value: number, bound: number, orEqual = false): void {
  if (!Number.isFinite(value) || value < bound || (value === bound && !orEqual)) {
    throw new ArgumentError(`${what} must be ${orEqual ? 'at least' : 'above'} ${bound}, received ${value}`)
  }
}
