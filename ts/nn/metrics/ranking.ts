import { type Shape, sizeOf } from '../../core/dtype.js'
import { ShapeError } from '../../core/errors.js'
import { scope } from '../../core/memory.js'
import { type Checks, flag, oneOf, whole } from '../../core/options.js'
import { softmax } from '../../ops/activations.js'
import { stack, where } from '../../ops/index.js'
import { arange, type Tensor } from '../../ops/tensor.js'
import { indicator } from './classes.js'
import {
  entryWeights,
  essential,
  type MetricOf,
  type MetricState,
  metricFunction,
  nothing,
  plus,
  quotient,
  type Rule,
  shapeOf,
} from './metric.js'

/** Options of {@link rocAUC} and {@link averagePrecision}. */
export interface RankingOptions {
  /**
   * For several columns: `macro` (default) their mean, `weighted` the mean weighted by the samples of each class, `micro` all entries as one column,
   * `none` one number for each column.
   */
  average?: 'micro' | 'macro' | 'weighted' | 'none'
  /**
   * Number of samples that the metric for batches can hold: it keeps all scores. Default 65536, 24 bytes each for one column. A batch beyond the
   * capacity is an error, never left out.
   */
  capacity?: number
  /**
   * The prediction holds logits of mutually exclusive classes: they are converted by softmax first, so that the scores of different samples are
   * comparable. Default false.
   */
  logits?: boolean
}

const checks: Checks<RankingOptions> = {
  average: oneOf('micro', 'macro', 'weighted', 'none'),
  capacity: whole(1, 2 ** 31),
  logits: flag,
}

/** A function of ordered scores: groups of equal scores, `[n]`, in ascending order. */
interface Ranked {
  readonly positive: Tensor
  readonly negative: Tensor
}

/** The rule of a metric that keeps all scores and computes one number for each column. */
function rankingRule(
  name: string,
  options: RankingOptions,
  area: (ranked: Ranked) => Tensor,
  descending: boolean,
): Rule {
  const { average = 'macro', capacity = 65536, logits = false } = options
  const rank = (scores: Tensor, hits: Tensor, weight: Tensor) =>
    area(grouped(descending ? scores.neg() : scores, hits, weight))
  return {
    takes: logits ? 'logits' : undefined,
    init: (output, samples = capacity) => {
      const width = sizeOf(output)
      return {
        scores: nothing(samples, width),
        hits: nothing(samples, width),
        weight: nothing(samples),
        count: nothing(),
      }
    },
    update: (state, prediction, target, weights) => {
      const { scores, hits } = readColumns(name, prediction, target, logits)
      const n = scores.shape[0] as number
      const places = arange(n, { dtype: 'float64' })
        .add(state.count as Tensor)
        .cast('int32')
      const weight = entryWeights(name, weights, [n])
      return scope(
        `${name}, which has room for ${(state.weight as Tensor).size} samples; give more as capacity`,
        () => ({
          scores: (state.scores as Tensor).indexAdd(0, places, scores),
          hits: (state.hits as Tensor).indexAdd(0, places, hits),
          weight: (state.weight as Tensor).indexAdd(0, places, weight),
          count: plus(state.count, nothing().add(n)),
        }),
      )
    },
    compute: (state) => averaged(state, average, rank),
  }
}

function averaged(
  { scores, hits, weight }: MetricState,
  average: RankingOptions['average'],
  rank: (scores: Tensor, hits: Tensor, weight: Tensor) => Tensor,
): Tensor {
  const [all, right, each] = [scores as Tensor, hits as Tensor, weight as Tensor]
  const width = all.shape[1] as number
  if (width > 1 && average === 'micro') {
    const spread = each.expandDims(1).broadcastTo(all.shape)
    return rank(all.flatten(0), right.flatten(0), spread.flatten(0))
  }
  const column = (rows: Tensor, j: number) => rows.slice([0, j], [null, j + 1]).flatten(0)
  const numbers = Array.from({ length: width }, (_, j) => rank(column(all, j), column(right, j), each))
  if (width === 1) return numbers[0] as Tensor
  const values = stack(numbers)
  if (average === 'none') return values
  if (average !== 'weighted') return values.mean()
  const shares = right.mul(each.expandDims(1)).sum(0)
  return quotient(values.mul(shares).sum(), shares.sum())
}

