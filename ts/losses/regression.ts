import { where } from '../ops/index.js'
import { checkOptions } from '../options.js'
import type { Tensor } from '../tensor.js'
import { checkAbove, checkSameShape, type LossOptions, lossOptionNames, reduce } from './reduction.js'

/** Squared error `(pred - target)^2`; mean over all entries by default. */
export function mse(pred: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('mse', options, lossOptionNames)
  checkSameShape('mse', pred, target)
  return reduce(pred.sub(target).square(), options.reduction)
}

/** Absolute error `|pred - target|`; its gradient where both are equal is 0. */
export function l1(pred: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('l1', options, lossOptionNames)
  checkSameShape('l1', pred, target)
  return reduce(pred.sub(target).abs(), options.reduction)
}

/** Options of {@link smoothL1}. */
export interface SmoothL1Options extends LossOptions {
  /** Errors below it are squared; 0 gives {@link l1}. Default 1. */
  beta?: number
}

/** Names of {@link SmoothL1Options}. */
export const smoothL1OptionNames: readonly (keyof SmoothL1Options)[] = [...lossOptionNames, 'beta']

/** With e the error: `e^2 / (2 beta)` where `|e| < beta`, else `|e| - beta / 2`. */
export function smoothL1(pred: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  checkOptions('smoothL1', options, smoothL1OptionNames)
  const { beta = 1, reduction } = options
  checkAbove('smoothL1: beta', beta, 0, true)
  if (beta === 0) return l1(pred, target, reduction === undefined ? {} : { reduction })
  return reduce(huberOf('smoothL1', pred, target, beta).div(beta), reduction)
}

/** Options of {@link huber}. */
export interface HuberOptions extends LossOptions {
  /** Errors up to it are squared. Default 1. */
  delta?: number
}

/** Names of {@link HuberOptions}. */
export const huberOptionNames: readonly (keyof HuberOptions)[] = [...lossOptionNames, 'delta']

/** With e the error: `e^2 / 2` where `|e| < delta`, else `delta (|e| - delta / 2)`. */
export function huber(pred: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  checkOptions('huber', options, huberOptionNames)
  const { delta = 1, reduction } = options
  checkAbove('huber: delta', delta, 0)
  return reduce(huberOf('huber', pred, target, delta), reduction)
}

function huberOf(name: string, pred: Tensor, target: Tensor, delta: number): Tensor {
  checkSameShape(name, pred, target)
  const error = pred.sub(target)
  const size = error.abs()
  return where(size.less(delta), error.square().mul(0.5), size.sub(delta / 2).mul(delta))
}
