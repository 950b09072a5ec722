/** Mutual information of numbers, normalized by entropies. */
import { DataError } from '../core/errors.js'
import { type Checks, checkOptions, oneOf, whole } from '../core/options.js'
import type { SampleData } from '../estimators/data.js'
import { checkApart, distanceToKth, psiOf } from '../estimators/nearest.js'
import { digammaOf } from '../estimators/special.js'
import { standardized, varying } from '../estimators/standardized.js'
import { concat } from '../ops/index.js'
import { full, type Tensor } from '../ops/tensor.js'
import { rowsFrom, sameCount, scalarsOf } from './read.js'

/** Options of {@link normalizedInformation}. */
export interface NormalizedInformationOptions {
  /** Index of the neighbor. Default 5. */
  k?: number
  /**
   * Unit of length, which makes the entropies independent of the data's units: `volume` (default) the mean volume of the neighborhoods,
   * `volumeMedian` their median, `radius` the mean distance, `radiusMedian` the median, `none` standard deviations (Kraskov et al. 2004).
   */
  scale?: 'volume' | 'volumeMedian' | 'radius' | 'radiusMedian' | 'none'
}

const checks: Checks<NormalizedInformationOptions> = {
  k: whole(1),
  scale: oneOf('volume', 'volumeMedian', 'radius', 'radiusMedian', 'none'),
}

/** Result of {@link normalizedInformation}; the quotients are from 0 to 1. */
export interface NormalizedInformation {
  /** I(X; Y) by KSG 1, at least 0, nats. */
  readonly mutualInformation: number
  /**
   * Entropy of x relative to the scale, nats: the differential entropy of the columns at variance 1, minus dx ln(2 scale). So it is not the
   * differential entropy in the units of x, and grows with n as neighborhoods shrink; compare it with the other entropies of the same call
   * alone. With scale 'none' the unit of length is 2 standard deviations (a normal variable has 0.726).
   */
  readonly entropyX: number
  /** The same of y. */
  readonly entropyY: number
  /** The same of x and y together, minus (dx + dy) ln(2 scale). */
  readonly jointEntropy: number
  /** I / H(X, Y). */
  readonly joint: number
  /** I / sqrt(H(X) H(Y)), the usual one. */
  readonly geometric: number
  /** 2 I / (H(X) + H(Y)). */
  readonly arithmetic: number
  /** I / min(H(X), H(Y)). */
  readonly min: number
  /** I / max(H(X), H(Y)). */
  readonly max: number
}

/**
 * Normalized mutual information of continuous variables (Nagel, Diez and Stock 2024, arXiv 2405.04980). Differential entropies depend on
 * units and may be 0 or below; then they are no upper limits of the information, and a quotient has no meaning. Here the unit of length is the mean size of the neighborhoods of the estimate, so the quotients do not depend
 * on units: with eps_i the distance to the k-th neighbor in the maximum metric and L = mean ln(eps_i / scale), H(X) = psi(n) - mean psi(n_x + 1) + d_x L and H(X, Y) = psi(n) - psi(k)
 * + (d_x + d_y) L.
 *
 * @param x `[n, dx]`, n greater than k
 * @param y the same samples
 * @throws DTypeError for class labels; ShapeError for different numbers of samples; DataError for repeated samples, for too few,
 *   for a constant column, which has no differential entropy, and if an entropy relative to the scale is not above 0: with scale 'none' a
 *   common case (any two variables of high information), with the others a rare one
 */
export async function normalizedInformation(
  x: SampleData,
  y: SampleData,
  options: NormalizedInformationOptions = {},
): Promise<NormalizedInformation> {
  const name = 'normalizedInformation'
  const { k = 5, scale = 'volume' } = checkOptions(name, options, checks)
  const [a, b] = [await rowsFrom(`${name}: x`, x, k + 1), await rowsFrom(`${name}: y`, y, k + 1)]
  const n = sameCount(name, a, b)
  for (const [what, rows] of [['x', a] as const, ['y', b] as const])
    await checkVarying(`${name}: ${what}`, rows)
  await checkApart(name, k, concat([a, b], 1), 'separate copies by noise, or use mutualInformation()')
  const [dx, dy] = [a.shape[1] as number, b.shape[1] as number]
  const found = await scalarsOf(() => {
    const [p, q] = [standardized(a), standardized(b)]
    const both = concat([p, q], 1)
    const radius = distanceToKth(both, both.neighbors(k), k)
    const logs = radius.log()
    return {
      psiX: psiOf(p.countWithin(radius), 1).mean(),
      psiY: psiOf(q.countWithin(radius), 1).mean(),
      size: logs.mean().sub(logScale(logs, scale, dx + dy)),
    }
  })
  const [psiN, psiK] = [digammaOf(n), digammaOf(k)]
  const information = Math.max(0, psiK + psiN - found.psiX - found.psiY)
  const entropyX = psiN - found.psiX + dx * found.size
  const entropyY = psiN - found.psiY + dy * found.size
  const jointEntropy = psiN - psiK + (dx + dy) * found.size
  checkEntropies(name, scale, { 'H(X)': entropyX, 'H(Y)': entropyY, 'H(X, Y)': jointEntropy })
  const over = (divisor: number) => Math.min(1, Math.max(0, information / divisor))
  return {
    mutualInformation: information,
    entropyX,
    entropyY,
    jointEntropy,
    joint: over(jointEntropy),
    geometric: over(Math.sqrt(entropyX * entropyY)),
    arithmetic: over((entropyX + entropyY) / 2),
    min: over(Math.min(entropyX, entropyY)),
    max: over(Math.max(entropyX, entropyY)),
  }
}

/** Refuses constant columns, whose differential entropy is -infinity. */
async function checkVarying(what: string, rows: Tensor): Promise<void> {
  const { least, column } = await scalarsOf(() => ({
    least: varying(rows).min(),
    column: varying(rows).argMin(0),
  }))
  if (least === 1) return
  throw new DataError(
    `${what}: column ${column} is constant, so its differential entropy is -infinity; leave the column out`,
  )
}

/** Refuses entropies that are not above 0: each bounds the information only if all of them are. */
function checkEntropies(
  name: string,
  scale: NonNullable<NormalizedInformationOptions['scale']>,
  entropies: Readonly<Record<string, number>>,
): void {
  if (Object.values(entropies).every((entropy) => entropy > 0)) return
  const shown = Object.entries(entropies).map(([what, nats]) => `${what} = ${Number(nats.toPrecision(4))}`)
  const instead = scale === 'none' ? "the default scale 'volume', or " : ''
  throw new DataError(
    `${name}: with scale '${scale}' the entropies are ${shown.join(', ')} nats, and information can be divided only by entropies above 0; use ${instead}mutualInformation(x, y), which is not normalized`,
  )
}

/** ln of the unit of length. */
function logScale(
  logs: Tensor,
  scale: NonNullable<NormalizedInformationOptions['scale']>,
  d: number,
): Tensor {
  const n = logs.size
  const power = scale.startsWith('volume') ? d : 1
  if (scale === 'none') return full([], 0, { dtype: 'float64' })
  if (scale === 'volume' || scale === 'radius') return logs.mul(power).logSumExp().sub(Math.log(n)).div(power)
  const sorted = logs.sort()
  const middle = concat([at(sorted, Math.floor((n - 1) / 2)), at(sorted, Math.floor(n / 2))])
  return middle.mul(power).logSumExp().sub(Math.log(2)).div(power)
}

const at = (x: Tensor, place: number) => x.slice([place], [place + 1])
