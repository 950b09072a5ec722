import { tensorOnly } from '../../core/operands.js'
import { type Checks, checkOptions, flag, oneOf } from '../../core/options.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import {
  checkSameShape,
  countedProduct,
  isProbability,
  type LossOptions,
  lossChecks,
  type Reduction,
  reduce,
} from './reduction.js'

/**
 * Binary cross-entropy of probabilities, `-(target log pred + (1 - target) log(1 - pred))`, in nats.
 *
 * The logarithm of 0 counts as -100, so a certain and wrong prediction costs 100 and not infinity. With logits use
 * {@link bceWithLogits}, which loses no digits.
 *
 * @param pred probabilities in [0, 1]; @param target same shape, in [0, 1]. The loss of entries outside (by more than rounding) is NaN:
 * the formula would give a finite number there, and even a negative one.
 */
export function bce(pred: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction } = checkOptions('bce', options, lossChecks)
  checkSameShape('bce', pred, target)
  const loss = target.mul(boundedLog(pred)).add(
    target
      .neg()
      .add(1)
      .mul(boundedLog(pred.neg().add(1))),
  )
  const isDefined = isProbability(pred).logicalAnd(isProbability(target))
  return reduce(where(isDefined, loss.neg(), Number.NaN), reduction)
}

/** log p, and -100 with gradient 0 where p is 0. */
function boundedLog(p: Tensor): Tensor {
  const positive = p.greater(0)
  return where(positive, where(positive, p, 1).log(), -100)
}

/** Options of {@link bceWithLogits}. */
export interface BceWithLogitsOptions extends LossOptions {
  /** Factor on the positive part of the loss, broadcast against the target. */
  posWeight?: Tensor
}

/** The checks of {@link BceWithLogitsOptions}. */
export const bceWithLogitsChecks: Checks<BceWithLogitsOptions> = { ...lossChecks, posWeight: tensorOnly }

/**
 * Binary cross-entropy of logits, the stable form of `bce(sigmoid(pred), target)`.
 *
 * @param pred logits; @param target same shape, in [0, 1]; the loss of other entries is NaN. The mean divides by the number
 * of entries, also with `posWeight`.
 */
export function bceWithLogits(pred: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  const { posWeight, reduction } = checkOptions('bceWithLogits', options, bceWithLogitsChecks)
  checkSameShape('bceWithLogits', pred, target)
  // -log sigmoid(x) = softplus(-x), and -log(1 - sigmoid(x)) = x + softplus(-x)
  const negative = target.neg().add(1)
  // The loss of an infinite logit of the right sign is 0; the formula would have 0 times infinity.
  const isCertain = where(
    target.equal(1),
    pred.equal(Infinity),
    target.equal(0).logicalAnd(pred.equal(-Infinity)),
  )
  const logits = where(isCertain, 0, pred)
  const factor = posWeight === undefined ? undefined : posWeight.mul(target).add(negative)
  const tail = logits.neg().softplus()
  // At -infinity the other term is infinite, unless the logit has the right sign.
  const linear = negative.mul(where(logits.equal(-Infinity), 0, logits))
  const loss = linear.add(factor === undefined ? tail : factor.mul(tail))
  return reduce(where(isProbability(target), where(isCertain, 0, loss), Number.NaN), reduction)
}

/** Options of {@link klDiv}. */
export interface KlDivOptions {
  /** As in other losses; 'batchmean' is the sum divided by the batch size, the mean divergence of a sample. Default 'mean'. */
  reduction?: Reduction | 'batchmean'
  /** Whether `target` holds log-probabilities. Default false. */
  logTarget?: boolean
}

/** The checks of {@link KlDivOptions}. */
export const klDivChecks: Checks<KlDivOptions> = {
  reduction: oneOf('mean', 'sum', 'none', 'batchmean'),
  logTarget: flag,
}

/**
 * Kullback-Leibler divergence KL(target || pred) entry by entry, `target (log target - pred)`, in nats.
 *
 * @param pred log-probabilities; @param target probabilities (or their logarithms), same shape; entries that are not probabilities give NaN
 */
export function klDiv(pred: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  const { reduction = 'mean', logTarget = false } = checkOptions('klDiv', options, klDivChecks)
  checkSameShape('klDiv', pred, target)
  const terms = logTarget ? logTerms(pred, target) : negativeEntropy(target).sub(countedProduct(target, pred))
  const entries = where(isProbability(logTarget ? target.exp() : target), terms, Number.NaN)
  if (reduction === 'batchmean') return entries.sum().div(pred.shape[0] ?? 1)
  return reduce(entries, reduction)
}

/** e^target (target - pred), and 0 where e^target is 0 and a logarithm -infinite. */
function logTerms(pred: Tensor, target: Tensor): Tensor {
  const share = target.exp()
  const none = share.equal(0)
  const known = (logs: Tensor) => where(none.logicalAnd(logs.equal(-Infinity)), 0, logs)
  return share.mul(known(target).sub(known(pred)))
}

/** p log p, and 0 with gradient 0 where p is 0. */
function negativeEntropy(p: Tensor): Tensor {
  const positive = p.greater(0)
  return where(positive, p.mul(where(positive, p, 1).log()), 0)
}
