/** Parts of matrices: triangles and diagonals, of the last two axes. */
import { showShape } from '../core/dtype.js'
import { ShapeError } from '../core/errors.js'
import { checkValue, whole } from '../core/options.js'
import { idOf, type Tensor } from '../core/tensor.js'
import { withExtent } from './axes.js'
import { add, equal, greaterEqual, lessEqual, where } from './elementwise.js'
import { expandDims, indexAlong, reshape, slice } from './movement.js'
import { pad } from './padding.js'
import { sum } from './reduce.js'

function matrixShape(op: string, x: Tensor): [number, number] {
  idOf(op, x)
  if (x.rank < 2) throw new ShapeError(`${op}: given ${showShape(x.shape)}, expected matrices (.., n, m)`)
  return x.shape.slice(-2) as [number, number]
}

/** Indices of diagonals within the range of any matrix. */
const offsets = whole(-(2 ** 31), 2 ** 31 - 1)

/** The lower triangle of matrices (.., n, m): elements above diagonal `k` (default 0, the main one) become 0. */
export function tril(x: Tensor, k = 0): Tensor {
  const shape = matrixShape('tril', x)
  checkValue('tril: k', k, offsets)
  return where(lessEqual(indexAlong(shape, 1), add(indexAlong(shape, 0), k)), x, 0)
}

/** The upper triangle of matrices (.., n, m): elements below diagonal `k` (default 0, the main one) become 0. */
export function triu(x: Tensor, k = 0): Tensor {
  const shape = matrixShape('triu', x)
  checkValue('triu: k', k, offsets)
  return where(greaterEqual(indexAlong(shape, 1), add(indexAlong(shape, 0), k)), x, 0)
}

/** Matrices (.., n + |k|, n + |k|) with x (.., n) on diagonal `k`, zeros elsewhere. */
export function diag(x: Tensor, k = 0): Tensor {
  idOf('diag', x)
  checkValue('diag: k', k, offsets)
  const n = x.shape.at(-1)
  if (n === undefined) throw new ShapeError('diag: given a scalar, expected vectors (.., n)')
  const square = [n, n]
  const on = equal(indexAlong(square, 0), indexAlong(square, 1))
  const matrices = where(on, expandDims(x, -1), 0)
  if (k === 0) return matrices
  const [rows, columns]: [[number, number], [number, number]] =
    k > 0
      ? [
          [0, k],
          [k, 0],
        ]
      : [
          [-k, 0],
          [0, -k],
        ]
  return pad(matrices, [...x.shape.slice(0, -1).map((): [number, number] => [0, 0]), rows, columns])
}

/** Diagonal `offset` (default 0, the main one) of matrices (.., n, m), as vectors. */
export function diagonal(x: Tensor, offset = 0): Tensor {
  const [n, m] = matrixShape('diagonal', x)
  checkValue('diagonal: offset', offset, offsets)
  const count = Math.max(0, offset >= 0 ? Math.min(n, m - offset) : Math.min(n + offset, m))
  const start = offset >= 0 ? offset : -offset * m
  const rows = reshape(x, [...x.shape.slice(0, -2), n * m])
  const axis = rows.rank - 1
  const whole = rows.shape.map(() => null)
  return slice(
    rows,
    count === 0 ? whole : withLast(whole, start),
    count === 0 ? withExtent(rows.shape, axis, 0) : withLast(whole, start + (count - 1) * (m + 1) + 1),
    withLast(
      whole.map(() => 1),
      m + 1,
    ),
  )
}

function withLast<T>(list: readonly T[], last: T | number): (T | number)[] {
  return [...list.slice(0, -1), last]
}

/** The sum of diagonal `offset` of matrices (.., n, m): (..). */
export function trace(x: Tensor, offset = 0): Tensor {
  return sum(diagonal(x, offset), -1)
}
