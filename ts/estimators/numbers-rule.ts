/** Mutual information of two arguments of numbers by the rule of {@link MutualInformation}. */
import { tidy } from '../core/memory.js'
import { stack } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { type Estimate, estimateOf, larger, largest, natsOf, orZero, zeroEstimate } from './estimates.js'
import { GaussianMI } from './gaussian.js'
import { KSG } from './ksg.js'
import { rankCapacity } from './limits.js'
import { leastVariance, ResidualMI } from './residual.js'
import { toleratedOf } from './samples.js'
import { areEven, repeatedValues } from './spacing.js'
import { StudentCopulaMI } from './student-copula.js'
import { overTieBreakings, withTiesBroken } from './tie-breaking.js'

/** Samples per column that an estimate of all correlations needs. */
const samplesOfColumn = 5
/** Standard errors, of 1 / sqrt(n), by which the residual estimate must exceed the others. */
const margin = 4.5

/** Whether there are enough samples to estimate the correlations of all columns. */
export function areEnough(n: number, dx: number, dy: number): boolean {
  return n >= samplesOfColumn * (dx + dy)
}

/**
 * @param x `[n, dx]` float64
 * @param y likewise
 * @param seed seed of tie-breaking
 */
export async function ofNumbers(x: Tensor, y: Tensor, seed: number): Promise<Estimate> {
  const [n, dx] = x.shape as [number, number]
  const dy = y.shape[1] as number
  const [ofX, ofY] = [await spacingOf(x), await spacingOf(y)]
  const plain = await ofRanks(x, y, seed, ofX, ofY)
  if (!areEnough(n, dx, dy)) return plain
  const residual = larger(
    ofX.repeats || !ofY.isRandom ? zeroEstimate('none') : await ofResiduals(x, y),
    ofY.repeats || !ofX.isRandom ? zeroEstimate('none') : await ofResiduals(y, x),
  )
  const capacity = rankCapacity(n, dx, dy)
  if (residual.nats === 0 && plain.nats > capacity) return ofExactLines(x, y, plain)
  const known = Math.min(plain.nats, capacity)
  return residual.nats > known + margin / Math.sqrt(n) ? residual : plain
}

/**
 * The larger of the neighbors and the t copula, if there are enough samples for the copula. For columns without ties only their order
 * matters.
 */
export async function ofRanks(
  x: Tensor,
  y: Tensor,
  seed: number,
  ofX: Ties = none,
  ofY: Ties = none,
): Promise<Estimate> {
  const [n, dx] = x.shape as [number, number]
  const dy = y.shape[1] as number
  const near = await ofNeighbors(x, y, seed, ofX.hasTies || ofY.hasTies)
  if (!areEnough(n, dx, dy)) return near
  const isShared = Math.min(dx, dy) > 1 && (ofX.repeats || ofY.repeats)
  return larger(near, await orZero(() => ofCopula(x, y, seed, isShared)))
}

/** KSG 1 on normal scores, ties broken at random. */
export async function ofNeighbors(x: Tensor, y: Tensor, seed: number, hasTies: boolean): Promise<Estimate> {
  const estimator = new KSG({ copula: true })
  const nats = await overTieBreakings(seed, hasTies, (forX, forY) =>
    natsOf(estimator, withTiesBroken(x, forX), withTiesBroken(y, forY)),
  )
  return { nats, method: estimator.name }
}

/**
 * The t copula. If both sides may have columns that repeat values, among other columns, ties are broken at random: by mid-ranks such a
 * shared column is a linear relation without noise, whose information is infinite, and the other columns hide that its own entropy is the
 * limit. For a single column that limit is known.
 */
async function ofCopula(x: Tensor, y: Tensor, seed: number, isShared: boolean): Promise<Estimate> {
  const estimator = new StudentCopulaMI()
  if (!isShared) return estimateOf(estimator, x, y)
  const nats = await overTieBreakings(seed, true, (forX, forY) =>
    natsOf(estimator, withTiesBroken(x, forX), withTiesBroken(y, forY)),
  )
  return { nats, method: estimator.name }
}

/**
 * For columns whose residuals cannot be used, but whose ranks are related: the residual estimate if a linear relation is exact, otherwise
 * `plain`.
 */
async function ofExactLines(x: Tensor, y: Tensor, plain: Estimate): Promise<Estimate> {
  const linear = await orZero(() => estimateOf(new GaussianMI(), x, y))
  const exact = -0.5 * Math.log(leastVariance) * Math.min(x.shape[1] as number, y.shape[1] as number)
  return linear.nats > exact ? linear : plain
}

/** In one direction, on the data and on normal scores. */
function ofResiduals(x: Tensor, y: Tensor): Promise<Estimate> {
  // In one dimension normal scores are a grid, whose entropy by neighbors is meaningless.
  const isFlat = x.shape[1] === 1 || y.shape[1] === 1
  const estimators = isFlat ? [new ResidualMI()] : [new ResidualMI(), new ResidualMI({ copula: true })]
  return orZero(() => largest(estimators.map((one) => () => estimateOf(one, x, y))))
}

interface Ties {
  /** Whether a value occurs twice in some column. */
  readonly hasTies: boolean
  /** Whether many values do. */
  readonly repeats: boolean
}

const none: Ties = { hasTies: false, repeats: false }

interface Spacing extends Ties {
  /** Whether the columns are spaced like draws from a density, as entropies by neighbors assume. */
  readonly isRandom: boolean
}

async function spacingOf(x: Tensor): Promise<Spacing> {
  using both = tidy(() => stack([repeatedValues(x).max(), areEven(x).any().cast('float64')]))
  const [repeated, isEven] = (await both.data()) as unknown as [number, number]
  const repeats = repeated > toleratedOf(x.shape[0] as number)
  return { hasTies: repeated > 0, repeats, isRandom: !repeats && isEven === 0 }
}
