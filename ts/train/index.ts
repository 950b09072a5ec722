/** Training: how a model is compiled, fitted, measured and evaluated. */
export type { AttachOptions, Probe } from './attachment.js'
export type { BatchLogs, Callback, TrainInfo } from './callbacks.js'
export type { CompileOptions } from './compile.js'
export type { EvaluateOptions, Evaluation, PredictOptions } from './evaluation.js'
export type { FitOptions } from './fit.js'
export type { EpochLogs, History } from './history.js'
export * from './progress/index.js'
export type { FitDatasetOptions, TrainOptions } from './training-loop.js'
