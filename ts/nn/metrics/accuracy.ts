import { isFloat } from '../../core/dtype.js'
import { ArgumentError, ShapeError } from '../../core/errors.js'
import { type Check, type Checks, finite, flag, whole } from '../../core/options.js'
import { where } from '../../ops/index.js'
import { arange, type Tensor } from '../../ops/tensor.js'
import {
  addToMean,
  checkAlike,
  entryWeights,
  type MetricOf,
  meanRule,
  metricFunction,
  nothing,
  plus,
  quotient,
  shapeOf,
} from './metric.js'

/** Options of {@link accuracy}. */
export interface AccuracyOptions {
  /** Entries with this label are left out; if all entries are left out, the accuracy is 0. Default: none. */
  ignoreIndex?: number | undefined
}

/** Options of {@link binaryAccuracy}. */
export interface BinaryAccuracyOptions {
  /** Predictions above it are class 1: 0.5 for probabilities, 0 for logits. Default 0.5. */
  threshold?: number
  /** One number for each entry of a sample, `[labels]`, instead of one number. Default false. */
  perLabel?: boolean
}

/** Options of {@link exactMatch}. */
export interface ExactMatchOptions {
  /** Predictions above it are class 1. Default 0.5. */
  threshold?: number
}

/** Options of {@link topKAccuracy}. */
export interface TopKAccuracyOptions {
  /** Number of largest scores among which the class counts as right. Default 5. */
  k?: number
}

const ignored: Check<number> = whole()
const accuracyChecks: Checks<AccuracyOptions> = { ignoreIndex: ignored }
const binaryChecks: Checks<BinaryAccuracyOptions> = { threshold: finite, perLabel: flag }
const matchChecks: Checks<ExactMatchOptions> = { threshold: finite }
const topKChecks: Checks<TopKAccuracyOptions> = { k: whole(1) }

/**
 * Share of samples whose largest score is the right class, in [0, 1]. Of equal scores the first counts as the largest; a sample with a NaN
 * among its scores is wrong.
 *
 * @param prediction scores, probabilities or logits `[batch, classes, ...]`, of at least two classes, or integers: the classes themselves
 * @param target class indices `[batch, ...]`, or one-hot rows or probabilities of the shape of the scores, of which each largest
 *   entry is a right class
 * @returns scalar, float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not agree, and for a single column, in which every score is the largest
 */
export const accuracy: MetricOf<AccuracyOptions> = metricFunction(
  'accuracy',
  accuracyChecks,
  ({ ignoreIndex }) =>
    meanRule((state, prediction, target, weights) => {
      const { hits, counted } = judge(prediction, target, ignoreIndex)
      if (weights === undefined && counted === undefined) return addToMean(state, hits, undefined)
      const weight = entryWeights('accuracy', weights, hits.shape)
      return addToMean(state, hits, counted === undefined ? weight : where(counted, weight, 0))
    }),
)

/** Which entries are right, and which entries are not ignored; bool. */
function judge(prediction: Tensor, target: Tensor, ignoreIndex: number | undefined) {
  shapeOf('accuracy', prediction, target)
  const areLabels = !isFloat(prediction.dtype) && hasShape(target, prediction.shape)
  const isIndices = areLabels || hasShape(target, [prediction.shape[0], ...prediction.shape.slice(2)])
  const labels = target.cast('int32')
  const counted = ignoreIndex === undefined ? undefined : countedLabels(labels, isIndices, ignoreIndex)
  if (areLabels) return { hits: prediction.cast('int32').equal(labels), counted }
  if (prediction.rank < 2 || !(isIndices || hasShape(target, prediction.shape))) {
    throw new ShapeError(
      `accuracy: expected a prediction [batch, classes, ...] and class indices [batch, ...] or one-hot rows, ` +
        `received [${prediction.shape}] and [${target.shape}]`,
    )
  }
  if (prediction.shape[1] === 1) {
    throw new ShapeError(
      `accuracy: the prediction [${prediction.shape}] has one column, which is always the largest; use binaryAccuracy, ` +
        "or train with the loss 'bce' (probabilities) or 'bceWithLogits' (logits), whose accuracy has a threshold",
    )
  }
  const chosen = prediction.argMax(1).cast('int32')
  const right = isIndices ? chosen.equal(labels) : isLargest(target, chosen)
  return { hits: right.logicalAnd(prediction.equal(prediction).all(1)), counted }
}

/** Whether the chosen entry is a largest entry of its row and above 0: a row of zeros has no class. */
function isLargest(rows: Tensor, chosen: Tensor): Tensor {
  const classes = rows.shape[1] as number
  const column = [1, classes, ...rows.shape.slice(2).map(() => 1)]
  const isChosen = chosen.expandDims(1).equal(arange(classes, { dtype: 'int32' }).reshape(column))
  const values = rows.cast('float32')
  const own = where(isChosen, values, 0).sum(1)
  return own.equal(values.max(1)).logicalAnd(own.greater(0))
}

