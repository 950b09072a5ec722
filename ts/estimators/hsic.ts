import { isFloat } from '../core/dtype.js'
import { ArgumentError } from '../core/errors.js'
import { scope, tidy } from '../core/memory.js'
import { above, type Checks, checkOptions, flag, oneOf } from '../core/options.js'
import { stack } from '../ops/index.js'
import { eye, type Tensor } from '../ops/tensor.js'
import { centeredInner, centeredMatrix, inner, type KernelSamples } from './centering.js'
import type { Findings } from './details.js'
import { Estimator, type EstimatorOptions, splitSegment } from './estimator.js'
import { checkKernelUse, type KernelName, type KernelOptions, kernelChecks } from './kernel-options.js'
import {
  checkAlignment,
  deltaKernel,
  gaussianKernel,
  imqKernel,
  isKernel,
  type Kernel,
  laplacianKernel,
  linearKernel,
  polynomialKernel,
  type Sigma,
} from './kernels.js'
import { samplesOf } from './samples.js'

/** Estimator of the population value. */
export type HSICEstimator = 'biased' | 'biasedN2' | 'unbiased' | 'pyglow'

/** Measure on the kernel matrices. */
export type HSICVariant = 'plain' | 'nHSIC'

/** Options of {@link HSIC}. */
export interface HSICOptions extends EstimatorOptions, KernelOptions {
  /** Default 'biased'. */
  estimator?: HSICEstimator
  /** Default 'plain'. */
  variant?: HSICVariant
  /** nHSIC: ridge per sample. Default 1e-5. */
  epsilon?: number
  /**
   * nHSIC: dtype of kernel matrices and products. Default 'float64'. 'float32', as in the authors' code, takes about half the time. The
   * inverse amplifies its rounding up to 1 / (epsilon n) times, which leaves three to four digits: use it for training, not for reported
   * values.
   */
  precision?: 'float64' | 'float32'
  /** Replace values below 0, which the unbiased form may have, by 0. Default false. */
  clip?: boolean
}

const checks: Checks<HSICOptions> = {
  ...kernelChecks,
  estimator: oneOf('biased', 'biasedN2', 'unbiased', 'pyglow'),
  variant: oneOf('plain', 'nHSIC'),
  epsilon: above(0),
  precision: oneOf('float64', 'float32'),
  clip: flag,
}

