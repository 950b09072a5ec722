/** Estimators of dependence: one published formula a file, built from tensor operations. */

export * from './binned.js'
export * from './bounds.js'
export * from './cka.js'
export { CLUB } from './club.js'
export type { SampleData } from './data.js'
export * from './discrete.js'
export * from './distance-correlation.js'
export * from './edge.js'
export { type EdgeBounds, edgeInformation, edgeWeights, floorHash } from './edge-parts.js'
export {
  Estimator,
  type EstimatorOptions,
  type SegmentOptions,
  splitSegment,
  type Takes,
} from './estimator.js'
export * from './gaussian.js'
export * from './gaussian-copula.js'
export * from './hsic.js'
export * from './independence.js'
export { InfoNCE } from './info-nce.js'
export * from './information.js'
export * from './kde.js'
export * from './kernels.js'
export type { DataKind } from './kinds.js'
export * from './linear-discriminant.js'
export * from './mine.js'
export * from './mutual-information.js'
export { NWJ } from './nwj.js'
export * from './renyi.js'
export * from './report.js'
export * from './residual.js'
export type { Samples } from './samples.js'
export type { CriticOptions } from './score-bound.js'
export * from './smile.js'
export { StudentCopulaMI } from './student-copula.js'
export * from './theory.js'
export type { TrainedOptions } from './trained.js'
