/** Test of independence by distance correlation without permutations. */
import type { SampleData } from '../../estimators/data.js'
import { DistanceCorrelation } from '../../estimators/distance-correlation.js'
import { studentAbove } from '../distributions.js'
import { rowsFrom, sameCount, scalarsOf } from '../read.js'

/** Result of {@link distanceCorrelationTest}. */
export interface DistanceCorrelationResult {
  /** dCor of the V-statistic, from 0 to 1. */
  readonly correlation: number
  /** dCov^2 of the V-statistic. */
  readonly covarianceSquared: number
  /** The bias-corrected dCor^2, which may be below 0. */
  readonly correlationSquaredUnbiased: number
  /** The bias-corrected dCov^2. */
  readonly covarianceSquaredUnbiased: number
  /** sqrt(v - 1) R / sqrt(1 - R^2), R the bias-corrected dCor^2 and v = n (n - 3) / 2. */
  readonly t: number
  /** v - 1. */
  readonly degrees: number
  /** P(T > t): one-sided, since dependence increases R. */
  readonly pValue: number
}

/**
 * Test of independence by distance correlation (Szekely and Rizzo 2013): for independent samples of many columns t has Student's
 * distribution. For few columns use {@link permutationTest}, which is exact. For a constant argument all statistics are 0 and the p-value
 * is 1/2.
 *
 * @param x `[n, dx]`, n of at least 4
 * @param y the same samples
 * @throws DTypeError for class labels; ShapeError for different numbers of samples; DataError for fewer than 4
 */
export async function distanceCorrelationTest(
  x: SampleData,
  y: SampleData,
): Promise<DistanceCorrelationResult> {
  const name = 'distanceCorrelationTest'
  const [a, b] = [await rowsFrom(`${name}: x`, x, 4), await rowsFrom(`${name}: y`, y, 4)]
  const n = sameCount(name, a, b)
  const of = (estimator: 'biased' | 'unbiased', measure: 'correlation' | 'covariance') =>
    new DistanceCorrelation({ estimator, measure }).criterion(a, b)
  const found = await scalarsOf(() => ({
    correlation: of('biased', 'correlation'),
    covarianceSquared: of('biased', 'covariance'),
    correlationSquaredUnbiased: of('unbiased', 'correlation'),
    covarianceSquaredUnbiased: of('unbiased', 'covariance'),
  }))
  const r = found.correlationSquaredUnbiased
  const degrees = (n * (n - 3)) / 2 - 1
  const t = r >= 1 ? Number.POSITIVE_INFINITY : Math.sqrt(degrees) * (r / Math.sqrt(1 - r * r))
  return { ...found, t, degrees, pValue: studentAbove(t, degrees) }
}
