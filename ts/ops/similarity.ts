/**
 * Inner products of centered similarity matrices, for measures of dependence, and row sums of similarity matrices, for kernel densities.
 */
import { full } from '../core/create.js'
import { type DType, showShape } from '../core/dtype.js'
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { native } from '../core/native.js'
import { tensorOrNumber } from '../core/operands.js'
import {
  type Checks,
  checkOptions,
  checkValue,
  flag,
  isList,
  listOf,
  oneOf,
  required,
  whole,
} from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { cast } from './elementwise.js'
import { expandDims } from './movement.js'
import type { TensorLike } from './operands.js'
import { uniqueRows } from './sorting.js'

/**
 * A similarity k(a, b) of two rows; parameters are numbers or scalar tensors.
 *
 * - `gaussian`: exp(-|a - b|^2 / (2 sigma^2)), averaged over the bandwidths sigma
 * - `laplacian`: exp(-|a - b|_1 / sigma), averaged over the bandwidths sigma
 * - `linear`: a . b
 * - `polynomial`: (gamma a . b + offset)^degree
 * - `imq`: 1 / sqrt(c^2 + |a - b|^2)
 * - `equal`: 1 for equal rows, else 0
 */
export type Similarity =
  | SimilarityOfDifferences
  | { readonly kind: 'linear' }
  | {
      readonly kind: 'polynomial'
      readonly gamma: TensorLike
      readonly offset: TensorLike
      readonly degree: number
    }

/** A {@link Similarity} that depends only on the difference of rows. */
export type SimilarityOfDifferences =
  | { readonly kind: 'gaussian' | 'laplacian'; readonly widths: readonly TensorLike[] }
  | { readonly kind: 'imq'; readonly c: TensorLike }
  | { readonly kind: 'equal' }

/** Samples and their similarity. */
export interface SimilarRows {
  /** (m, d) of float32 or float64; for `equal`, any dtype. */
  readonly rows: Tensor
  readonly similarity: Similarity
}

/** Options of {@link centeredProducts}. */
export interface CenteredProductsOptions {
  /** U-centering (Szekely and Rizzo 2014, eq. 2.7): diagonals are 0 and do not count. Needs 3 samples. Default false. */
  hollow?: boolean
}

const centeredChecks: Checks<CenteredProductsOptions> = { hollow: flag }
const sumsChecks: Checks<SimilaritySumsOptions> = { hollow: flag }

type Kind = Similarity['kind']
type ParametersOf<K extends Kind> = Omit<Similarity & { kind: K }, 'kind'>

const widths: Checks<ParametersOf<'gaussian'>> = { widths: required(listOf(tensorOrNumber)) }

/** Parameters of each kind. */
const PARAMETERS: { readonly [K in Kind]: Checks<ParametersOf<K>> } = {
  gaussian: widths,
  laplacian: widths,
  linear: {},
  polynomial: {
    gamma: required(tensorOrNumber),
    offset: required(tensorOrNumber),
    degree: required(whole(1, 64)),
  },
  imq: { c: required(tensorOrNumber) },
  equal: {},
}

function checkSet(op: string, set: SimilarRows): void {
  if (typeof set?.similarity !== 'object' || set.similarity === null) {
    throw new ArgumentError(
      `${op}: a set is ${describe(set)}, expected { rows, similarity: { kind: 'linear' } } or such`,
    )
  }
  idOf(op, set.rows)
  const { kind, ...parameters } = set.similarity
  checkValue(`${op}: kind of similarity`, kind, oneOf(...(Object.keys(PARAMETERS) as Kind[])))
  checkOptions<object>(`${op}: similarity '${kind}'`, parameters, PARAMETERS[kind])
}

/** The native codes. */
const KINDS: { [K in Similarity['kind']]: number } = {
  gaussian: 0,
  laplacian: 1,
  linear: 2,
  polynomial: 3,
  imq: 4,
  equal: 5,
}

/**
 * Inner products of the centered similarity matrices of several sets of the same m draws: (sets, sets) as float64, symmetric.
 *
 * With K_a the matrix (m, m) of set a and H = I - 1/m, entry (a, b) is tr(K_a H K_b H), the sum of the entrywise product of
 * H K_a H and H K_b H. So HSIC is entry (0, 1) over (m - 1)^2, and CKA is that entry over the root of the product of (0, 0)
 * and (1, 1).
 *
 * The matrices are never stored: they are computed tile by tile, minus constants that centering removes, and summed in float64. Gradients
 * with respect to the rows are computed likewise. Derivatives with respect to parameters, and second derivatives, need m x m matrices.
 *
 *     const x = { rows, similarity: { kind: 'gaussian', widths: [5] } }
 *     const hsic = centeredProducts([x, y]).slice([0, 1], [1, 2]).reshape([]).div((m - 1) ** 2)
 */
