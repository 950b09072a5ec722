/** Metrics: a state to which batches are added, and its value, the metric of all samples. */
import type { Shape } from '../../core/dtype.js'
import { ShapeError } from '../../core/errors.js'
import { type Checks, checkOptions } from '../../core/options.js'
import { idOf, type Tensor } from '../../core/tensor.js'
import { where } from '../../ops/index.js'
import { ones, zeros } from '../../ops/tensor.js'

/** State of a metric after the samples so far: tensors by name, of constant shapes. */
export type MetricState = Readonly<Record<string, Tensor>>

/**
 * A metric of any number of batches. Its value is the metric of all samples, and never a mean over batches. All methods are lazy and work
 * inside of `jit`, so a training step adds its batch to the state in its own plan.
 */
export interface Metric {
  /** Name in reports. */
  readonly name: string
  /**
   * The prediction that it takes from a model: `logits` if the metric makes probabilities itself; a model that ends in a softmax then gives the
   * input of the softmax. Default: the output.
   */
  readonly takes?: 'logits' | undefined
  /** The library function that created it and its options, for files; undefined for your own metrics. */
  readonly made?: { readonly function: string; readonly options: object } | undefined
  /**
   * The state before the first sample.
   *
   * @param output shape of the prediction of one sample: `[]`, `[classes]`, ...
   */
  init(output: Shape): MetricState
  /**
   * The state after one more batch.
   *
   * @param weights weight of each sample, `[batch]`; default 1
   */
  update(state: MetricState, prediction: Tensor, target: Tensor, weights?: Tensor): MetricState
  /** The value of a state: a scalar, or one number for each class if the options ask for it. */
  compute(state: MetricState): Tensor
  /** The value of these samples alone. */
  of(prediction: Tensor, target: Tensor, weights?: Tensor): Tensor
}

/** Definition of a metric with its options. */
export interface Rule {
  /** As of {@link Metric}. */
  readonly takes?: 'logits' | undefined
  /** @param samples largest number of samples, if it is known */
  init(output: Shape, samples?: number): MetricState
  update(state: MetricState, prediction: Tensor, target: Tensor, weights?: Tensor): MetricState
  compute(state: MetricState): Tensor
}

/** A metric as a function of all samples, which also makes the same metric for batches. */
export interface MetricOf<O extends object> {
  (prediction: Tensor, target: Tensor, options?: O): Tensor
  /** The metric for batches, as `compile({ metrics })` takes it. */
  streaming(options?: O): Metric
}

/** A metric from its rule. */
export function metricOf(name: string, rule: Rule): Metric {
  const whole: Metric['of'] = (prediction, target, weights) => {
    const [samples, ...output] = batchShape(name, prediction)
    return rule.compute(rule.update(rule.init(output, samples), prediction, target, weights))
  }
  return {
    name,
    takes: rule.takes,
    init: (output) => rule.init(output),
    update: rule.update,
    compute: rule.compute,
    of: whole,
  }
}

/**
 * The function of a rule. Its value is float32 for a float32 prediction, else float64; states are float64.
 *
 * @param make the rule of checked options
 */
export function metricFunction<O extends object>(
  name: string,
  checks: Checks<O>,
  make: (options: O) => Rule,
): MetricOf<O> {
  const streaming = (options?: O): Metric => {
    const given = checkOptions(name, options, checks)
    return { ...metricOf(name, make(given)), made: { function: name, options: given } }
  }
  const of = (prediction: Tensor, target: Tensor, options?: O) => {
    const value = streaming(options).of(prediction, target)
    return prediction.dtype === 'float32' ? value.cast('float32') : value
  }
  Object.defineProperty(of, 'name', { value: name })
  return Object.assign(of, { streaming })
}

/** The shape of a prediction, samples along its first axis, checked against its target. */
export function shapeOf(name: string, prediction: Tensor, target: Tensor): Shape {
  idOf(`${name}: target`, target)
  return batchShape(name, prediction)
}

/** @throws ShapeError for a scalar */
function batchShape(name: string, prediction: Tensor): Shape {
  idOf(`${name}: prediction`, prediction)
  const { shape } = prediction
  if (shape.length > 0) return shape
  throw new ShapeError(`${name}: expected a prediction [batch, ...], received a scalar`)
}

/** Zeros of float64. */
export function nothing(...shape: number[]): Tensor {
  return zeros(shape, { dtype: 'float64' })
}

/**
 * The weight of every entry of `shape`, float64: the weight of its sample.
 *
 * @param weights `[batch]`
 */
export function entryWeights(name: string, weights: Tensor | undefined, shape: Shape): Tensor {
  if (weights === undefined) return ones([...shape], { dtype: 'float64' })
  idOf(`${name}: weights`, weights)
  if (weights.rank !== 1 || weights.shape[0] !== shape[0]) {
    throw new ShapeError(
      `${name}: weights has shape [${weights.shape}], expected one number for each of ${shape[0]} samples`,
    )
  }
  const column = [shape[0] as number, ...shape.slice(1).map(() => 1)]
  return weights
    .cast('float64')
    .reshape(column)
    .broadcastTo([...shape])
}

/** A weighted sum and the sum of the weights: the state of a weighted mean. */
export const noMean = () => ({ sum: nothing(), weight: nothing() })

/**
 * Adds to the state of a mean. Entries of weight 0 are left out, also NaN.
 *
 * @param weight weights of the shape of `values`; undefined for weights of 1
 */
export function addToMean(state: MetricState, values: Tensor, weight: Tensor | undefined): MetricState {
  const exact = values.cast('float64')
  if (weight === undefined) {
    return { sum: plus(state.sum, exact.sum()), weight: (state.weight as Tensor).add(values.size) }
  }
  const counted = where(weight.notEqual(0), exact.mul(weight), 0)
  return { sum: plus(state.sum, counted.sum()), weight: plus(state.weight, weight.sum()) }
}

/** An entry of the state plus `more`. */
export function plus(before: Tensor | undefined, more: Tensor): Tensor {
  return (before as Tensor).add(more)
}

/** `sum / weight`, 0 where the weight is 0. */
export function quotient(sum: Tensor | undefined, weight: Tensor | undefined): Tensor {
  const [a, b] = [sum as Tensor, weight as Tensor]
  return where(b.equal(0), 0, a.div(where(b.equal(0), 1, b)))
}

/** The rule of a mean: each batch adds to {@link noMean}. */
export function meanRule(update: Rule['update'], finish: (mean: Tensor) => Tensor = (mean) => mean): Rule {
  return { init: noMean, update, compute: ({ sum, weight }) => finish(quotient(sum, weight)) }
}

/** Shapes without axes of extent 1, as text to compare. */
export const essential = (shape: Shape) => String(shape.filter((extent) => extent !== 1))

/** Throws ShapeError unless prediction and target have the same shape without axes of extent 1. */
export function checkAlike(name: string, prediction: Tensor, target: Tensor): void {
  shapeOf(name, prediction, target)
  if (prediction.size === target.size && essential(prediction.shape) === essential(target.shape)) return
  throw new ShapeError(
    `${name}: prediction and target must have the same shape, received [${prediction.shape}] and [${target.shape}]`,
  )
}
