import { type Shape, sizeOf } from '../../core/dtype.js'
import { ArgumentError } from '../../core/errors.js'
import { above, type Checks, flag, oneOf } from '../../core/options.js'
import type { Tensor } from '../../ops/tensor.js'
import { type ClassOptions, classChecks, classesOf, indicator, isSingle, readClasses } from './classes.js'
import {
  checkAlike,
  entryWeights,
  type MetricOf,
  type MetricState,
  metricFunction,
  nothing,
  plus,
  quotient,
  type Rule,
} from './metric.js'

/** Average over classes. */
export type ClassAverage = 'binary' | 'micro' | 'macro' | 'weighted' | 'none'

/** Options of {@link precision}, {@link recall} and {@link f1}. */
export interface PrecisionOptions extends ClassOptions {
  /**
   * - `binary`: the number of class 1.
   * - `micro`: the number from the summed counts of all classes.
   * - `macro`: the mean over all classes, classes without samples included.
   * - `weighted`: the mean weighted by the true samples of each class.
   * - `none`: one number for each class.
   *
   * Default 'binary' if a sample has one probability, else 'macro'.
   */
  average?: ClassAverage
  /** Each column is an independent binary label, with the threshold; the target has the shape of the prediction. Default false. */
  multilabel?: boolean
}

/** Options of {@link fBeta}. */
export interface FBetaOptions extends PrecisionOptions {
  /** Weight of recall relative to precision. Default 1. */
  beta?: number
}

const averages = oneOf('binary', 'micro', 'macro', 'weighted', 'none')
const checks: Checks<PrecisionOptions> = { ...classChecks, average: averages, multilabel: flag }
const fBetaChecks: Checks<FBetaOptions> = { ...checks, beta: above(0) }

/** Numbers of right, predicted and actual samples: scalars, or one number for each class. */
type Counts = readonly [right: Tensor, predicted: Tensor, actual: Tensor]

/** The rule of a score of the counts of each class. */
function countingRule(name: string, options: PrecisionOptions, score: (counts: Counts) => Tensor): Rule {
  const { average, multilabel = false } = options
  const usual = (width: number): ClassAverage => average ?? (width === 1 ? 'binary' : 'macro')
  return {
    init: (output) => {
      const classes = multilabel ? labelsOf(name, output, average) : classesOf(output, options)
      const wanted = usual(isSingle(output) ? 1 : classes)
      checkBinary(name, wanted, classes)
      const column = () => nothing(classes)
      // The default average depends on the output; a state with the counts of class 1 only means 'binary'.
      const isBinary = wanted === 'binary'
      return isBinary
        ? { right: nothing(1), predicted: nothing(1), actual: nothing(1) }
        : { right: column(), predicted: column(), actual: column() }
    },
    update: (state, prediction, target, weights) => {
      const width = (state.right as Tensor).size
      const more = multilabel
        ? labelCounts(name, options, prediction, target, weights)
        : classCounts(name, options, width, prediction, target, weights)
      return {
        right: plus(state.right, more[0]),
        predicted: plus(state.predicted, more[1]),
        actual: plus(state.actual, more[2]),
      }
    },
    compute: (state) => averaged(state, usual((state.right as Tensor).size), score),
  }
}

function labelsOf(name: string, output: Shape, average: ClassAverage | undefined): number {
  if (average === 'binary') {
    throw new ArgumentError(
      `${name}: average 'binary' is of one label; several have 'micro', 'macro', 'none'`,
    )
  }
  return sizeOf(output)
}

function checkBinary(name: string, average: ClassAverage, classes: number): void {
  if (average !== 'binary' || classes === 2) return
  throw new ArgumentError(
    `${name}: average 'binary' is that of class 1 of 2, but there are ${classes} classes; give 'micro', 'macro', 'weighted' or 'none'`,
  )
}

