import { ShapeError, unknownName } from './errors.js'
import type { Tensor } from './tensor.js'

/** Judges a batch: predictions and targets to a scalar, the mean over the samples of the batch. */
export type MetricFunction = (pred: Tensor, target: Tensor) => Tensor

/** A metric with the name it is reported under. */
export interface Metric {
  readonly name: string
  readonly fn: MetricFunction
}

/**
 * Share of samples whose largest score is the right class, in [0, 1].
 *
 * @param pred scores, probabilities or logits `[batch, classes, ...]`
 * @param target class indices `[batch, ...]`, or one-hot rows of the shape of `pred`
 * @returns float32 scalar
 */
export function accuracy(pred: Tensor, target: Tensor): Tensor {
  const expected = [pred.shape[0], ...pred.shape.slice(2)]
  const matches = (shape: readonly (number | undefined)[]) =>
    target.rank === shape.length && target.shape.every((extent, axis) => extent === shape[axis])
  if (pred.rank < 2 || !(matches(expected) || matches(pred.shape))) {
    throw new ShapeError(
      `accuracy: expected a prediction [batch, classes, ...] and class indices [batch, ...] or one-hot rows, ` +
        `received [${pred.shape}] and [${target.shape}]`,
    )
  }
  const labels = matches(expected) ? target : target.argMax(1)
  return pred.argMax(1).cast('int32').equal(labels.cast('int32')).cast('float32').mean()
}

const METRICS = { accuracy, acc: accuracy } satisfies Record<string, MetricFunction>

/** Metrics that can be asked for by name. */
export type MetricName = keyof typeof METRICS

/** The metric of a name; a function is reported under its own name. Throws UnknownNameError for another name. */
export function createMetric(metric: MetricName | (string & {}) | MetricFunction): Metric {
  if (typeof metric === 'function') return { name: metric.name || 'custom', fn: metric }
  if (!Object.hasOwn(METRICS, metric)) throw unknownName('metric', metric, Object.keys(METRICS))
  return { name: metric, fn: METRICS[metric as MetricName] }
}
