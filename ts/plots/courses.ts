/** Trajectories of one run, or means over several. */
import { isList } from '../core/options.js'
import { RunSet } from '../dynamics/run-set.js'
import {
  type CourseOfRuns,
  type DynamicsSelection,
  type DynamicsSource,
  selectDynamics,
  type Trajectories,
} from './dynamics.js'

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
