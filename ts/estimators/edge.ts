import { ArgumentError } from '../errors.js'
import { tidy } from '../memory.js'
import { concat, stack } from '../ops/index.js'
import { foldIn, key, normal, permutation } from '../random.js'
import { type Tensor, tensor } from '../tensor.js'
import { checkFlag, checkPositive, checkWhole, oneOf } from './check.js'
import { symbolInformation } from './counts.js'
import type { Findings } from './details.js'
import { authorsEstimate } from './edge-authors.js'
import { edgeWeights, median, projection } from './edge-parts.js'
import { gaussianInformation, normalCorrelation, standardized, varying } from './gaussian.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { normalScores } from './ranks.js'
import { isLabels } from './samples.js'

/** Default widths of an ensemble with weights. */
const spreadWidths: readonly number[] = Array.from({ length: 10 }, (_, i) => i + 1)

/** Options of {@link EDGE}. */
export interface EDGEOptions {
  /** 'floor' (default) cuts every column; 'pstable' first projects on random normal directions. */
  hash?: 'floor' | 'pstable'
  /** How the members of the ensemble are joined. 'weights' are the optimal ones of eq. 14. Default 'mean'. */
  ensemble?: 'mean' | 'median' | 'weights'
  /**
   * Cell widths t of the members: epsilon(t) = t n^(-1 / (2 d)) in standard deviations. Default 6 to 9 in 5 steps; for 'weights', whose
   * equations need widths that differ more, 1 to 10 in 10.
   */
  widths?: readonly number[]
  /**
   * What is subtracted: 'gaussian' (default), the bias on normal samples of the same correlations, whose information is known;
   * 'shuffle', the mean over shuffles of y, whose information is 0; 'none'. Where there are not more samples than columns, and for labels,
   * 'gaussian' is 'shuffle'.
   */
  correction?: 'gaussian' | 'shuffle' | 'none'
  /** Samples or shuffles that the correction averages over. Default 4. */
  repeats?: number
  /** Replace columns by the normal scores of their ranks first, else only standardise them. Default true. */
  copula?: boolean
  /** Compute what the authors' published program does, instead of all the above but the seed. Default false. */
  authors?: boolean
  /** authors: scale of the cells, about 1 for continuous and 0.001 for discrete data. Default 1. */
  gamma?: number
  /** Decides projections, surrogates and shuffles. Default 0. */
  seed?: number
}

/**
 * Ensemble dependency graph estimator (Noshad, Zeng and Hero 2018): x and y are hashed to buckets, the nodes of a bipartite graph whose
 * edges carry the counts N_ij, and (eq. 9 with g(w) = w ln w)
 *
 *   I = sum_ij N_ij / n ln(N_ij n / (N_i M_j))
 *
 * is joined over an ensemble of cell widths (eqs. 12 to 14). Hash: floor((x W + b) / epsilon), W the identity or a normal matrix, b
 * another part of epsilon in each member. O(n) per member but for sorting by rank.
 *
 * 'floor' is for few columns: with many, every sample has a bucket of its own, and what remains after the correction is 0 whatever the data
 * (`estimate` warns: `HYPERGLOW_LONELY_BUCKETS`). 'pstable' brings them down to log2(n / 10) directions.
 *
 * Hashing loses information within cells and gains some by chance. `correction` measures the sum of both on samples whose information is known
 * and subtracts it. Labels are their own buckets. A measurement: it has no gradient.
 */
export class EDGE extends InformationEstimator<EDGEOptions> {
  constructor(options: EDGEOptions & InformationOptions = {}) {
    super(options, {
      hash: 'floor',
      ensemble: 'mean',
      widths: options?.ensemble === 'weights' ? spreadWidths : [6, 6.75, 7.5, 8.25, 9],
      correction: 'gaussian',
      repeats: 4,
      copula: true,
      authors: false,
      gamma: 1,
      seed: 0,
    })
    const { hash, ensemble, widths, correction, repeats, copula, authors, gamma, seed } = this.params
    oneOf('hash of EDGE', hash, ['floor', 'pstable'])
    oneOf('ensemble of EDGE', ensemble, ['mean', 'median', 'weights'])
    oneOf('correction of EDGE', correction, ['gaussian', 'shuffle', 'none'])
    checkWhole('EDGE: repeats', repeats, 1)
    checkWhole('EDGE: seed', seed, 0)
    checkFlag('EDGE: copula', copula)
    checkFlag('EDGE: authors', authors)
    checkPositive('EDGE: gamma', gamma)
    if (!Array.isArray(widths) || widths.length === 0) {
      throw new ArgumentError('EDGE: widths must be a list of at least one number')
    }
    for (const width of widths) checkPositive('EDGE: widths', width)
  }

  override get minimumSamples(): number {
    return 4
  }

  override get advisedSamples(): number {
    return 256
  }

