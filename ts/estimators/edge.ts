import { literal } from '../core/create.js'
import { ArgumentError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { above, type Check, type Checks, flag, isList, oneOf, whole } from '../core/options.js'
import { concat, stack, where } from '../ops/index.js'
import { foldIn, key, normal, permutation } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { noteCopies } from './copies.js'
import { occupied, symbolInformation } from './counts.js'
import type { Findings } from './details.js'
import { authorsEstimate } from './edge-authors.js'
import { bucketsOf, type Side, sideOf } from './edge-buckets.js'
import { edgeWeights, median, projection } from './edge-parts.js'
import { gaussianInformation, normalCorrelation } from './gaussian.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { entropyOfSamples } from './limits.js'
import { normalScores } from './ranks.js'
import { classCounts, isLabels, numbersOf } from './samples.js'
import { standardized, varying } from './standardized.js'

/** Default widths of a weighted ensemble. */
const spreadWidths: readonly number[] = Array.from({ length: 10 }, (_, i) => i + 1)

/** Share of symbols among the samples from which normal surrogates do not measure the bias. */
const symbolic = 0.1

/** Options of {@link EDGE}. */
export interface EDGEOptions {
  /** 'floor' (default) divides every column into cells; 'pstable' first projects on random normal directions. */
  hash?: 'floor' | 'pstable'
  /** How the members are combined. 'weights' are the optimal ones of eq. 14, for values that are not rounded. Default 'mean'. */
  ensemble?: 'mean' | 'median' | 'weights'
  /**
   * Cell widths t of the members: epsilon(t) = t n^(-1 / (2 d)) in standard deviations. Default 6 to 9 in 5 steps; for 'weights', whose
   * equations need more different widths, 1 to 10 in 10.
   */
  widths?: readonly number[]
  /**
   * Bias correction: 'gaussian' (default) subtracts the bias on normal samples with the same correlations, whose information is known;
   * 'shuffle' subtracts the information of the buckets by chance, measured on shuffles of y, in proportion to the rest of the maximum;
   * 'none'. If there are not more samples than columns, and for labels and repeated rows, 'gaussian' means 'shuffle'.
   */
  correction?: 'gaussian' | 'shuffle' | 'none'
  /** Number of surrogates or shuffles for the correction. Default 4. */
  repeats?: number
  /** Replace columns by the normal scores of their ranks; if false, only standardize them. Default true. */
  copula?: boolean
  /** Compute the estimate of the authors' published program; other options except the seed and gamma are ignored. Default false. */
  authors?: boolean
  /** authors: scale of the cells, about 1 for continuous and 0.001 for discrete data. Default 1. */
  gamma?: number
  /** Seed of projections, surrogates and shuffles. Default 0. */
  seed?: number
}

const cellWidths: Check<readonly number[]> = {
  expected: 'an array of at least one finite number above 0',
  accepts: (value) =>
    isList(value) &&
    (value as unknown[]).length > 0 &&
    Array.from(value as unknown[]).every(above(0).accepts),
}
const checks: Checks<EDGEOptions> = {
  hash: oneOf('floor', 'pstable'),
  ensemble: oneOf('mean', 'median', 'weights'),
  widths: cellWidths,
  correction: oneOf('gaussian', 'shuffle', 'none'),
  repeats: whole(1),
  copula: flag,
  authors: flag,
  gamma: above(0),
  seed: whole(0),
}

/**
 * Ensemble dependency graph estimator (Noshad, Zeng and Hero 2018): x and y are hashed to buckets, the nodes of a bipartite graph with the
 * counts N_ij on its edges, and (eq. 9 with g(w) = w ln w)
 *
 *   I = sum_ij N_ij / n ln(N_ij n / (N_i M_j))
 *
 * is combined over an ensemble of cell widths (eqs. 12 to 14). Hash: floor((x W + b) / epsilon), W the identity or a normal matrix, b a
 * different fraction of epsilon in each member. O(n) per member except for sorting by rank.
 *
 * 'floor' is for few columns: with many, every sample has its own bucket, and after the correction 0 remains for any data (`estimate`
 * warns: `HYPERGLOW_LONELY_BUCKETS`). 'pstable' reduces the columns to log2(n / 10) directions. The second hash of the paper, to a table of
 * fixed size, is not needed: buckets are numbered exactly, so only rows in one cell collide; `details` counts the collisions.
 *
 * Hashing loses information within cells and adds some by chance. `correction` measures the sum of both on samples of known information and
 * subtracts it. Labels are their own buckets, and so are repeated rows: all of them if there are at most sqrt(n) different ones, otherwise
 * those that alone fill a few cells (zeros of relu units). The estimate is at most the entropy of either side in the samples, ln n if all
 * rows differ: the information of numbers that determine each other is infinite, and the correction alone would extrapolate. A measurement:
 * it has no gradient.
 */
export class EDGE extends InformationEstimator<EDGEOptions> {
  constructor(options: EDGEOptions & InformationOptions = {}) {
    super(
      options,
      {
        hash: 'floor',
        ensemble: 'mean',
        widths:
          (options as Partial<EDGEOptions> | null)?.ensemble === 'weights'
            ? spreadWidths
            : [6, 6.75, 7.5, 8.25, 9],
        correction: 'gaussian',
        repeats: 4,
        copula: true,
        authors: false,
        gamma: 1,
        seed: 0,
      },
      checks,
    )
  }

  override get hasGradient(): boolean {
    return false
  }

  override get isBiasedByCopies(): boolean {
    return true
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

  /** Notes collisions, and warns once if every sample has its own bucket. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    if (!this.params.authors) await this.#noteBuckets(x, y, findings)
    this.checkCounts(x, y)
    await noteCopies(this.name, x, y, findings)
    return super.value(x, y, findings)
  }

  async #noteBuckets(x: Tensor, y: Tensor, findings: Findings): Promise<void> {
    const widest = this.params.widths.indexOf(Math.max(...this.params.widths))
    const counts = async (given: Tensor, part: number) => {
      using found = tidy(() => {
        const side = this.#side(given)
        const of = (buckets: Tensor) => occupied(classCounts(buckets))
        const members = this.params.widths.map((_, member) => of(this.#buckets(side, member, part)))
        return stack([of(side.symbols), stack(members).mean(), members[widest] as Tensor])
      })
      const [different, mean, least] = (await found.data()) as unknown as [number, number, number]
      if (!isLabels(given) && given.size > rowsIn(given) && least === rowsIn(given)) {
        findings.warn(
          `EDGE: each of the ${least} samples of ${given.size / least} columns has a bucket of its own, so the estimate is meaningless; ` +
            "use { hash: 'pstable' }, wider cells, more samples or fewer columns",
          'HYPERGLOW_LONELY_BUCKETS',
        )
      }
      return different - mean
    }
    findings.collisions = { x: await counts(x, 0), y: await counts(y, 1) }
  }

  protected override get isLimited(): boolean {
    return true
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const { authors, gamma, seed } = this.params
    if (authors) return authorsEstimate(x, y, gamma, seed)
    const [a, b] = [this.#side(x), this.#side(y)]
    const { raw, most } = this.#ensemble(a, b)
    switch (this.#correction(a, b)) {
      case 'none':
        return raw
      case 'shuffle':
        return this.#lessChance(a, b, raw, most)
      case 'gaussian': {
        const ofNumbers = this.#lessSurrogates(a, b, raw)
        // Weights extrapolate from narrow cells, where rounded numbers are symbols as well.
        const isWeighted = this.params.ensemble === 'weights'
        const part = (side: Side) => (isWeighted ? side.isRepeated : side.isSymbol).cast('float64').mean()
        const hasSymbols = part(a).maximum(part(b)).greater(symbolic)
        return where(hasSymbols, this.#lessChance(a, b, raw, most), ofNumbers)
      }
    }
  }

  /** Columns of unit spread, and which samples are symbols; labels all are. */
  #side(x: Tensor): Side {
    if (isLabels(x)) return sideOf(x, x)
    const rows = numbersOf('EDGE', x)
    return sideOf(rows, this.params.copula ? normalScores(rows) : standardized(rows))
  }

  #correction(a: Side, b: Side): 'gaussian' | 'shuffle' | 'none' {
    const { correction } = this.params
    if (correction !== 'gaussian') return correction
    if (a.columns === undefined || b.columns === undefined) return 'shuffle'
    const columns = (a.columns.shape[1] as number) + (b.columns.shape[1] as number)
    return rowsIn(a.columns) > columns + 1 ? 'gaussian' : 'shuffle'
  }

  /**
   * Adjusted for chance (Vinh, Epps and Bailey 2010): the mean over shuffles of y is subtracted in full from an estimate of that size, and
   * not at all from an estimate equal to the maximum, which contains no chance.
   *
   * @param most the smaller entropy of the buckets of the two sides
   */
  #lessChance(a: Side, b: Side, raw: Tensor, most: Tensor): Tensor {
    const chance = this.#repeated((draw) => {
      const order = permutation(draw, b.symbols.shape[0] as number)
      const shuffled = {
        columns: b.columns?.take(order),
        symbols: b.symbols.take(order),
        isSymbol: b.isSymbol.take(order),
        isRepeated: b.isRepeated.take(order),
      }
      return this.#ensemble(a, shuffled).raw
    })
    const room = most.sub(chance)
    const hasRoom = room.greater(1e-9)
    return where(
      hasRoom,
      raw
        .sub(chance)
        .mul(most)
        .div(where(hasRoom, room, 1)),
      0,
    )
  }

  /**
   * The information of normal samples with the same correlations, plus the difference between the estimates of the samples and of the
   * normal samples.
   */
  #lessSurrogates(a: Side, b: Side, raw: Tensor): Tensor {
    const [x, y] = [a.columns as Tensor, b.columns as Tensor]
    const linear = gaussianInformation(this.name, x, y, true)
    return linear.add(raw).sub(this.#repeated((draw) => this.#surrogate(x, y, draw)))
  }

  /** Mean over the draws of the correction. */
  #repeated(of: (draw: Tensor) => Tensor): Tensor {
    const { repeats, seed } = this.params
    const draws = Array.from({ length: repeats }, (_, i) => of(foldIn(key(seed), i + 1)))
    return stack(draws).mean()
  }

  /** The same estimate for normal samples with the same correlations. */
  #surrogate(x: Tensor, y: Tensor, draw: Tensor): Tensor {
    const [n, d] = [rowsIn(x), (x.shape[1] as number) + (y.shape[1] as number)]
    const factor = normalCorrelation(concat([x, y], 1)).cholesky()
    const draws = normal(draw, [n, d], { dtype: 'float64' }).matmulT(factor, { transposeB: true })
    const samples = draws.mul(varying(concat([x, y], 1)))
    const cut = x.shape[1] as number
    const [a, b] = [samples.slice([null, 0], [null, cut]), samples.slice([null, cut])]
    return this.#ensemble(this.#side(a), this.#side(b)).raw
  }

  /** The combined estimate of the members, and the mean of their maxima. */
  #ensemble(a: Side, b: Side): { raw: Tensor; most: Tensor } {
    const { widths, ensemble } = this.params
    const pairs = widths.map(
      (_, member) => [this.#buckets(a, member, 0), this.#buckets(b, member, 1)] as const,
    )
    const members = stack(pairs.map(([p, q]) => symbolInformation(p, q, 'none')))
    const most = stack(pairs.map(([p, q]) => entropyOfSamples(p).minimum(entropyOfSamples(q)))).mean()
    if (ensemble === 'mean') return { raw: members.mean(), most }
    if (ensemble === 'median') return { raw: median(members), most }
    const d = Math.max(a.columns?.shape[1] ?? 1, b.columns?.shape[1] ?? 1)
    if (widths.length <= d) {
      throw new ArgumentError(
        `EDGE: ensemble 'weights' needs more widths than columns: ${widths.length} widths, ${d} columns; give more widths or use 'mean'`,
      )
    }
    const joined = members.mul(edgeWeights(literal(Float64Array.from(widths)), d)).sum()
    // The weights extrapolate, with entries far above 1 in several dimensions; the information of a partition is at least 0 and at most its
    // entropies.
    return { raw: joined.maximum(0).minimum(most), most }
  }

  /** The buckets of a side in one member of the ensemble, int32 `[n]`. */
  #buckets(side: Side, member: number, part: number): Tensor {
    const { hash, seed, widths } = this.params
    return bucketsOf(side, (columns) => {
      const [n, d] = columns.shape as [number, number]
      const r = hash === 'floor' ? d : Math.min(d, Math.max(1, Math.floor(Math.log2(n / 10))))
      const projected =
        hash === 'floor' ? columns : columns.matmul(projection(foldIn(foldIn(key(seed), 0), part), d, r))
      const width = (widths[member] as number) * n ** (-1 / (2 * r))
      return projected
        .div(width)
        .add(member / widths.length)
        .floor()
        .uniqueRows()
    })
  }
}

function rowsIn(x: Tensor): number {
  return x.shape[0] as number
}
