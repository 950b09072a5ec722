/** Losses: functions of a prediction and a target, built from tensor operations, differentiable to any order. */

export * from './classifier.js'
export * from './cross-entropy.js'
export { type CtcOptions, ctc } from './ctc.js'
export { type SigmoidFocalOptions, type SoftmaxFocalOptions, sigmoidFocal, softmaxFocal } from './focal.js'
export * from './labels.js'
export { type GaussianNllOptions, gaussianNll, type PoissonNllOptions, poissonNll } from './likelihood.js'
export {
  type HingeOptions,
  hinge,
  type MultiMarginOptions,
  multiMargin,
  squaredHinge,
  type TripletMarginOptions,
  tripletMargin,
} from './margin.js'
export * from './named.js'
export * from './probability.js'
export type { Loss, LossOptions, Reduction } from './reduction.js'
export * from './regression.js'
export {
  type CosineEmbeddingOptions,
  cosineDistance,
  cosineEmbedding,
  type NtXentOptions,
  ntXent,
} from './similarity.js'
