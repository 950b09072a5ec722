import { ArgumentError, ShapeError, unknownName } from '../../core/errors.js'
import { type Checks, checkOptions, elsewhere, whole } from '../../core/options.js'
import { idOf, type Tensor } from '../../core/tensor.js'
import type { LossName } from '../losses/named.js'
import { accuracy, binaryAccuracy, exactMatch, topKAccuracy } from './accuracy.js'
import { cohenKappa, matthews } from './confusion.js'
import { type Metric, type MetricOf, metricOf, noMean, nothing, plus, quotient } from './metric.js'
import { f1, precision, recall } from './precision.js'
import { brier, calibrationError, logLoss, perplexity } from './probabilities.js'
import { averagePrecision, rocAUC } from './ranking.js'
import { differenceRule, explainedVariance, r2, rootMeanSquaredError } from './regression.js'

/** A metric of one batch: predictions and targets to a scalar, the mean over the samples of the batch. */
export type MetricFunction = (pred: Tensor, target: Tensor) => Tensor

/** The properties of a model's loss on which metrics depend. */
export interface MetricTask {
  /** Undefined for a custom function. */
  readonly lossName?: LossName | undefined
  /** Label of samples that are left out. */
  readonly ignoreIndex?: number | undefined
}

type Named = MetricTask['lossName']

const taskChecks: Checks<MetricTask> = { lossName: elsewhere(), ignoreIndex: whole() }

/** Losses of regressions. */
const regressions: readonly Named[] = ['mse', 'l1', 'smoothL1', 'huber', 'poissonNll', 'cosineDistance']
/** Losses of binary outputs whose predictions are logits. */
const binaryLogits: readonly Named[] = ['bceWithLogits', 'sigmoidFocal']
/** Losses of mutually exclusive classes whose predictions are logits or log-probabilities. */
const classLogits: readonly Named[] = ['crossEntropy', 'nll', 'softmaxFocal']

const isBinary = ({ lossName }: MetricTask) => lossName === 'bce' || binaryLogits.includes(lossName)
/** Threshold of logits. */
const thresholdOf = ({ lossName }: MetricTask) => ({ threshold: binaryLogits.includes(lossName) ? 0 : 0.5 })
const logitsOf = ({ lossName }: MetricTask) => ({
  logits: classLogits.includes(lossName) || binaryLogits.includes(lossName),
})
/** Softmax changes the order of scores between samples; a sigmoid does not. */
const ranking = ({ lossName }: MetricTask) => ({ logits: classLogits.includes(lossName) })
const counting = (task: MetricTask) => ({ ...thresholdOf(task), ignoreIndex: task.ignoreIndex })

/** Accuracy for a loss: by the largest score for losses of classes, by a threshold for losses of binary outputs. */
function accuracyFor(task: MetricTask): Metric {
  return isBinary(task)
    ? binaryAccuracy.streaming(thresholdOf(task))
    : accuracy.streaming({ ignoreIndex: task.ignoreIndex })
}

const squared = () =>
  metricOf(
    'mse',
    differenceRule('mse', (difference) => difference.square()),
  )
const absolute = () =>
  metricOf(
    'mae',
    differenceRule('mae', (difference) => difference.abs()),
  )

/** Metrics by name. */
const METRICS = {
  accuracy: accuracyFor,
  acc: accuracyFor,
  averagePrecision: (task: MetricTask) => averagePrecision.streaming(ranking(task)),
  binaryAccuracy: (task: MetricTask) => binaryAccuracy.streaming(thresholdOf(task)),
  brier: (task: MetricTask) => brier.streaming(logitsOf(task)),
  calibrationError: (task: MetricTask) => calibrationError.streaming(logitsOf(task)),
  cohenKappa: (task: MetricTask) => cohenKappa.streaming(counting(task)),
  exactMatch: (task: MetricTask) => exactMatch.streaming(thresholdOf(task)),
  explainedVariance: () => explainedVariance.streaming(),
  f1: (task: MetricTask) => f1.streaming(counting(task)),
  logLoss: (task: MetricTask) => logLoss.streaming(logitsOf(task)),
  mae: absolute,
  matthews: (task: MetricTask) => matthews.streaming(counting(task)),
  mse: squared,
  perplexity: ({ ignoreIndex }: MetricTask) => perplexity.streaming({ ignoreIndex }),
  precision: (task: MetricTask) => precision.streaming(counting(task)),
  r2: () => r2.streaming(),
  recall: (task: MetricTask) => recall.streaming(counting(task)),
  rmse: () => rootMeanSquaredError.streaming(),
  rocAUC: (task: MetricTask) => rocAUC.streaming(ranking(task)),
  topKAccuracy: () => topKAccuracy.streaming(),
} as const

