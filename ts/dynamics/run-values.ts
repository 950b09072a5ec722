/** The values of a set of runs, as tables, notes and comparisons read them. */
import type { Json } from '../io/json.js'
import type { DynamicsHeading, DynamicsSampling } from './heading.js'
import type { RowKind } from './naming.js'
import type { Spread } from './spread.js'

/** Both measures of a layer in an epoch, over the runs. */
export interface PlaneSpread {
  /** Measure of (H, X), such as I(H; X). */
  readonly ixt: Spread
  /** Measure of (H, Y). */
  readonly ity: Spread
}

/** Values of one evaluator for one layer in one epoch, over the runs. */
export interface ResultRow extends PlaneSpread {
  readonly estimator: string
  readonly settings: Json
  /** Unit of the values, 'none' for numbers without one; null if it is not known. */
  readonly units: string | null
  /** Samples of each value; null if it is not known. */
  readonly samples: number | null
  readonly layer: string
  readonly epoch: number
}

/** Values over runs; {@link RunSet} describes the members. */
export interface RunValues extends DynamicsHeading, DynamicsSampling {
  readonly names: readonly string[]
  readonly units: readonly (string | null)[]
  readonly evaluatorSettings: readonly Json[]
  readonly samples: readonly (number | null)[]
  readonly labelEntropy: number | null
  readonly epochs: readonly number[]
  readonly rowKind: RowKind
  spread(evaluator: number | string, layer: number | string, epoch: number): PlaneSpread
  results(): readonly ResultRow[]
  notes(): string[]
}
