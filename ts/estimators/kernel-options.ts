/** The options of the kernels. */
import { ArgumentError, describe } from '../core/errors.js'
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

/** The options of each kernel. */
const optionsOf: Readonly<Record<KernelName, readonly (keyof KernelOptions)[]>> = {
  gaussian: ['sigma', 'scaleSqrtD'],
  laplacian: ['sigma', 'scaleSqrtD'],
  linear: [],
  polynomial: ['gamma', 'coef0', 'degree'],
  imq: ['c'],
  delta: [],
}

/** The options that the kernels of both arguments have. */
function optionsInUse({ kernel = 'gaussian', kernelY = kernel }: KernelOptions): Set<keyof KernelOptions> {
  const of = (one: KernelName | Kernel) => (typeof one === 'string' ? optionsOf[one] : [])
  return new Set([
    ...of(kernel),
    ...of(kernelY),
    ...(of(kernelY).includes('sigma') ? (['sigmaY'] as const) : []),
  ])
}

/** Whether a bandwidth changes the kernels: `sigma` if one of them has a bandwidth, `sigmaY` if that of y has. */
export function isWidthUsed(options: KernelOptions, width: 'sigma' | 'sigmaY'): boolean {
  return optionsInUse(options).has(width)
}

/** @throws ArgumentError for an option that no chosen kernel has: it would change nothing */
export function checkKernelUse(caller: string, options: KernelOptions): void {
  const used = optionsInUse(options)
  const all: readonly (keyof KernelOptions)[] = [...new Set(Object.values(optionsOf).flat()), 'sigmaY']
  // `scaleSqrtD: false` is the default of all kernels.
  const unused = all.find((option) => (options[option] ?? false) !== false && !used.has(option))
  if (unused === undefined) return
  const { kernel = 'gaussian', kernelY = kernel } = options
  const named = (one: KernelName | Kernel) => (typeof one === 'string' ? `'${one}'` : `the given ${one.name}`)
  const chosen = kernelY === kernel ? named(kernel) : `${named(kernel)}, and kernelY ${named(kernelY)}`
  const owners = Object.entries(optionsOf).filter(([, own]) =>
    own.includes(unused === 'sigmaY' ? 'sigma' : unused),
  )
  throw new ArgumentError(
    `${caller}: ${unused}: given ${describe(options[unused])}, but the kernel is ${chosen}, which ${unused} does not change; ` +
      `leave it out, or choose ${owners.map(([name]) => `'${name}'`).join(' or ')}`,
  )
}
