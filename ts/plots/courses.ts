/** Trajectories of one run, or means over several. */
import { ArgumentError } from '../core/errors.js'
import { isList } from '../core/options.js'
import { RunSet } from '../dynamics/run-set.js'
import { readSource } from '../dynamics/source.js'
import {
  type CourseOfRuns,
  type DynamicsLike,
  type DynamicsSelection,
  type DynamicsSource,
  measuredRows,
  selectDynamics,
  type Trajectories,
} from './dynamics.js'
import type { MeasureScales } from './plane-scales.js'

/** The argument of plots of trajectories: one run, several, or a set of runs. */
export type CoursesSource = DynamicsSource | readonly DynamicsSource[] | RunSet

/**
 * The selected part of one run, or the means and standard errors of several.
 *
 * @param caller name of the public function, for error messages
 * @throws as {@link selectDynamics}; DataError for runs that differ in layers, evaluators, units or settings
 */
export function selectCourses(
  source: CoursesSource,
  selection: DynamicsSelection,
  caller: string,
): Trajectories {
  const isSet = source instanceof RunSet
  if (!isSet && !isList(source)) return selectDynamics(source as DynamicsSource, selection, caller)
  const set = isSet ? source : RunSet.of(source as readonly DynamicsSource[])
  const means = selectDynamics(set.mean(), selection, caller)
  if (set.names.length < 2) return means
  return {
    ...means,
    runs: set.names,
    layers: means.layers.map((layer) => ({
      ...layer,
      runs: courseOf(set, means.evaluatorIndex, layer.place),
    })),
  }
}

/** Options of axes that only make sense for values of one unit. */
const ofOneUnit = ['xTitle', 'yTitle', 'xDomain', 'yDomain'] as const

/**
 * The selected part for each evaluator, or for the one that the selection names, without rows that have no value.
 *
 * @throws as {@link selectCourses}; ArgumentError for titles or ranges of axes if the evaluators have different units
 */
export function selectEach(
  source: CoursesSource,
  selection: DynamicsSelection & MeasureScales,
  caller: string,
): readonly [Trajectories, ...Trajectories[]] {
  const read = readOnce(source, caller)
  const select = (one: DynamicsSelection) => measuredRows(selectCourses(read, one, caller))
  if (selection.evaluator !== undefined || read.evaluators.length === 1) return [select(selection)]
  const each = read.evaluators.map((_, evaluator) => select({ ...selection, evaluator }))
  const units = new Set(each.map(({ unit }) => unit))
  const given = ofOneUnit.find((option) => selection[option] !== undefined)
  if (given !== undefined && units.size > 1) {
    throw new ArgumentError(
      `${caller}: ${given}: given for ${each.length} evaluators with the units ${[...units].join(', ')}, ` +
        'expected one unit; choose an evaluator with the "evaluator" option',
    )
  }
  return each as [Trajectories, ...Trajectories[]]
}

function readOnce(source: CoursesSource, caller: string): RunSet | DynamicsLike {
  if (source instanceof RunSet) return source
  if (isList(source)) return RunSet.of(source as readonly DynamicsSource[])
  return readSource(source as DynamicsSource, caller)
}

/** Names of the data in a figure. */
export interface DataNames {
  readonly rows: string
  /** Of the single runs. */
  readonly runs: string
}

/** Names of the data of an evaluator in a figure of `count` evaluators. */
export function namesOfData(evaluator: number, count: number): DataNames {
  if (count === 1) return { rows: 'dynamics', runs: 'runs' }
  return { rows: `dynamics_${evaluator}`, runs: `runs_${evaluator}` }
}

/** Numbers of the rows of any of the trajectories, ascending. */
export function allNumbersOf(each: readonly Trajectories[]): readonly number[] {
  return [...new Set(each.flatMap(({ numbers }) => numbers))].sort((a, b) => a - b)
}

function courseOf(set: RunSet, evaluator: number, layer: number): CourseOfRuns {
  const spreads = set.epochs.map((epoch) => set.spread(evaluator, layer, epoch))
  const byRun = (side: 'ixt' | 'ity') =>
    set.names.map((_, run) => spreads.map((spread) => spread[side].values[run] ?? Number.NaN))
  return {
    xError: spreads.map(({ ixt }) => ixt.se),
    yError: spreads.map(({ ity }) => ity.se),
    x: byRun('ixt'),
    y: byRun('ity'),
  }
}
