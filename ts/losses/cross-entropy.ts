import { logSoftmax } from '../activations.js'
import { ArgumentError, DTypeError, describe, ShapeError } from '../errors.js'
import { where } from '../ops/index.js'
import { checkOptions } from '../options.js'
import { arange, Tensor } from '../tensor.js'
import { type LossOptions, lossOptionNames, type Reduction, reduce } from './reduction.js'

/** Options of {@link nll}. */
export interface NllOptions extends LossOptions {
  /** Weight of each class, shape (classes). The mean divides by the sum of the weights of the labels. */
  weight?: Tensor
  /** Samples with this label count for nothing, in the mean's denominator too. Default: none. */
  ignoreIndex?: number
}

/** Names of {@link NllOptions}. */
export const nllOptionNames: readonly (keyof NllOptions)[] = [...lossOptionNames, 'weight', 'ignoreIndex']

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions extends NllOptions {
  /** Share of every target that is spread evenly over all classes, in [0, 1]. Default 0. */
  labelSmoothing?: number
}

/** Names of {@link CrossEntropyOptions}. */
export const crossEntropyOptionNames: readonly (keyof CrossEntropyOptions)[] = [
  ...nllOptionNames,
  'labelSmoothing',
]

/**
 * Cross-entropy of class scores, `-log softmax(pred)[target]`, in nats.
 *
 * @param pred logits `[batch, classes, ...]`
 * @param target class indices `[batch, ...]`, or probabilities of the shape of `pred`; an index that is no class gives NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 *
 * With label smoothing s the target of K classes is `(1 - s) target + s / K`.
 *
 * The mean divides by the sum of the weights of the labels that count, which is their number without `weight`; where no label counts it
 * is NaN. With probabilities as target it divides by the number of samples, as PyTorch does. 'sum' divides by nothing.
 *
 * @throws UnknownNameError, ArgumentError for options; ShapeError, DTypeError for targets that do not fit
 */
export function crossEntropy(pred: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkCrossEntropyOptions('crossEntropy', options)
  const { labelSmoothing = 0 } = options
  checkScores('crossEntropy', pred)
  const logProbs = logSoftmax(pred, 1)
  if (target.rank === pred.rank) return softTargets(logProbs, target, labelSmoothing, options)
  const picked = pickClasses('crossEntropy', logProbs, target, options)
  if (labelSmoothing === 0) return average(picked.loss, picked.weight, options.reduction)
  const even = weighted('crossEntropy', logProbs, options.weight).sum(1).neg()
  const kept = picked.counted === undefined ? even : where(picked.counted, even, 0)
  const share = labelSmoothing / (pred.shape[1] as number)
  const smooth = picked.loss.mul(1 - labelSmoothing).add(kept.mul(share))
  return average(smooth, picked.weight, options.reduction)
}

/**
 * Negative log-likelihood of log-probabilities, `-pred[target]`, in nats; with the activation 'logSoftmax' this is
 * cross-entropy. Of numbers that are no log-probabilities it takes the negative all the same; training refuses them.
 *
 * @param pred log-probabilities `[batch, classes, ...]`
 * @param target class indices `[batch, ...]`; an index that is no class gives NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 */
export function nll(pred: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  checkOptions('nll', options, nllOptionNames)
  checkIgnoreIndex('nll', options.ignoreIndex)
  checkScores('nll', pred)
  const { loss, weight } = pickClasses('nll', pred, target, options)
  return average(loss, weight, options.reduction)
}

function checkCrossEntropyOptions(name: string, options: CrossEntropyOptions): void {
  checkOptions(name, options, crossEntropyOptionNames)
  const { labelSmoothing = 0, ignoreIndex } = options
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError(`${name}: labelSmoothing must be in [0, 1], received ${describe(labelSmoothing)}`)
  }
  checkIgnoreIndex(name, ignoreIndex)
}

/** Throws ArgumentError unless the label to ignore is a whole number or left out. */
function checkIgnoreIndex(name: string, ignoreIndex: unknown): void {
  if (ignoreIndex === undefined || Number.isSafeInteger(ignoreIndex)) return
  throw new ArgumentError(
    `${name}: ignoreIndex is ${describe(ignoreIndex)}, expected a whole number such as -100`,
  )
}

/**
 * What the labels of a batch weigh together in the mean of {@link crossEntropy} and {@link nll}, so that means of batches can be put
 * together: the sum of the class weights of all labels that count.
 *
 * @param labels class indices `[batch, ...]`
 * @returns float64 scalar; undefined where each of them weighs 1
 */
export function weightOfLabels(labels: Tensor, { weight, ignoreIndex }: NllOptions): Tensor | undefined {
  if (weight === undefined && ignoreIndex === undefined) return undefined
  const index = labels.cast('int32').flatten()
  const counted = ignoreIndex === undefined ? undefined : index.notEqual(ignoreIndex)
  if (weight === undefined) return (counted as Tensor).cast('float64').sum()
  const known = counted === undefined ? index : where(counted, index, 0)
  const weights = weight.take(known).cast('float64')
  return (counted === undefined ? weights : where(counted, weights, 0)).sum()
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
  if (!(weight instanceof Tensor)) {
    throw new ArgumentError(
      `${name}: weight is ${describe(weight)}, expected a tensor of ${classes} numbers, one per class; make one with tensor([...])`,
    )
  }
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
