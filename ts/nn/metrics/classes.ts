/** Predicted and true classes, from every form of predictions and targets. */
import { isFloat, type Shape } from '../../core/dtype.js'
import { ArgumentError, ShapeError } from '../../core/errors.js'
import { type Checks, finite, whole } from '../../core/options.js'
import { where } from '../../ops/index.js'
import { arange, type Tensor } from '../../ops/tensor.js'
import { entryWeights, essential, shapeOf } from './metric.js'

/** Options of metrics that count classes. */
export interface ClassOptions {
  /** Number of classes. Default: the number of scores of the prediction, 2 for one probability; required for integers. */
  classes?: number
  /** With one probability a sample, a probability above it is class 1. Default 0.5; 0 for logits. */
  threshold?: number
  /** Entries with this label are left out. Default: none. */
  ignoreIndex?: number | undefined
}

/** The checks of {@link ClassOptions}. */
export const classChecks: Checks<ClassOptions> = {
  classes: whole(2, 2 ** 20),
  threshold: finite,
  ignoreIndex: whole(),
}

/** Entries of a batch. */
export interface Told {
  /** int32 `[n]`. */
  readonly predicted: Tensor
  /** int32 `[n]`. */
  readonly actual: Tensor
  /** float64 `[n]`: 0 for an ignored label, NaN for a NaN score and for a label outside of the classes. */
  readonly weight: Tensor
}

/** Whether a sample has one number. */
export const isSingle = (output: Shape) => essential(output) === ''

/** Number of classes of a metric's state. */
export function classesOf(output: Shape, { classes }: ClassOptions): number {
  return classes ?? (isSingle(output) ? 2 : (output[0] as number))
}

/**
 * Reads classes.
 *
 * @param prediction integers are classes; one float a sample is the probability of class 1; floats `[batch, classes, ...]` are scores
 * @param target class indices, or one-hot rows of the shape of the scores
 * @throws ShapeError for shapes that do not fit; ArgumentError for integers without `classes`
 */
export function readClasses(
  name: string,
  prediction: Tensor,
  target: Tensor,
  options: ClassOptions,
  weights?: Tensor,
): Told {
  const shape = shapeOf(name, prediction, target)
  const areLabels = !isFloat(prediction.dtype)
  if (areLabels && options.classes === undefined) {
    throw new ArgumentError(
      `${name}: the prediction holds integers, which do not say how many classes there are; give { classes }`,
    )
  }
  const output = shape.slice(1)
  const classes = classesOf(output, options)
  const isAlike = essential(shape) === essential(target.shape) && prediction.size === target.size
  if (areLabels || isSingle(output)) {
    if (!isAlike) throw unfit(name, prediction, target)
    const { threshold = 0.5 } = options
    const predicted = areLabels ? prediction : prediction.greater(threshold)
    return entries(name, classes, options, predicted, prediction, target.reshape([...shape]), weights)
  }
  if (classes < (output[0] as number)) {
    throw new ArgumentError(`${name}: classes is ${classes}, but the prediction [${shape}] has more scores`)
  }
  const places = [shape[0] as number, ...output.slice(1)]
  const isIndices = String(target.shape) === String(places)
  if (!isIndices && String(target.shape) !== String(shape)) throw unfit(name, prediction, target)
  const actual = isIndices ? target : target.argMax(1)
  return entries(name, classes, options, prediction.argMax(1), prediction, actual, weights)
}

function unfit(name: string, prediction: Tensor, target: Tensor): ShapeError {
  return new ShapeError(
    `${name}: expected scores [batch, classes, ...] with class indices [batch, ...] or one-hot rows, or one number a sample on both sides, ` +
      `received [${prediction.shape}] and [${target.shape}]`,
  )
}

function entries(
  name: string,
  classes: number,
  { ignoreIndex }: ClassOptions,
  predicted: Tensor,
  scores: Tensor,
  target: Tensor,
  weights: Tensor | undefined,
): Told {
  const actual = target.cast('int32')
  const says = predicted.cast('int32')
  const inRange = (labels: Tensor) => labels.greaterEqual(0).logicalAnd(labels.less(classes))
  const isNumber = scores.equal(scores)
  const sound = scores.rank === actual.rank ? isNumber : isNumber.all(1)
  const fine = inRange(actual).logicalAnd(inRange(says)).logicalAnd(sound)
  const weight = where(fine, entryWeights(name, weights, actual.shape), Number.NaN)
  const counted = ignoreIndex === undefined ? weight : where(actual.notEqual(ignoreIndex), weight, 0)
  return { predicted: says.flatten(0), actual: actual.flatten(0), weight: counted.flatten(0) }
}

/** One-hot rows of float64, `[n, classes]`. */
export function indicator(labels: Tensor, classes: number): Tensor {
  return labels
    .expandDims(1)
    .equal(arange(classes, { dtype: 'int32' }))
    .cast('float64')
}
