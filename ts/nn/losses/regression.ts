import { above, atLeast, type Checks, checkOptions } from '../../core/options.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { checkSameShape, type LossOptions, lossChecks, reduce } from './reduction.js'

/** Squared error `(pred - target)^2`; mean over all entries by default. */
export function mse(pred: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction } = checkOptions('mse', options, lossChecks)
  checkSameShape('mse', pred, target)
  return reduce(pred.sub(target).square(), reduction)
}

/** Absolute error `|pred - target|`; its gradient where both are equal is 0. */
export function l1(pred: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction } = checkOptions('l1', options, lossChecks)
  checkSameShape('l1', pred, target)
  return reduce(pred.sub(target).abs(), reduction)
}

/** Options of {@link smoothL1}. */
export interface SmoothL1Options extends LossOptions {
  /** Errors below it are squared; 0 gives {@link l1}. Default 1. */
  beta?: number
}

/** The checks of {@link SmoothL1Options}. */
export const smoothL1Checks: Checks<SmoothL1Options> = { ...lossChecks, beta: atLeast(0) }

/** With e the error: `e^2 / (2 beta)` where `|e| < beta`, else `|e| - beta / 2`. */
export function smoothL1(pred: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  const { beta = 1, reduction } = checkOptions('smoothL1', options, smoothL1Checks)
  if (beta === 0) return l1(pred, target, reduction === undefined ? {} : { reduction })
  return reduce(huberOf('smoothL1', pred, target, beta).div(beta), reduction)
}

/** Options of {@link huber}. */
export interface HuberOptions extends LossOptions {
  /** Errors up to it are squared. Default 1. */
  delta?: number
}

/** The checks of {@link HuberOptions}. */
export const huberChecks: Checks<HuberOptions> = { ...lossChecks, delta: above(0) }

/** With e the error: `e^2 / 2` where `|e| < delta`, else `delta (|e| - delta / 2)`. */
export function huber(pred: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  const { delta = 1, reduction } = checkOptions('huber', options, huberChecks)
  return reduce(huberOf('huber', pred, target, delta), reduction)
}

function huberOf(name: string, pred: Tensor, target: Tensor, delta: number): Tensor {
  checkSameShape(name, pred, target)
  const error = pred.sub(target)
  const size = error.abs()
  return where(size.less(delta), error.square().mul(0.5), size.sub(delta / 2).mul(delta))
}
