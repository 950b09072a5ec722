/** Similarity matrix of layers. */
import { ArgumentError, describe, unknownName } from '../../core/errors.js'
import { tidy } from '../../core/memory.js'
import { type Checks, checkOptions, elsewhere, isInstance, isList } from '../../core/options.js'
import { type SampleData, samplesFrom } from '../../estimators/data.js'
import { Estimator } from '../../estimators/estimator.js'
import type { Tensor } from '../../ops/tensor.js'
import { entriesOf, inRows, rowsFrom, sameCount, scalarsOf } from '../read.js'
import {
  correlationsOf,
  type Directions,
  directionsOf,
  keeping,
  mean,
  pairOf,
  release,
  varianceCheck,
  weighted,
} from './cca.js'
import { narrowed, procrustesDistance } from './procrustes.js'
import { similarityOf } from './rsa.js'
import { rv, rv2 } from './rv.js'

/** Name of a similarity of two layers; estimators such as CKA, HSIC and DistanceCorrelation are passed as instances. */
export type SimilarityName = 'cca' | 'svcca' | 'pwcca' | 'procrustes' | 'rv' | 'rv2' | 'rsa' | 'linearProbe'

/** Options of {@link layerSimilarity}. */
export interface LayerSimilarityOptions {
  /** Layers of the columns, on the same samples. Default: the layers of the rows. */
  others?: readonly SampleData[]
  /** svcca: kept share of the squared singular values. Default 0.99. */
  variance?: number
}

const checks: Checks<LayerSimilarityOptions> = { others: elsewhere(), variance: varianceCheck }

/** A measure of two layers; each layer is prepared once. */
interface Pairwise<P> {
  readonly prepare: (x: Tensor) => Promise<P>
  readonly compare: (x: P, y: P) => Promise<number>
  readonly release: (x: P) => void
}

/**
 * The matrix of similarities of layers, rows against columns:
 *
 *     await layerSimilarity(new CKA({ unbiased: true }), [h1, h2, h3])
 *     await layerSimilarity('svcca', layersOfOne, { others: layersOfAnother })
 *
 * - an {@link Estimator} with a lazy value, such as CKA, HSIC or DistanceCorrelation: its criterion of each pair, all in one plan.
 * - `cca`, `svcca`, `pwcca`: means of canonical correlations, see {@link canonicalCorrelations}; pwcca is weighted by the layer of the row.
 * - `procrustes`: the **distance** of {@link procrustes}, 0 for equal layers.
 * - `rv`, `rv2`: see {@link rvCoefficients}.
 * - `rsa`: Spearman's correlation of Euclidean distances, see {@link representationalSimilarity}.
 * - `linearProbe`: the share of the variance of the column's layer that a linear map of the row's layer explains on these samples, R^2
 *   (Kornblith, Norouzi, Lee and Hinton 2019, sec. 3).
 *
 * @param layers activations on the same samples, each `[n, d]`
 * @returns `[layers][others]`
 * @throws ArgumentError, UnknownNameError for another measure; ShapeError for different numbers of samples; DataError as the measure
 */
export async function layerSimilarity(
  measure: SimilarityName | Estimator,
  layers: readonly SampleData[],
  options: LayerSimilarityOptions = {},
): Promise<number[][]> {
  const { others, variance = 0.99 } = checkOptions('layerSimilarity', options, checks)
  checkLayers('layers', layers)
  if (others !== undefined) checkLayers('others', others)
  const isEstimator = isInstance(measure, Estimator)
  if (!isEstimator && !(names as readonly unknown[]).includes(measure)) {
    throw unknownName('measure of layerSimilarity', measure, names)
  }
  const read = isEstimator ? samplesFrom : rowsFrom
  const readAll = async (what: string, of: readonly SampleData[]) => {
    const found: Tensor[] = []
    for (const [i, layer] of of.entries()) found.push(await read(`layerSimilarity: ${what}[${i}]`, layer))
    return found
  }
  const rows = await readAll('layers', layers)
  const columns = others === undefined ? rows : await readAll('others', others)
  sameCount('layerSimilarity', ...rows, ...columns)
  if (isEstimator) return byEstimator(measure, rows, columns)
  if (measure === 'rsa') {
    return lazyMatrix(rows, columns, (x, y) => similarityOf('euclideanSpearman', x, y))
  }
  return byName(measure as Exclude<SimilarityName, 'rsa'>, variance, rows, columns)
}

const names: readonly SimilarityName[] = [
  'cca',
  'svcca',
  'pwcca',
  'procrustes',
  'rv',
  'rv2',
  'rsa',
  'linearProbe',
]

