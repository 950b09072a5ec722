import { DTypeError, ShapeError } from '../../core/errors.js'
import { tensorOnly } from '../../core/operands.js'
import { atLeast, between, type Checks, checkOptions } from '../../core/options.js'
import { logSoftmax } from '../../ops/activations.js'
import { logSumExp, where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { checkLabelShape, checkScores, isClassOf, isKnownLabel } from './class-labels.js'
import { checkSameShape, type LossOptions, lossChecks, reduce } from './reduction.js'

/** Options of {@link sigmoidFocal}. */
export interface SigmoidFocalOptions extends LossOptions {
  /** Weight of the targets 1, in [0, 1]; the targets 0 have the weight 1 - alpha. Default: both have weight 1. */
  alpha?: number
  /** Focusing parameter: a larger value reduces the loss of well classified samples more; 0 is cross-entropy. Default 2. */
  gamma?: number
}

/** The checks of {@link SigmoidFocalOptions}. */
export const sigmoidFocalChecks: Checks<SigmoidFocalOptions> = {
  ...lossChecks,
  alpha: between(0, 1),
  gamma: atLeast(0),
}

/**
 * Focal loss of logits (Lin et al. 2017), entry by entry: with p the probability of the target, `-alpha (1 - p)^gamma log p`, in nats. The
 * mean is over all entries.
 *
 * @param pred logits; @param target same shape, 0 or 1; the loss of other entries is NaN
 */
export function sigmoidFocal(pred: Tensor, target: Tensor, options: SigmoidFocalOptions = {}): Tensor {
  const { alpha, gamma = 2, reduction } = checkOptions('sigmoidFocal', options, sigmoidFocalChecks)
  checkSameShape('sigmoidFocal', pred, target)
  const isOne = target.equal(1)
  // The logit of the target's probability p: log p and log(1 - p) then have no cancellation.
  const right = where(isOne, pred, pred.neg())
  const entropy = right.neg().softplus()
  const focal = gamma === 0 ? entropy : entropy.mul(right.softplus().mul(-gamma).exp())
  const loss = alpha === undefined ? focal : where(isOne, focal.mul(alpha), focal.mul(1 - alpha))
  return reduce(where(isOne.logicalOr(target.equal(0)), loss, Number.NaN), reduction)
}

/** Options of {@link softmaxFocal}. */
export interface SoftmaxFocalOptions extends LossOptions {
  /** Weight of each class, shape (classes). Default: weights of 1. */
  alpha?: Tensor
  /** Focusing parameter: a larger value reduces the loss of well classified samples more; 0 is cross-entropy. Default 2. */
  gamma?: number
}

/** The checks of {@link SoftmaxFocalOptions}. */
export const softmaxFocalChecks: Checks<SoftmaxFocalOptions> = {
  ...lossChecks,
  alpha: tensorOnly,
  gamma: atLeast(0),
}

/**
 * Focal loss of class scores: with p the probability of the label, `-alpha (1 - p)^gamma log p`, in nats. The mean divides by the number
 * of samples, not by the sum of their weights.
 *
 * @param pred logits `[batch, classes, ...]`, of at least two classes
 * @param target class indices `[batch, ...]`; for an index outside the classes the result is NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 */
export function softmaxFocal(pred: Tensor, target: Tensor, options: SoftmaxFocalOptions = {}): Tensor {
  const { alpha, gamma = 2, reduction } = checkOptions('softmaxFocal', options, softmaxFocalChecks)
  checkScores('softmaxFocal', pred, target)
  const classes = pred.shape[1] as number
  if (classes < 2) {
    throw new ShapeError(`softmaxFocal: expected at least two classes, received a prediction [${pred.shape}]`)
  }
  const labels = checkLabelShape('softmaxFocal', pred, target)
  const isClass = isClassOf(labels, pred)
  const logProbs = logSoftmax(pred, 1)
  const right = where(isClass, logProbs, 0).sum(1)
  // The logarithm of the total probability of the other classes, which stays accurate when p is close to 1.
  const wrong = logSumExp(where(isClass, Number.NEGATIVE_INFINITY, logProbs), 1)
  const focal = gamma === 0 ? right.neg() : right.neg().mul(wrong.mul(gamma).exp())
  const loss = alpha === undefined ? focal : focal.mul(weightOf(alpha, isClass, pred))
  return reduce(where(isKnownLabel(labels, pred), loss, Number.NaN), reduction)
}

/** The weight of the label of each sample. */
function weightOf(alpha: Tensor, isClass: Tensor, pred: Tensor): Tensor {
  const classes = pred.shape[1] as number
  if (alpha.rank !== 1 || alpha.shape[0] !== classes) {
    throw new ShapeError(
      `softmaxFocal: alpha must have shape [${classes}], one weight per class, received [${alpha.shape}]`,
    )
  }
  if (alpha.dtype === 'bool') {
    throw new DTypeError('softmaxFocal: alpha must hold numbers, received bool; cast it to float32')
  }
  const column = [1, classes, ...pred.shape.slice(2).map(() => 1)]
  return where(isClass, alpha.cast(pred.dtype).reshape(column), 0).sum(1)
}
