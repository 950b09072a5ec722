/** Models: networks of layers, and how they are trained, measured and stored. */
export type { BatchLogs, Callback, TrainInfo } from './callbacks.js'
export type { CompileOptions } from './compile.js'
export type { ModelDynamics } from './dynamics.js'
export type { EvaluateOptions, Evaluation, PredictOptions } from './evaluation.js'
export type { FitOptions } from './fit.js'
export type { ForwardContext, ForwardResult } from './forward.js'
export type { EpochLogs, History } from './history.js'
export { IBSequential } from './ib-sequential.js'
export {
  type ApplyOptions,
  Network,
  type NetworkOptions,
  type SaveDynamics,
  type Segment,
} from './network.js'
export { Sequential, type SequentialOptions, Stack } from './sequential.js'
export type { LoadOptions } from './storage.js'
export type { FitDatasetOptions, TrainOptions } from './training-loop.js'