function checkLayers(what: string, layers: unknown): void {
  if (isList(layers) && (layers as unknown[]).length > 0) return
  throw new ArgumentError(
    `layerSimilarity: ${what} is ${describe(layers)}, expected an array of the activations of at least one layer`,
  )
}

async function byEstimator(
  estimator: Estimator,
  rows: readonly Tensor[],
  columns: readonly Tensor[],
): Promise<number[][]> {
  if (!estimator.isLazy) {
    const found: number[][] = []
    for (const x of rows) {
      const row: number[] = []
      for (const y of columns) row.push(await estimator.estimate(x, y))
      found.push(row)
    }
    return found
  }
  await adviseOn(estimator, rows, columns)
  return lazyMatrix(rows, columns, (x, y) => estimator.criterion(x, y))
}

/** Warns, once, if the values of the estimator may mislead for some layer. */
async function adviseOn(
  estimator: Estimator,
  rows: readonly Tensor[],
  columns: readonly Tensor[],
): Promise<void> {
  for (const [i, x] of rows.entries()) {
    using doubt = tidy(() => estimator.doubt(x, columns))
    if (doubt === undefined) continue
    const advice = estimator.adviceOnDoubt(Math.min(1, await doubt.item()), `layers[${i}]`)
    if (advice === undefined) continue
    estimator.advise(advice)
    return
  }
}

/** All pairs in one plan, which computes shared intermediates once. */
async function lazyMatrix(
  rows: readonly Tensor[],
  columns: readonly Tensor[],
  of: (x: Tensor, y: Tensor) => Tensor,
): Promise<number[][]> {
  const made = () => rows.flatMap((x) => columns.map((y) => of(x, y)))
  const flat = await entriesOf(() => Object.fromEntries(made().map((value, i) => [String(i), value])))
  return inRows(
    Array.from({ length: rows.length * columns.length }, (_, i) => flat[String(i)]?.[0] as number),
    columns.length,
  )
}

async function byPairs<P>(
  { prepare, compare, release: free }: Pairwise<P>,
  rows: readonly Tensor[],
  columns: readonly Tensor[],
): Promise<number[][]> {
  const prepared = new Map<Tensor, P>()
  try {
    for (const x of [...rows, ...columns]) if (!prepared.has(x)) prepared.set(x, await prepare(x))
    const found: number[][] = []
    for (const x of rows) {
      const row: number[] = []
      for (const y of columns) row.push(await compare(prepared.get(x) as P, prepared.get(y) as P))
      found.push(row)
    }
    return found
  } finally {
    for (const one of prepared.values()) free(one)
  }
}

/** Measures of directions. */
const ofDirections: Readonly<
  Record<
    'cca' | 'svcca' | 'pwcca' | 'linearProbe',
    (x: Directions, y: Directions, variance: number) => Promise<number>
  >
> = {
  cca: async (x, y) => mean(await correlationsOf(x, y)),
  svcca: async (x, y, variance) => mean(await correlationsOf(keeping(x, variance), keeping(y, variance))),
  pwcca: async (x, y) => {
    const { correlations, weightsX } = await pairOf(x, y)
    return weighted(correlations, weightsX)
  },
  linearProbe: async (x, y) => {
    const total = y.values.reduce((sum, value) => sum + value * value, 0)
    if (total === 0 || x.rank === 0) return 0
    const { told } = await scalarsOf(() => ({
      told: x.basis.matmulT(y.rows, { transposeA: true }).square().sum(),
    }))
    return told / total
  },
}

/** Measures of unchanged samples, or of compacted ones. */
const ofSamples: Readonly<
  Record<
    'procrustes' | 'rv' | 'rv2',
    { prepare: (x: Tensor) => Promise<Tensor>; of: (x: Tensor, y: Tensor) => Tensor }
  >
> = {
  procrustes: { prepare: narrowed, of: procrustesDistance },
  rv: { prepare: centered, of: rv },
  rv2: { prepare: centered, of: rv2 },
}

async function centered(x: Tensor): Promise<Tensor> {
  return tidy(() => x.sub(x.mean(0)))
}

async function byName(
  name: Exclude<SimilarityName, 'rsa'>,
  variance: number,
  rows: readonly Tensor[],
  columns: readonly Tensor[],
): Promise<number[][]> {
  if (name === 'procrustes' || name === 'rv' || name === 'rv2') {
    const { prepare, of } = ofSamples[name]
    const compare = async (x: Tensor, y: Tensor) => (await scalarsOf(() => ({ value: of(x, y) }))).value
    return byPairs({ prepare, compare, release: (x: Tensor) => x.dispose() }, rows, columns)
  }
  const compare = (x: Directions, y: Directions) => ofDirections[name](x, y, variance)
  return byPairs({ prepare: directionsOf, compare, release }, rows, columns)
}
