import { logSoftmax } from '../activations.js'
import { ArgumentError, DTypeError, ShapeError } from '../errors.js'
import { where } from '../ops/index.js'
import { arange, type Tensor } from '../tensor.js'
import { type LossOptions, type Reduction, reduce } from './reduction.js'

/** Options of {@link nll}. */
export interface NllOptions extends LossOptions {
  /** Weight of each class, shape (classes). The mean divides by the sum of the weights of the labels. */
  weight?: Tensor
  /** Samples with this label count for nothing, in the mean's denominator too. Default: none. */
  ignoreIndex?: number
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions extends NllOptions {
  /** Share of every target that is spread evenly over all classes, in [0, 1]. Default 0. */
  labelSmoothing?: number
}

/**
 * Cross-entropy of class scores, `-log softmax(pred)[target]`, in nats.
 *
 * @param pred logits `[batch, classes, ...]`
 * @param target class indices `[batch, ...]`, or probabilities of the shape of `pred`; an index that is no class gives NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 *
 * With label smoothing s the target of K classes is `(1 - s) target + s / K`.
 */
export function crossEntropy(pred: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { labelSmoothing = 0 } = options
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError(`crossEntropy: labelSmoothing must be in [0, 1], received ${labelSmoothing}`)
  }
  checkScores('crossEntropy', pred)
  const logProbs = logSoftmax(pred, 1)
  if (target.rank === pred.rank) return softTargets(logProbs, target, labelSmoothing, options)
  const picked = pickClasses('crossEntropy', logProbs, target, options)
  const loss = average(picked.loss, picked.weight, options.reduction)
  if (labelSmoothing === 0) return loss
  const even = weighted('crossEntropy', logProbs, options.weight).sum(1).neg()
  const kept = picked.counted === undefined ? even : where(picked.counted, even, 0)
  const smooth = average(kept, picked.weight, options.reduction)
  return loss.mul(1 - labelSmoothing).add(smooth.mul(labelSmoothing / (pred.shape[1] as number)))
}

/**
 * Negative log-likelihood of log-probabilities, `-pred[target]`, in nats; with the activation 'logSoftmax' this is
 * cross-entropy.
 *
 * @param pred log-probabilities `[batch, classes, ...]`
 * @param target class indices `[batch, ...]`; an index that is no class gives NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 */
export function nll(pred: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  checkScores('nll', pred)
  const { loss, weight } = pickClasses('nll', pred, target, options)
  return average(loss, weight, options.reduction)
}

/** What the labels pick: weighted losses, the weights themselves, and which samples count at all. */
interface Picked {
  loss: Tensor
  /** Undefined when every sample weighs 1. */
  weight: Tensor | undefined
  /** Undefined when no sample is ignored. */
  counted: Tensor | undefined
}

function pickClasses(name: string, logProbs: Tensor, target: Tensor, options: NllOptions): Picked {
  const labels = checkLabelShape(name, logProbs, target)
  const classes = logProbs.shape[1] as number
  const column = [1, classes, ...labels.shape.slice(1).map(() => 1)]
  // A mask and not a product with one-hot rows: a log-probability of -inf in another class then stays out of the sum.
  const isClass = labels.expandDims(1).equal(arange(classes, { dtype: 'int32' }).reshape(column))
  const ofLabel = (values: Tensor) => where(isClass, values, 0).sum(1)
  const { weight: classWeight, ignoreIndex } = options
  // The sum over no class would be a loss of 0.
  const isKnown = labels.greaterEqual(0).logicalAnd(labels.less(classes))
  let loss = where(isKnown, ofLabel(weighted(name, logProbs, classWeight)).neg(), Number.NaN)
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
    weighted('crossEntropy', logProbs, options.weight).mul(smoothed).sum(1).neg(),
    options.reduction,
  )
}

function average(loss: Tensor, weight: Tensor | undefined, reduction: Reduction | undefined): Tensor {
  if (weight === undefined || (reduction ?? 'mean') !== 'mean') return reduce(loss, reduction)
  return loss.sum().div(weight.sum())
}

function weighted(name: string, logProbs: Tensor, weight: Tensor | undefined): Tensor {
  return weight === undefined ? logProbs : logProbs.mul(checkWeight(name, weight, logProbs))
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

function checkScores(name: string, pred: Tensor): void {
  if (pred.rank < 2) {
    throw new ShapeError(`${name}: expected a prediction [batch, classes, ...], received [${pred.shape}]`)
  }
}

/** The labels as int32, after checking that they are one index per sample. */
function checkLabelShape(name: string, pred: Tensor, target: Tensor): Tensor {
  const expected = [pred.shape[0], ...pred.shape.slice(2)]
  if (target.rank !== expected.length || target.shape.some((extent, axis) => extent !== expected[axis])) {
    throw new ShapeError(
      `${name}: expected class indices of shape [${expected}] for a prediction [${pred.shape}], received [${target.shape}]`,
    )
  }
  if (target.dtype === 'bool') {
    throw new DTypeError(`${name}: class indices must be whole numbers, received bool; cast them to int32`)
  }
  return target.dtype === 'int32' ? target : target.cast('int32')
}
