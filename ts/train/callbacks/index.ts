/** Callbacks that observe and control a run. */
export type { BatchLogs, Callback, CallbackState, FitContext, TrainInfo } from './callback.js'
export { Checkpoint, type CheckpointOptions } from './checkpoint.js'
export { CSVLogger, type CSVLoggerOptions } from './csv-logger.js'
export { EarlyStopping, type EarlyStoppingOptions } from './early-stopping.js'
export { LearningRate, type LearningRateOptions } from './learning-rate.js'
export type { Monitored, MonitorOptions } from './monitor.js'
