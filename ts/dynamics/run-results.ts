/** The results of runs as plain data for JSON. */
import { version } from '../core/version.js'
import type { Json } from '../io/json.js'
import type { RowKind } from './naming.js'
import type { ResultRow, RunValues } from './run-values.js'
import type { Spread } from './spread.js'

/** A {@link Spread} in JSON: null is no value. */
export interface SpreadJson {
  readonly mean: number | null
  readonly se: number | null
  readonly values: readonly (number | null)[]
}

/** A {@link ResultRow} in JSON. */
export interface ResultJson {
  readonly estimator: string
  readonly settings: Json
  readonly units: string | null
  readonly samples: number | null
  readonly layer: string
  readonly epoch: number
  readonly ixt: SpreadJson
  readonly ity: SpreadJson
}

/** A set of runs in JSON. */
export interface RunResults {
  /** Version of hyperglow. */
  readonly hyperglow: string
  /** Names of the runs, in the order of all `values`. */
  readonly runs: readonly string[]
  readonly epochs: readonly number[]
  /** Kind of the numbers in `epochs`: 'epoch', 'step' of training, or 'row' if it is not known. */
  readonly rowKind: RowKind
  readonly layers: readonly string[]
  /** H(Y) in nats, null if it is not known. */
  readonly labelEntropy: number | null
  readonly results: readonly ResultJson[]
  readonly notes: readonly string[]
}

/** The JSON form of a set of runs. */
export function describeResults(set: RunValues): RunResults {
  return {
    hyperglow: version,
    runs: set.names,
    epochs: set.epochs,
    rowKind: set.rowKind,
    layers: set.layers,
    labelEntropy: set.labelEntropy,
    results: set.results().map(rowJson),
    notes: set.notes(),
  }
}

function rowJson({ ixt, ity, ...row }: ResultRow): ResultJson {
  return { ...row, ixt: spreadJson(ixt), ity: spreadJson(ity) }
}

function spreadJson({ mean, se, values }: Spread): SpreadJson {
  return { mean: numberJson(mean), se: numberJson(se), values: values.map(numberJson) }
}

const numberJson = (value: number) => (Number.isNaN(value) ? null : value)