function countedLabels(labels: Tensor, isIndices: boolean, ignoreIndex: number): Tensor {
  if (isIndices) return labels.notEqual(ignoreIndex)
  throw new ArgumentError(
    `accuracy: ignoreIndex needs class indices as target, received rows of shape [${labels.shape}]`,
  )
}

/**
 * Share of entries that are on the right side of a threshold, in [0, 1]: the accuracy of one binary output, and of several
 * independent binary outputs (multi-label), entry by entry. A NaN is wrong, and a prediction at the threshold is class 0.
 *
 * @param prediction probabilities or logits `[batch, ...]`
 * @param target of the same shape, or without an axis of extent 1: 0 and 1, or booleans; a probability is rounded to the more likely class
 * @returns scalar, or one number for each entry of a sample; float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit; ArgumentError for a threshold that is not finite
 */
export const binaryAccuracy: MetricOf<BinaryAccuracyOptions> = metricFunction(
  'binaryAccuracy',
  binaryChecks,
  ({ threshold = 0.5, perLabel = false }) => ({
    init: (output) => ({ sum: nothing(...(perLabel ? output : [])), weight: nothing() }),
    update: (state, prediction, target, weights) => {
      const hits = isRight('binaryAccuracy', prediction, target, threshold)
      if (!perLabel) {
        const each = weights && entryWeights('binaryAccuracy', weights, hits.shape)
        return addToMean(state, hits, each)
      }
      const weight = entryWeights('binaryAccuracy', weights, hits.shape.slice(0, 1))
      const column = weight.reshape([weight.size, ...hits.shape.slice(1).map(() => 1)])
      const sum = hits.cast('float64').mul(column).sum(0)
      return { sum: plus(state.sum, sum), weight: plus(state.weight, weight.sum()) }
    },
    compute: ({ sum, weight }) => quotient(sum, weight),
  }),
)

/** Whether each entry is on the right side of the threshold, of the shape of the prediction. */
function isRight(name: string, prediction: Tensor, target: Tensor, threshold: number): Tensor {
  checkAlike(name, prediction, target)
  const says = prediction.greater(threshold)
  const is = target.cast('float32').greater(0.5).reshape(prediction.shape)
  return says.equal(is).logicalAnd(prediction.equal(prediction))
}

/**
 * Share of samples all of whose labels are on the right side of the threshold, in [0, 1] (subset accuracy of multi-label predictions).
 *
 * @param prediction probabilities or logits `[batch, labels, ...]`; @param target of the same shape, 0 and 1
 * @returns scalar, float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit
 */
export const exactMatch: MetricOf<ExactMatchOptions> = metricFunction(
  'exactMatch',
  matchChecks,
  ({ threshold = 0.5 }) =>
    meanRule((state, prediction, target, weights) => {
      const hits = isRight('exactMatch', prediction, target, threshold)
      const n = hits.shape[0] as number
      const all = hits.reshape([n, hits.size / Math.max(1, n)]).all(1)
      return addToMean(state, all, entryWeights('exactMatch', weights, all.shape))
    }),
)

/**
 * Share of samples whose class is among the k largest scores, in [0, 1]. Of equal scores the first counts as larger; a sample with a NaN
 * among its scores is wrong.
 *
 * @param prediction scores `[batch, classes, ...]`, of at least k classes; @param target class indices `[batch, ...]`
 * @returns scalar, float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit; ArgumentError for k above the number of classes
 */
export const topKAccuracy: MetricOf<TopKAccuracyOptions> = metricFunction(
  'topKAccuracy',
  topKChecks,
  ({ k = 5 }) =>
    meanRule((state, prediction, target, weights) => {
      shapeOf('topKAccuracy', prediction, target)
      const [batch, classes, ...rest] = prediction.shape
      if (classes === undefined || !hasShape(target, [batch, ...rest])) {
        throw new ShapeError(
          `topKAccuracy: expected scores [batch, classes, ...] and class indices [batch, ...], received [${prediction.shape}] and [${target.shape}]`,
        )
      }
      if (k > classes) {
        throw new ArgumentError(`topKAccuracy: k is ${k}, of ${classes} classes; give at most ${classes}`)
      }
      const { indices } = prediction.topK(k, 1)
      const among = indices.equal(target.cast('int32').expandDims(1)).any(1)
      const hits = among.logicalAnd(prediction.equal(prediction).all(1))
      return addToMean(state, hits, entryWeights('topKAccuracy', weights, hits.shape))
    }),
)

function hasShape(tensor: Tensor, shape: readonly (number | undefined)[]): boolean {
  return tensor.rank === shape.length && tensor.shape.every((extent, axis) => extent === shape[axis])
}
