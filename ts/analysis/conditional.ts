/** Conditional information: I(X; Y | Z). */
import { DataError, DTypeError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, flag, oneOf, whole } from '../core/options.js'
import { logarithmBase } from '../estimators/check.js'
import { entropyOf, jointClasses, occupied } from '../estimators/counts.js'
import { type SampleData, samplesFrom } from '../estimators/data.js'
import { checkColumns, normalCorrelation } from '../estimators/gaussian.js'
import { checkApart, distanceToKth, psi, psiOf } from '../estimators/nearest.js'
import { classCounts, classesOf, isLabels, numbersOf } from '../estimators/samples.js'
import { scaled } from '../estimators/scale.js'
import { concat } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { rowsFrom, sameCount, scalarsOf } from './read.js'

/** Estimator of information. */
export type InformationKind = 'knn' | 'gaussian' | 'discrete'

/** Options of information measures of several variables. */
export interface ConditionalOptions {
  /**
   * `knn`: nearest neighbors, for numbers of any distribution; `gaussian`: the closed form of normal variables; `discrete`: counts, equal
   * rows being one symbol. Default: 'discrete' for class labels, otherwise 'knn'.
   */
  estimator?: InformationKind
  /** knn: index of the neighbor. Default 3. */
  k?: number
  /** knn: scale every column to mean 0 and variance 1. Default true. */
  standardize?: boolean
  /** discrete: `none` (default) or `millerMadow`, which adds (occupied - 1) / (2n) to each entropy. */
  correction?: 'none' | 'millerMadow'
  /** Base of the logarithm: Math.E for nats (default), 2 for bits. */
  base?: number
}

/** The checks of {@link ConditionalOptions}. */
export const conditionalChecks: Checks<ConditionalOptions> = {
  estimator: oneOf('knn', 'gaussian', 'discrete'),
  k: whole(1),
  standardize: flag,
  correction: oneOf('none', 'millerMadow'),
  base: logarithmBase,
}

/** Variables of one kind: rows of numbers, or class indices. */
export interface Variables {
  readonly kind: InformationKind
  readonly parts: readonly Tensor[]
  readonly n: number
}

/**
 * Reads the variables of a measure, for the given estimator or by their kind.
 *
 * @param usual default estimator for numbers
 */
export async function variablesFrom(
  name: string,
  data: Readonly<Record<string, SampleData>>,
  { estimator, k = 3, standardize = true }: ConditionalOptions,
  usual: InformationKind = 'knn',
): Promise<Variables> {
  const given: Tensor[] = []
  for (const [part, values] of Object.entries(data)) given.push(await samplesFrom(`${name}: ${part}`, values))
  const n = sameCount(name, ...given)
  const kind = estimator ?? (given.every(isLabels) ? 'discrete' : usual)
  if (kind === 'discrete') return { kind, n, parts: given.map((x) => classesOf(name, x)) }
  const labels = given.findIndex(isLabels)
  if (labels >= 0) {
    throw new DTypeError(
      `${name}: ${Object.keys(data)[labels]} holds class labels, which estimator '${kind}' would treat as numbers; ` +
        "use estimator 'discrete' for labels on all sides, or give Float64Array.from(labels)",
    )
  }
  const rows = given
  if (kind === 'gaussian') {
    checkColumns(name, rows[0] as Tensor, concat(rows.slice(1), 1))
    return { kind, n, parts: rows }
  }
  if (n <= k) throw new DataError(`${name}: needs more than k = ${k} samples, received ${n}`)
  const near = rows.map((x, part) => scaled(x, { standardize, jitter: 0, seed: 0 }, part))
  await checkApart(name, k, concat(near, 1), 'give fewer copies, a larger k, or estimator discrete')
  return { kind, n, parts: near }
}

/** Log determinant of the correlation matrix of columns: twice the entropy of normal variables, up to terms that cancel. */
export function logDetOf(...parts: readonly Tensor[]): Tensor {
  return normalCorrelation(parts.length === 1 ? (parts[0] as Tensor) : concat(parts, 1)).logDet()
}

/** Entropy in nats of the joint symbols of several variables. */
export function symbolEntropy(
  parts: readonly Tensor[],
  correction: ConditionalOptions['correction'],
): Tensor {
  const symbols = parts.reduce((joint, part) => jointClasses(joint, part))
  const n = symbols.shape[0] as number
  const counts = classCounts(symbols)
  const plugin = entropyOf(counts, n)
  return correction === 'millerMadow'
    ? plugin.add(
        occupied(counts)
          .sub(1)
          .div(2 * n),
      )
    : plugin
}

/**
 * Conditional mutual information of normal variables, from sample covariances:
 *
 *   I(X; Y | Z) = 1/2 ln(|C_xz| |C_yz| / (|C_z| |C_xyz|))
 *
 * Lazy and differentiable.
 *
 * @param x `[n, ...]`
 * @param y, z the same samples, n greater than the number of all columns plus 1
 * @returns float64 scalar, nats
 * @throws ShapeError for different numbers of samples; DataError for too few
 */
export function gaussianConditional(x: Tensor, y: Tensor, z: Tensor): Tensor {
  const name = 'gaussianConditional'
  const [a, b, c] = [numbersOf(`${name}: x`, x), numbersOf(`${name}: y`, y), numbersOf(`${name}: z`, z)]
  sameCount(name, a, b, c)
  checkColumns(name, a, concat([b, c], 1))
  return normalConditional(a, b, c)
}

