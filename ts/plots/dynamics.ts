import { ArgumentError, NumericalError } from '../core/errors.js'
import { amongSeveral, axisTitles, evaluatorText, type RowKind } from '../dynamics/naming.js'
import { type DynamicsSource, placeOf, readSource, rowNumbers } from '../dynamics/source.js'
import { type Limits, limitsOf } from './limits.js'

export type { DynamicsLike, DynamicsSource, StoredDynamics } from '../dynamics/source.js'

/** Selection and names of dynamics. */
export interface DynamicsSelection {
  /**
   * Index or name of the evaluator. Default: each has a panel in `informationPlane` and `epochsPlot`; others show the first, and say so if there
   * are several.
   */
  evaluator?: number | string
  /** Index or name of a layer, or several; default all. */
  layer?: number | string | readonly (number | string)[]
  /** Name of the compression measure; default from the evaluator, such as `HSIC(H, X)` or `I(H; X)`. */
  xTitle?: string
  /** Name of the generalization measure; default from the evaluator. */
  yTitle?: string
  /** Unit of both, for dynamics without a unit; 'none' for numbers without one. If the dynamics have a unit, another one is refused. */
  units?: string
}

/** The trajectory of one layer during training. */
export interface Trajectory {
  readonly layer: string
  /** Index of the layer among all recorded ones: it determines color and marker, also if other layers are left out. */
  readonly place: number
  /** Compression measure by row, length N; NaN for no value. */
  readonly x: readonly number[]
  /** Generalization measure by row, length N; NaN for no value. */
  readonly y: readonly number[]
  /** The single runs, if `x` and `y` are means. */
  readonly runs?: CourseOfRuns
}

/** A layer's trajectories in several runs. */
export interface CourseOfRuns {
  /** Standard error of the mean by row; NaN if fewer than two runs have a value. */
  readonly xError: readonly number[]
  readonly yError: readonly number[]
  /** The values of each run, [runs][N]. */
  readonly x: readonly (readonly number[])[]
  readonly y: readonly (readonly number[])[]
}

/** Trajectories of the selected layers for one evaluator, checked: N >= 1, each value finite or NaN. */
export interface Trajectories {
  readonly evaluatorName: string
  /** The evaluator with its settings. */
  readonly evaluator: string
  /** Its index among the recorded ones. */
  readonly evaluatorIndex: number
  /** Unit of the values, 'none' for numbers without one; null if it is not known. */
  readonly unit: string | null
  /** Samples of each value; null if it is not known. */
  readonly samples: number | null
  /** Bounds of the two measures in their unit, for measures of information with known bounds. */
  readonly limits: Limits
  /** Names of the two measures without the unit: `I(H; X)`. */
  readonly xName: string
  readonly yName: string
  readonly xTitle: string
  readonly yTitle: string
  /** Kind of `numbers`. */
  readonly rows: RowKind
  /** Number of each of the N rows, ascending: of the epoch, or counted from 1. */
  readonly numbers: readonly number[]
  /** Names of the averaged runs; empty for a single run. */
  readonly runs: readonly string[]
  /** Number of recorded layers, selected or not. */
  readonly recorded: number
  readonly layers: readonly Trajectory[]
}

/**
 * Selects a part of recorded dynamics.
 *
 * @param caller name of the public function, for error messages
 * @throws ShapeError if `values` is not [N, E, L, 2] for the given names
 * @throws DataError if no epoch was recorded, two layers have one name, or epochs are not ascending
 * @throws UnknownNameError for an unknown layer or evaluator
 * @throws NumericalError if a selected value is infinite
 * @throws ArgumentError for a unit other than the unit of the values
 */
export function selectDynamics(
  source: DynamicsSource,
  selection: DynamicsSelection,
  caller: string,
): Trajectories {
  const dynamics = readSource(source, caller)
  const { values, layers, evaluators, ...measured } = dynamics
  const e = placeOf(
    'evaluator',
    selection.evaluator === undefined ? 0 : selection.evaluator,
    evaluators,
    caller,
  )
  const wanted = selection.layer === undefined ? layers.map((_, index) => index) : selection.layer
  const list = Array.isArray(wanted) ? (wanted as readonly (number | string)[]) : [wanted]
  const places = [...new Set(list.map((layer) => placeOf('layer', layer, layers, caller)))]
  if (places.length === 0)
    throw new ArgumentError(`${caller}: layer: given an empty list, expected at least one`)
  const measurer = {
    evaluator: evaluators[e] as string,
    unit: measured.units?.[e] ?? null,
    settings: Object(measured.evaluatorSettings?.[e]) as Record<string, unknown>,
  }
  const names = axisTitles(measurer, selection, caller)
  const { kind: rows, numbers } = rowNumbers(dynamics)
  const take = (place: number, side: 0 | 1): number[] =>
    values.map((row, n) => {
      const value = row[e]?.[place]?.[side] ?? Number.NaN
      if (Number.isFinite(value) || Number.isNaN(value)) return value
      const what = `${side === 0 ? names.xTitle : names.yTitle} of layer ${layers[place]} in ${rows} ${numbers[n]}`
      throw new NumericalError(
        `${caller}: ${what} is ${value}, expected a finite number, or NaN for none; ` +
          'find its cause, or leave the layer out with the "layer" option',
      )
    })
  const samples = measured.samples?.[e] ?? null
  return {
    evaluatorName: measurer.evaluator,
    evaluator: amongSeveral(
      evaluatorText(measurer),
      measurer.evaluator,
      selection.evaluator === undefined ? evaluators.length : 1,
    ),
    evaluatorIndex: e,
    ...names,
    samples,
    limits: limitsOf(names.unit, samples, measured.labelEntropy ?? null),
    rows,
    numbers,
    runs: [],
    recorded: layers.length,
    layers: places.map((place) => ({
      layer: layers[place] as string,
      place,
      x: take(place, 0),
      y: take(place, 1),
    })),
  }
}

/**
 * Trajectories of the rows in which an evaluator has values: a line connects the epochs in which it was due. A missing value within a row
 * stays a gap. If there is no value at all, all rows stay.
 */
export function measuredRows(trajectories: Trajectories): Trajectories {
  const { numbers, layers } = trajectories
  const kept = numbers.flatMap((_, n) =>
    layers.some(({ x, y }) => !(Number.isNaN(x[n]) && Number.isNaN(y[n]))) ? [n] : [],
  )
  if (kept.length === 0) return trajectories
  const only = (values: readonly number[]) => kept.map((n) => values[n] as number)
  const onlyOfRuns = (course: CourseOfRuns): CourseOfRuns => ({
    xError: only(course.xError),
    yError: only(course.yError),
    x: course.x.map(only),
    y: course.y.map(only),
  })
  return {
    ...trajectories,
    numbers: only(numbers),
    layers: layers.map((layer) => ({
      ...layer,
      x: only(layer.x),
      y: only(layer.y),
      ...(layer.runs === undefined ? {} : { runs: onlyOfRuns(layer.runs) }),
    })),
  }
}
