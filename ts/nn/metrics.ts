import { ArgumentError, ShapeError, unknownName } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, finite, whole } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import { where } from '../ops/index.js'
import { arange, type Tensor } from '../ops/tensor.js'
import type { LossName } from './losses/named.js'

/** Judges a batch: predictions and targets to a scalar, the mean over the samples of the batch. */
export type MetricFunction = (pred: Tensor, target: Tensor) => Tensor

/** A metric with the name it is reported under. */
export interface Metric {
  readonly name: string
  readonly fn: MetricFunction
  /** What the mean of a batch is over, a float64 scalar; left out where it is over all samples. */
  readonly weightOf?: (target: Tensor) => Tensor
}

/** What a model is trained for, as far as metrics differ by it. */
export interface MetricTask {
  /** Undefined for a function of one's own. */
  readonly lossName?: LossName | undefined
  /** Label of samples that count for nothing. */
  readonly ignoreIndex?: number | undefined
}

/** Options of {@link accuracy}. */
export interface AccuracyOptions {
  /** Entries with this label count for nothing; where all have it the accuracy is 0. Default: none. */
  ignoreIndex?: number | undefined
}

/** Options of {@link binaryAccuracy}. */
export interface BinaryAccuracyOptions {
  /** Predictions above it say yes: 0.5 for probabilities, 0 for logits. Default 0.5. */
  threshold?: number
}

const accuracyChecks: Checks<AccuracyOptions> = { ignoreIndex: whole() }
const binaryChecks: Checks<BinaryAccuracyOptions> = { threshold: finite }
const taskChecks: Checks<MetricTask> = { lossName: elsewhere(), ignoreIndex: whole() }

/**
 * Share of samples whose largest score is the right class, in [0, 1]. Of equal scores the first counts as the largest; a sample with a NaN
 * among its scores is wrong.
 *
 * @param pred scores, probabilities or logits `[batch, classes, ...]`, of at least two classes
 * @param target class indices `[batch, ...]`, or one-hot rows or probabilities of the shape of `pred`, of which each of the largest
 *   entries is right
 * @returns float32 scalar
 * @throws ShapeError for shapes that do not fit, and for a single column, in which every score is the largest
 */
export function accuracy(pred: Tensor, target: Tensor, options: AccuracyOptions = {}): Tensor {
  const { ignoreIndex } = checkOptions('accuracy', options, accuracyChecks)
  idOf('accuracy: prediction', pred)
  idOf('accuracy: target', target)
  const expected = [pred.shape[0], ...pred.shape.slice(2)]
  const isIndices = hasShape(target, expected)
  if (pred.rank < 2 || !(isIndices || hasShape(target, pred.shape))) {
    throw new ShapeError(
      `accuracy: expected a prediction [batch, classes, ...] and class indices [batch, ...] or one-hot rows, ` +
        `received [${pred.shape}] and [${target.shape}]`,
    )
  }
  if (pred.shape[1] === 1) {
    throw new ShapeError(
      `accuracy: the prediction [${pred.shape}] has one column, which is the largest whatever it says; use binaryAccuracy, ` +
        "or train with the loss 'bce' (probabilities) or 'bceWithLogits' (logits), whose accuracy has a threshold",
    )
  }
  const chosen = pred.argMax(1).cast('int32')
  const labels = target.cast('int32')
  const right = isIndices ? chosen.equal(labels) : isLargest(target, chosen)
  const fine = pred.equal(pred).all(1)
  const hits = right.logicalAnd(fine).cast('float32')
  if (ignoreIndex === undefined) return hits.mean()
  const counted = countedLabels(labels, isIndices, ignoreIndex)
  return where(counted, hits, 0).sum().div(counted.cast('float32').sum().maximum(1))
}

