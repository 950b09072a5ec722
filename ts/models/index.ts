/** Models: networks of layers, and how they are trained, measured and stored. */
import { guardReceivers } from '../receiver.js'
import * as own from './index.js'

export type { AttachOptions, Probe } from './attachment.js'
export type { BatchLogs, Callback, TrainInfo } from './callbacks.js'
export type { CompileOptions } from './compile.js'
export type { ModelDynamics } from './dynamics.js'
export type { EvaluateOptions, Evaluation, PredictOptions } from './evaluation.js'
export type { FitOptions } from './fit.js'
export type { ForwardContext, ForwardResult } from './forward.js'
export type { EpochLogs, History } from './history.js'
export { IBSequential } from './ib-sequential.js'
export { type ApplyOptions, Network } from './network.js'
export type { NetworkOptions, SaveDynamics, Segment } from './network-options.js'
export { Sequential, type SequentialOptions, Stack } from './sequential.js'
export type { LoadOptions } from './storage.js'
export type { FitDatasetOptions, TrainOptions } from './training-loop.js'

guardReceivers(own)