/** Scores `[n, width]`, and indicators `[n, width]` that are 1 if the sample has the column's class; both float64. */
function readColumns(
  name: string,
  prediction: Tensor,
  target: Tensor,
  logits: boolean,
): { scores: Tensor; hits: Tensor } {
  const shape = shapeOf(name, prediction, target)
  const [n, width] = [shape[0] as number, prediction.size / Math.max(1, shape[0] as number)]
  const exact = prediction.cast('float64')
  const scores = (logits && width > 1 ? softmax(exact, 1) : exact).reshape([n, width])
  if (prediction.size === target.size && essential(shape) === essential(target.shape)) {
    return { scores, hits: target.cast('float32').greater(0.5).cast('float64').reshape([n, width]) }
  }
  if (isLabeled(shape, target.shape)) return { scores, hits: indicator(target.cast('int32'), width) }
  throw new ShapeError(
    `${name}: expected scores [batch] or [batch, classes] with class indices [batch], or a target of the shape of the scores; ` +
      `received [${shape}] and [${target.shape}]`,
  )
}

const isLabeled = (scores: Shape, target: Shape) =>
  scores.length === 2 && target.length === 1 && scores[0] === target[0]

/** Weights of positive and negative samples by their score: equal scores are one group, ascending. */
function grouped(scores: Tensor, hits: Tensor, weight: Tensor): Ranked {
  // A score of NaN has no rank.
  const sound = where(weight.notEqual(0).logicalAnd(scores.notEqual(scores)), Number.NaN, weight)
  const order = scores.argSort()
  // 0 added: -0 is 0.
  const groups = scores.take(order).add(0).expandDims(1).uniqueRows()
  const total = (weights: Tensor) => nothing(weights.size).indexAdd(0, groups, weights.take(order))
  return { positive: total(hits.mul(sound)), negative: total(hits.neg().add(1).mul(sound)) }
}

/**
 * Area under the receiver operating characteristic: the probability that a sample of the class has a higher score than one that is not of it,
 * equal scores counting half (Hanley and McNeil 1982). In [0, 1], 0.5 for uninformative scores; NaN if positive or negative samples are missing,
 * and for a score of NaN.
 *
 * @param prediction scores of class 1 `[batch]`, or `[batch, classes]`: each class against the rest, or independent labels
 * @param target class indices `[batch]`, or 0 and 1 in the shape of the scores
 * @returns scalar, or one number for each column (`average: 'none'`); float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit
 */
export const rocAUC: MetricOf<RankingOptions> = metricFunction('rocAUC', checks, (options) =>
  rankingRule(
    'rocAUC',
    options,
    ({ positive, negative }) => {
      const below = negative.cumsum(0).sub(negative.div(2))
      return positive.mul(below).sum().div(positive.sum().mul(negative.sum()))
    },
    false,
  ),
)

/**
 * Average precision: the sum over distinct scores, from the highest down, of the precision at that threshold times the increase of recall, without
 * interpolation (Zhu 2004; as in scikit-learn). In [0, 1]; 0 for a class without samples, NaN for a score of NaN. Arguments and errors as
 * for {@link rocAUC}.
 */
export const averagePrecision: MetricOf<RankingOptions> = metricFunction(
  'averagePrecision',
  checks,
  (options) =>
    rankingRule(
      'averagePrecision',
      options,
      ({ positive, negative }) => {
        const found = positive.cumsum(0)
        const precision = quotient(found, found.add(negative.cumsum(0)))
        return quotient(precision.mul(positive).sum(), positive.sum())
      },
      true,
    ),
)