/** Whether the entry that was chosen is a largest one of its row, and above 0: a row of zeros has no class. */
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
 * Share of entries that are on the right side of a threshold, in [0, 1]: the accuracy of one yes-or-no output, and of several that are
 * independent of each other (multi-label), entry by entry. A NaN is wrong.
 *
 * @param pred probabilities or logits `[batch, ...]`
 * @param target of the same shape, or without an axis of extent 1: 0 and 1, or booleans; of a probability the likelier one
 * @returns float32 scalar
 * @throws ShapeError for shapes that do not fit; ArgumentError for a threshold that is no finite number
 */
export function binaryAccuracy(pred: Tensor, target: Tensor, options: BinaryAccuracyOptions = {}): Tensor {
  const { threshold = 0.5 } = checkOptions('binaryAccuracy', options, binaryChecks)
  idOf('binaryAccuracy: prediction', pred)
  idOf('binaryAccuracy: target', target)
  const essential = (shape: readonly number[]) => String(shape.filter((extent) => extent !== 1))
  if (pred.size !== target.size || essential(pred.shape) !== essential(target.shape)) {
    throw new ShapeError(
      `binaryAccuracy: prediction and target must have the same shape, received [${pred.shape}] and [${target.shape}]`,
    )
  }
  const says = pred.greater(threshold)
  const is = target.cast('float32').greater(0.5).reshape(pred.shape)
  return says.equal(is).logicalAnd(pred.equal(pred)).cast('float32').mean()
}

function hasShape(tensor: Tensor, shape: readonly (number | undefined)[]): boolean {
  return tensor.rank === shape.length && tensor.shape.every((extent, axis) => extent === shape[axis])
}

/** Names of metrics: their short forms mean the same. */
const METRICS = { accuracy: 'accuracy', acc: 'accuracy', binaryAccuracy: 'binaryAccuracy' } as const

/** Metrics that can be asked for by name. */
export type MetricName = keyof typeof METRICS

/**
 * The metric of a name; a function is reported under its own name.
 *
 * Accuracy is what the loss makes of it: the largest score for losses of classes; a threshold, entry by entry, for 'bce' (0.5) and
 * 'bceWithLogits' (0); nothing for losses of numbers.
 *
 * @throws UnknownNameError for another name; ArgumentError for something else, and for the accuracy of a regression
 */
export function createMetric(
  metric: MetricName | (string & {}) | MetricFunction,
  task: MetricTask = {},
): Metric {
  const { lossName, ignoreIndex } = checkOptions('createMetric', task, taskChecks)
  if (typeof metric === 'function') return { name: nameOf(metric), fn: metric }
  if (typeof metric !== 'string' || !Object.hasOwn(METRICS, metric)) {
    throw unknownName('metric', metric, Object.keys(METRICS))
  }
  const kind = METRICS[metric as MetricName]
  if (kind === 'binaryAccuracy' || lossName === 'bce' || lossName === 'bceWithLogits') {
    const threshold = lossName === 'bceWithLogits' ? 0 : 0.5
    return { name: metric, fn: (pred, target) => binaryAccuracy(pred, target, { threshold }) }
  }
  if (lossName !== undefined && regressions.includes(lossName)) {
    throw new ArgumentError(
      `metric '${metric}': the loss '${lossName}' is for numbers, which are not right or wrong; use a metric that measures the distance, such as ` +
        '(pred, target) => l1(pred, target); where the targets are one-hot rows after all, give the function: metrics: [accuracy]',
    )
  }
  if (ignoreIndex === undefined) return { name: metric, fn: accuracy }
  return {
    name: metric,
    fn: (pred, target) => accuracy(pred, target, { ignoreIndex }),
    weightOf: (target) => target.cast('int32').notEqual(ignoreIndex).cast('float64').sum(),
  }
}

/** The name of a function, where it has one that can be read. */
function nameOf(metric: MetricFunction): string {
  try {
    const { name } = metric
    return typeof name === 'string' && name !== '' ? name : 'custom'
  } catch {
    return 'custom'
  }
}

/** Losses of numbers. */
const regressions: readonly LossName[] = ['mse', 'l1', 'smoothL1', 'huber']
