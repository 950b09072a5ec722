/** Distances and similarities between the rows of (.., n, d) and (.., m, d). */
import { floats, under } from '../core/composed.js'
import { showShape } from '../core/dtype.js'
import { ShapeError } from '../core/errors.js'
import { above, checkValue } from '../core/options.js'
import { idOf, type Tensor } from '../core/tensor.js'
import { matmulT } from './contraction.js'
import * as e from './elementwise.js'
import { expandDims, indexAlong } from './movement.js'
import type { TensorLike } from './operands.js'
import { mean, sum } from './reduce.js'

function checkRows(op: string, a: Tensor, b: Tensor): void {
  idOf(op, a)
  idOf(op, b)
  if (a.rank >= 2 && b.rank >= 2 && a.shape.at(-1) === b.shape.at(-1)) return
  throw new ShapeError(
    `${op}: given ${showShape(a.shape)} and ${showShape(b.shape)}, expected rows (.., n, d) and (.., m, d) of equal length d`,
  )
}

/**
 * Squared Euclidean distances |a_i - b_j|^2: (.., n, d) and (.., m, d) -> (.., n, m), never negative. Without b, the
 * distances between the rows of a, exactly 0 on the diagonal.
 *
 * Computed as |a|^2 + |b|^2 - 2 a b' after a shift of the origin to the mean of a, which keeps digits if the rows are far from zero.
 */
export function squaredDistances(a: Tensor, b?: Tensor): Tensor {
  checkRows('squaredDistances', a, b ?? a)
  for (const rows of [a, b ?? a]) floats('squaredDistances', rows)
  const origin = e.stopGradient(mean(a, -2, { keepDims: true }))
  const x = e.sub(a, origin)
  const y = b === undefined ? x : e.sub(b, origin)
  const xx = sum(e.square(x), -1)
  const yy = b === undefined ? xx : sum(e.square(y), -1)
  const cross = matmulT(x, y, { transposeB: true })
  const raw = e.sub(e.add(expandDims(xx, -1), expandDims(yy, -2)), e.mul(cross, 2))
  // The clamp corrects rounding; derivatives are those of the formula.
  const clamped = e.add(raw, e.stopGradient(e.sub(e.maximum(raw, 0), raw)))
  if (b !== undefined) return clamped
  const square = clamped.shape.slice(-2)
  return e.where(e.equal(indexAlong(square, 0), indexAlong(square, 1)), 0, clamped)
}

/** Euclidean distances between rows; see {@link squaredDistances}. The gradient at distance 0 is 0. */
export function cdist(a: Tensor, b?: Tensor): Tensor {
  return under('cdist', () => e.sqrtAtZero(squaredDistances(a, b)))
}

/**
 * The Gaussian kernel exp(-|x_i - y_j|^2 / (2 sigma^2)) between rows: (.., n, m). Without y, between the rows of x.
 *
 * @param sigma bandwidth, in units of the distance between rows; a tensor of bandwidths broadcasts
 */
export function gaussianGram(x: Tensor, sigma: TensorLike, y?: Tensor): Tensor {
  if (typeof sigma === 'number') checkValue('gaussianGram: sigma', sigma, above(0))
  else idOf('gaussianGram: sigma', sigma)
  const squared = under('gaussianGram', () => squaredDistances(x, y))
  if (typeof sigma === 'number') return e.exp(e.mul(squared, -1 / (2 * sigma * sigma)))
  return e.exp(e.div(squared, e.mul(e.square(sigma), -2)))
}
