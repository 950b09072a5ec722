/** Optimizers: pure updates, and the same updates applied to Variables. */
export * from './adadelta.js'
export * from './adagrad.js'
export * from './adam.js'
export * from './clip.js'
export type { Nested } from './leaves.js'
export {
  type AnyOptimizerOptions,
  createOptimizer,
  type OptimizerName,
  optimizerName,
  optimizerNames,
  optimizerOptions,
} from './named.js'
export * from './optimizer.js'
export type { OptimizerOptions, OptimizerSetup, ParameterGroup } from './options.js'
export * from './plateau.js'
export * from './rmsprop.js'
export type { Rule, RuleInput, RuleOutput } from './rule.js'
export * from './schedules.js'
export * from './sgd.js'
