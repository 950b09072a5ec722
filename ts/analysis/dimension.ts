/** Intrinsic dimension of samples. */
import { ArgumentError, DataError } from '../core/errors.js'
import { between, type Checks, checkOptions, pairOf, whole } from '../core/options.js'
import type { SampleData } from '../estimators/data.js'
import { checkApart, distancesTo } from '../estimators/nearest.js'
import { stack } from '../ops/index.js'
import { arange, full, type Tensor } from '../ops/tensor.js'
import { rowsFrom, scalarsOf } from './read.js'

const apart = 'remove the copies; a dimension needs points that all differ'

/** Logarithms of the distances of each sample to its k nearest others, nearest first, `[n, k]`; lazy. */
async function nearestLogs(name: string, rows: Tensor, k: number): Promise<() => Tensor> {
  await checkApart(name, 1, rows, apart)
  return () => distancesTo(rows, rows.neighbors(k, { metric: 'euclidean' }), 'euclidean').log()
}

const column = (x: Tensor, j: number) => x.slice([0, j], [null, j + 1]).flatten(0)

/** Options of {@link twoNN}. */
export interface TwoNNOptions {
  /** Share of the largest ratios that `linear` and `mleCensored` leave out. Default 0.1, as in the paper. */
  discard?: number
}

const twoChecks: Checks<TwoNNOptions> = { discard: between(0, 1, 'high') }

/** Result of {@link twoNN}. */
export interface TwoNNDimension {
  /** Slope of -ln(1 - i/N) against ln mu through the origin, over the kept ratios: the estimate of the paper. NaN if none is left out. */
  readonly linear: number
  /** N / sum ln mu: maximum likelihood (Denti et al. 2022). */
  readonly mle: number
  /** (N - 1) / sum ln mu: the same without bias. */
  readonly mleUnbiased: number
  /** Maximum likelihood of the kept ratios, the others censored. */
  readonly mleCensored: number
  /** Number of kept ratios. */
  readonly kept: number
}

/**
 * Intrinsic dimension by two nearest neighbors (Facco, d'Errico, Rodriguez and Laio 2017): the ratios mu = r2 / r1 of the distances to the
 * second and the first neighbor have the density d mu^(-d - 1), for any density of the samples. Euclidean distances.
 *
 * @param x `[n, d]`, n of at least 3
 * @throws DataError for repeated samples and for too few
 */
export async function twoNN(x: SampleData, options: TwoNNOptions = {}): Promise<TwoNNDimension> {
  const { discard = 0.1 } = checkOptions('twoNN', options, twoChecks)
  const rows = await rowsFrom('twoNN: x', x, 3)
  const n = rows.shape[0] as number
  const kept = Math.floor(n * (1 - discard))
  if (kept < 2) {
    throw new DataError(`twoNN: discard ${discard} leaves ${kept} of ${n} ratios, expected at least 2`)
  }
  const logs = await nearestLogs('twoNN', rows, 2)
  const { all, sum, products, squares, largest } = await scalarsOf(() => {
    const both = logs()
    const ratios = column(both, 1).sub(column(both, 0)).sort()
    const used = ratios.slice([0], [kept])
    const places = arange(1, kept + 1, { dtype: 'float64' })
      .div(-n)
      .log1p()
      .neg()
    return {
      all: ratios.sum(),
      sum: used.sum(),
      // If all samples are kept, the last has an infinite coordinate on the line.
      products: kept === n ? full([], Number.NaN, { dtype: 'float64' }) : used.mul(places).sum(),
      squares: used.square().sum(),
      largest: used.max(),
    }
  })
  return {
    linear: products / squares,
    mle: n / all,
    mleUnbiased: (n - 1) / all,
    mleCensored: (kept - 1) / (sum + (n - kept) * largest),
    kept,
  }
}

/** Options of {@link levinaBickel}. */
export interface LevinaBickelOptions {
  /** Neighbors of a local estimate. Default 20. */
  k?: number
  /** First and last number of neighbors of `meanOverRange`. Default [10, 20], as in the paper. */
  range?: readonly [number, number]
}

const levinaChecks: Checks<LevinaBickelOptions> = { k: whole(3), range: pairOf(whole(3)) }

/** Result of {@link levinaBickel}. */
export interface LevinaBickelDimension {
  /** Mean of the local estimates m_i = (k - 1) / sum_(j<k) ln(T_k / T_j) (Levina and Bickel 2004). */
  readonly mean: number
  /** 1 / mean(1 / m_i) (MacKay and Ghahramani 2005), with equal weight for every neighbor. */
  readonly inverseMean: number
  /** The mean with k - 2 in the numerator, without the bias of a local estimate. */
  readonly unbiasedMean: number
  readonly median: number
  /** `mean`, averaged over the numbers of neighbors in `range`. */
  readonly meanOverRange: number
}

/**
 * Intrinsic dimension by maximum likelihood (Levina and Bickel 2004): samples near a point are modeled as a Poisson process in d
 * dimensions. Biased downward for large d, since samples are then far apart. Euclidean distances.
 *
 * @param x `[n, d]`, with more samples than neighbors
 * @throws DataError for repeated samples and for too few; ArgumentError for a range in descending order
 */
export async function levinaBickel(
  x: SampleData,
  options: LevinaBickelOptions = {},
): Promise<LevinaBickelDimension> {
  const { k = 20, range = [10, 20] } = checkOptions('levinaBickel', options, levinaChecks)
  const [low, high] = range
  if (low > high) {
    throw new ArgumentError(`levinaBickel: range is [${low}, ${high}], expected the smaller number first`)
  }
  const most = Math.max(k, high)
  const rows = await rowsFrom('levinaBickel: x', x, most + 1)
  const n = rows.shape[0] as number
  const logs = await nearestLogs('levinaBickel', rows, most)
  const found = await scalarsOf(() => {
    const near = logs()
    const sums = near.cumsum(1)
    /** 1 / m_i for a number of neighbors. */
    const inverses = (count: number) => column(near, count - 1).sub(column(sums, count - 2).div(count - 1))
    const own = inverses(k)
    const local = own.reciprocal()
    const sorted = local.sort()
    const at = (place: number) => sorted.slice([place], [place + 1]).sum()
    const counts = Array.from({ length: high - low + 1 }, (_, i) => low + i)
    return {
      mean: local.mean(),
      inverse: own.mean(),
      median: at(Math.floor((n - 1) / 2))
        .add(at(Math.floor(n / 2)))
        .div(2),
      meanOverRange: stack(counts.map((count) => inverses(count).reciprocal().mean())).mean(),
    }
  })
  return {
    mean: found.mean,
    inverseMean: 1 / found.inverse,
    unbiasedMean: (found.mean * (k - 2)) / (k - 1),
    median: found.median,
    meanOverRange: found.meanOverRange,
  }
}
