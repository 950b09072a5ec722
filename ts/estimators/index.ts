/** Estimators of dependence: one published formula a file, built from tensor operations. */
export type { SampleData } from './data.js'
export {
  Estimator,
  type EstimatorOptions,
  type SegmentOptions,
  splitSegment,
  type Takes,
} from './estimator.js'
export * from './hsic.js'
export * from './information.js'
export * from './kernels.js'
export type { Samples } from './samples.js'
