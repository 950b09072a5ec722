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

/** Default widths of an ensemble with weights. */
const spreadWidths: readonly number[] = Array.from({ length: 10 }, (_, i) => i + 1)

/** Part of the samples being symbols from which normal surrogates say nothing of the bias. */
const symbolic = 0.1

/** Options of {@link EDGE}. */
export interface EDGEOptions {
  /** 'floor' (default) cuts every column; 'pstable' first projects on random normal directions. */
  hash?: 'floor' | 'pstable'
  /** How the members of the ensemble are joined. 'weights' are the optimal ones of eq. 14, for values that are not rounded. Default 'mean'. */
  ensemble?: 'mean' | 'median' | 'weights'
  /**
   * Cell widths t of the members: epsilon(t) = t n^(-1 / (2 d)) in standard deviations. Default 6 to 9 in 5 steps; for 'weights', whose
   * equations need widths that differ more, 1 to 10 in 10.
   */
  widths?: readonly number[]
  /**
   * What is subtracted: 'gaussian' (default), the bias on normal samples of the same correlations, whose information is known;
   * 'shuffle', what the buckets give by chance, found on shuffles of y and in proportion to what they could give besides; 'none'. Where there are not
   * more samples than columns, and for labels and repeated rows, 'gaussian' is 'shuffle'.
   */
  correction?: 'gaussian' | 'shuffle' | 'none'
  /** Samples or shuffles that the correction averages over. Default 4. */
  repeats?: number
  /** Replace columns by the normal scores of their ranks first, else only standardize them. Default true. */
  copula?: boolean
  /** Compute what the authors' published program does, instead of all the above but the seed. Default false. */
  authors?: boolean
  /** authors: scale of the cells, about 1 for continuous and 0.001 for discrete data. Default 1. */
  gamma?: number
  /** Decides projections, surrogates and shuffles. Default 0. */
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
 * Ensemble dependency graph estimator (Noshad, Zeng and Hero 2018): x and y are hashed to buckets, the nodes of a bipartite graph whose
 * edges carry the counts N_ij, and (eq. 9 with g(w) = w ln w)
 *
 *   I = sum_ij N_ij / n ln(N_ij n / (N_i M_j))
 *
 * is joined over an ensemble of cell widths (eqs. 12 to 14). Hash: floor((x W + b) / epsilon), W the identity or a normal matrix, b
 * another part of epsilon in each member. O(n) per member but for sorting by rank.
 *
 * 'floor' is for few columns: with many, every sample has a bucket of its own, and what remains after the correction is 0 whatever the data
 * (`estimate` warns: `HYPERGLOW_LONELY_BUCKETS`). 'pstable' brings them down to log2(n / 10) directions. The second hash of the paper, to a table of
 * fixed size, is not needed: buckets are numbered exactly, and only cells make rows collide; how many, `details` say.
 *
 * Hashing loses information within cells and gains some by chance. `correction` measures the sum of both on samples whose information is known
 * and subtracts it. Labels are their own buckets, and so are rows that repeat: all where there are at most sqrt(n) different ones, else those that fill a few cells
 * by themselves (zeros of relu units). The estimate is at most the entropy of either side in the samples, ln n where all rows differ: the information of
 * numbers that determine each other is infinite, and the correction alone would extrapolate. A measurement: it has no gradient.
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

  override get minimumSamples(): number {
    return 4
  }

  override get advisedSamples(): number {
    return 256
  }

  override get takes() {
    return { x: 'any', y: 'any' } as const
  }

  /** Notes collisions, and warns once when every sample has a bucket of its own. */
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
          `EDGE: each of the ${least} samples of ${given.size / least} columns has a bucket of its own, so that the estimate tells nothing; ` +
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

  /** Columns of unit spread, and what are symbols; labels all are. */
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
   * Adjusted for chance (Vinh, Epps and Bailey 2010): the mean over shuffles of y is taken off an estimate of no information, nothing off one that is
   * as large as the buckets allow, where there is nothing by chance.
   *
   * @param most the least entropy of the buckets of either side
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

  /** The information of normal samples that are correlated like these, plus what the estimate exceeds that of such samples by. */
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

  /** The same estimate for normal samples that are correlated like these. */
  #surrogate(x: Tensor, y: Tensor, draw: Tensor): Tensor {
    const [n, d] = [rowsIn(x), (x.shape[1] as number) + (y.shape[1] as number)]
    const factor = normalCorrelation(concat([x, y], 1)).cholesky()
    const draws = normal(draw, [n, d], { dtype: 'float64' }).matmulT(factor, { transposeB: true })
    const samples = draws.mul(varying(concat([x, y], 1)))
    const cut = x.shape[1] as number
    const [a, b] = [samples.slice([null, 0], [null, cut]), samples.slice([null, cut])]
    return this.#ensemble(this.#side(a), this.#side(b)).raw
  }

  /** The joined estimate of the members, and the mean of what their buckets allow at most. */
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
    // The weights extrapolate, with entries far above 1 in several dimensions; no partition has less than nothing or more than its entropies.
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
