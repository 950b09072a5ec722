import { DataError, NumericalError } from '../core/errors.js'
import { atLeast, type Check, type Checks, checkOptions, oneOf, whole } from '../core/options.js'
import type { DistanceMetric } from '../ops/index.js'
import { type DeviceRequest, full, type Tensor } from '../ops/tensor.js'
import { checkDevice, checkTensor, device, logarithmBase } from './check.js'
import { type SampleData, samplesFrom } from './data.js'
import {
  type EntropyDetails,
  type EstimateOptions,
  entropyDetails,
  estimateChecks,
  Findings,
} from './details.js'
import { independentColumns } from './gaussian.js'
import { factorIntoRange, inRange } from './magnitude.js'
import { checkApart, distanceToKth, psi } from './nearest.js'
import { numbersOf } from './samples.js'
import { scaled } from './scale.js'
import { unitOfBase } from './unit.js'

/** Options of {@link KLEntropy}. */
export interface KLEntropyOptions {
  /** Index of the neighbor. Default 3. */
  k?: number
  /** Metric of distances. Default 'maximum'. */
  metric?: DistanceMetric
  /** Base of the logarithm: Math.E for nats (default), 2 for bits. */
  base?: number
  /**
   * Standard deviation of the normal noise that separates equal samples, relative to that of each column. Default 0: none; 1e-10 is enough.
   */
  jitter?: number
  /** Seed of the noise. Default 0. */
  seed?: number
  /** Device of the computation. Default: the device of the data. */
  device?: DeviceRequest
}

/** The check of a metric. */
export const metricCheck: Check<DistanceMetric> = oneOf('maximum', 'euclidean')

const checks: Checks<KLEntropyOptions> = {
  k: whole(1),
  metric: metricCheck,
  base: logarithmBase,
  jitter: atLeast(0),
  seed: whole(0),
  device,
}

/**
 * Differential entropy by the distance to the k-th neighbor (Kozachenko and Leonenko 1987):
 *
 *   H = psi(n) - psi(k) + ln c_d + d mean_i ln eps_i
 *
 * eps_i is the distance from sample i to its k-th nearest other sample, c_d the volume of the unit ball: 2^d for the maximum metric,
 * pi^(d/2) / Gamma(1 + d/2) for the Euclidean one. In nats. The entropy of a density depends on the units of x and may be negative; the
 * entropy of symbols does not and cannot. Needs k + 1 samples of continuous data. If k + 1 samples coincide the entropy is -infinity, which
 * `estimate` refuses. `jitter` separates them; the entropy is then the entropy of the noise.
 *
 *     await new KLEntropy({ k: 3 }).estimate(samples)
 */
export class KLEntropy {
  /** The options with their defaults. */
  readonly params: Readonly<Required<Omit<KLEntropyOptions, 'device'>> & Pick<KLEntropyOptions, 'device'>>

  constructor(options: KLEntropyOptions = {}) {
    const given = checkOptions('KLEntropy', options, checks)
    const { k = 3, metric = 'maximum', base = Math.E, jitter = 0, seed = 0 } = given
    checkDevice(given.device)
    this.params = Object.freeze({
      k,
      metric,
      base,
      jitter,
      seed,
      ...(given.device === undefined ? {} : { device: given.device }),
    })
  }

  /** The entropy of x `[n, ...]`, a lazy float64 scalar. */
  criterion(x: Tensor): Tensor {
    checkTensor('KLEntropy: x', x)
    const { k, metric, base } = this.params
    const rows = this.#apart(x)
    checkEnough('KLEntropy', rows.shape[0] as number, k)
    const factor = factorIntoRange(rows)
    const inUnits = factor.log().mul(rows.shape[1] as number)
    return entropy(inRange(rows)[0], k, metric).sub(inUnits).div(Math.log(base))
  }

  /** float64 rows with their noise. */
  #apart(x: Tensor): Tensor {
    const { jitter, seed } = this.params
    return scaled(numbersOf('KLEntropy', x), { standardize: false, jitter, seed }, 0)
  }

  /** Unit of the value: 'nats', 'bits' or another unit of information. */
  get unit(): string {
    return unitOfBase(this.params.base)
  }

  /**
   * The entropy of plain data.
   *
   * @returns the value; with `details: true` a record
   * @throws DataError for fewer than k + 1 samples, NaN or infinite values, and for repeated samples
   */
  estimate(x: SampleData, options?: EstimateOptions & { details?: false }): Promise<number>
  estimate(x: SampleData, options: EstimateOptions & { details: true }): Promise<EntropyDetails>
  estimate(x: SampleData, options?: EstimateOptions): Promise<number | EntropyDetails>
  async estimate(x: SampleData, options: EstimateOptions = {}): Promise<number | EntropyDetails> {
    const { details = false } = checkOptions('estimate of KLEntropy', options, estimateChecks)
    const start = performance.now()
    const rows = numbersOf('KLEntropy', await samplesFrom('KLEntropy: x', x, this.params))
    const value = await this.#finite(rows)
    if (!details) return value
    const findings = new Findings(true)
    if (value < 0)
      findings.warn(
        `the entropy of a density may be negative: it is relative to the units of x, 0 for a uniform density on a volume of 1`,
      )
    const { params: settings, unit } = this
    const seconds = (performance.now() - start) / 1e3
    const outcome = {
      value,
      unit,
      natsPerUnit: Math.log(settings.base),
      estimator: 'KLEntropy',
      settings,
      seconds,
    }
    return entropyDetails(outcome, findings, rows)
  }

  /** Throws DataError for columns that are constant or combinations of others: the samples have no density in all columns. */
  async #checkDimensions(rows: Tensor): Promise<void> {
    const [n, d] = rows.shape as [number, number]
    if (this.params.jitter > 0 || d >= n) return
    const kept = await independentColumns(rows)
    const dimensions = kept === undefined ? 0 : (kept.shape[1] as number)
    if (dimensions === d) return
    throw new DataError(
      `KLEntropy: of ${d} columns ${d - dimensions} are constant or combinations of the others, so the samples lie in ${dimensions} dimensions and their entropy in ${d} is -infinity; ` +
        'leave those columns out, or add noise of a meaningful width: { jitter: 1e-3 }',
    )
  }

  async #finite(rows: Tensor): Promise<number> {
    await this.#checkDimensions(rows)
    const result = await this.criterion(rows).item()
    if (Number.isFinite(result)) return result
    await checkApart('KLEntropy', this.params.k, this.#apart(rows), 'separate them with { jitter: 1e-10 }')
    throw new NumericalError(`KLEntropy: the estimate is ${result}; check the data for very large values`)
  }
}

/** Throws DataError unless each of n samples has k neighbors. */
function checkEnough(name: string, n: number, k: number): void {
  if (n > k) return
  throw new DataError(`${name}: needs at least ${k + 1} samples for k = ${k}, received ${n}`)
}

/** The formula of {@link KLEntropy} for float64 rows; in nats. */
export function entropy(x: Tensor, k: number, metric: DistanceMetric): Tensor {
  const [n, d] = x.shape as [number, number]
  const distances = distanceToKth(x, x.neighbors(k, { metric }), k, metric)
  return psi(n).sub(psi(k)).add(logUnitBall(d, metric)).add(distances.log().mean().mul(d))
}

function logUnitBall(d: number, metric: DistanceMetric): Tensor {
  if (metric === 'maximum') return full([], d * Math.LN2, { dtype: 'float64' })
  return full([], 1 + d / 2, { dtype: 'float64' })
    .lgamma()
    .neg()
    .add((d / 2) * Math.log(Math.PI))
}
