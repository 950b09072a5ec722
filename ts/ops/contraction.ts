/** Products of matrices and vectors. */
import { showShape, sizeOf } from '../core/dtype.js'
import { ShapeError } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { broadcastShapes } from './axes.js'
import { mul } from './elementwise.js'
import { broadcastTo, reshape } from './movement.js'

const own = Tensor.own

/** Storage of the operands of {@link matmulT}. */
export interface TransposeOptions {
  /** a is (.., k, m); default false. */
  transposeA?: boolean
  /** b is (.., n, k); default false. */
  transposeB?: boolean
}

const transposeChecks: Checks<TransposeOptions> = { transposeA: flag, transposeB: flag }

/**
 * Matrix product (.., m, k) x (.., k, n) -> (.., m, n); batch axes broadcast. A vector (k) is a row on the left and a column on the right,
 * and its axis is removed from the result, as in NumPy.
 *
 * @throws {ShapeError} if the inner sizes differ
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const x = idOf('matmul', a)
  const y = idOf('matmul', b)
  const [ra, rb] = [a.rank, b.rank]
  if (ra === 2 && rb === 2) return own(native.matmul(x, y, false, false))
  if (ra === 0 || rb === 0) {
    throw new ShapeError(
      `matmul: given ${showShape(a.shape)} and ${showShape(b.shape)}, expected at least one axis each; use mul() for scalars`,
    )
  }
  if (ra === 1 && rb === 1) return reshape(matmul(reshape(a, [1, a.size]), reshape(b, [b.size, 1])), [])
  // With a vector on the right too, its axis is already removed: the row is the last axis.
  if (ra === 1) return dropAxis(matmul(reshape(a, [1, a.size]), b), rb === 1 ? -1 : -2)
  if (rb === 1) return dropAxis(matmul(a, reshape(b, [b.size, 1])), -1)
  return batched('matmul', a, b, false, false)
}

function dropAxis(x: Tensor, fromEnd: -1 | -2): Tensor {
  const { shape } = x
  return reshape(
    x,
    shape.filter((_, axis) => axis !== shape.length + fromEnd),
  )
}

/** {@link matmul} of operands that may be stored transposed; both have two or more axes. */
export function matmulT(a: Tensor, b: Tensor, options: TransposeOptions = {}): Tensor {
  const { transposeA = false, transposeB = false } = checkOptions('matmulT', options, transposeChecks)
  const x = idOf('matmulT', a)
  const y = idOf('matmulT', b)
  if (a.rank === 2 && b.rank === 2) return own(native.matmul(x, y, transposeA, transposeB))
  if (a.rank < 2 || b.rank < 2) {
    throw new ShapeError(
      `matmulT: given ${showShape(a.shape)} and ${showShape(b.shape)}, expected matrices (.., m, k) and (.., k, n)`,
    )
  }
  return batched('matmulT', a, b, transposeA, transposeB)
}

function batched(op: string, a: Tensor, b: Tensor, ta: boolean, tb: boolean): Tensor {
  if (b.rank === 2 && !ta) {
    // One matrix on the right: all rows of the batch are in one product.
    const rows = a.shape.slice(0, -1)
    const flat = reshape(a, [sizeOf(rows), a.shape.at(-1) as number])
    const product = own(native.matmul(flat.id, b.id, false, tb))
    return reshape(product, [...rows, product.shape[1] as number])
  }
  const batch = broadcastShapes(op, a.shape.slice(0, -2), b.shape.slice(0, -2))
  const spread = (x: Tensor) => {
    const shape = [...batch, ...x.shape.slice(-2)]
    return x.rank === shape.length && x.shape.every((n, i) => n === shape[i]) ? x : broadcastTo(x, shape)
  }
  return own(native.matmul(spread(a).id, spread(b).id, ta, tb))
}

function checkVector(op: string, x: Tensor): number {
  idOf(op, x)
  if (x.rank !== 1) throw new ShapeError(`${op}: given ${showShape(x.shape)}, expected a vector (n)`)
  return x.size
}

/** The sum of products of two vectors (n): a scalar. */
export function dot(a: Tensor, b: Tensor): Tensor {
  const [n, m] = [checkVector('dot', a), checkVector('dot', b)]
  if (n !== m) throw new ShapeError(`dot: vectors of ${n} and ${m} elements, expected equal lengths`)
  return matmul(a, b)
}

/** All products of elements of two vectors: (n) and (m) give (n, m). */
export function outer(a: Tensor, b: Tensor): Tensor {
  const n = checkVector('outer', a)
  checkVector('outer', b)
  return mul(reshape(a, [n, 1]), b)
}
