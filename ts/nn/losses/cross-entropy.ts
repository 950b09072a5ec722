import { ArgumentError, ShapeError } from '../../core/errors.js'
import { tensorOnly } from '../../core/operands.js'
import { between, type Checks, checkOptions, whole } from '../../core/options.js'
import { logSoftmax } from '../../ops/activations.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { checkLabelShape, checkScores, isClassOf, isKnownLabel } from './class-labels.js'
import { countedProduct, type LossOptions, lossChecks, type Reduction, reduce } from './reduction.js'

/** Options of {@link nll}. */
export interface NllOptions extends LossOptions {
  /** Weight of each class, shape (classes). The mean divides by the sum of the weights of the labels. */
  weight?: Tensor
  /** Samples with this label are left out, of the mean's denominator too. Default: none. */
  ignoreIndex?: number
}

/** The checks of {@link NllOptions}. */
export const nllChecks: Checks<NllOptions> = { ...lossChecks, weight: tensorOnly, ignoreIndex: whole() }

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions extends NllOptions {
  /** Share of every target that is spread evenly over all classes, in [0, 1]. Default 0. */
  labelSmoothing?: number
}

/** The checks of {@link CrossEntropyOptions}. */
export const crossEntropyChecks: Checks<CrossEntropyOptions> = { ...nllChecks, labelSmoothing: between(0, 1) }

/**
 * Cross-entropy of class scores, `-log softmax(pred)[target]`, in nats.
 *
 * @param pred logits `[batch, classes, ...]`
 * @param target class indices `[batch, ...]`, or probabilities of the shape of `pred`; for an index outside the classes the result is NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 *
 * With label smoothing s the target of K classes is `(1 - s) target + s / K`.
 *
 * The mean divides by the sum of the weights of the labels that are not ignored, which is their number without `weight`; it is NaN if all
 * labels are ignored. With probabilities as target it divides by the number of samples, as PyTorch does. 'sum' does not divide.
 *
 * @throws UnknownNameError, ArgumentError for options; ShapeError, DTypeError for targets of another shape or dtype
 */
export function crossEntropy(pred: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const given = checkOptions('crossEntropy', options, crossEntropyChecks)
  const { labelSmoothing = 0 } = given
  checkScores('crossEntropy', pred, target)
  const logProbs = logSoftmax(pred, 1)
  if (target.rank === pred.rank) return softTargets(logProbs, target, labelSmoothing, given)
  const picked = pickClasses('crossEntropy', logProbs, target, given)
  if (labelSmoothing === 0) return average(picked.loss, picked.weight, given.reduction)
  const even = weighted('crossEntropy', logProbs, given.weight).sum(1).neg()
  const kept = picked.counted === undefined ? even : where(picked.counted, even, 0)
  const share = labelSmoothing / (pred.shape[1] as number)
  const smooth = picked.loss.mul(1 - labelSmoothing).add(kept.mul(share))
  return average(smooth, picked.weight, given.reduction)
}

/**
 * Negative log-likelihood of log-probabilities, `-pred[target]`, in nats; with the activation 'logSoftmax' this is
 * cross-entropy. The function does not check that the numbers are log-probabilities; training refuses other numbers.
 *
 * @param pred log-probabilities `[batch, classes, ...]`
 * @param target class indices `[batch, ...]`; for an index outside the classes the result is NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 */
export function nll(pred: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  const given = checkOptions('nll', options, nllChecks)
  checkScores('nll', pred, target)
  const { loss, weight } = pickClasses('nll', pred, target, given)
  return average(loss, weight, given.reduction)
}

/** Values at the labels: weighted losses, the weights themselves, and which samples are not ignored. */
interface Picked {
  loss: Tensor
  /** Undefined if every weight is 1. */
  weight: Tensor | undefined
  /** Undefined if no sample is ignored. */
  counted: Tensor | undefined
}

function pickClasses(name: string, logProbs: Tensor, target: Tensor, options: NllOptions): Picked {
  const labels = checkLabelShape(name, logProbs, target)
  const isClass = isClassOf(labels, logProbs)
  const ofLabel = (values: Tensor) => where(isClass, values, 0).sum(1)
  const { weight: classWeight, ignoreIndex } = options
  // A label outside of the classes selects no score, and the sum would be a loss of 0.
  let loss = where(
    isKnownLabel(labels, logProbs),
    ofLabel(weighted(name, logProbs, classWeight)).neg(),
    Number.NaN,
  )
  let weight =
    classWeight === undefined
      ? undefined
      : ofLabel(checkWeight(name, classWeight, logProbs).broadcastTo(logProbs.shape))
  if (ignoreIndex === undefined) return { loss, weight, counted: undefined }
  const counted = labels.notEqual(ignoreIndex)
  loss = where(counted, loss, 0)
  weight = weight === undefined ? counted.cast(loss.dtype) : where(counted, weight, 0)
  return { loss, weight, counted }
}

function softTargets(
  logProbs: Tensor,
  target: Tensor,
  labelSmoothing: number,
  options: CrossEntropyOptions,
): Tensor {
  if (target.shape.some((extent, axis) => extent !== logProbs.shape[axis])) {
    throw new ShapeError(
      `crossEntropy: probabilities must have the shape of the prediction [${logProbs.shape}], received [${target.shape}]`,
    )
  }
  if (options.ignoreIndex !== undefined) {
    throw new ArgumentError('crossEntropy: ignoreIndex needs class indices as target, received probabilities')
  }
  const classes = logProbs.shape[1] as number
  const exact = target.dtype === logProbs.dtype ? target : target.cast(logProbs.dtype)
  const smoothed = labelSmoothing === 0 ? exact : exact.mul(1 - labelSmoothing).add(labelSmoothing / classes)
  return reduce(
    countedProduct(smoothed, weighted('crossEntropy', logProbs, options.weight))
      .sum(1)
      .neg(),
    options.reduction,
  )
}

function average(loss: Tensor, weight: Tensor | undefined, reduction: Reduction | undefined): Tensor {
  if (weight === undefined || (reduction ?? 'mean') !== 'mean') return reduce(loss, reduction)
  return loss.sum().div(weight.sum())
}

function weighted(name: string, logProbs: Tensor, weight: Tensor | undefined): Tensor {
  return weight === undefined ? logProbs : countedProduct(checkWeight(name, weight, logProbs), logProbs)
}

/** The class weights, shaped to multiply `logProbs`. */
function checkWeight(name: string, weight: Tensor, logProbs: Tensor): Tensor {
  const classes = logProbs.shape[1] as number
  if (weight.rank !== 1 || weight.shape[0] !== classes) {
    throw new ShapeError(
      `${name}: weight must have shape [${classes}], one per class, received [${weight.shape}]`,
    )
  }
  const aligned = weight.dtype === logProbs.dtype ? weight : weight.cast(logProbs.dtype)
  return aligned.reshape([1, classes, ...new Array<number>(logProbs.rank - 2).fill(1)])
}
