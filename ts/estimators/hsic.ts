import { ArgumentError, unknownName } from '../errors.js'
import { scope } from '../memory.js'
import { where } from '../ops/index.js'
import { checkOptions } from '../options.js'
import { eye, type Tensor } from '../tensor.js'
import { centered, inner, uCentered } from './centring.js'
import { oneOf } from './check.js'
import { Estimator, type EstimatorOptions, splitSegment } from './estimator.js'
import {
  deltaKernel,
  gaussianKernel,
  imqKernel,
  type Kernel,
  laplacianKernel,
  linearKernel,
  polynomialKernel,
  type Sigma,
} from './kernels.js'
import { samplesOf } from './samples.js'

/** Kernels that can be asked for by name. */
export type KernelName = 'gaussian' | 'laplacian' | 'linear' | 'polynomial' | 'imq' | 'delta'

/** Which sum estimates the population value. */
export type HSICEstimator = 'biased' | 'biasedN2' | 'unbiased' | 'pyglow'

/** Which measure is built on the kernel matrices. */
export type HSICVariant = 'plain' | 'nHSIC' | 'cka'

/** Options of {@link HSIC}. */
export interface HSICOptions extends EstimatorOptions {
  /** Kernel of the first argument, by name or made by a kernel function. Default 'gaussian'. */
  kernel?: KernelName | Kernel
  /** Kernel of the second argument. Default the same; in a segment, of the target only. */
  kernelY?: KernelName | Kernel
  /** Width of gaussian and laplacian kernels; needed by them. 'median' takes each argument's own median distance. */
  sigma?: Sigma
  /** Width for `kernelY`. Default sigma. */
  sigmaY?: Sigma
  /** Multiply the widths by the root of the number of features. Default false. */
  scaleSqrtD?: boolean
  /** polynomial kernel: default 1 / features. */
  gamma?: number
  /** polynomial kernel: default 1. */
  coef0?: number
  /** polynomial kernel: default 3. */
  degree?: number
  /** imq kernel: default 1. */
  c?: number
  /** Default 'biased'. */
  estimator?: HSICEstimator
  /** Default 'plain'. */
  variant?: HSICVariant
  /** nHSIC: ridge per sample. Default 1e-5. */
  epsilon?: number
}

const OPTION_NAMES: readonly string[] = [
  'kernel',
  'kernelY',
  'sigma',
  'sigmaY',
  'scaleSqrtD',
  'gamma',
  'coef0',
  'degree',
  'c',
  'estimator',
  'variant',
  'epsilon',
  'device',
]

/** Makes the kernel of a name from the estimator's options. */
const KERNELS: { [K in KernelName]: (options: HSICOptions) => Kernel } = {
  gaussian: (o) => gaussianKernel({ sigma: o.sigma as Sigma, scaleSqrtD: o.scaleSqrtD ?? false }),
  laplacian: (o) => laplacianKernel({ sigma: o.sigma as Sigma, scaleSqrtD: o.scaleSqrtD ?? false }),
  linear: linearKernel,
  polynomial: ({ gamma, coef0, degree }) =>
    polynomialKernel({
      ...(gamma === undefined ? {} : { gamma }),
      ...(coef0 === undefined ? {} : { coef0 }),
      ...(degree === undefined ? {} : { degree }),
    }),
  imq: ({ c }) => imqKernel(c === undefined ? {} : { c }),
  delta: deltaKernel,
}

/**
 * Hilbert-Schmidt independence criterion of n pairs of samples with kernel matrices K and L, H = I - 1/n. In squared kernel
 * units, not in bits; 0 for independent samples up to the bias of the estimator.
 *
 * - `biased` (default): trace(K H L H) / (n - 1)^2. Gretton, Bousquet, Smola and Schoelkopf 2005, eq. 9.
 * - `biasedN2`: the same over n^2. Gretton et al. 2007.
 * - `unbiased`: HSIC_1 of Song et al. 2012, eq. 5; needs n of at least 4 and may be negative.
 * - `pyglow`: the same trace over (n - 1), for comparison with results of that library.
 *
 * Variants:
 * - `nHSIC`: trace(M_K M_L), M = Kc (Kc + epsilon n I)^-1, Kc = H K H. Ma, Lewis and Kleijn 2019, eq. 4. Computed in float64.
 * - `cka`: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of the chosen estimator. Kornblith et al. 2019. 0 when an argument is constant.
 *
 *     const hsic = new HSIC({ kernel: 'gaussian', sigma: 5 })
 *     await hsic.estimate(activations, inputs)
 *
 * Needs 2 samples (DataError with fewer). Differentiable in both arguments.
 */
export class HSIC extends Estimator<HSICOptions> {
  readonly #kernel: Kernel
  readonly #kernelY: Kernel
  readonly #estimator: HSICEstimator
  readonly #variant: HSICVariant
  readonly #epsilon: number