  override get takes() {
    return { x: 'any', y: 'any' } as const
  }

  /** Warns, once, when every sample has a bucket of its own. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    if (!this.params.authors) await this.#noteLonely([x, y], findings)
    return super.value(x, y, findings)
  }

  async #noteLonely(sides: readonly Tensor[], findings: Findings): Promise<void> {
    const widest = Math.max(...this.params.widths)
    for (const [side, x] of sides.entries()) {
      if (isLabels(x) || (x.shape[1] as number) < 2) continue
      using last = tidy(() => this.#buckets(this.#coordinates(x), widest, 0, side).max())
      if ((await last.item()) + 1 < rowsIn(x)) continue
      findings.warn(
        `EDGE: each of the ${rowsIn(x)} samples of ${x.shape[1]} columns has a bucket of its own, so that the estimate tells nothing; ` +
          "use { hash: 'pstable' }, wider cells, more samples or fewer columns",
        'HYPERGLOW_LONELY_BUCKETS',
      )
    }
  }

  protected override get isLimited(): boolean {
    return true
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const { authors, gamma, seed } = this.params
    if (authors) return authorsEstimate(x, y, gamma, seed)
    const [a, b] = [this.#coordinates(x), this.#coordinates(y)]
    const raw = this.#ensemble(a, b)
    switch (this.#correction(a, b)) {
      case 'none':
        return raw
      case 'shuffle':
        return raw.sub(this.#repeated((draw) => this.#ensemble(a, b.take(permutation(draw, rowsIn(b))))))
      case 'gaussian': {
        const linear = gaussianInformation(this.name, a, b, true)
        return linear.add(raw).sub(this.#repeated((draw) => this.#surrogate(a, b, draw)))
      }
    }
  }

  /** Columns of unit spread; labels stay as they are. */
  #coordinates(x: Tensor): Tensor {
    if (x.rank === 1) return x
    if (this.params.copula) return normalScores(x)
    return standardized(x)
  }

  #correction(a: Tensor, b: Tensor): 'gaussian' | 'shuffle' | 'none' {
    const { correction } = this.params
    if (correction !== 'gaussian') return correction
    const columns = (a.shape[1] ?? Number.NaN) + (b.shape[1] ?? Number.NaN)
    return rowsIn(a) > columns + 1 ? 'gaussian' : 'shuffle'
  }

  /** Mean over the draws of the correction. */
  #repeated(of: (draw: Tensor) => Tensor): Tensor {
    const { repeats, seed } = this.params
    const draws = Array.from({ length: repeats }, (_, i) => of(foldIn(key(seed), i + 1)))
    return stack(draws).mean()
  }

  /** The same estimate for normal samples that are correlated like these. */
  #surrogate(a: Tensor, b: Tensor, draw: Tensor): Tensor {
    const [n, d] = [rowsIn(a), (a.shape[1] as number) + (b.shape[1] as number)]
    const factor = normalCorrelation(concat([a, b], 1)).cholesky()
    const draws = normal(draw, [n, d], { dtype: 'float64' }).matmulT(factor, { transposeB: true })
    const samples = this.#coordinates(draws.mul(varying(concat([a, b], 1))))
    const cut = a.shape[1] as number
    return this.#ensemble(samples.slice([null, 0], [null, cut]), samples.slice([null, cut]))
  }

  #ensemble(a: Tensor, b: Tensor): Tensor {
    const { widths, ensemble } = this.params
    const members = stack(
      widths.map((t, i) => {
        const shift = i / widths.length
        return symbolInformation(this.#buckets(a, t, shift, 0), this.#buckets(b, t, shift, 1), 'none')
      }),
    )
    if (ensemble === 'mean') return members.mean()
    if (ensemble === 'median') return median(members)
    const d = Math.max(a.shape[1] ?? 1, b.shape[1] ?? 1)
    if (widths.length <= d) {
      throw new ArgumentError(
        `EDGE: ensemble 'weights' needs more widths than columns: ${widths.length} widths, ${d} columns; give more widths or use 'mean'`,
      )
    }
    return members.mul(edgeWeights(tensor(Float64Array.from(widths)), d)).sum()
  }

  #buckets(x: Tensor, t: number, shift: number, side: number): Tensor {
    if (x.rank === 1) return x
    const [n, d] = x.shape as [number, number]
    const { hash, seed } = this.params
    const r = hash === 'floor' ? d : Math.min(d, Math.max(1, Math.floor(Math.log2(n / 10))))
    const projected = hash === 'floor' ? x : x.matmul(projection(foldIn(foldIn(key(seed), 0), side), d, r))
    const width = t * n ** (-1 / (2 * r))
    return projected.div(width).add(shift).floor().uniqueRows()
  }
}

function rowsIn(x: Tensor): number {
  return x.shape[0] as number
}
