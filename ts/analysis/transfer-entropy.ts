/** Transfer entropy between two series. */
import { DataError, DTypeError } from '../core/errors.js'
import { type Checks, checkOptions, whole } from '../core/options.js'
import { type SampleData, samplesFrom } from '../estimators/data.js'
import { isLabels } from '../estimators/samples.js'
import { concat } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { type ConditionalOptions, conditionalChecks, conditionalOf, variablesFrom } from './conditional.js'
import { sameCount, scalarsOf } from './read.js'

/** Options of {@link transferEntropy}. */
export interface TransferEntropyOptions extends ConditionalOptions {
  /** Number of past values of the destination y in the condition. Default 1. */
  history?: number
  /** Number of past values of the source x. Default 1. */
  sourceHistory?: number
  /** Steps from the most recent value of the source to the value of y. Default 1. */
  delay?: number
}

const checks: Checks<TransferEntropyOptions> = {
  ...conditionalChecks,
  history: whole(1, 1e6),
  sourceHistory: whole(1, 1e6),
  delay: whole(1, 1e9),
}

/** Result of {@link transferEntropy}. */
export interface TransferEntropy {
  /** I(y_t ; past of x | past of y) in nats, or the unit of `base`; 0 of a constant series, and below 0 by chance. */
  readonly value: number
  /** Number of times t in the estimate. */
  readonly rows: number
}

/**
 * Transfer entropy from x to y (Schreiber 2000):
 *
 *   I(y_t ; x_(t-u), ..., x_(t-u-l+1) | y_(t-1), ..., y_(t-k))
 *
 * with k values of `history`, l of `sourceHistory` and u the `delay`. For normal variables it is half of Granger's log ratio (Barnett, Barrett
 * and Seth 2009). Estimators, their options and errors as for {@link conditionalMutualInformation}; neighbors of `knn` are `k`. Not clipped.
 *
 * @param x a series, one sample per time
 * @param y another series, the same times
 * @throws DataError for series that are too short
 */
export async function transferEntropy(
  x: SampleData,
  y: SampleData,
  options: TransferEntropyOptions = {},
): Promise<TransferEntropy> {
  const name = 'transferEntropy'
  const given = checkOptions(name, options, checks)
  const { history = 1, sourceHistory = 1, delay = 1 } = given
  const [source, destination] = [await samplesFrom(`${name}: x`, x), await samplesFrom(`${name}: y`, y)]
  const n = sameCount(name, source, destination)
  const first = Math.max(history, sourceHistory + delay - 1)
  if (n - first < 2) {
    throw new DataError(
      `${name}: ${n} times leave ${Math.max(0, n - first)} to predict, the first ${first} being past; give longer series or a shorter history`,
    )
  }
  const usual = isLabels(source) && isLabels(destination) ? 'discrete' : 'knn'
  const { estimator = usual } = given
  if (estimator !== 'discrete' && (isLabels(source) || isLabels(destination))) {
    throw new DTypeError(
      `${name}: ${isLabels(source) ? 'x' : 'y'} holds class labels, which estimator '${estimator}' would treat as numbers; ` +
        "use estimator 'discrete', or give Float64Array.from(labels)",
    )
  }
  // A separate axis for lags; labels stay integers.
  const series = (values: Tensor) => (values.rank === 1 ? values.reshape([n, 1]) : values)
  const lagged = (values: Tensor, youngest: number, count: number) =>
    concat(
      Array.from({ length: count }, (_, j) =>
        series(values).slice([first - youngest - j], [n - youngest - j]),
      ),
      1,
    )
  const data = {
    y: lagged(destination, 0, 1),
    x: lagged(source, delay, sourceHistory),
    'the past of y': lagged(destination, 1, history),
  }
  const variables = await variablesFrom(name, data, { ...given, estimator })
  const { value } = await scalarsOf(() => ({ value: conditionalOf(variables, given) }))
  return { value: value / Math.log(given.base ?? Math.E), rows: n - first }
}