  constructor(options: HSICOptions = {}) {
    super(options)
    checkOptions('HSIC', options, OPTION_NAMES)
    const { kernel = 'gaussian', kernelY = kernel, sigma, sigmaY = sigma } = options
    this.#kernel = makeKernel(kernel, options)
    this.#kernelY =
      kernelY === kernel && sigmaY === sigma
        ? this.#kernel
        : makeKernel(kernelY, sigmaY === undefined ? options : { ...options, sigma: sigmaY })
    this.#estimator = oneOf('estimator of HSIC', options.estimator ?? 'biased', [
      'biased',
      'biasedN2',
      'unbiased',
      'pyglow',
    ])
    this.#variant = oneOf('variant of HSIC', options.variant ?? 'plain', ['plain', 'nHSIC', 'cka'])
    this.#epsilon = options.epsilon ?? 1e-5
    if (!(this.#epsilon > 0)) {
      throw new ArgumentError(`HSIC: epsilon must be above 0, received ${this.#epsilon}`)
    }
    if (this.#variant === 'nHSIC' && this.#estimator === 'unbiased') {
      throw new ArgumentError("HSIC: nHSIC has no unbiased form; use estimator 'biased' or variant 'plain'")
    }
  }

  override get minimumSamples(): number {
    return this.#estimator === 'unbiased' ? 4 : 2
  }

  criterion(x: Tensor, y: Tensor): Tensor {
    this.checkCounts(x, y)
    return this.#compare(this.#feature('x', x, this.#kernel), this.#feature('y', y, this.#kernelY))
  }

  /** The kernel matrices `[n, n]` of both arguments, not centred. */
  matrices(x: Tensor, y: Tensor): { x: Tensor; y: Tensor } {
    this.checkCounts(x, y)
    return {
      x: this.#kernel.matrix(samplesOf(`${this.name}: x`, x)),
      y: this.#kernelY.matrix(samplesOf(`${this.name}: y`, y)),
    }
  }

  /** Kernel matrices of input and target are made once, and shared by all layers. */
  override evaluateSegment(segment: readonly Tensor[]): Tensor[][] {
    const { x, hidden, y } = splitSegment(this.name, segment)
    for (const other of [...hidden, y]) this.checkCounts(x, other)
    const input = this.#feature('input', x, this.#kernel)
    const target = this.#feature('target', y, this.#kernelY)
    return hidden.map((h, index) => {
      const layer = this.#feature(`layer ${index}`, h, this.#kernel)
      return [this.#compare(layer, input), this.#compare(layer, target)]
    })
  }

  /** What two arguments are compared by: a centred kernel matrix, and what its normalisation needs. */
  #feature(what: string, x: Tensor, kernel: Kernel): Feature {
    const samples = samplesOf(`${this.name}: ${what}`, x)
    const shifted = kernel.shifted(samples)
    const matrix = this.#estimator === 'unbiased' ? uCentered(shifted) : centered(shifted)
    const { dtype, count } = samples
    if (this.#variant === 'nHSIC') {
      return {
        matrix: scope(`${this.name}/${what}`, () => regularised(matrix, this.#epsilon * count)),
        dtype,
      }
    }
    if (this.#variant === 'cka') return { matrix, size: inner(matrix, matrix), dtype }
    return { matrix, dtype }
  }

  #compare(a: Feature, b: Feature): Tensor {
    const result = a.dtype === 'float64' || b.dtype === 'float64' ? 'float64' : 'float32'
    const dtype = this.#variant === 'nHSIC' ? 'float64' : result
    const product = inner(as(a.matrix, dtype), as(b.matrix, dtype))
    if (a.size !== undefined && b.size !== undefined) {
      const norm = as(a.size, dtype).mul(as(b.size, dtype))
      const defined = norm.greater(0)
      return where(defined, product.div(where(defined, norm, 1).sqrt()), 0)
    }
    const n = a.matrix.shape[0] as number
    return this.#variant === 'nHSIC' ? as(product, result) : product.mul(SCALES[this.#estimator](n))
  }
}

interface Feature {
  readonly matrix: Tensor
  /** Of the samples, and so of the result. */
  readonly dtype: Tensor['dtype']
  /** CKA: inner product of the matrix with itself. */
  readonly size?: Tensor
}

/** Factor on the inner product of the centred matrices. */
const SCALES: { [E in HSICEstimator]: (n: number) => number } = {
  biased: (n) => 1 / (n - 1) ** 2,
  biasedN2: (n) => 1 / n ** 2,
  unbiased: (n) => 1 / (n * (n - 3)),
  pyglow: (n) => 1 / (n - 1),
}

/** Kc (Kc + ridge I)^-1 by Cholesky, in float64. */
function regularised(centeredKernel: Tensor, ridge: number): Tensor {
  const k = as(centeredKernel, 'float64')
  const n = k.shape[0] as number
  const factor = k.add(eye(n, n, { dtype: 'float64' }).mul(ridge)).cholesky()
  return k.choleskySolve(factor)
}

function as(x: Tensor, dtype: Tensor['dtype']): Tensor {
  return x.dtype === dtype ? x : x.cast(dtype)
}

function isKernel(kernel: unknown): kernel is Kernel {
  const { matrix, shifted } = (kernel ?? {}) as Partial<Kernel>
  return typeof matrix === 'function' && typeof shifted === 'function'
}

function makeKernel(kernel: KernelName | Kernel, options: HSICOptions): Kernel {
  if (isKernel(kernel)) return kernel
  if (typeof kernel !== 'string' || !Object.hasOwn(KERNELS, kernel))
    throw unknownName('kernel', kernel, Object.keys(KERNELS))
  return KERNELS[kernel](options)
}
