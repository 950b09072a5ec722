/** Estimators of dependence: one published formula a file, built from tensor operations. */
export * from './estimator.js'
export * from './hsic.js'
export * from './kernels.js'
export type { Samples } from './samples.js'
