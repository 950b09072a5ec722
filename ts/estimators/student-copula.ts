import { jit } from '../core/jit.js'
import { evaluate, scope, tidy } from '../core/memory.js'
import { concat, stack } from '../ops/index.js'
import { eye, full, type Tensor } from '../ops/tensor.js'
import type { Findings } from './details.js'
import { checkColumns, normalBias, samplesForColumns, withRidge } from './gaussian.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { DiscriminantMI } from './linear-discriminant.js'
import { normalScores } from './ranks.js'
import { isLabels, numbersOf } from './samples.js'
import { digammaOf, logGamma } from './special.js'
import { varying } from './standardized.js'
import {
  type CurvePositions,
  positionsOf,
  type Student,
  studentLogDensity,
  studentOf,
  studentScores,
} from './student.js'

/** Degrees of freedom to try, besides the normal copula. */
const degrees: readonly number[] = [0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 9, 14, 25, 50]

/** Steps of the fixed-point iteration for the scatter matrix. */
const scatterSteps = 12

/**
 * Mutual information under the t copula (Demarta and McNeil 2005); the normal copula of {@link GaussianCopulaMI} has infinitely many
 * degrees of freedom. Ranks of each column become quantiles of t with nu degrees of freedom, their scatter matrix R is estimated by maximum
 * likelihood (Kent, Tyler and Vardi 1994), and nu maximizes the copula likelihood among 0.5, 0.7, 1, ..., 50 and infinity. The information
 * of a t vector is the information of a normal vector plus a term of nu (Arellano-Valle, Contreras-Reyes and Genton 2013):
 *
 *   I = 1/2 ln(|Rx| |Ry| / |R|) + c(nu),  c -> 0 for nu -> infinity
 *
 * The second term is dependence in the tails: extreme values occur together even without correlation. Unchanged by increasing maps of
 * columns; exact up to sampling error for t and normal vectors after such maps. The bias for normal data is subtracted. O(n log n + n d^2)
 * for d columns in total; needs more samples than columns. A measurement: no gradient passes through ranks. Class labels: {@link
 * DiscriminantMI}.
 */
export class StudentCopulaMI extends InformationEstimator {
  constructor(options: InformationOptions = {}) {
    super(options, {}, {})
  }

  override get hasGradient(): boolean {
    return false
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
    const columns = columnsOf(x, y)
    const { n, dx, dy } = sizesOf(columns)
    const ofStudents = degrees.map((nu) => studentFit(columns, copulaOf(nu, n, dx, dy)))
    const fits = [normalFit(columns), ...ofStudents]
    const all = stack(fits)
    const best = all.slice([0, 0], [null, 1]).flatten(0).argMax(0)
    const value = all
      .take(best.reshape([1]))
      .flatten(0)
      .slice([1])
      .reshape([])
    return value.sub(normalBias(n, columns.varies, dx))
  }

