import { scope } from '../memory.js'
import { concat, stack } from '../ops/index.js'
import { eye, type Tensor } from '../tensor.js'
import { checkColumns, normalBias, samplesForColumns, varying, withRidge } from './gaussian.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { DiscriminantMI } from './linear-discriminant.js'
import { normalScores } from './ranks.js'
import { digammaOf, logGamma } from './special.js'
import { type Places, placesOf, studentLogDensity, studentScores } from './student.js'

/** Degrees of freedom that are tried; the last is the normal copula. */
const degrees: readonly number[] = [0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 9, 14, 25, 50, Number.POSITIVE_INFINITY]

/** Steps of the fixed-point iteration for the scatter matrix. */
const scatterSteps = 12

/**
 * Mutual information under the t copula (Demarta and McNeil 2005), of which the normal copula of {@link GaussianCopulaMI} is the case of
 * infinitely many degrees of freedom: ranks of each column become quantiles of t with nu degrees of freedom, their scatter matrix R is
 * estimated by maximum likelihood (Kent, Tyler and Vardi 1994), and nu is the one of greatest copula likelihood among 0.5, 0.7, 1, ..., 50
 * and infinity. The information of a t vector is that of a normal one plus a term of nu (Arellano-Valle, Contreras-Reyes and Genton 2013):
 *
 *   I = 1/2 ln(|Rx| |Ry| / |R|) + c(nu),  c -> 0 for nu -> infinity
 *
 * The second term is dependence in the tails: extreme values come together even where nothing is correlated. Unchanged by increasing maps
 * of columns; exact up to sampling error for t and normal vectors mapped so. The bias of normal data is subtracted.
 * O(n log n + n d^2), d columns in all; needs more samples than columns. A measurement: no gradient passes through ranks. Class labels:
 * {@link DiscriminantMI}.
 */
export class StudentCopulaMI extends InformationEstimator {
  constructor(options: InformationOptions = {}) {
    super(options, {})
  }

  protected override forClasses(): InformationEstimator {
    const { base, clip } = this.params
    return new DiscriminantMI({ base, clip })
  }

  override samplesFor(x: number | undefined, y: number | undefined): number {
    return Math.max(super.samplesFor(x, y), samplesForColumns(x, y))
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    checkColumns(this.name, x, y)
    const [n, dx] = x.shape as [number, number]
    const given = concat([x, y], 1).stopGradient()
    const varies = varying(given)
    const scores = normalScores(given)
    const places = placesOf(scores)
    const fits = degrees.map((nu) => scope(this.name, () => copulaFit(scores, places, varies, dx, nu)))
    const best = stack(fits.map(({ likelihood }) => likelihood)).argMax(0)
    const value = stack(fits.map(({ information }) => information))
      .take(best.reshape([1]))
      .reshape([])
    return value.sub(normalBias(n, varies, dx))
  }
}

interface Fit {
  /** Log-likelihood of the copula, summed over samples. */
  readonly likelihood: Tensor
  readonly information: Tensor
}

/** The t copula of `nu` degrees of freedom, with the best scatter matrix. */
function copulaFit(scores: Tensor, places: Places, varies: Tensor, dx: number, nu: number): Fit {
  const [n, d] = scores.shape as [number, number]
  const isNormal = nu === Number.POSITIVE_INFINITY
  const quantiles = isNormal ? scores : studentScores(places, nu)
  const margins = isNormal ? quantiles.square().div(-2) : studentLogDensity(quantiles, nu)
  const z = quantiles.mul(varies)
  const marginal = margins.mul(varies).sum()
  const correlation = isNormal ? correlationOf(z, varies) : scatter(z, varies, nu)
  const factor = correlation.cholesky()
  const squares = mahalanobis(z, factor)
  const logDet = factor.diagonal().log().sum()
  const density = isNormal
    ? squares.sum().div(-2)
    : squares
        .div(nu)
        .log1p()
        .sum()
        .mul(-(nu + d) / 2)
        .add(n * (logGamma((nu + d) / 2) - logGamma(nu / 2) - (d / 2) * Math.log(nu * Math.PI)))
  const margin = correlation.slice([dx, dx]).cholesky().diagonal().log().sum()
  const linear = margin.sub(factor.diagonal().slice([dx]).log().sum())
  return {
    likelihood: density.sub(logDet.mul(n)).sub(marginal),
    information: linear.add(isNormal ? 0 : tailInformation(nu, dx, d - dx)),
  }
}

/** c(nu): the information of uncorrelated t vectors of widths p and q. */
export function tailInformation(nu: number, p: number, q: number): number {
  const weighted = (a: number) => a * digammaOf(a)
  return (
    logGamma(nu / 2) +
    logGamma((nu + p + q) / 2) -
    logGamma((nu + p) / 2) -
    logGamma((nu + q) / 2) +
    weighted((nu + p) / 2) +
    weighted((nu + q) / 2) -
    weighted((nu + p + q) / 2) -
    weighted(nu / 2)
  )
}

/** Squared lengths of the rows in the metric of L L'. */
function mahalanobis(z: Tensor, factor: Tensor): Tensor {
  return factor.triangularSolve(z.transpose()).square().sum(0)
}

/** z'z scaled to a unit diagonal; constant columns are uncorrelated with everything. */
function correlationOf(z: Tensor, varies: Tensor, weights?: Tensor): Tensor {
  const weighted = weights === undefined ? z : z.mul(weights.expandDims(1))
  const products = weighted.matmulT(z, { transposeA: true })
  const filled = products.add(varies.neg().add(1).diag())
  const scale = filled.diagonal().rsqrt()
  const d = varies.size
  const unit = filled.mul(scale.expandDims(1)).mul(scale.expandDims(0))
  // Rounding must not leave the diagonal below 1.
  return withRidge(unit.add(eye(d, d, { dtype: 'float64' }).mul(unit.diagonal().neg().add(1))))
}

function scatter(z: Tensor, varies: Tensor, nu: number): Tensor {
  const d = varies.size
  let shape = correlationOf(
    z,
    varies,
    z
      .square()
      .sum(1)
      .add(nu)
      .reciprocal()
      .mul(nu + d),
  )
  for (let step = 0; step < scatterSteps; step++) {
    const weights = mahalanobis(z, shape.cholesky()).add(nu).reciprocal()
    shape = correlationOf(z, varies, weights)
  }
  return shape
}
