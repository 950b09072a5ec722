/** The options of the kernels. */
import { type Check, type Checks, flag, oneOf } from '../core/options.js'
import { device } from './check.js'
import type { EstimatorOptions } from './estimator.js'
import { imqChecks, isKernel, type Kernel, polynomialChecks, type Sigma, sigmaCheck } from './kernels.js'

/** Names of kernels. */
export type KernelName = 'gaussian' | 'laplacian' | 'linear' | 'polynomial' | 'imq' | 'delta'

const names = oneOf('gaussian', 'laplacian', 'linear', 'polynomial', 'imq', 'delta')

/** The name of a kernel, or a kernel made by a kernel function. */
const kernel: Check<KernelName | Kernel> = {
  expected: `a kernel, or ${names.expected}`,
  accepts: (value) => names.accepts(value) || isKernel(value),
  names: names.names as readonly string[],
}

/** Options of the kernels and the device. */
export interface KernelOptions extends Pick<EstimatorOptions, 'device'> {
  /** Kernel of the first argument, by name or made by a kernel function. Default 'gaussian'. */
  kernel?: KernelName | Kernel
  /** Kernel of the second argument. Default the same; in a segment, of the target only. */
  kernelY?: KernelName | Kernel
  /** Bandwidth of gaussian and laplacian kernels; required by them. 'median' is the median distance of each argument. */
  sigma?: Sigma
  /** Bandwidth for `kernelY`. Default sigma. */
  sigmaY?: Sigma
  /** Multiply the bandwidths by the root of the number of features. Default false. */
  scaleSqrtD?: boolean
  /** polynomial kernel: default 1 / features. */
  gamma?: number
  /** polynomial kernel: default 1. */
  coef0?: number
  /** polynomial kernel: default 3. */
  degree?: number
  /** imq kernel: default 1. */
  c?: number
}

/** All are checked, also if the chosen kernel does not use them: an impossible value is a mistake. */
export const kernelChecks: Checks<KernelOptions> = {
  kernel,
  kernelY: kernel,
  sigma: sigmaCheck,
  sigmaY: sigmaCheck,
  scaleSqrtD: flag,
  ...polynomialChecks,
  ...imqChecks,
  device,
}
