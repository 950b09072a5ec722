/** Parts of the ensemble dependency graph estimator. */
import { literal } from '../core/create.js'
import { DTypeError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, checkValue, finite } from '../core/options.js'
import { normal } from '../ops/random.js'
import { arange, type Tensor } from '../ops/tensor.js'
import { checkPositive, checkTensor, checkWhole } from './check.js'
import { jointClasses } from './counts.js'
import { classCounts, isLabels } from './samples.js'

/** Bounds of the log ratio of each edge, in nats. Default none. */
export interface EdgeBounds {
  least?: number
  most?: number
}

const boundChecks: Checks<EdgeBounds> = { least: finite, most: finite }

/**
 * Information in nats of a dependency graph (Noshad, Zeng and Hero 2018, eq. 9): the mean over samples of
 * ln(N_ij n / (N_i M_j)), each logarithm kept within the bounds.
 *
 * @param x buckets of n samples, int32 `[n]` as numbered by `uniqueRows`
 * @param y likewise
 */
export function edgeInformation(x: Tensor, y: Tensor, bounds: EdgeBounds = {}): Tensor {
  checkBuckets('x', x)
  checkBuckets('y', y)
  if (x.size !== y.size) {
    throw new ShapeError(
      `edgeInformation: x and y must hold the same samples, received ${x.size} and ${y.size}`,
    )
  }
  const n = x.shape[0] as number
  const pairs = jointClasses(x, y)
  const of = (buckets: Tensor) => classCounts(buckets).take(buckets)
  const ratios = of(pairs)
    .mul(n)
    .div(of(x).mul(of(y)))
    .log()
  const { least = null, most = null } = checkOptions('edgeInformation', bounds, boundChecks)
  return (least === null && most === null ? ratios : ratios.clip(least, most)).mean()
}

function checkBuckets(what: string, buckets: Tensor): void {
  checkTensor(`edgeInformation: ${what}`, buckets)
  if (isLabels(buckets)) return
  throw new DTypeError(
    `edgeInformation: ${what} is ${buckets.dtype} of shape [${buckets.shape}], expected the bucket of each sample, integers [n]; rows.uniqueRows() numbers them`,
  )
}

/** The hash of EDGE: floor((x + shift) / epsilon), entry by entry. */
export function floorHash(x: Tensor, epsilon: number, shift = 0): Tensor {
  checkTensor('floorHash: x', x)
  checkPositive('floorHash: epsilon', epsilon)
  checkValue('floorHash: shift', shift, finite)
  return x.add(shift).div(epsilon).floor()
}

/**
 * Weights of an ensemble (eq. 14): the w of least norm with sum w = 1 and sum w t^i = 0 for i = 1 .. d.
 *
 * @param t `[m]` with m greater than d
 * @returns `[m]` float64
 */
export function edgeWeights(t: Tensor, d: number): Tensor {
  checkTensor('edgeWeights: t', t)
  checkWhole('edgeWeights: d', d, 1)
  const m = t.shape[0] ?? 0
  if (t.rank !== 1 || m <= d) {
    throw new ShapeError(`edgeWeights: t has shape [${t.shape}], expected [m] with m greater than d = ${d}`)
  }
  // The conditions hold for multiples of t as well; near 1 the powers are comparable.
  const exact = t.cast('float64')
  const scaled = exact.div(exact.mean()).expandDims(0)
  const powers = scaled.pow(arange(d + 1, { dtype: 'float64' }).expandDims(1))
  const unit = literal(
    Float64Array.from({ length: d + 1 }, (_, i) => Number(i === 0)),
    [d + 1, 1],
  )
  const multipliers = powers.matmulT(powers, { transposeB: true }).solve(unit)
  return powers.matmulT(multipliers, { transposeA: true }).reshape([m])
}

/** Median of a vector, the mean of the middle two for an even length. */
export function median(values: Tensor): Tensor {
  const n = values.shape[0] as number
  const sorted = values.sort(0)
  const [low, high] = [Math.floor((n - 1) / 2), Math.floor(n / 2)]
  return sorted.slice([low], [high + 1]).mean()
}

/** Normal directions of p-stable hashing, `[d, r]`, of mean squared length 1. */
export function projection(from: Tensor, d: number, r: number): Tensor {
  return normal(from, [d, r], { dtype: 'float64' }).div(Math.sqrt(d))
}
