/** Inner products of centred similarity matrices, which measures of dependence are made of. */
import { full } from '../create.js'
import { type DType, showShape } from '../dtype.js'
import { ArgumentError, describe, ShapeError } from '../errors.js'
import { native } from '../native.js'
import { idOf, Tensor } from '../node.js'
import { cast, type TensorLike } from './elementwise.js'
import { expandDims } from './movement.js'
import { uniqueRows } from './sorting.js'

/**
 * A similarity k(a, b) of two rows; parameters are numbers or scalar tensors.
 *
 * - `gaussian`: exp(-|a - b|^2 / (2 sigma^2)), averaged over the widths sigma
 * - `laplacian`: exp(-|a - b|_1 / sigma), averaged over the widths sigma
 * - `linear`: a . b
 * - `polynomial`: (gamma a . b + offset)^degree
 * - `imq`: 1 / sqrt(c^2 + |a - b|^2)
 * - `equal`: 1 for equal rows, else 0
 */
export type Similarity =
  | { readonly kind: 'gaussian' | 'laplacian'; readonly widths: readonly TensorLike[] }
  | { readonly kind: 'linear' | 'equal' }
  | {
      readonly kind: 'polynomial'
      readonly gamma: TensorLike
      readonly offset: TensorLike
      readonly degree: number
    }
  | { readonly kind: 'imq'; readonly c: TensorLike }

/** Samples, and what they are compared by. */
export interface SimilarRows {
  /** (m, d) of float32 or float64; for `equal`, any dtype. */
  readonly rows: Tensor
  readonly similarity: Similarity
}

/** What {@link centeredProducts} can be told. */
export interface CenteredProductsOptions {
  /** U-centring (Szekely and Rizzo 2014, eq. 2.7): diagonals are 0 and take no part. Needs 3 samples. Default false. */
  hollow?: boolean
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
 * Inner products of the centred similarity matrices of several sets of the same m draws: (sets, sets) as float64, symmetric.
 *
 * With K_a the matrix (m, m) of set a and H = I - 1/m, entry (a, b) is tr(K_a H K_b H), the sum of the entrywise product of
 * H K_a H and H K_b H. So HSIC is entry (0, 1) over (m - 1)^2, and CKA is that entry over the root of the product of (0, 0)
 * and (1, 1).
 *
 * The matrices are never stored: they are made tile by tile, minus constants that centring removes, and added up in float64.
 * Gradients in the rows are computed alike. Derivatives in parameters, and second ones, need m x m matrices.
 *
 *     const x = { rows, similarity: { kind: 'gaussian', widths: [5] } }
 *     const hsic = centeredProducts([x, y]).slice([0, 1], [1, 2]).reshape([]).div((m - 1) ** 2)
 */
export function centeredProducts(
  sets: readonly SimilarRows[],
  options: CenteredProductsOptions = {},
): Tensor {
  if (sets.length === 0) throw new ArgumentError('centeredProducts: give at least one set of samples')
  for (const { rows } of sets) idOf('centeredProducts', rows)
  const compared = sets.filter(({ similarity }) => similarity.kind !== 'equal')
  const dtype = compared.some(({ rows }) => rows.dtype === 'float64') ? 'float64' : 'float32'
  const rows = sets.map((set) => rowsOf(set, dtype))
  const parameters = sets.flatMap(({ similarity }) =>
    parametersOf(similarity).map((parameter) => scalar(parameter, dtype)),
  )
  return Tensor.own(
    native.centeredProducts(
      rows.map(({ id }) => id),
      parameters.map(({ id }) => id),
      sets.map(({ similarity }) => KINDS[similarity.kind]),
      sets.map(({ similarity }) => countOf(similarity)),
      options.hollow ?? false,
    ),
  )
}

function rowsOf({ rows, similarity }: SimilarRows, dtype: DType): Tensor {
  if (similarity.kind !== 'equal') return rows.dtype === dtype ? rows : cast(rows, dtype)
  if (rows.rank !== 1 && rows.rank !== 2) {
    throw new ShapeError(`centeredProducts: rows are ${showShape(rows.shape)}, expected (m, d) or (m)`)
  }
  // Numbers of equal rows are below m, so any float holds them.
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

/** The number that goes with a kind: of widths, or the degree. */
function countOf(similarity: Similarity): number {
  if (similarity.kind === 'gaussian' || similarity.kind === 'laplacian') {
    if (similarity.widths.length === 0) {
      throw new ArgumentError(`centeredProducts: ${similarity.kind} has no width; give at least one`)
    }
    return similarity.widths.length
  }
  if (similarity.kind !== 'polynomial') return 0
  const { degree } = similarity
  if (!Number.isInteger(degree) || degree < 1 || degree > 64) {
    throw new ArgumentError(
      `centeredProducts: degree is ${describe(degree)}, expected a whole number from 1 to 64`,
    )
  }
  return degree
}

function scalar(parameter: TensorLike, dtype: DType): Tensor {
  if (typeof parameter === 'number') return full([], parameter, { dtype })
  return parameter.dtype === dtype ? parameter : cast(parameter, dtype)
}
