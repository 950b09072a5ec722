/** Analysis: statistics of layers and of runs, by published formulas with their sources. */
export { type Bootstrap, type BootstrapOptions, bootstrap, type Interval } from './bootstrap.js'
export {
  type ConditionalOptions,
  conditionalMutualInformation,
  gaussianConditional,
  type InformationKind,
  partialCorrelation,
} from './conditional.js'
export * from './dimension.js'
export { type HalfJackknife, type HalfJackknifeOptions, halfJackknife } from './half-jackknife.js'
export * from './interaction.js'
export * from './label-agreement.js'
export * from './layer-measures.js'
export * from './layer-statistics.js'
export * from './multiple-testing.js'
export * from './noisy-information.js'
export * from './normalized-information.js'
export * from './permutation-test.js'
export * from './plane.js'
export {
  type LogisticProbe,
  type LogisticProbeOptions,
  logisticProbe,
  type ProbeScore,
  type ProbeTest,
} from './probes/logistic.js'
export * from './probes/ridge.js'
export * from './runs.js'
export * from './schedule.js'
export { type CanonicalCorrelations, type CanonicalOptions, canonicalCorrelations } from './similarity/cca.js'
export * from './similarity/distance-test.js'
export * from './similarity/matrix.js'
export { type Procrustes, procrustes } from './similarity/procrustes.js'
export { type RepresentationalSimilarity, representationalSimilarity } from './similarity/rsa.js'
export { type RVCoefficients, rvCoefficients } from './similarity/rv.js'
export * from './spectrum.js'
export type { Rounds, Statistic } from './statistic.js'
export * from './transfer-entropy.js'