export function centeredProducts(
  sets: readonly SimilarRows[],
  options: CenteredProductsOptions = {},
): Tensor {
  const { hollow = false } = checkOptions('centeredProducts', options, centeredChecks)
  const { rows, parameters, kinds, counts } = operands('centeredProducts', sets)
  return Tensor.own(native.centeredProducts(rows, parameters, kinds, counts, hollow))
}

/** Samples with a similarity of differences. */
export interface NearRows extends SimilarRows {
  readonly similarity: SimilarityOfDifferences
}

/** Options of {@link similaritySums}. */
export interface SimilaritySumsOptions {
  /** Leave out the similarity of each sample to itself: leave-one-out densities. Default false. */
  hollow?: boolean
}

/**
 * Row sums of products of similarity matrices of several sets of the same m draws: (groups, m) as float64.
 *
 * Entry (g, i) is the sum over j of the product, over the sets a of group g, of k_a(x_i, x_j). With gaussian similarities this is a kernel
 * density at each sample, up to a factor: of each set for groups `[[0], [1]]`, of both jointly for `[0, 1]`.
 *
 * The matrices are never stored. Distances of rows of few numbers are computed from their differences, of others from inner products after
 * a shift of the origin to the mean. Derivatives need m x m matrices.
 *
 *     const x = { rows, similarity: { kind: 'gaussian', widths: [0.1] } }
 *     const density = similaritySums([x], [[0]]).div(m)
 *
 * @param groups indices of sets, at least one in each
 * @throws ArgumentError for a similarity that depends on the origin (linear, polynomial), and for a group without sets or with unknown
 *   ones; ShapeError for rows of different draws
 */
export function similaritySums(
  sets: readonly NearRows[],
  groups: readonly (readonly number[])[],
  options: SimilaritySumsOptions = {},
): Tensor {
  const { hollow = false } = checkOptions('similaritySums', options, sumsChecks)
  const { rows, parameters, kinds, counts } = operands('similaritySums', sets)
  checkValue('similaritySums: groups', groups, listOf(listOf(whole(0, sets.length - 1))))
  const sums = native.similaritySums(
    rows,
    parameters,
    kinds,
    counts,
    groups.map((group) => [...group]),
    hollow,
  )
  return Tensor.own(sums)
}

/** Sets in the form of the native operations. */
function operands(op: string, sets: readonly SimilarRows[]) {
  if (!isList(sets) || sets.length === 0) {
    throw new ArgumentError(
      `${op}: given ${describe(sets)}, expected an array of at least one set of samples`,
    )
  }
  for (const set of sets) checkSet(op, set)
  const compared = sets.filter(({ similarity }) => similarity.kind !== 'equal')
  const dtype = compared.some(({ rows }) => rows.dtype === 'float64') ? 'float64' : 'float32'
  const rows = sets.map((set) => rowsOf(op, set, dtype))
  const parameters = sets.flatMap(({ similarity }) =>
    parametersOf(similarity).map((parameter) => scalar(parameter, dtype)),
  )
  return {
    rows: rows.map(({ id }) => id),
    parameters: parameters.map(({ id }) => id),
    kinds: sets.map(({ similarity }) => KINDS[similarity.kind]),
    counts: sets.map(({ similarity }) => countOf(op, similarity)),
  }
}

function rowsOf(op: string, { rows, similarity }: SimilarRows, dtype: DType): Tensor {
  if (similarity.kind !== 'equal') return rows.dtype === dtype ? rows : cast(rows, dtype)
  if (rows.rank !== 1 && rows.rank !== 2) {
    throw new ShapeError(`${op}: rows are ${showShape(rows.shape)}, expected (m, d) or (m)`)
  }
  // Indices of equal rows are below m, so any float type holds them.
  return expandDims(cast(uniqueRows(rows.rank === 1 ? expandDims(rows, 1) : rows), dtype), 1)
}

function parametersOf(similarity: Similarity): readonly TensorLike[] {
  switch (similarity.kind) {
    case 'gaussian':
    case 'laplacian':
      return similarity.widths
    case 'polynomial':
      return [similarity.gamma, similarity.offset]
    case 'imq':
      return [similarity.c]
    case 'linear':
    case 'equal':
      return []
  }
}

/** The count of a kind: number of bandwidths, or the degree. */
function countOf(op: string, similarity: Similarity): number {
  if (similarity.kind === 'gaussian' || similarity.kind === 'laplacian') {
    if (similarity.widths.length === 0) {
      throw new ArgumentError(`${op}: ${similarity.kind} has no width; give at least one`)
    }
    return similarity.widths.length
  }
  if (similarity.kind !== 'polynomial') return 0
  return similarity.degree
}

function scalar(parameter: TensorLike, dtype: DType): Tensor {
  if (typeof parameter === 'number') return full([], parameter, { dtype })
  return parameter.dtype === dtype ? parameter : cast(parameter, dtype)
}