/** Names of metrics. */
export type MetricName = keyof typeof METRICS

/** Names of metrics of right and wrong predictions, which regressions do not have. */
const ofRight: readonly string[] = ['accuracy', 'acc']

/**
 * The metric of a name, a metric such as `fBeta.streaming({ beta: 2 })`, or the metric of a function. A named metric adapts to the loss: the
 * threshold of 'bceWithLogits' and 'sigmoidFocal' is 0, and metrics of probabilities convert logits to probabilities. Functions of this library are
 * metrics of all samples; another function returns the mean over a batch, and batches are weighted by their samples. A function is reported under its name.
 *
 * Accuracy depends on the loss: the largest score for losses of classes; a threshold, entry by entry, for 'bce' (0.5),
 * 'bceWithLogits' and 'sigmoidFocal' (0); an error for regressions.
 *
 * @throws UnknownNameError for another name; ArgumentError for another value, and for the accuracy of a regression
 */
export function createMetric(
  metric: MetricName | (string & {}) | MetricFunction | Metric,
  task: MetricTask = {},
): Metric {
  const given = checkOptions('createMetric', task, taskChecks)
  if (typeof metric === 'function') return ofFunction(metric)
  if (isMetric(metric)) return metric
  if (typeof metric !== 'string' || !Object.hasOwn(METRICS, metric)) {
    throw unknownName('metric', metric, Object.keys(METRICS))
  }
  const { lossName } = given
  if (ofRight.includes(metric) && regressions.includes(lossName)) {
    throw new ArgumentError(
      `metric '${metric}': the loss '${lossName}' is for numbers, which are not right or wrong; use a metric that measures the distance, such as ` +
        "'mae' or 'r2'; where the targets are one-hot rows after all, give the function: metrics: [accuracy]",
    )
  }
  return { ...METRICS[metric as MetricName](given), name: metric }
}

/** Whether a value is a metric; never throws. */
function isMetric(value: unknown): value is Metric {
  try {
    const { name, init, update, compute, of } = value as Partial<Metric>
    return typeof name === 'string' && [init, update, compute, of].every((part) => typeof part === 'function')
  } catch {
    return false
  }
}

/** The metric of a function: a function of the library is a metric of all samples, another function a mean over batches weighted by their samples. */
function ofFunction(metric: MetricFunction): Metric {
  const name = nameOf(metric)
  const ours = streamingOf(metric)
  if (ours !== undefined) return ours
  const of = (prediction: Tensor, target: Tensor) => {
    const value = metric(prediction, target)
    idOf(`metric '${name}'`, value)
    if (value.rank === 0) return value
    throw new ShapeError(
      `metric '${name}' returned shape [${value.shape}], expected a scalar: the mean over the batch`,
    )
  }
  return {
    name,
    of,
    init: noMean,
    update: (state, prediction, target) => {
      const size = nothing().add(prediction.shape[0] as number)
      const sum = of(prediction, target).cast('float64').mul(size)
      return { sum: plus(state.sum, sum), weight: plus(state.weight, size) }
    },
    compute: ({ sum, weight }) => quotient(sum, weight),
  }
}

/** The metric of a function of the library; undefined for other functions, whose properties may throw. */
function streamingOf(metric: MetricFunction): Metric | undefined {
  try {
    const { streaming } = metric as Partial<MetricOf<object>>
    if (typeof streaming !== 'function') return undefined
    const made: unknown = streaming()
    return isMetric(made) ? made : undefined
  } catch {
    return undefined
  }
}

/** The name of a function, if it is readable. */
function nameOf(metric: MetricFunction): string {
  try {
    const { name } = metric
    return typeof name === 'string' && name !== '' ? name : 'custom'
  } catch {
    return 'custom'
  }
}
