/** Trajectories of one run, or means over several. */
import {
  type CourseOfRuns,
  type DynamicsLike,
  type DynamicsSelection,
  type DynamicsSource,
  selectDynamics,
  type Trajectories,
} from './dynamics.js'

/** Several runs of one experiment. */
export interface RunSet {
  readonly names: readonly string[]
  readonly epochs: readonly number[]
  spread(evaluator: number, layer: number, epoch: number): { readonly ixt: Spread; readonly ity: Spread }
  mean(): DynamicsLike
}

interface Spread {
  readonly mean: number
  readonly se: number
  readonly values: readonly number[]
}

/** What pictures of courses take: one run, or a set of them. */
export type CoursesSource = DynamicsSource | RunSet

const isRunSet = (source: CoursesSource): source is RunSet =>
  typeof (Object(source) as { spread?: unknown }).spread === 'function'

/**
 * The wanted part of one run, or the means and standard errors of several.
 *
 * @param caller name of the public function, for error messages
 * @throws as {@link selectDynamics}; DataError for runs that differ in layers, evaluators, units or settings
 */
export function selectCourses(
  source: CoursesSource,
  selection: DynamicsSelection,
  caller: string,
): Trajectories {
  if (!isRunSet(source)) return selectDynamics(source, selection, caller)
  const set = source
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
