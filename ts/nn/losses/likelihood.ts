/** Negative log-likelihoods of Poisson and normal distributions. */
import { ShapeError } from '../../core/errors.js'
import { above, type Checks, checkOptions, flag } from '../../core/options.js'
import { idOf } from '../../core/tensor.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { checkSameShape, type LossOptions, lossChecks, reduce } from './reduction.js'

/** Options of {@link poissonNll}. */
export interface PoissonNllOptions extends LossOptions {
  /** Whether the prediction is the logarithm of the rate. Default true. */
  logInput?: boolean
  /** Add the term that depends on the target alone, by Stirling's formula for targets above 1. Default false. */
  full?: boolean
  /** Added to a rate before its logarithm. Default 1e-8. */
  eps?: number
}

/** The checks of {@link PoissonNllOptions}. */
export const poissonNllChecks: Checks<PoissonNllOptions> = {
  ...lossChecks,
  logInput: flag,
  full: flag,
  eps: above(0),
}

/**
 * Negative log-likelihood of counts under Poisson distributions, entry by entry, in nats: `e^pred - target pred`, or, of rates,
 * `pred - target log(pred + eps)`. The constant `log target!` is left out, unless `full`.
 *
 * @param target counts, same shape; the loss of negative ones is NaN
 */
export function poissonNll(pred: Tensor, target: Tensor, options: PoissonNllOptions = {}): Tensor {
  const given = checkOptions('poissonNll', options, poissonNllChecks)
  const { logInput = true, full = false, eps = 1e-8, reduction } = given
  checkSameShape('poissonNll', pred, target)
  const count = target.dtype === pred.dtype ? target : target.cast(pred.dtype)
  const loss = logInput ? pred.exp().sub(count.mul(pred)) : pred.sub(count.mul(pred.add(eps).log()))
  const whole = full ? loss.add(stirling(count)) : loss
  return reduce(where(count.less(0), Number.NaN, whole), reduction)
}

/** log n! for n above 1, else 0. */
function stirling(count: Tensor): Tensor {
  const isMany = count.greater(1)
  const safe = where(isMany, count, 1)
  const logs = safe.log()
  const value = safe
    .mul(logs)
    .sub(safe)
    .add(logs.add(Math.log(2 * Math.PI)).mul(0.5))
  return where(isMany, value, 0)
}

/** Options of {@link gaussianNll}. */
export interface GaussianNllOptions extends LossOptions {
  /** Add the constant log(2 pi) / 2. Default false. */
  full?: boolean
  /** Lower bound of the variance; the gradient of a smaller variance is 0. Default 1e-6. */
  eps?: number
}

const gaussianChecks: Checks<GaussianNllOptions> = { ...lossChecks, full: flag, eps: above(0) }

/**
 * Negative log-likelihood under normal distributions, entry by entry, in nats: `(log variance + (pred - target)^2 / variance) / 2`.
 *
 * @param pred means; @param target same shape
 * @param variance of that shape or broadcast to it; the loss of negative ones is NaN
 */
export function gaussianNll(
  pred: Tensor,
  target: Tensor,
  variance: Tensor,
  options: GaussianNllOptions = {},
): Tensor {
  const { full = false, eps = 1e-6, reduction } = checkOptions('gaussianNll', options, gaussianChecks)
  checkSameShape('gaussianNll', pred, target)
  idOf('gaussianNll: variance', variance)
  const shape = pred.shape.slice(pred.rank - variance.rank)
  if (variance.rank > pred.rank || variance.shape.some((n, axis) => n !== 1 && n !== shape[axis])) {
    throw new ShapeError(
      `gaussianNll: the variance [${variance.shape}] must be of the shape of the prediction [${pred.shape}], or broadcast to it`,
    )
  }
  const spread = variance.maximum(eps)
  const loss = spread.log().add(pred.sub(target).square().div(spread)).mul(0.5)
  const whole = full ? loss.add(0.5 * Math.log(2 * Math.PI)) : loss
  return reduce(where(variance.less(0), Number.NaN, whole), reduction)
}
