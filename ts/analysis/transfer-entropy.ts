/** Information that goes from one series to another. */
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
  /** Past values of the destination y that are known. Default 1. */
  history?: number
  /** Past values of the source x that may tell. Default 1. */
  sourceHistory?: number
  /** Steps from the youngest of those of the source to the value that is told. Default 1. */
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
  /** In nats, or the unit of `base`. */
  readonly value: number
  /** Times t that were looked at. */
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
 * @param x a series, one sample a time; @param y another, the same times
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
      `${name}: ${n} times leave ${Math.max(0, n - first)} to tell, the first ${first} being past; give longer series or a shorter history`,
    )
  }
  const usual = isLabels(source) && isLabels(destination) ? 'discrete' : 'knn'
  const { estimator = usual } = given
  if (estimator !== 'discrete' && (isLabels(source) || isLabels(destination))) {
    throw new DTypeError(
      `${name}: ${isLabels(source) ? 'x' : 'y'} holds class labels, which estimator '${estimator}' would take for numbers; ` +
        "use estimator 'discrete', or give Float64Array.from(labels)",
    )
  }
  // One axis of its own for lags; labels stay integers.
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
