import { unknownName } from '../errors.js'
import { where } from '../ops/index.js'
import type { Tensor } from '../tensor.js'
import { checkSameShape, type LossOptions, type Reduction, reduce } from './reduction.js'

/**
 * Binary cross-entropy of probabilities, `-(target log pred + (1 - target) log(1 - pred))`, in nats.
 *
 * The logarithm of 0 counts as -100, so a certain and wrong prediction costs 100 and not infinity. With logits use
 * {@link bceWithLogits}, which loses no digits.
 *
 * @param pred probabilities in [0, 1]; @param target same shape, in [0, 1]
 */
export function bce(pred: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkSameShape('bce', pred, target)
  const loss = target.mul(boundedLog(pred)).add(
    target
      .neg()
      .add(1)
      .mul(boundedLog(pred.neg().add(1))),
  )
  return reduce(loss.neg(), options.reduction)
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

/**
 * Binary cross-entropy of logits, the stable form of `bce(sigmoid(pred), target)`.
 *
 * @param pred logits; @param target same shape, in [0, 1]
 */
export function bceWithLogits(pred: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  checkSameShape('bceWithLogits', pred, target)
  const { posWeight, reduction } = options
  // -log sigmoid(x) = softplus(-x), and -log(1 - sigmoid(x)) = x + softplus(-x)
  const negative = target.neg().add(1)
  const factor = posWeight === undefined ? undefined : posWeight.mul(target).add(negative)
  const tail = pred.neg().softplus()
  return reduce(negative.mul(pred).add(factor === undefined ? tail : factor.mul(tail)), reduction)
}

/** Options of {@link klDiv}. */
export interface KlDivOptions {
  /** As in other losses; 'batchmean' is the sum over the batch size: the divergence in its mathematical sense. Default 'mean'. */
  reduction?: Reduction | 'batchmean'
  /** Whether `target` holds log-probabilities. Default false. */
  logTarget?: boolean
}

/**
 * Kullback-Leibler divergence KL(target || pred) entry by entry, `target (log target - pred)`, in nats.
 *
 * @param pred log-probabilities; @param target probabilities (or their logarithms), same shape
 */
export function klDiv(pred: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  checkSameShape('klDiv', pred, target)
  const { reduction = 'mean', logTarget = false } = options
  const entries = logTarget
    ? target.exp().mul(target.sub(pred))
    : negativeEntropy(target).sub(target.mul(pred))
  if (reduction === 'batchmean') return entries.sum().div(pred.shape[0] ?? 1)
  if (!['mean', 'sum', 'none'].includes(reduction)) {
    throw unknownName('reduction', String(reduction), ['mean', 'sum', 'none', 'batchmean'])
  }
  return reduce(entries, reduction)
}

/** p log p, and 0 with gradient 0 where p is 0. */
function negativeEntropy(p: Tensor): Tensor {
  const positive = p.greater(0)
  return where(positive, p.mul(where(positive, p, 1).log()), 0)
}
