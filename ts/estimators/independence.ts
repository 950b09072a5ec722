import { DataError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { checkOptions } from '../core/options.js'
import { stack } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { centered } from './centering.js'
import { checkMeeting } from './check.js'
import { adviseOnCopies } from './copies.js'
import { type SampleData, samplesFrom } from './data.js'
import { HSIC } from './hsic.js'
import { isWidthUsed, type KernelOptions, kernelChecks } from './kernel-options.js'
import { offDiagonal } from './samples.js'
import { gammaTail } from './special.js'

/** Options of {@link independenceTest}: the kernels, as for {@link HSIC}. `sigma` of kernels with a bandwidth defaults to 'median'. */
export type IndependenceOptions = KernelOptions

/** Result of {@link independenceTest}. */
export interface IndependenceResult {
  /** HSIC, biased, over n^2. */
  readonly statistic: number
  /** Probability of a statistic at least this large if x and y were independent. */
  readonly pValue: number
}

/** Smallest number of samples for the approximation: below it the test rejects too often (9 % instead of 5 % with 10 samples). */
const fewest = 20

/**
 * Largest shape of the gamma distribution, relative to the samples: beyond it the test rejects too rarely (3 % instead of 5 % at 10, hardly
 * ever at 100).
 */
const largestShape = 3

/**
 * Test of independence by HSIC without shuffles: n HSIC against the gamma distribution with its mean and variance under independence
 * (Gretton, Fukumizu, Teo, Song, Schoelkopf and Smola 2007). An approximation, for 20 or more samples of few columns. For many columns it
 * loses power, and a warning says so once (`HYPERGLOW_WIDE`). The exact test, of any measure and any number of samples, is
 * `permutationTest`.
 *
 * Repeated pairs look like dependence; a warning says so once (`HYPERGLOW_REPEATED_SAMPLES`).
 *
 *     await independenceTest(x, y) // { statistic, pValue }
 *
 * @param x n samples
 * @param y the same draws; an integer vector holds class labels
 * @throws DataError for fewer than 20 samples
 */
export async function independenceTest(
  x: SampleData,
  y: SampleData,
  options: IndependenceOptions = {},
): Promise<IndependenceResult> {
  const kernels = checkOptions('independenceTest', options, kernelChecks)
  const hsic = new HSIC({ ...(isWidthUsed(kernels, 'sigma') ? { sigma: 'median' } : {}), ...kernels })
  const { device } = hsic.params
  const [a, b] = [
    await samplesFrom('independenceTest: x', x, { device, beside: y }),
    await samplesFrom('independenceTest: y', y, { device, beside: x }),
  ]
  checkMeeting('independenceTest', a, b)
  const n = a.shape[0] as number
  if (n < fewest) {
    throw new DataError(
      `independenceTest: needs at least ${fewest} samples for its approximation, received ${n}; ` +
        "permutationTest(x, y, new HSIC({ sigma: 'median' })) is exact for any number",
    )
  }
  await adviseOnCopies('independenceTest', a, b)
  const { statistic, mean, variance } = await momentsOf(hsic, a, b)
  // A constant argument: the statistic is 0 for every pairing.
  if (!(mean > 0 && variance > 0)) return { statistic: statistic / n, pValue: 1 }
  const shape = (mean * mean) / variance
  if (shape > largestShape * n) adviseOnShape(n)
  return { statistic: statistic / n, pValue: gammaTail(shape, statistic / (variance / mean)) }
}

/** n HSIC, and its mean and variance under independence: Gretton et al. 2007, theorems 3 and 4, for kernels with any diagonal. */
async function momentsOf(hsic: HSIC, x: Tensor, y: Tensor) {
  const n = x.shape[0] as number
  using moments = tidy(() => {
    const matrices = hsic.matrices(x, y)
    const [k, l] = [matrices.x.cast('float64'), matrices.y.cast('float64')]
    const off = offDiagonal(n, 'float64')
    const meanOff = (m: Tensor) =>
      m
        .mul(off)
        .sum()
        .div(n * (n - 1))
    const excess = (m: Tensor) => m.trace().div(n).sub(meanOff(m))
    const product = centered(k).mul(centered(l))
    const squares = product.div(6).square().mul(off).sum()
    return stack([product.sum().div(n), excess(k).mul(excess(l)), squares])
  })
  const [statistic, mean, squares] = (await moments.data()) as unknown as [number, number, number]
  const pairs = n * (n - 1)
  const variance = ((72 * (n - 4) * (n - 5)) / (pairs * (n - 2) * (n - 3))) * (squares / pairs) * n * n
  return { statistic, mean, variance }
}

let isAdvisedOnShape = false

function adviseOnShape(n: number): void {
  if (isAdvisedOnShape) return
  isAdvisedOnShape = true
  process.emitWarning(
    `independenceTest: x and y have many columns for ${n} samples, where the gamma approximation finds too little dependence; permutationTest() is exact`,
    { type: 'HyperglowWarning', code: 'HYPERGLOW_WIDE' },
  )
}
