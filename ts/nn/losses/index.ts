/** Losses: functions of a prediction and a target, built from tensor operations, differentiable to any order. */

export * from './classifier.js'
export * from './cross-entropy.js'
export * from './labels.js'
export * from './named.js'
export * from './probability.js'
export type { Loss, LossOptions, Reduction } from './reduction.js'
export * from './regression.js'
