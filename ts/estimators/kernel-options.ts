/** The options of the kernels. */
import { type Check, type Checks, flag, oneOf } from '../core/options.js'
import { device } from './check.js'
import type { HSICOptions, KernelName } from './hsic.js'
import { imqChecks, isKernel, type Kernel, polynomialChecks, sigmaCheck } from './kernels.js'

const names = oneOf('gaussian', 'laplacian', 'linear', 'polynomial', 'imq', 'delta')

/** The name of a kernel, or a kernel made by a kernel function. */
const kernel: Check<KernelName | Kernel> = {
  expected: `a kernel, or ${names.expected}`,
  accepts: (value) => names.accepts(value) || isKernel(value),
  names: names.names as readonly string[],
}

/** Options of the kernels and the device. */
export type KernelOptions = Pick<
  HSICOptions,
  'kernel' | 'kernelY' | 'sigma' | 'sigmaY' | 'scaleSqrtD' | 'gamma' | 'coef0' | 'degree' | 'c' | 'device'
>

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
