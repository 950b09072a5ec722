/** Estimators of dependence: one published formula per file, built from tensor operations. */
export * from './binned.js'
export * from './bounds.js'
export * from './cka.js'
export { CLUB } from './club.js'
export type { SampleData } from './data.js'
export {
  type Advice,
  type Collisions,
  type EntropyDetails,
  type EstimateDetails,
  type EstimateOptions,
  Findings,
  type SideDetails,
} from './details.js'
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
export { GaussianMI, type GaussianOptions } from './gaussian.js'
export * from './gaussian-copula.js'
export * from './hsic.js'
export { hsicLoss } from './hsic-loss.js'
export * from './independence.js'
export { InfoNCE } from './info-nce.js'
export * from './information.js'
export * from './kde.js'
export type { KernelName, KernelOptions } from './kernel-options.js'
export {
  deltaKernel,
  gaussianKernel,
  imqKernel,
  isKernel,
  type Kernel,
  kernelMatrix,
  laplacianKernel,
  linearKernel,
  medianSigma,
  polynomialKernel,
  type Sigma,
  type Similar,
  type WidthOptions,
} from './kernels.js'
export type { DataKind } from './kinds.js'
export { KLEntropy, type KLEntropyOptions } from './kl-entropy.js'
export * from './knn-mi.js'
export * from './ksg.js'
export * from './linear-discriminant.js'
export * from './mine.js'
export * from './mixed-ksg.js'
export * from './mutual-information.js'
export * from './named.js'
export { NWJ } from './nwj.js'
export * from './renyi.js'
export * from './residual.js'
export * from './ross.js'
export type { Samples } from './samples.js'
export type { ScaleOptions } from './scale.js'
export type { CriticOptions } from './score-bound.js'
export * from './smile.js'
export { StudentCopulaMI } from './student-copula.js'
export * from './theory.js'
export type { TrainedOptions } from './trained.js'
