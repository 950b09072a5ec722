/** Models: networks of layers, and their files. */
export type { ActivationsOptions, ModelActivations } from './activations.js'
export type { ForwardContext, ForwardResult } from './forward.js'
export { HSICNetwork } from './hsic-network.js'
export type {
  HSICCompileOptions,
  HSICFitDatasetOptions,
  HSICFitOptions,
  HSICHistory,
  HSICSigmaCompileOptions,
  HSICStageOptions,
  LocalOptions,
  PreTrainingOptions,
} from './hsic-options.js'
export { HSICSequential } from './hsic-sequential.js'
export { HSICSigma, type HSICSigmaOptions } from './hsic-sigma.js'
export { IBSequential } from './ib-sequential.js'
export { type LoadModelOptions, load } from './load.js'
export type { LayerObjective } from './local-objective.js'
export { Network } from './network.js'
export type { NetworkOptions, Segment } from './network-options.js'
export type { ApplyOptions } from './pass.js'
export { type Buildable, buildModule, register } from './registry.js'
export type { ModelReportOptions } from './report.js'
export {
  type ModelRunsOptions,
  type RunData,
  type RunFitOptions,
  type RunProgress,
  type RunToTrain,
  runs,
  type TaskOutcome,
  type TaskRunsOptions,
  type TrainedRun,
} from './runs.js'
export { Sequential, type SequentialOptions, Stack } from './sequential.js'
export type { LoadOptions } from './storage.js'
export {
  type OwnMeasure,
  type StatisticsHistory,
  StatisticsTracker,
  type TrackStatisticsOptions,
  trackStatistics,
} from './track-statistics.js'
export {
  type Code,
  type Covariance,
  VIB,
  type VIBCompileOptions,
  type VIBFitOptions,
  type VIBOptions,
  type VIBPredictOptions,
  type VIBTerms,
} from './vib.js'
export type { VIBWeights } from './vib-task.js'