/** Makes a kernel from its name and the estimator's options. */
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
 * - `pyglow`: the same trace over (n - 1), for comparison with results of PyGlow.
 *
 * Variant `nHSIC`: trace(M_K M_L), M = Kc (Kc + epsilon n I)^-1, Kc = H K H. Ma, Lewis and Kleijn 2019, eq. 4. Computed in float64 unless
 * `precision` is 'float32'.
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
  readonly #precision: 'float64' | 'float32'
  readonly #isClipped: boolean

  constructor(options: HSICOptions = {}) {
    const given = checkOptions('HSIC', options, checks)
    checkKernelUse('HSIC', given)
    super(given)
    const { kernel = 'gaussian', kernelY = kernel, sigma, sigmaY = sigma } = given
    this.#kernel = makeKernel(kernel, given)
    this.#kernelY =
      kernelY === kernel && sigmaY === sigma
        ? this.#kernel
        : makeKernel(kernelY, sigmaY === undefined ? given : { ...given, sigma: sigmaY })
    const { estimator = 'biased', variant = 'plain', epsilon = 1e-5, clip = false } = given
    this.#precision = given.precision ?? 'float64'
    this.#estimator = estimator
    this.#variant = variant
    this.#epsilon = epsilon
    this.#isClipped = clip
    if (this.#variant === 'nHSIC' && this.#estimator === 'unbiased') {
      throw new ArgumentError("HSIC: nHSIC has no unbiased form; use estimator 'biased' or variant 'plain'")
    }
    const ofNHSIC = (['epsilon', 'precision'] as const).find((option) => given[option] !== undefined)
    if (this.#variant !== 'nHSIC' && ofNHSIC !== undefined) {
      throw new ArgumentError(
        `HSIC: ${ofNHSIC}: given ${given[ofNHSIC]}, which only nHSIC has; leave it out, or choose variant 'nHSIC'`,
      )
    }
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get minimumSamples(): number {
    return this.#estimator === 'unbiased' ? 4 : 2
  }

  criterion(x: Tensor, y: Tensor): Tensor {
    this.checkCounts(x, y)
    return this.#compare(this.#parts(x, y), [[0, 1]])[0] as Tensor
  }

  /** The kernel matrices `[n, n]` of both arguments, not centered. */
  matrices(x: Tensor, y: Tensor): { x: Tensor; y: Tensor } {
    this.checkCounts(x, y)
    return {
      x: this.#kernel.matrix(samplesOf(`${this.name}: x`, x)),
      y: this.#kernelY.matrix(samplesOf(`${this.name}: y`, y)),
    }
  }

  /** @throws ArgumentError for custom kernels that are distances */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    const value = await super.value(x, y, findings)
    // Unbiased estimates may be below 0.
    if (value > 0 || this.#estimator === 'unbiased') return value
    using sums = tidy(() => {
      const parts = this.#parts(x, y)
      const product = this.#products(parts, this.#samplesOf(parts))
      return stack([product(0, 1), product(0, 0), product(1, 1)])
    })
    const [xy, xx, yy] = (await sums.data()) as unknown as [number, number, number]
    checkAlignment(this.name, [this.#kernel.name, this.#kernelY.name], xy / Math.sqrt(xx * yy))
    return value
  }

  #parts(x: Tensor, y: Tensor): [ComparedSamples, ComparedSamples] {
    return [
      { what: 'x', x, kernel: this.#kernel },
      { what: 'y', x: y, kernel: this.#kernelY },
    ]
  }

  /**
   * Matrices `[n, n]` whose entrywise product sums to the measure before clipping, in float64: a shuffle of the samples of y is a shuffle
   * of rows and columns of its matrix.
   */
  factors(x: Tensor, y: Tensor): { x: Tensor; y: Tensor } {
    this.checkCounts(x, y)
    const [k, l] = this.#samplesOf(this.#parts(x, y)) as [KernelSamples, KernelSamples]
    if (this.#variant === 'nHSIC') return { x: this.#regularized('x', k), y: this.#regularized('y', l) }
    const scale = SCALES[this.#estimator](k.samples.count)
    return {
      x: centeredMatrix(k, this.#estimator === 'unbiased').mul(scale),
      y: as(l.kernel.shifted(l.samples), 'float64'),
    }
  }

  /** Kernel matrices of input and target are computed once and shared by all layers. */
  override evaluateSegment(segment: readonly Tensor[]): Tensor[][] {
    const { x, hidden, y } = splitSegment(this.name, segment)
    for (const other of [...hidden, y]) this.checkCounts(x, other)
    const parts = [
      { what: 'input', x, kernel: this.#kernel },
      { what: 'target', x: y, kernel: this.#kernelY },
      ...hidden.map((h, layer) => ({ what: `layer ${layer}`, x: h, kernel: this.#kernel })),
    ]
    const pairs = hidden.flatMap((_, layer): Pair[] => [
      [layer + 2, 0],
      [layer + 2, 1],
    ])
    const measures = this.#compare(parts, pairs)
    return hidden.map((_, layer) => measures.slice(2 * layer, 2 * layer + 2))
  }

  /** The measure of each pair of parts. */
  #compare(parts: readonly ComparedSamples[], pairs: readonly Pair[]): Tensor[] {
    const samples = this.#samplesOf(parts)
    const n = (samples[0] as KernelSamples).samples.count
    const product = this.#products(parts, samples)
    return pairs.map(([a, b]) => {
      const wide = [a, b].some((part) => (parts[part] as ComparedSamples).x.dtype === 'float64')
      const dtype = wide ? 'float64' : 'float32'
      const plain = product(a, b)
      const value = this.#variant === 'nHSIC' ? plain : plain.mul(SCALES[this.#estimator](n))
      return as(this.#isClipped ? value.maximum(0) : value, dtype)
    })
  }

  #samplesOf(parts: readonly ComparedSamples[]): KernelSamples[] {
    // The inverse of a kernel matrix with a small ridge amplifies errors of its entries, so the entries have the precision of the inverse.
    const isCast = (x: Tensor) => this.#variant === 'nHSIC' && isFloat(x.dtype)
    return parts.map(({ what, x, kernel }) => ({
      kernel,
      samples: samplesOf(`${this.name}: ${what}`, isCast(x) ? as(x, this.#precision) : x),
    }))
  }

  /** The inner products of the centered (nHSIC: and regularized) kernel matrices of two parts. */
  #products(
    parts: readonly ComparedSamples[],
    samples: readonly KernelSamples[],
  ): (a: number, b: number) => Tensor {
    if (this.#variant !== 'nHSIC') return centeredInner(samples, this.#estimator === 'unbiased')
    const matrices = parts.map(({ what }, part) => this.#regularized(what, samples[part] as KernelSamples))
    return (a, b) => inner(matrices[a] as Tensor, matrices[b] as Tensor)
  }

  #regularized(what: string, part: KernelSamples): Tensor {
    const matrix = as(centeredMatrix(part, false), this.#precision)
    return scope(`${this.name}/${what}`, () => regularized(matrix, this.#epsilon * part.samples.count))
  }
}

/** Samples of one side of a comparison. */
interface ComparedSamples {
  /** Its name in messages. */
  readonly what: string
  readonly x: Tensor
  readonly kernel: Kernel
}

/** The positions of two parts. */
type Pair = readonly [number, number]

/** Factor on the inner product of the centered matrices. */
const SCALES: { [E in HSICEstimator]: (n: number) => number } = {
  biased: (n) => 1 / (n - 1) ** 2,
  biasedN2: (n) => 1 / n ** 2,
  unbiased: (n) => 1 / (n * (n - 3)),
  pyglow: (n) => 1 / (n - 1),
}

/** Kc (Kc + ridge I)^-1 as I - ridge (Kc + ridge I)^-1: one inverse, whose gradient is two products with it. */
function regularized(k: Tensor, ridge: number): Tensor {
  const n = k.shape[0] as number
  const identity = eye(n, n, { dtype: k.dtype })
  return identity.sub(k.add(identity.mul(ridge)).inv({ positiveDefinite: true }).mul(ridge))
}

function as(x: Tensor, dtype: Tensor['dtype']): Tensor {
  return x.dtype === dtype ? x : x.cast(dtype)
}

function makeKernel(kernel: KernelName | Kernel, options: HSICOptions): Kernel {
  if (isKernel(kernel)) return kernel
  return KERNELS[kernel](options)
}
