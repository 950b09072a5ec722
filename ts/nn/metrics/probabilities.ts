import { ShapeError } from '../../core/errors.js'
import { type Checks, flag, oneOf, whole } from '../../core/options.js'
import { logSoftmax, softmax } from '../../ops/activations.js'
import { where } from '../../ops/index.js'
import { arange, type Tensor } from '../../ops/tensor.js'
import { indicator, isSingle } from './classes.js'
import {
  addToMean,
  entryWeights,
  essential,
  type MetricOf,
  meanRule,
  metricFunction,
  nothing,
  quotient,
  shapeOf,
} from './metric.js'

/** Options of {@link logLoss} and {@link brier}. */
export interface ProbabilityOptions {
  /** The prediction holds logits, which are converted to probabilities first: by a sigmoid for one number a sample, else by softmax. Default false. */
  logits?: boolean
}

/** Options of {@link calibrationError}. */
export interface CalibrationOptions extends ProbabilityOptions {
  /** Bins of equal width on [0, 1]. Default 15. */
  bins?: number
  /** `l1` (default): gaps of the bins weighted by their samples; `max`: the largest gap. */
  norm?: 'l1' | 'max'
}

/** Options of {@link perplexity}. */
export interface PerplexityOptions {
  /** Entries with this label are left out. Default: none. */
  ignoreIndex?: number | undefined
}

const checks: Checks<ProbabilityOptions> = { logits: flag }
const calibrationChecks: Checks<CalibrationOptions> = {
  ...checks,
  bins: whole(1, 2 ** 20),
  norm: oneOf('l1', 'max'),
}
const perplexityChecks: Checks<PerplexityOptions> = { ignoreIndex: whole() }

/** Probabilities and the true classes. */
interface Believed {
  /** float64: probabilities of class 1 `[n]`, or `[n, classes]`. */
  readonly p: Tensor
  /** 1 at the true class, float64 of the shape of `p`; NaN for a label outside of the classes. */
  readonly is: Tensor
}

function readProbabilities(name: string, prediction: Tensor, target: Tensor, logits: boolean): Believed {
  const shape = shapeOf(name, prediction, target)
  const given = prediction.cast('float64')
  const n = shape[0] as number
  if (isSingle(shape.slice(1)) && essential(shape) === essential(target.shape)) {
    const p = given.reshape([n])
    const is = target.cast('float32').greater(0.5).cast('float64').reshape([n])
    return { p: logits ? p.sigmoid() : p, is }
  }
  if (shape.length === 2 && target.rank === 1 && target.shape[0] === n) {
    const classes = shape[1] as number
    const labels = target.cast('int32')
    const isClass = labels.greaterEqual(0).logicalAnd(labels.less(classes)).expandDims(1)
    return {
      p: logits ? softmax(given, 1) : given,
      is: where(isClass, indicator(labels, classes), Number.NaN),
    }
  }
  if (shape.length === 2 && String(target.shape) === String(shape)) {
    return { p: logits ? softmax(given, 1) : given, is: target.cast('float64') }
  }
  throw new ShapeError(
    `${name}: expected probabilities [batch] or [batch, classes] with class indices [batch] or one-hot rows, received [${shape}] and [${target.shape}]`,
  )
}

/** Lower bound of probabilities before their logarithm: the spacing of float64 at 1, as in scikit-learn. */
const least = 2 ** -52

/**
 * Log loss: minus the mean logarithm of the probability of the true class, in nats (Good 1952). Probabilities are clipped to
 * [2^-52, 1 - 2^-52], so the loss of one certain mistake is 36 nats.
 *
 * @param prediction probabilities of class 1 `[batch]`, or `[batch, classes]`; logits with the option
 * @param target class indices `[batch]`, or one-hot rows
 * @returns scalar, float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit
 */
export const logLoss: MetricOf<ProbabilityOptions> = metricFunction(
  'logLoss',
  checks,
  ({ logits = false }) => ({
    takes: logits ? 'logits' : undefined,
    ...meanRule((state, prediction, target, weights) => {
      const { p, is } = readProbabilities('logLoss', prediction, target, logits)
      const near = p.clip(least, 1 - least)
      const loss =
        p.rank === 1
          ? is.mul(near.log()).add(is.neg().add(1).mul(near.neg().add(1).log()))
          : is.mul(near.log()).sum(1)
      return addToMean(state, loss.neg(), entryWeights('logLoss', weights, loss.shape))
    }),
  }),
)

