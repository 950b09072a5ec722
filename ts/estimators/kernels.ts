/**
 * Kernels for measures of dependence.
 *
 * Centering removes any constant from a kernel matrix, so each kernel also provides its matrix minus its largest value. The entries of a
 * wide kernel are all near that value; without it float32 keeps more of their digits.
 */
import { ArgumentError } from '../core/errors.js'
import {
  above,
  atLeast,
  type Check,
  type Checks,
  checkOptions,
  checkValue,
  either,
  flag,
  isList,
  oneOf,
  required,
  whole,
} from '../core/options.js'
import { type Similarity, type SimilarRows, where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { factorIntoRange, inRange } from './magnitude.js'
import { classCounts, classesOf, type Samples, samplesOf } from './samples.js'

/** A similarity of two samples. */
export interface Kernel {
  /** E.g. `'gaussian'`. */
  readonly name: string
  /** Parameters as given, for reports. */
  readonly params: Readonly<Record<string, unknown>>
  /** Kernel matrix `[n, n]` up to an added constant; equal to `matrix` after centering. */
  shifted(samples: Samples): Tensor
  /** Kernel matrix `[n, n]`. */
  matrix(samples: Samples): Tensor
  /** Arguments of {@link centeredProducts}, which stores no matrices. A kernel without `similar` uses `shifted`. */
  similar?(samples: Samples): Similar
}

/** Whether a value is a kernel, made by a kernel function or custom. */
export function isKernel(kernel: unknown): kernel is Kernel {
  if (typeof kernel !== 'object' || kernel === null) return false
  const { matrix, shifted } = kernel as Partial<Kernel>
  return typeof matrix === 'function' && typeof shifted === 'function'
}

/** Samples for {@link centeredProducts}: the kernel is `factor` times their similarity, up to a constant. */
export interface Similar extends SimilarRows {
  readonly factor: number | Tensor
}

/** Bandwidth of a kernel: a number, several (the kernels are averaged), or the median distance of the samples. */
export type Sigma = number | readonly number[] | 'median'

/** Options of kernels with a bandwidth. */
export interface WidthOptions {
  sigma: Sigma
  /** Multiply sigma by the root of the number of features, as the HSIC bottleneck does. Default false. */
  scaleSqrtD?: boolean
}

const widths: Check<readonly number[]> = {
  expected: 'an array of at least one finite number above 0',
  accepts: (value) =>
    isList(value) &&
    (value as unknown[]).length > 0 &&
    Array.from(value as unknown[]).every(above(0).accepts),
}

/** The check of a bandwidth. */
export const sigmaCheck: Check<Sigma> = {
  ...either(either(above(0), widths), oneOf('median')),
  expected: "a finite number above 0, several of them, or 'median'",
}

const widthChecks: Checks<WidthOptions> = { sigma: required(sigmaCheck), scaleSqrtD: flag }

/** `exp(-|a - b|^2 / (2 sigma^2))`. */
export function gaussianKernel(options: WidthOptions): Kernel {
  const { sigma, scaleSqrtD = false } = checkOptions('gaussianKernel', options, widthChecks)
  const rate = (width: number | Tensor) => inverse(square(width), -0.5)
  return radial('gaussian', sigma, scaleSqrtD, rate, (samples) => samples.squaredDistances())
}

/** `exp(-|a - b|_1 / sigma)`, with the sum of absolute differences; its gradient at equal entries is 0. */
export function laplacianKernel(options: WidthOptions): Kernel {
  const { sigma, scaleSqrtD = false } = checkOptions('laplacianKernel', options, widthChecks)
  const rate = (width: number | Tensor) => inverse(width, -1)
  return radial('laplacian', sigma, scaleSqrtD, rate, (samples) => samples.absoluteDistances())
}

/** `a . b`. On one-hot rows it equals the delta kernel. */
export function linearKernel(): Kernel {
  return {
    name: 'linear',
    params: {},
    shifted: (samples) => samples.products(true),
    matrix: (samples) => samples.products(false),
    similar: (samples) => similarTo(samples, { kind: 'linear' }, () => 1),
  }
}

/** Options of {@link polynomialKernel}. */
export interface PolynomialOptions {
  /** Default 1 / features. */
  gamma?: number
  /** Default 1. */
  coef0?: number
  /** Default 3. */
  degree?: number
}

export const polynomialChecks: Checks<PolynomialOptions> = {
  gamma: above(0),
  coef0: atLeast(0),
  degree: whole(1, 64),
}

/** `(gamma a . b + coef0)^degree`; gamma is 1 / features unless given. */
export function polynomialKernel(options: PolynomialOptions = {}): Kernel {
  const { gamma, coef0 = 1, degree = 3 } = checkOptions('polynomialKernel', options, polynomialChecks)
  const matrix = (samples: Samples) => {
    const scale = gamma ?? 1 / needWidth('polynomial', samples, 'give gamma')
    const base = samples.products(false).mul(scale).add(coef0)
    let power = base
    for (let factor = 1; factor < degree; factor++) power = power.mul(base)
    return power
  }
  const similar = (samples: Samples) => {
    const scale = gamma ?? 1 / needWidth('polynomial', samples, 'give gamma')
    const similarity = { kind: 'polynomial', gamma: scale, offset: coef0, degree } as const
    return similarTo(samples, similarity, () => (scale + coef0) ** degree - coef0 ** degree)
  }
  return { name: 'polynomial', params: { gamma, coef0, degree }, matrix, shifted: matrix, similar }
}

/** Options of {@link imqKernel}. */
export interface ImqOptions {
  /** Default 1. */
  c?: number
}

export const imqChecks: Checks<ImqOptions> = { c: above(0) }

/** Inverse multiquadric `1 / sqrt(c^2 + |a - b|^2)`. */
export function imqKernel(options: ImqOptions = {}): Kernel {
  const { c = 1 } = checkOptions('imqKernel', options, imqChecks)
  const root = (squares: Tensor) => squares.add(c * c).sqrt()
  return {
    name: 'imq',
    params: { c },
    matrix: (samples) => root(samples.squaredDistances()).reciprocal(),
    // 1/s - 1/c = -d^2 / (c s (c + s))
    shifted: (samples) => {
      const squares = samples.squaredDistances()
      const s = root(squares)
      return squares.neg().div(s.add(c).mul(s).mul(c))
    },
    similar: (samples) => similarTo(samples, { kind: 'imq', c }, () => 1 / c - 1 / Math.sqrt(c * c + 2)),
  }
}

/** 1 for equal samples, else 0; for labels and other discrete data. Its gradient is 0. */
export function deltaKernel(): Kernel {
  return {
    name: 'delta',
    params: {},
    matrix: (samples) => samples.equal(),
    shifted: (samples) => samples.equal().sub(1),
    similar: ({ rows }) => ({ rows, similarity: { kind: 'equal' }, factor: 1 }),
  }
}

/** One-hot rows of different labels are at equal distances: the kernel of labels is `labelFactor()` times equality. */
function similarTo(samples: Samples, similarity: Similarity, labelFactor: () => number | Tensor): Similar {
  const { rows, width } = samples
  if (width !== undefined) return { rows, similarity, factor: 1 }
  return { rows, similarity: { kind: 'equal' }, factor: labelFactor() }
}

/**
 * Median distance of all pairs of samples (mean of the middle two for an even number of pairs). If it is 0, the mean of the non-zero
 * distances, or 1 if there are none. A constant for the gradient.
 *
 * @param x `[n, ...]` with n of at least 2
 * @returns scalar
 */
export function medianSigma(x: Tensor): Tensor {
  const samples = samplesOf('medianSigma', x)
  const median = medianOf(measurable(samples))
  return samples.width === undefined ? median : median.div(factorIntoRange(samples.rows))
}

/** Samples scaled so that squared distances neither overflow nor underflow, for bandwidths relative to the samples; labels unchanged. */
function measurable(samples: Samples): Samples {
  const { rows, width } = samples
  return width === undefined ? samples : samplesOf('samples', inRange(rows)[0])
}

/** A kernel object, not a name. */
const kernelMade: Check<Kernel> = {
  expected: 'a kernel such as gaussianKernel({ sigma: 1 })',
  accepts: isKernel,
}

/** Alignment of centered kernel matrices below which rounding is not the reason. */
const leastAlignment = -1e-3

/**
 * Refuses kernels whose centered matrices have a negative inner product: for positive definite kernels this is impossible, so one of the
 * kernels is a distance.
 *
 * @param alignment the inner product of the matrices over the root of the products with themselves
 */
export function checkAlignment(name: string, kernels: readonly string[], alignment: number): void {
  if (!(alignment < leastAlignment)) return
  throw new ArgumentError(
    `${name}: the kernels ${kernels.map((kernel) => `'${kernel}'`).join(' and ')} have an alignment of ${alignment.toPrecision(3)}, which is never below 0 for positive definite kernels; ` +
      'a kernel is large for near samples: give exp(-distance) or similar instead of a distance',
  )
}

/** Kernel matrix `[n, n]` of the samples `x`, `[n, ...]`. */
export function kernelMatrix(kernel: Kernel, x: Tensor): Tensor {
  checkValue('kernelMatrix: kernel', kernel, kernelMade)
  return kernel.matrix(samplesOf('kernelMatrix', x))
}

function medianOf(samples: Samples): Tensor {
  const { count, rows, width } = samples
  if (count < 2) throw new ArgumentError(`median heuristic: needs at least 2 samples, received ${count}`)
  return (width === undefined ? medianOfLabels(rows) : rows.medianDistance()).stopGradient()
}

/** The same for labels, at distances of one-hot rows: 0 or the root of 2. */
function medianOfLabels(labels: Tensor): Tensor {
  const n = labels.shape[0] as number
  const pairs = (n * (n - 1)) / 2
  const alike = classCounts(classesOf('labels', labels)).square().sum().sub(n).div(2)
  // In sorted order the pairs of one class come first.
  const [low, high] = [Math.floor((pairs - 1) / 2), Math.floor(pairs / 2)]
  const median = where(alike.greater(low), where(alike.greater(high), 0, Math.SQRT1_2), Math.SQRT2)
  const mean = where(alike.less(pairs), Math.SQRT2, 1)
  return where(median.greater(0), median, mean).cast('float32')
}

/** A kernel `exp(rate(width) distance)`, averaged over several bandwidths. */
function radial(
  name: 'gaussian' | 'laplacian',
  sigma: Sigma,
  scaleSqrtD: boolean,
  rate: (width: number | Tensor) => number | Tensor,
  distancesOf: (samples: Samples) => Tensor,
): Kernel {
  const widthsOf = (samples: Samples): (number | Tensor)[] => {
    const scale = scaleSqrtD ? Math.sqrt(needWidth(name, samples, 'use scaleSqrtD: false')) : 1
    if (sigma === 'median') return [medianOf(samples).mul(scale)]
    return (typeof sigma === 'number' ? [sigma] : sigma).map((one) => one * scale)
  }
  const average = (samples: Samples, of: (exponent: Tensor) => Tensor) => {
    const distances = distancesOf(samples)
    const widths = widthsOf(samples)
    const sum = widths.map((width) => of(distances.mul(rate(width)))).reduce((total, one) => total.add(one))
    return widths.length === 1 ? sum : sum.div(widths.length)
  }
  // One-hot rows of two classes differ by 2, as squares and as absolute values.
  const apart = (width: number | Tensor) => {
    const exponent = rate(width)
    return typeof exponent === 'number' ? -Math.expm1(2 * exponent) : exponent.mul(2).expm1().neg()
  }
  const labelFactor = (widths: readonly (number | Tensor)[]) => {
    const [first, ...others] = widths.map(apart) as [number | Tensor, ...number[]]
    return typeof first === 'number' ? others.reduce((sum, one) => sum + one, first) / widths.length : first
  }
  const compared = sigma === 'median' ? measurable : (samples: Samples) => samples
  return {
    name,
    params: { sigma, scaleSqrtD },
    matrix: (samples) => average(compared(samples), (exponent) => exponent.exp()),
    shifted: (samples) => average(compared(samples), (exponent) => exponent.expm1()),
    similar: (given) => {
      const samples = compared(given)
      const widths = widthsOf(samples)
      return similarTo(samples, { kind: name, widths }, () => labelFactor(widths))
    },
  }
}

function needWidth(name: string, samples: Samples, remedy: string): number {
  if (samples.width !== undefined) return samples.width
  throw new ArgumentError(
    `${name} kernel: the number of classes is not known from integer labels; ${remedy}, or give the labels as one-hot rows`,
  )
}

function square(value: number | Tensor): number | Tensor {
  return typeof value === 'number' ? value * value : value.square()
}

/** `factor / value`. */
function inverse(value: number | Tensor, factor: number): number | Tensor {
  return typeof value === 'number' ? factor / value : value.reciprocal().mul(factor)
}
