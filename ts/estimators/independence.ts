import { DataError } from '../core/errors.js'
import { jit } from '../core/jit.js'
import { evaluate, tidy } from '../core/memory.js'
import { type Checks, checkOptions, oneOf, whole } from '../core/options.js'
import { stack } from '../ops/index.js'
import { HostRandom } from '../ops/random.js'
import { type Tensor, tensor } from '../ops/tensor.js'
import { centered, inner } from './centring.js'
import { adviceOnCopies } from './copies.js'
import { type SampleData, samplesFrom } from './data.js'
import { HSIC } from './hsic.js'
import { type KernelOptions, kernelChecks } from './kernel-options.js'
import { offDiagonal } from './samples.js'
import { gammaTail } from './special.js'

/** Options of {@link independenceTest}: the kernels as for {@link HSIC}, and how the null distribution is found. */
export interface IndependenceOptions extends KernelOptions {
  /** 'permutation' (default) or 'gamma', the approximation of Gretton et al. 2007, which is faster and needs some 50 samples. */
  method?: 'permutation' | 'gamma'
  /** Shuffles of y. Default 500. */
  permutations?: number
  /** Decides the shuffles. Default 0. */
  seed?: number
}

const checks: Checks<IndependenceOptions> = {
  ...kernelChecks,
  method: oneOf('permutation', 'gamma'),
  permutations: whole(1, 1e9),
  seed: whole(0),
}

/** Result of {@link independenceTest}. */
export interface IndependenceResult {
  /** HSIC, biased, over n^2. */
  readonly statistic: number
  /** Probability of a statistic at least this large if x and y were independent. */
  readonly pValue: number
}

/**
 * Test of independence by HSIC (Gretton, Fukumizu, Teo, Song, Schoelkopf and Smola 2007): the statistic against its distribution over shuffles of y
 * (p = (1 + shuffles at least as large) / (1 + shuffles), exact), or against the gamma distribution of the same mean and variance.
 *
 * Pairs that were given several times look like dependence; a warning says so once (`HYPERGLOW_REPEATED_SAMPLES`).
 *
 * @param x n samples; @param y the same draws, integer vectors being class labels. `sigma` defaults to 'median'
 * @throws DataError for fewer than 6 samples
 */
export async function independenceTest(
  x: SampleData,
  y: SampleData,
  options: IndependenceOptions = {},
): Promise<IndependenceResult> {
  const given = checkOptions('independenceTest', options, checks)
  const { method = 'permutation', permutations = 500, seed = 0, ...kernels } = given
  const hsic = new HSIC({ sigma: 'median', ...kernels })
  const [a, b] = [
    await samplesFrom('independenceTest: x', x, kernels),
    await samplesFrom('independenceTest: y', y, kernels),
  ]
  if ((a.shape[0] as number) < 6) {
    throw new DataError(`independenceTest: needs at least 6 samples, received ${a.shape[0]}`)
  }
  await adviseOnCopies(a, b)
  const matrices = tidy(() => {
    const { x: k, y: l } = hsic.matrices(a, b)
    return { k: k.cast('float64'), l: l.cast('float64') }
  })
  try {
    await evaluate(matrices)
    const { k, l } = matrices
    return await (method === 'gamma' ? byGamma(k, l) : byPermutation(k, l, permutations, seed))
  } finally {
    matrices.k.dispose()
    matrices.l.dispose()
  }
}

let isAdvised = false

/** Warns once of copied pairs: shuffles part them, so that they count as dependence. */
async function adviseOnCopies(x: Tensor, y: Tensor): Promise<void> {
  if (isAdvised || x.shape[0] !== y.shape[0]) return
  const advice = await adviceOnCopies('independenceTest', x, y)
  if (advice === undefined) return
  isAdvised = true
  process.emitWarning(advice, { type: 'HyperglowWarning', code: 'HYPERGLOW_REPEATED_SAMPLES' })
}

async function byPermutation(k: Tensor, l: Tensor, count: number, seed: number): Promise<IndependenceResult> {
  const n = k.shape[0] as number
  using fixed = tidy(() => centered(k))
  const statistic = jit(({ order }: { order: Tensor }) => inner(fixed, l.take(order, 0).take(order, 1)))
  const random = new HostRandom(seed)
  try {
    const of = async (rows: Int32Array) => {
      using order = tensor(rows)
      using value = await statistic({ order })
      return value.item()
    }
    const own = await of(Int32Array.from({ length: n }, (_, i) => i))
    // Orders that change nothing must count as equal, whatever the rounding of their sum.
    const limit = own - 1e-12 * Math.abs(own)
    let larger = 0
    for (let i = 0; i < count; i++) if ((await of(random.permutation(n))) >= limit) larger++
    return { statistic: own / n ** 2, pValue: (1 + larger) / (1 + count) }
  } finally {
    statistic.dispose()
  }
}

/** Mean and variance of n HSIC under independence: Gretton et al. 2007, theorems 3 and 4, for kernels with any diagonal. */
async function byGamma(k: Tensor, l: Tensor): Promise<IndependenceResult> {
  const n = k.shape[0] as number
  using moments = tidy(() => {
    const off = offDiagonal(n, 'float64')
    const excess = (m: Tensor) =>
      m
        .trace()
        .div(n)
        .sub(
          m
            .mul(off)
            .sum()
            .div(n * (n - 1)),
        )
    const product = centered(k).mul(centered(l))
    const squares = product.div(6).square().mul(off).sum()
    return stack([product.sum().div(n), excess(k).mul(excess(l)), squares])
  })
  const [statistic, mean, squares] = (await moments.data()) as unknown as [number, number, number]
  const pairs = n * (n - 1)
  const variance = ((72 * (n - 4) * (n - 5)) / (pairs * (n - 2) * (n - 3))) * (squares / pairs) * n * n
  // A constant argument: the statistic is 0 and tells nothing.
  if (!(mean > 0 && variance > 0)) return { statistic: statistic / n, pValue: 1 }
  const shape = (mean * mean) / variance
  return { statistic: statistic / n, pValue: gammaTail(shape, statistic / (variance / mean)) }
}
