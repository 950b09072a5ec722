/** Linear algebra on matrices (.., n, n). */
import { under } from '../core/composed.js'
import { showShape } from '../core/dtype.js'
import { ShapeError } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { broadcastShapes } from './axes.js'
import { cast, equal, log, mul } from './elementwise.js'
import { diagonal } from './matrices.js'
import { broadcastTo, expandDims, indexAlong, reshape, slice } from './movement.js'
import { sum } from './reduce.js'

const own = Tensor.own

/**
 * The lower factor L of symmetric positive definite matrices: a = L L'. Reads the lower triangle; the gradient is symmetric.
 *
 * @throws {NumericalError} (during execution) if a matrix is not positive definite
 */
export function cholesky(a: Tensor): Tensor {
  return own(native.cholesky(idOf('cholesky', a)))
}

/**
 * Runs a native solver on (.., n, n) and (.., n, m) with broadcast batch axes; a vector (n) on the right is one column.
 */
function solveWith(op: string, a: Tensor, b: Tensor, run: (a: number, b: number) => number): Tensor {
  idOf(op, a)
  idOf(op, b)
  if (b.rank === 1) {
    const x = solveWith(op, a, expandDims(b, 1), run)
    return reshape(x, x.shape.slice(0, -1))
  }
  if (a.rank < 2 || b.rank < 2) {
    throw new ShapeError(
      `${op}: given ${showShape(a.shape)} and ${showShape(b.shape)}, expected (.., n, n) and (.., n, m)`,
    )
  }
  const batch = broadcastShapes(op, a.shape.slice(0, -2), b.shape.slice(0, -2))
  const spread = (x: Tensor) => {
    const shape = [...batch, ...x.shape.slice(-2)]
    return x.rank === shape.length && x.shape.every((n, i) => n === shape[i]) ? x : broadcastTo(x, shape)
  }
  return own(run(spread(a).id, spread(b).id))
}

/** Options of {@link triangularSolve}. */
export interface TriangularOptions {
  /** Use the lower triangle of a, otherwise the upper one; default true. */
  lower?: boolean
  /** Solve a' x = b; default false. */
  transpose?: boolean
}

const triangularChecks: Checks<TriangularOptions> = { lower: flag, transpose: flag }

/** Solves a x = b for triangular a (.., n, n), whose other triangle is not read, and b (.., n, m) or (n). */
export function triangularSolve(a: Tensor, b: Tensor, options: TriangularOptions = {}): Tensor {
  const { lower = true, transpose = false } = checkOptions('triangularSolve', options, triangularChecks)
  return solveWith('triangularSolve', a, b, (x, y) => native.triangularSolve(x, y, lower, transpose))
}

/** Solves L L' x = b, given the factor L from {@link cholesky}; b is (.., n, m) or (n). */
export function choleskySolve(b: Tensor, factor: Tensor): Tensor {
  return under('choleskySolve', () =>
    triangularSolve(factor, triangularSolve(factor, b), { transpose: true }),
  )
}

/**
 * Solves a x = b for general a (.., n, n) and b (.., n, m) or (n).
 *
 * @throws {NumericalError} (during execution) if a matrix is singular
 */
export function solve(a: Tensor, b: Tensor): Tensor {
  return solveWith('solve', a, b, native.solve)
}

/** Options of {@link inv}. */
export interface InverseOptions {
  /**
   * Treat a as symmetric positive definite and invert it by Cholesky, in a third of the time. Reads the lower triangle; the gradient is
   * symmetric. Default false: Gaussian elimination with pivoting.
   */
  positiveDefinite?: boolean
}

const inverseChecks: Checks<InverseOptions> = { positiveDefinite: flag }

/**
 * The inverse of a (.., n, n); to solve systems, {@link solve} is faster and more accurate.
 *
 * @throws {NumericalError} (during execution) if a matrix is singular, or with `positiveDefinite` not positive definite
 */
export function inv(a: Tensor, options: InverseOptions = {}): Tensor {
  idOf('inv', a)
  const { positiveDefinite = false } = checkOptions('inv', options, inverseChecks)
  if (a.rank < 2)
    throw new ShapeError(`inv: given ${showShape(a.shape)}, expected square matrices (.., n, n)`)
  if (positiveDefinite) return under('inv', () => own(native.positiveInverse(idOf('inv', a))))
  const shape = a.shape.slice(-2)
  const identity = cast(equal(indexAlong(shape, 0), indexAlong(shape, 1)), a.dtype)
  return under('inv', () => solve(a, identity))
}

/** The determinant of a (.., n, n): (..). */
export function det(a: Tensor): Tensor {
  return own(native.det(idOf('det', a)))
}

/** ln det of symmetric positive definite a (.., n, n), by Cholesky: (..). */
export function logDet(a: Tensor): Tensor {
  return under('logDet', () => mul(sum(log(diagonal(cholesky(a))), -1), 2))
}

/**
 * Eigenvalues (.., n), ascending, and eigenvectors (.., n, n), as columns, of symmetric a. Reads the lower triangle. The gradient of
 * eigenvectors of equal eigenvalues is undefined; such pairs contribute 0.
 */
export function eigh(a: Tensor): { values: Tensor; vectors: Tensor } {
  const packed = own(native.eigh(idOf('eigh', a)))
  const batch = packed.shape.slice(0, -2).map(() => null)
  const n = packed.shape.at(-1) as number
  const first = slice(packed, [...batch, 0], [...batch, 1])
  return {
    values: reshape(first, [...packed.shape.slice(0, -2), n]),
    vectors: slice(packed, [...batch, 1]),
  }
}
