import { literal } from '../core/create.js'
import { DataError } from '../core/errors.js'
import { scope } from '../core/memory.js'
import { checkValue, flag, whole } from '../core/options.js'
import { concat } from '../ops/index.js'
import { arange, eye, type Tensor, zeros } from '../ops/tensor.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { DiscriminantMI } from './linear-discriminant.js'
import { standardized, varying } from './standardized.js'

/** Options of {@link GaussianMI}. */
export interface GaussianOptions {
  /** Subtract the bias of the estimate for normal data (Ince et al. 2017, from Misra, Singh and Demchuk 2005). Default false. */
  biasCorrection?: boolean
}

/**
 * Mutual information of two normal vectors, from canonical correlation analysis:
 *
 *   I = 1/2 ln(|Cx| |Cy| / |Cxy|) = -1/2 sum_i ln(1 - rho_i^2)
 *
 * Exact for jointly normal data up to sampling error and a bias of about dx dy / (2 n). For other data it is the information in linear
 * dependence, a lower bound if both marginals are normal. Differentiable. Columns that are constant or combinations of others add nothing.
 * A deterministic relation has infinite information; the estimate is then about 13 nats per dimension. Class labels: {@link
 * DiscriminantMI}.
 */
export class GaussianMI extends InformationEstimator<GaussianOptions> {
  constructor(options: GaussianOptions & InformationOptions = {}) {
    super(options, { biasCorrection: false }, { biasCorrection: flag })
  }

  protected override forClasses(): InformationEstimator {
    const { base, clip } = this.params
    return new DiscriminantMI({ base, clip })
  }

  override samplesFor(x: number | undefined, y: number | undefined): number {
    return Math.max(super.samplesFor(x, y), samplesForColumns(x, y))
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    return gaussianInformation(this.name, x, y, this.params.biasCorrection)
  }
}

/** Samples that a correlation matrix of the columns of x and y needs; 0 if one of them holds labels. */
export function samplesForColumns(x: number | undefined, y: number | undefined): number {
  if (x !== undefined) checkValue('samplesFor: x', x, whole(0))
  if (y !== undefined) checkValue('samplesFor: y', y, whole(0))
  return x === undefined || y === undefined ? 0 : x + y + 2
}

/** @throws DataError unless there are more samples than columns */
export function checkColumns(name: string, x: Tensor, y: Tensor): void {
  const [n, width] = [x.shape[0] as number, (x.shape[1] as number) + (y.shape[1] as number)]
  if (n > width + 1) return
  throw new DataError(
    `${name}: ${n} samples of ${width} columns in all; needs at least ${width + 2}: use more samples, fewer columns or another estimator`,
  )
}

/** The formula of {@link GaussianMI} for float64 rows. */
export function gaussianInformation(name: string, x: Tensor, y: Tensor, biasCorrection: boolean): Tensor {
  const plugin = logDeviations(name, x, y).sum()
  if (!biasCorrection) return plugin
  const [n, dx] = x.shape as [number, number]
  return plugin.sub(normalBias(n, varying(concat([x, y], 1)), dx))
}

/**
 * For each column of y the log of its standard deviation given the columns before it, minus the same given x as well: the additional
 * information of x. Their sum is the plug-in information.
 */
export function logDeviations(name: string, x: Tensor, y: Tensor): Tensor {
  checkColumns(name, x, y)
  const dx = x.shape[1] as number
  const full = normalCorrelation(concat([x, y], 1))
  const margin = full.slice([dx, dx])
  return scope(name, () => {
    // The factor of all columns contains the factor of x; the rest is the factor of y given x.
    const given = full.cholesky().diagonal().slice([dx])
    return margin.cholesky().diagonal().log().sub(given.log())
  })
}

/** Correlation matrix of columns; constant columns are uncorrelated with everything. */
export function normalCorrelation(z: Tensor): Tensor {
  const rows = standardized(z)
  const products = rows.matmulT(rows, { transposeA: true }).div(z.shape[0] as number)
  return withRidge(products.add(varying(z).neg().add(1).diag()))
}

/** Weight of the identity in every correlation matrix, which keeps it positive definite if columns are combinations of others. */
const ridge = 1e-12

/** A correlation matrix, shrunk slightly toward the identity. */
export function withRidge(correlation: Tensor): Tensor {
  const d = correlation.shape[0] as number
  return correlation.mul(1 - ridge).add(eye(d, d, { dtype: 'float64' }).mul(ridge))
}

/** Bias of the plug-in estimate for n normal samples, by the expectation of the log determinant of Wishart matrices. */
export function normalBias(n: number, varies: Tensor, dx: number): Tensor {
  const width = varies.size
  const terms = arange(1, width + 1, { dtype: 'float64' })
    .neg()
    .add(n)
    .div(2)
    .digamma()
    .div(2)
  const sums = concat([zeros([1], { dtype: 'float64' }), terms.cumsum(0)])
  const at = (columns: Tensor) => sums.take(columns.sum().cast('int32').reshape([1])).reshape([])
  return at(varies.slice([0], [dx]))
    .add(at(varies.slice([dx])))
    .sub(at(varies))
}

/** Smallest variance of a column given the columns before it, as a fraction of its variance. */
const leastRest = 1e-10

/**
 * The columns that are neither constant nor combinations of earlier columns, to about 1e-10 of their variance. Undefined if none is left.
 * All columns if there are not more samples than columns.
 *
 * @param x `[n, d]` float64
 * @param judged the data by which the columns are chosen, such as the ranks of x
 */
export async function independentColumns(x: Tensor, judged = x): Promise<Tensor | undefined> {
  const [n, d] = x.shape as [number, number]
  const varies = varying(judged)
  // Any n - 1 columns would span the samples, so a selection would be arbitrary.
  if (d >= n) return (await varies.max().item()) > 0 ? x : undefined
  // The squared pivots are the variance of each column given the columns before it; for a removed column this is a rounding error.
  const rest = normalCorrelation(judged).cholesky().diagonal().square().mul(varies)
  const isKept = (await rest.greater(leastRest).data()) as Uint8Array
  const kept = Int32Array.from(isKept.keys()).filter((column) => isKept[column] === 1)
  if (kept.length === 0) return undefined
  return kept.length === d ? x : x.take(literal(kept), 1)
}
