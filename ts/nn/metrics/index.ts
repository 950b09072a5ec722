/** Metrics of predictions over all samples, independent of the division into batches. */
export * from './accuracy.js'
export type { ClassOptions } from './classes.js'
export * from './confusion.js'
export type { Metric, MetricOf, MetricState } from './metric.js'
export * from './named.js'
export {
  type ClassAverage,
  type FBetaOptions,
  f1,
  fBeta,
  type PrecisionOptions,
  precision,
  recall,
} from './precision.js'
export * from './probabilities.js'
export * from './ranking.js'
export { explainedVariance, type OutputsOptions, r2, rootMeanSquaredError } from './regression.js'
