import { sizeOf } from '../../core/dtype.js'
import { type Checks, oneOf } from '../../core/options.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import {
  addToMean,
  checkAlike,
  entryWeights,
  type MetricOf,
  type MetricState,
  meanRule,
  metricFunction,
  nothing,
  plus,
  quotient,
  type Rule,
} from './metric.js'

/** Options of {@link r2} and {@link explainedVariance}. */
export interface OutputsOptions {
  /** For several outputs: `mean` (default), `weighted` by the variance of each target, or `none`, one number for each output. */
  average?: 'mean' | 'weighted' | 'none'
}

const checks: Checks<OutputsOptions> = { average: oneOf('mean', 'weighted', 'none') }

/** The rule of a mean over all entries of a function of prediction - target. */
export function differenceRule(
  name: string,
  of: (difference: Tensor) => Tensor,
  finish?: (mean: Tensor) => Tensor,
): Rule {
  return meanRule((state, prediction, target, weights) => {
    checkAlike(name, prediction, target)
    const exact = prediction.cast('float64')
    const difference = exact.sub(target.cast('float64').reshape(exact.shape))
    return addToMean(state, of(difference), entryWeights(name, weights, exact.shape))
  }, finish)
}

/**
 * Root mean squared error: the root of the mean over **all** entries of (prediction - target)^2, in the unit of the target.
 *
 * @param prediction `[batch, ...]`; @param target of the same shape
 * @returns scalar, float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit
 */
export const rootMeanSquaredError: MetricOf<Record<never, never>> = metricFunction(
  'rootMeanSquaredError',
  {},
  () =>
    differenceRule(
      'rootMeanSquaredError',
      (difference) => difference.square(),
      (mean) => mean.sqrt(),
    ),
)

/** Weighted means and sums of squared deviations: merged by the formula of Chan, Golub and LeVeque 1979, without loss of digits. */
function merged(state: MetricState, part: string, values: Tensor, weights: Tensor): MetricState {
  const [before, mean, squares] = [state.weight, state[`${part}Mean`], state[`${part}Squares`]] as Tensor[]
  const more = weights.sum()
  const own = quotient(values.mul(weights).sum(0), more.broadcastTo((mean as Tensor).shape))
  const ownSquares = values.sub(own).square().mul(weights).sum(0)
  const total = (before as Tensor).add(more)
  const shift = own.sub(mean as Tensor)
  const share = quotient(more, total)
  return {
    [`${part}Mean`]: plus(mean, shift.mul(share)),
    [`${part}Squares`]: plus(
      squares,
      ownSquares.add(
        shift
          .square()
          .mul(share)
          .mul(before as Tensor),
      ),
    ),
  }
}

/** 1 - residual / spread of each output, and their average. */
function sharesRule(
  name: string,
  average: OutputsOptions['average'],
  residual: (state: MetricState) => Tensor,
): Rule {
  return {
    init: (output) => {
      const width = sizeOf(output)
      const zero = () => nothing(width)
      return {
        weight: nothing(),
        targetMean: zero(),
        targetSquares: zero(),
        errorMean: zero(),
        errorSquares: zero(),
      }
    },
    update: (state, prediction, target, weights) => {
      checkAlike(name, prediction, target)
      const n = prediction.shape[0] as number
      const exact = prediction.cast('float64').reshape([n, prediction.size / Math.max(1, n)])
      const wanted = target.cast('float64').reshape(exact.shape)
      const weight = entryWeights(name, weights, [n]).expandDims(1)
      return {
        weight: plus(state.weight, weight.sum()),
        ...merged(state, 'target', wanted, weight),
        ...merged(state, 'error', wanted.sub(exact), weight),
      }
    },
    compute: (state) => {
      const spread = state.targetSquares as Tensor
      const left = residual(state)
      // A constant target: 1 for an exact prediction, else 0, as in scikit-learn.
      const constant = left.equal(0).cast('float64')
      const scores = where(
        spread.equal(0),
        constant,
        left
          .div(where(spread.equal(0), 1, spread))
          .neg()
          .add(1),
      )
      if (scores.size === 1) return scores.reshape([])
      if (average === 'none') return scores
      if (average === 'weighted') return quotient(scores.mul(spread).sum(), spread.sum())
      return scores.mean()
    },
  }
}

/**
 * Coefficient of determination R^2 (Wright 1921): 1 - sum (y - p)^2 / sum (y - mean y)^2 of each output. At most 1; 0 for the mean of the
 * target, negative for larger errors. For a constant target 1 for an exact prediction, else 0.
 *
 * @param prediction `[batch, ...]`; @param target of the same shape
 * @returns scalar, or one number for each output (`average: 'none'`); float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit
 */
export const r2: MetricOf<OutputsOptions> = metricFunction('r2', checks, ({ average = 'mean' }) =>
  sharesRule('r2', average, ({ errorSquares, errorMean, weight }) =>
    plus(errorSquares, (errorMean as Tensor).square().mul(weight as Tensor)),
  ),
)

/**
 * Explained variance: 1 - Var(y - p) / Var(y) of each output; unlike {@link r2} it ignores a constant offset of the prediction. Arguments,
 * constants and errors as for {@link r2}.
 */
export const explainedVariance: MetricOf<OutputsOptions> = metricFunction(
  'explainedVariance',
  checks,
  ({ average = 'mean' }) =>
    sharesRule('explainedVariance', average, ({ errorSquares }) => errorSquares as Tensor),
)