  /** One program runs for each number of degrees of freedom in turn, so that the event loop can run between them. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    if (isLabels(x) || isLabels(y)) return super.value(x, y, findings)
    this.checkCounts(x, y)
    const [a, b] = [numbersOf(this.name, x), numbersOf(this.name, y)]
    checkColumns(this.name, a, b)
    const columns = columnsOf(a, b)
    await evaluate(columns)
    const { n, dx, dy } = sizesOf(columns)
    using normal = tidy(() => normalFit(columns))
    let best = await numbersOfFit(normal)
    const program = jit((copula: Copula) => scope(this.name, () => studentFit(columns, copula)))
    try {
      for (const nu of degrees) {
        using one = await program(copulaOf(nu, n, dx, dy))
        const found = await numbersOfFit(one)
        if (found.likelihood > best.likelihood) best = found
      }
    } finally {
      program.dispose()
    }
    const nats = best.information - (await normalBias(n, columns.varies, dx).item())
    return this.finished(nats, findings, a, b)
  }
}

/** The columns of x and y, with values that every fit needs. */
interface Columns extends CurvePositions {
  /** Normal scores `[n, dx + dy]`. */
  readonly scores: Tensor
  /** 1 for columns of x that vary, `[dx]`. */
  readonly ofX: Tensor
  /** The same of y, `[dy]`. */
  readonly ofY: Tensor
  /** The same of all columns. */
  readonly varies: Tensor
}

function columnsOf(x: Tensor, y: Tensor): Columns {
  const scores = normalScores(concat([x, y], 1).stopGradient())
  const [ofX, ofY] = [varying(x), varying(y)]
  return { scores, ofX, ofY, varies: concat([ofX, ofY]), ...positionsOf(scores) }
}

const sizesOf = ({ scores, ofX, ofY }: Columns) => ({
  n: scores.shape[0] as number,
  dx: ofX.size,
  dy: ofY.size,
})

/** A t copula, with the parts of its likelihood and information that depend only on the degrees of freedom. */
interface Copula extends Student {
  /** The constant of the density of n samples, scalar. */
  readonly logDensity: Tensor
  /** c(nu), scalar. */
  readonly tail: Tensor
}

function copulaOf(nu: number, n: number, dx: number, dy: number): Copula {
  const d = dx + dy
  const density = n * (logGamma((nu + d) / 2) - logGamma(nu / 2) - (d / 2) * Math.log(nu * Math.PI))
  const [logDensity, tail] = [density, tailInformation(nu, dx, dy)].map((value) =>
    full([], value, { dtype: 'float64' }),
  ) as [Tensor, Tensor]
  return { ...studentOf(nu), logDensity, tail }
}

/** Log-likelihood of a copula, summed over samples, and its information: `[2]`. */
type Fit = Tensor

async function numbersOfFit(fit: Fit): Promise<{ likelihood: number; information: number }> {
  const [likelihood, information] = (await fit.data()) as unknown as [number, number]
  return { likelihood, information }
}

function normalFit(columns: Columns): Fit {
  const z = columns.scores.mul(columns.varies)
  const correlation = correlationOf(z, columns.varies)
  const factor = correlation.cholesky()
  const density = mahalanobis(z, factor).sum().sub(z.square().sum()).div(-2)
  return stack([
    density.sub(logDeterminant(factor, columns)),
    linearInformation(correlation, factor, columns),
  ])
}

/** The t copula with the maximum-likelihood scatter matrix. */
function studentFit(columns: Columns, copula: Copula): Fit {
  const { scores, varies } = columns
  const { nu, logDensity, tail } = copula
  const quantiles = studentScores(columns, copula)
  const z = quantiles.mul(varies)
  const marginal = studentLogDensity(quantiles, copula).mul(varies).sum()
  const correlation = scatter(z, varies, nu)
  const factor = correlation.cholesky()
  const joint = mahalanobis(z, factor).div(nu).log1p().sum()
  const density = joint.mul(nu.add(scores.shape[1] as number).div(-2)).add(logDensity)
  return stack([
    density.sub(logDeterminant(factor, columns)).sub(marginal),
    linearInformation(correlation, factor, columns).add(tail),
  ])
}

/** Half the log determinant, for each sample. */
function logDeterminant(factor: Tensor, { scores }: Columns): Tensor {
  return factor
    .diagonal()
    .log()
    .sum()
    .mul(scores.shape[0] as number)
}

/** 1/2 ln(|Rx| |Ry| / |R|). */
function linearInformation(correlation: Tensor, factor: Tensor, { ofX }: Columns): Tensor {
  const dx = ofX.size
  const margin = correlation.slice([dx, dx]).cholesky().diagonal().log().sum()
  return margin.sub(factor.diagonal().slice([dx]).log().sum())
}

/** c(nu): the information of uncorrelated t vectors of widths p and q. */
function tailInformation(nu: number, p: number, q: number): number {
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

function scatter(z: Tensor, varies: Tensor, nu: Tensor): Tensor {
  const d = varies.size
  let shape = correlationOf(z, varies, z.square().sum(1).add(nu).reciprocal().mul(nu.add(d)))
  for (let step = 0; step < scatterSteps; step++) {
    const weights = mahalanobis(z, shape.cholesky()).add(nu).reciprocal()
    shape = correlationOf(z, varies, weights)
  }
  return shape
}
