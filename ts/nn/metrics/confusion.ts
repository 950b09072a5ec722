import { type Checks, oneOf } from '../../core/options.js'
import { where } from '../../ops/index.js'
import { arange, type Tensor } from '../../ops/tensor.js'
import { type ClassOptions, classChecks, classesOf, indicator, readClasses } from './classes.js'
import { type MetricOf, metricFunction, nothing, plus, quotient, type Rule } from './metric.js'

/** Options of {@link confusionMatrix}. */
export interface ConfusionOptions extends ClassOptions {
  /**
   * `true`: shares of the true class, rows sum to 1; `predicted`: shares of the predicted class, columns sum to 1; `all`: shares of all samples;
   * `none` (default): counts. A row or column without samples stays 0.
   */
  normalize?: 'none' | 'true' | 'predicted' | 'all'
}

/** Options of {@link cohenKappa}. */
export interface KappaOptions extends ClassOptions {
  /** Weight of a mistake: 1 (`none`, default), the difference of class numbers, or its square. */
  weighting?: 'none' | 'linear' | 'quadratic'
}

const confusionChecks: Checks<ConfusionOptions> = {
  ...classChecks,
  normalize: oneOf('none', 'true', 'predicted', 'all'),
}
const kappaChecks: Checks<KappaOptions> = { ...classChecks, weighting: oneOf('none', 'linear', 'quadratic') }

/** A function of the matrix of counts `[true, predicted]`. */
function matrixRule(name: string, options: ClassOptions, compute: (counts: Tensor) => Tensor): Rule {
  return {
    init: (output) => {
      const classes = classesOf(output, options)
      return { counts: nothing(classes, classes) }
    },
    update: ({ counts }, prediction, target, weights) => {
      const { predicted, actual, weight } = readClasses(name, prediction, target, options, weights)
      const classes = (counts as Tensor).shape[0] as number
      const rows = indicator(actual, classes).mul(weight.expandDims(1))
      return { counts: plus(counts, rows.matmulT(indicator(predicted, classes), { transposeA: true })) }
    },
    compute: ({ counts }) => compute(counts as Tensor),
  }
}

/**
 * Number of samples of each pair of classes: **rows are the true classes, columns the predicted classes**. A score of NaN and a label outside
 * of the classes make the matrix NaN.
 *
 * @param prediction probabilities of class 1 `[batch]`, scores `[batch, classes, ...]`, or integers, the classes themselves
 * @param target class indices, or one-hot rows
 * @returns `[classes, classes]`, float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit; ArgumentError for options that do not
 */
export const confusionMatrix: MetricOf<ConfusionOptions> = metricFunction(
  'confusionMatrix',
  confusionChecks,
  ({ normalize = 'none', ...options }) =>
    matrixRule('confusionMatrix', options, (counts) => {
      if (normalize === 'none') return counts
      if (normalize === 'all') return quotient(counts, counts.sum())
      const axis = normalize === 'true' ? 1 : 0
      return quotient(counts, counts.sum(axis, { keepDims: true }).broadcastTo(counts.shape))
    }),
)

/**
 * Cohen's kappa (Cohen 1960; weighted: Cohen 1968): agreement beyond chance, 1 - sum(w O) / sum(w E) with O the counts, E those
 * of independent sides, and w the weight of a mistake. 1 for full agreement, 0 for chance, negative below chance; NaN if both sides have only one,
 * common class. Arguments and errors as for {@link confusionMatrix}.
 */
export const cohenKappa: MetricOf<KappaOptions> = metricFunction(
  'cohenKappa',
  kappaChecks,
  ({ weighting = 'none', ...options }) =>
    matrixRule('cohenKappa', options, (counts) => {
      const numbers = arange(counts.shape[0] as number, { dtype: 'float64' })
      const apart = numbers.expandDims(1).sub(numbers).abs()
      const cost =
        weighting === 'none'
          ? apart.greater(0).cast('float64')
          : weighting === 'linear'
            ? apart
            : apart.square()
      const expected = counts.sum(1).outer(counts.sum(0)).div(counts.sum())
      return counts.mul(cost).sum().div(expected.mul(cost).sum()).neg().add(1)
    }),
)

/**
 * Matthews' correlation of true and predicted classes (Matthews 1975; several classes: Gorodkin 2004, eq. 8), in [-1, 1]; 0 if one of the
 * sides has a single class. Arguments and errors as for {@link confusionMatrix}.
 */
export const matthews: MetricOf<ClassOptions> = metricFunction('matthews', classChecks, (options) =>
  matrixRule('matthews', options, (counts) => {
    const [actual, predicted] = [counts.sum(1), counts.sum(0)]
    const total = counts.sum()
    const covariance = counts.trace().mul(total).sub(actual.mul(predicted).sum())
    const spread = (margin: Tensor) => total.square().sub(margin.square().sum())
    const squares = spread(actual).mul(spread(predicted))
    return where(squares.equal(0), 0, covariance.div(where(squares.equal(0), 1, squares).sqrt()))
  }),
)
