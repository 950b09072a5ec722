import { scope } from '../core/memory.js'
import { flag, whole } from '../core/options.js'
import { concat, where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { noteCopies } from './copies.js'
import type { Findings } from './details.js'
import { logDeviations, normalBias, normalCorrelation, samplesForColumns } from './gaussian.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { KSG } from './ksg.js'
import { checkApart, distanceToKth } from './nearest.js'
import { normalScores } from './ranks.js'
import { Ross } from './ross.js'
import { isLabels, numbersOf, toleratedOf } from './samples.js'
import { standardized, varying } from './standardized.js'

/** Options of {@link ResidualMI}. */
export interface ResidualOptions {
  /** Index of the neighbor. Default 3. */
  k?: number
  /** Replace columns by the normal scores of their ranks first. Default false. */
  copula?: boolean
}

/**
 * Mutual information beyond the linear part. With r = y - B x the residual of the regression of y on x, and J the negentropy (the entropy
 * of a normal vector of the same covariance minus the entropy), the chain rule gives
 *
 *   I(X; Y) = I_G + J(r) - J(Y) + I(X; r),  I_G = 1/2 ln(|Cx| |Cy| / |Cxy|)
 *
 * exactly. J(r) - J(Y) is a difference of two entropies of Kozachenko and Leonenko 1987 in the same dimension, both of whitened samples, so
 * most of their bias cancels. I(X; r) is KSG 1 (Kraskov, Stoegbauer and Grassberger 2004), which has a small error for small information.
 * Under strong linear dependence with noise that is not normal, nearest neighbors in (x, y) cannot resolve the noise; this estimator can.
 *
 * The information of a deterministic relation is infinite. The estimate is then the resolution: for an exact linear relation (up to 1e-10
 * of the variance) only the linear part, about 13 nats per dimension; for residuals that coincide at most 27 nats more.
 *
 * Not symmetric in x and y. Its standard error exceeds that of the normal estimate for normal data. `y` must be continuous: values that
 * occur more than k times have no density. If they are more than 2 % of the samples `estimate` refuses them, and as an evaluator it records
 * NaN. A measurement: no gradient. Needs more samples than columns. Class labels: {@link Ross}.
 */
export class ResidualMI extends InformationEstimator<ResidualOptions> {
  constructor(options: ResidualOptions & InformationOptions = {}) {
    super(options, { k: 3, copula: false }, { k: whole(1), copula: flag })
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get minimumSamples(): number {
    return this.params.k + 2
  }

  override get advisedSamples(): number {
    return Math.max(256, this.minimumSamples)
  }

  protected override forClasses(): InformationEstimator {
    const { k, base, clip } = this.params
    return new Ross({ k, base, clip })
  }

  override samplesFor(x: number | undefined, y: number | undefined): number {
    return Math.max(super.samplesFor(x, y), samplesForColumns(x, y))
  }

  /** Warns, once, of copied samples. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkCounts(x, y)
    if (isLabels(x) || isLabels(y)) return super.value(x, y, findings)
    await noteCopies(this.name, x, y, findings)
    const result = await super.value(x, y, findings)
    if (!Number.isFinite(result)) {
      const remedy = 'use mutualInformation(), or MixedKSG for data with repeated values'
      await checkApart(`${this.name}: y`, this.params.k, numbersOf(this.name, y), remedy)
    }
    return result
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const { k, copula } = this.params
    const [a, b] = copula ? [normalScores(x), normalScores(y)] : [x, y]
    const deviations = logDeviations(this.name, a, b)
    const [n, dx] = a.shape as [number, number]
    const linear = deviations.sum().sub(normalBias(n, varying(concat([a, b], 1)), dx))
    const isExact = deviations.max().greater(-0.5 * Math.log(leastVariance))
    return scope(this.name, () => {
      const [p, q] = [whitened(a), whitened(b)]
      // For white x the coefficients of the regression are the covariances.
      const coefficients = p.matmulT(q, { transposeA: true }).div(p.shape[0] as number)
      const rest = whitened(q.sub(p.matmul(coefficients)))
      const local = new KSG({ k, standardize: false }).criterion(p, rest)
      const [ofY, ofRest] = [farToKth(q, k), farToKth(rest, k)]
      const value = linear.add(logScale(ofY, q)).sub(logScale(ofRest, rest)).add(local)
      // Atoms of y have no density. Atoms of copied samples also appear in the residual.
      const atoms = (far: Tensor) => far.lessEqual(resolution).cast('float64').sum()
      const hasAtoms = atoms(ofY).sub(atoms(ofRest)).greater(toleratedOf(n))
      return where(isExact, linear, where(hasAtoms, Number.NaN, value))
    })
  }
}

/** Fraction of the variance of a column below which its residual is rounding. */
export const leastVariance = 1e-10

/** Distance in standard deviations below which white samples coincide up to rounding. */
const resolution = 1e-12

/** The distance of each row to its k-th neighbor. */
function farToKth(rows: Tensor, k: number): Tensor {
  return distanceToKth(rows, rows.neighbors(k, { metric: 'euclidean' }), k, 'euclidean')
}

/** d times the mean logarithm of these distances: the entropy of Kozachenko and Leonenko up to a constant. */
function logScale(distances: Tensor, rows: Tensor): Tensor {
  return distances
    .maximum(resolution)
    .log()
    .mean()
    .mul(rows.shape[1] as number)
}

/** Rows without correlation and with unit variances; constant columns become 0. */
function whitened(x: Tensor): Tensor {
  const rows = standardized(x)
  return normalCorrelation(x).cholesky().triangularSolve(rows.transpose()).transpose()
}
