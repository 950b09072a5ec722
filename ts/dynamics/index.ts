/** Dynamics: records of layers during a run, epoch by epoch, in memory and in files. */
export type { AttachOptions, Probe } from './attachment.js'
export type { StepDynamics } from './by-step.js'
export type { DynamicsHeading, DynamicsSampling } from './heading.js'
export {
  type Inspection,
  type InspectOptions,
  inspect,
  type LayerInspection,
  type TargetInspection,
} from './inspect.js'
export { type Measured, type MeasureOptions, type MeasureProgress, measure } from './measure.js'
export type { Measurement } from './measured-run.js'
export type { NamedRun } from './merged-runs.js'
export type { ModelDynamics } from './record.js'
export type { CompareRunsOptions, ComparisonRow, RunComparison } from './run-comparison.js'
export type { ResultJson, RunResults, SpreadJson } from './run-results.js'
export { RunSet } from './run-set.js'
export type { RunTableOptions, RunTextOptions } from './run-tables.js'
export type { PlaneSpread, ResultRow } from './run-values.js'
export { readRuns } from './runs-folder.js'
export type { SaveDynamics } from './save.js'
export type { Scan } from './scan.js'
export type { Every, StepSchedule } from './schedule.js'
export type { DynamicsLike, DynamicsSource, MeasuredBy, StoredDynamics } from './source.js'
export type { Spread } from './spread.js'
export {
  type Dynamics,
  type DynamicsOptions,
  DynamicsWriter,
  loadDynamics,
  loadSegment,
  type StorePosition,
} from './store.js'
export * from './theory-report.js'