function classCounts(
  name: string,
  options: PrecisionOptions,
  width: number,
  prediction: Tensor,
  target: Tensor,
  weights: Tensor | undefined,
): Counts {
  const { predicted, actual, weight } = readClasses(name, prediction, target, options, weights)
  const column = weight.expandDims(1)
  const rows = (labels: Tensor) =>
    width === 1 ? indicator(labels, 2).slice([0, 1]) : indicator(labels, width)
  const [says, is] = [rows(predicted), rows(actual)]
  return [says.mul(is).mul(column).sum(0), says.mul(column).sum(0), is.mul(column).sum(0)]
}

function labelCounts(
  name: string,
  { threshold = 0.5 }: PrecisionOptions,
  prediction: Tensor,
  target: Tensor,
  weights: Tensor | undefined,
): Counts {
  checkAlike(name, prediction, target)
  const n = prediction.shape[0] as number
  const scores = prediction.reshape([n, prediction.size / Math.max(1, n)]).cast('float64')
  const column = entryWeights(name, weights, [n]).expandDims(1)
  // NaN stays NaN: the counts are not known.
  const says = scores.greater(threshold).cast('float64').add(scores.sub(scores).mul(0))
  const is = target.reshape(scores.shape).cast('float32').greater(0.5).cast('float64')
  return [says.mul(is).mul(column).sum(0), says.mul(column).sum(0), is.mul(column).sum(0)]
}

function averaged(state: MetricState, average: ClassAverage, score: (counts: Counts) => Tensor): Tensor {
  const counts = [state.right, state.predicted, state.actual] as unknown as Counts
  if (average === 'micro') return score(counts.map((count) => count.sum()) as unknown as Counts)
  const each = score(counts)
  if (average === 'none') return each
  if (average !== 'weighted') return each.mean()
  return quotient(each.mul(counts[2]).sum(), counts[2].sum())
}

/** (1 + b^2) right / (b^2 actual + predicted), 0 where that is 0 / 0. */
function fScore(beta: number): (counts: Counts) => Tensor {
  const square = beta * beta
  return ([right, predicted, actual]) => quotient(right.mul(1 + square), actual.mul(square).add(predicted))
}

/**
 * Precision: the share of the samples predicted as a class that are of the class, right / predicted, in [0, 1]; 0 if no sample was predicted as
 * the class. Van Rijsbergen 1979; averages as in scikit-learn. A score of NaN and a label outside of the classes make it NaN.
 *
 * @param prediction probabilities of class 1 `[batch]`, scores `[batch, classes, ...]`, or integers, the classes themselves
 * @param target class indices, or one-hot rows
 * @returns scalar, or one number for each class (`average: 'none'`); float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit; ArgumentError for options that do not
 */
export const precision: MetricOf<PrecisionOptions> = metricFunction('precision', checks, (options) =>
  countingRule('precision', options, ([right, predicted]) => quotient(right, predicted)),
)

/**
 * Recall: the share of the samples of a class that were predicted as the class, right / actual, in [0, 1]; 0 for a class without samples. Arguments, averages and
 * errors as for {@link precision}.
 */
export const recall: MetricOf<PrecisionOptions> = metricFunction('recall', checks, (options) =>
  countingRule('recall', options, ([right, , actual]) => quotient(right, actual)),
)

/**
 * F1: the harmonic mean of precision and recall, 2 right / (actual + predicted), in [0, 1]; 0 where both are 0. Arguments, averages and errors
 * as for {@link precision}.
 */
export const f1: MetricOf<PrecisionOptions> = metricFunction('f1', checks, (options) =>
  countingRule('f1', options, fScore(1)),
)

/**
 * F-beta (van Rijsbergen 1979): (1 + b^2) P R / (b^2 P + R) of precision P and recall R, in [0, 1]. Arguments, averages and errors as for
 * {@link precision}.
 */
export const fBeta: MetricOf<FBetaOptions> = metricFunction(
  'fBeta',
  fBetaChecks,
  ({ beta = 1, ...options }) => countingRule('fBeta', options, fScore(beta)),
)