function normalConditional(x: Tensor, y: Tensor, z: Tensor): Tensor {
  return logDetOf(x, z)
    .add(logDetOf(y, z))
    .sub(logDetOf(z))
    .sub(logDetOf(x, y, z))
    .div(2)
}

/** Frenzel and Pompe 2007, eq. 8, with the strict counts of KSG 1. */
function neighborConditional(x: Tensor, y: Tensor, z: Tensor, k: number): Tensor {
  const all = concat([x, y, z], 1)
  const radius = distanceToKth(all, all.neighbors(k), k)
  const within = (...parts: readonly Tensor[]) => psiOf(concat(parts, 1).countWithin(radius), 1)
  return psi(k).add(within(z).sub(within(x, z)).sub(within(y, z)).mean())
}

/** KSG 1 (Kraskov, Stoegbauer and Grassberger 2004, eq. 8). */
function neighborInformation(x: Tensor, y: Tensor, k: number): Tensor {
  const all = concat([x, y], 1)
  const radius = distanceToKth(all, all.neighbors(k), k)
  const counts = psiOf(x.countWithin(radius), 1).add(psiOf(y.countWithin(radius), 1))
  return psi(k)
    .add(psi(x.shape[0] as number))
    .sub(counts.mean())
}

/** I(X; Y) in nats, lazily. */
export function informationOf({ kind, parts }: Variables, { k = 3, correction }: ConditionalOptions): Tensor {
  const [x, y] = parts as [Tensor, Tensor]
  if (kind === 'knn') return neighborInformation(x, y, k)
  if (kind === 'gaussian') return logDetOf(x).add(logDetOf(y)).sub(logDetOf(x, y)).div(2)
  const h = (...of: readonly Tensor[]) => symbolEntropy(of, correction)
  return h(x).add(h(y)).sub(h(x, y))
}

/** I(X; Y | Z) in nats, lazily. */
export function conditionalOf({ kind, parts }: Variables, { k = 3, correction }: ConditionalOptions): Tensor {
  const [x, y, z] = parts as [Tensor, Tensor, Tensor]
  if (kind === 'knn') return neighborConditional(x, y, z, k)
  if (kind === 'gaussian') return normalConditional(x, y, z)
  const h = (...of: readonly Tensor[]) => symbolEntropy(of, correction)
  return h(x, z)
    .add(h(y, z))
    .sub(h(z))
    .sub(h(x, y, z))
}

/**
 * Conditional mutual information I(X; Y | Z): information between x and y given z.
 *
 * - `knn` (Frenzel and Pompe 2007): psi(k) + mean[psi(n_z + 1) - psi(n_xz + 1) - psi(n_yz + 1)], neighbors in the maximum metric.
 * - `gaussian`: {@link gaussianConditional}.
 * - `discrete`: H(X, Z) + H(Y, Z) - H(Z) - H(X, Y, Z) of relative frequencies.
 *
 * Not clipped: an estimate of zero information is as often below 0 as above. A constant column of x or y has information 0, and one of z
 * changes nothing.
 *
 * @param x n samples
 * @param y, z the same draws
 * @returns nats, or the unit of `base`
 * @throws DTypeError for labels with an estimator of numbers; ShapeError for different numbers of samples; DataError for too few
 */
export async function conditionalMutualInformation(
  x: SampleData,
  y: SampleData,
  z: SampleData,
  options: ConditionalOptions = {},
): Promise<number> {
  const name = 'conditionalMutualInformation'
  const given = checkOptions(name, options, conditionalChecks)
  const variables = await variablesFrom(name, { x, y, z }, given)
  const { value } = await scalarsOf(() => ({ value: conditionalOf(variables, given) }))
  return value / Math.log(given.base ?? Math.E)
}

/**
 * Partial correlation of two variables given others: the correlation of the residuals of x and y after linear regression on z, from -1 to
 * 1. For normal variables I(X; Y | Z) = -1/2 ln(1 - r^2).
 *
 * @param x n numbers
 * @param y n numbers
 * @param z `[n, d]`, the same draws
 * @throws ShapeError for several columns in x or y; DataError for fewer than d + 4 samples
 */
export async function partialCorrelation(x: SampleData, y: SampleData, z: SampleData): Promise<number> {
  const name = 'partialCorrelation'
  const [a, b, c] = [
    await rowsFrom(`${name}: x`, x),
    await rowsFrom(`${name}: y`, y),
    await rowsFrom(`${name}: z`, z),
  ]
  sameCount(name, a, b, c)
  checkSingle(`${name}: x`, a)
  checkSingle(`${name}: y`, b)
  checkColumns(name, concat([a, b], 1), c)
  const { xx, xy, yy } = await scalarsOf(() => {
    const precision = normalCorrelation(concat([a, b, c], 1)).inv()
    const at = (i: number, j: number) => precision.slice([i, j], [i + 1, j + 1])
    return { xx: at(0, 0), xy: at(0, 1), yy: at(1, 1) }
  })
  return -xy / Math.sqrt(xx * yy)
}

function checkSingle(what: string, x: Tensor): void {
  if (x.shape[1] === 1) return
  throw new ShapeError(`${what} has ${x.shape[1]} columns, expected one number per sample`)
}