/**
 * Brier score (Brier 1950): the mean over samples of (p - y)^2 for one probability, in [0, 1], and of the **sum** of (p - y)^2 over classes for
 * several, in [0, 2]. Arguments and errors as for {@link logLoss}.
 */
export const brier: MetricOf<ProbabilityOptions> = metricFunction('brier', checks, ({ logits = false }) => ({
  takes: logits ? 'logits' : undefined,
  ...meanRule((state, prediction, target, weights) => {
    const { p, is } = readProbabilities('brier', prediction, target, logits)
    const squares = p.sub(is).square()
    const score = squares.rank === 1 ? squares : squares.sum(1)
    return addToMean(state, score, entryWeights('brier', weights, score.shape))
  }),
}))

/**
 * Expected calibration error (Naeini, Cooper and Hauskrecht 2015; Guo, Pleiss, Sun and Weinberger 2017): the difference between confidence and the
 * share of hits, in [0, 1], in bins (j / bins, (j + 1) / bins] of confidence; 0 belongs to the first bin. For `[batch, classes]` the confidence is the
 * largest probability, and a hit is a sample of its class; for one probability a sample the confidence is the probability, and a hit is class 1. The
 * state holds sums of bins, so batches give the value of all samples. Arguments and errors as for {@link logLoss}.
 */
export const calibrationError: MetricOf<CalibrationOptions> = metricFunction(
  'calibrationError',
  calibrationChecks,
  ({ bins = 15, norm = 'l1', logits = false }) => ({
    takes: logits ? 'logits' : undefined,
    init: () => ({ weight: nothing(bins), confidence: nothing(bins), hits: nothing(bins) }),
    update: (state, prediction, target, weights) => {
      const { p, is } = readProbabilities('calibrationError', prediction, target, logits)
      const confidence = p.rank === 1 ? p : p.max(1)
      const hit = p.rank === 1 ? is : is.mul(indicator(p.argMax(1), p.shape[1] as number)).sum(1)
      const edges = arange(1, bins, { dtype: 'float64' }).div(bins)
      const bin = confidence.expandDims(1).greater(edges).cast('int32').sum(1).cast('int32')
      const weight = entryWeights('calibrationError', weights, confidence.shape)
      const add = (before: Tensor | undefined, values: Tensor) => (before as Tensor).indexAdd(0, bin, values)
      return {
        weight: add(state.weight, weight),
        confidence: add(state.confidence, confidence.mul(weight)),
        hits: add(state.hits, hit.mul(weight)),
      }
    },
    compute: ({ weight, confidence, hits }) => {
      const gaps = (hits as Tensor).sub(confidence as Tensor).abs()
      if (norm === 'l1') return quotient(gaps.sum(), (weight as Tensor).sum())
      return quotient(gaps, weight).max()
    },
  }),
)

/**
 * Perplexity: the exponential of the mean negative log-likelihood (Jelinek, Mercer, Bahl and Baker 1977): 1 for
 * certain and right predictions, the number of tokens for uniform predictions.
 *
 * @param prediction logits `[batch, ..., tokens]`, **the tokens last**; @param target token indices `[batch, ...]`
 * @returns scalar, float32 for a float32 prediction, otherwise float64
 * @throws ShapeError for shapes that do not fit
 */
export const perplexity: MetricOf<PerplexityOptions> = metricFunction(
  'perplexity',
  perplexityChecks,
  ({ ignoreIndex }) => ({
    takes: 'logits',
    ...meanRule(
      (state, prediction, target, weights) => {
        const shape = shapeOf('perplexity', prediction, target)
        if (shape.length < 2 || String(target.shape) !== String(shape.slice(0, -1))) {
          throw new ShapeError(
            `perplexity: expected logits [batch, ..., tokens] and token indices [batch, ...], received [${shape}] and [${target.shape}]`,
          )
        }
        const tokens = shape.at(-1) as number
        const labels = target.cast('int32').flatten(0)
        const logs = logSoftmax(prediction.cast('float64').reshape([labels.size, tokens]), 1)
        const isToken = indicator(labels, tokens).greater(0)
        const known = labels.greaterEqual(0).logicalAnd(labels.less(tokens))
        const loss = where(known, where(isToken, logs, 0).sum(1).neg(), Number.NaN)
        const weight = entryWeights('perplexity', weights, target.shape).flatten(0)
        const counted = ignoreIndex === undefined ? weight : where(labels.notEqual(ignoreIndex), weight, 0)
        return addToMean(state, loss, counted)
      },
      (mean) => mean.exp(),
    ),
  }),
)
