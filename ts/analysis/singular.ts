/** Singular values and bases of samples, with errors relative to the largest singular value. */
import { literal } from '../core/create.js'
import { tidy } from '../core/memory.js'
import { settled } from '../core/turns.js'
import { concat, where } from '../ops/index.js'
import { type Tensor, zeros } from '../ops/tensor.js'

/** Multiplications between two readings of the clock: well below a millisecond. */
const turnOfWork = 2.5e5

/**
 * The triangular factor R of a tall matrix, `A = Q R`, by Householder reflections, in turns of the event loop.
 *
 * @param a `[p, m]` with p of at least m
 * @returns `[m, m]`
 */
async function triangularFactor(a: Tensor): Promise<Tensor> {
  const [p, m] = a.shape as [number, number]
  using turned = tidy(() => a.transpose().add(0))
  // Column-major.
  const columns = (await turned.data()) as Float64Array
  let work = 0
  for (let j = 0; j < m; j++) {
    const own = columns.subarray(j * p, (j + 1) * p)
    const norm = lengthFrom(own, j)
    if (norm === 0) continue
    const pivot = (own[j] as number) > 0 ? -norm : norm
    const first = (own[j] as number) - pivot
    own[j] = first
    const scale = -1 / (pivot * first)
    for (let c = j + 1; c < m; c++) {
      const other = columns.subarray(c * p, (c + 1) * p)
      let product = 0
      for (let i = j; i < p; i++) product += (own[i] as number) * (other[i] as number)
      product *= scale
      for (let i = j; i < p; i++) other[i] = (other[i] as number) - product * (own[i] as number)
      work += 2 * (p - j)
      if (work > turnOfWork) {
        work = 0
        await settled()
      }
    }
    own[j] = pivot
  }
  const upper = new Float64Array(m * m)
  for (let i = 0; i < m; i++) {
    for (let j = i; j < m; j++) upper[i * m + j] = columns[j * p + i] as number
    work += m
    if (work > turnOfWork) {
      work = 0
      await settled()
    }
  }
  return literal(upper, [m, m])
}

/** The norm of a column from an entry on, without overflow or underflow. */
function lengthFrom(column: Float64Array, start: number): number {
  let largest = 0
  for (let i = start; i < column.length; i++) largest = Math.max(largest, Math.abs(column[i] as number))
  if (largest === 0) return 0
  let sum = 0
  for (let i = start; i < column.length; i++) sum += ((column[i] as number) / largest) ** 2
  return largest * Math.sqrt(sum)
}

/**
 * Singular value decomposition of a matrix by the eigenvalues of `[[0, M], [M', 0]]`, which are plus and minus the singular values: the
 * error is the rounding of the largest, not its square root as with `M' M`. Lazy; differentiable.
 *
 * @param matrix `[p, q]`
 * @returns values `[min(p, q)]`, largest first, and the singular vectors as columns
 */
export function singularParts(matrix: Tensor): { values: Tensor; left: Tensor; right: Tensor } {
  const [p, q] = matrix.shape as [number, number]
  const r = Math.min(p, q)
  const none = (rows: number) => zeros([rows, rows], { dtype: 'float64' })
  const above = concat([none(p), matrix], 1)
  const below = concat([matrix.transpose(), none(q)], 1)
  const { values, vectors } = concat([above, below]).eigh()
  const last = vectors.slice([0, p + q - r]).flip(1)
  const unit = (part: Tensor) => {
    const length = part.square().sum(0).sqrt()
    return part.div(where(length.greater(0), length, 1))
  }
  return {
    values: values
      .slice([p + q - r])
      .flip(0)
      .maximum(0),
    left: unit(last.slice([0], [p])),
    right: unit(last.slice([p])),
  }
}

/** The sum of the singular values of a matrix `[p, q]`; scalar. */
export function nuclearNorm(matrix: Tensor): Tensor {
  return singularParts(matrix).values.sum()
}

/**
 * Rows with the same inner products and at most as many columns as samples: a quantity that is invariant to rotations of the columns does
 * not change. Rows that are not wider than their number are returned unchanged.
 *
 * @param x `[n, d]` float64
 * @returns `[n, min(n, d)]`
 */
export async function compact(x: Tensor): Promise<Tensor> {
  const [n, d] = x.shape as [number, number]
  if (d <= n) return x
  using turned = tidy(() => x.transpose().add(0))
  const factor = await triangularFactor(turned)
  return factor.transpose()
}

/** The singular values of samples and an orthonormal basis of their column space. */
export interface SampleBasis {
  /** Largest first; 0 from the numerical rank on. */
  readonly values: readonly number[]
  /** Singular values above max(n, d) 2^-52 times the largest. */
  readonly rank: number
  /** `[n, rank]`, a column for each singular value above 0; the caller disposes of it. */
  readonly basis: Tensor
}

/** Singular value decomposition of samples `[n, d]`, float64. */
export async function basisOf(x: Tensor): Promise<SampleBasis> {
  const [n, d] = x.shape as [number, number]
  const isTall = n >= d
  using tall = tidy(() => (isTall ? x.add(0) : x.transpose().add(0)))
  using square = n === d ? tidy(() => tall.add(0)) : await triangularFactor(tall)
  const parts = tidy(() => singularParts(square))
  try {
    const found = [...((await parts.values.data()) as Float64Array)]
    const limit = Math.max(n, d) * 2 ** -52 * (found[0] ?? 0)
    const rank = found.filter((value) => value > limit).length
    const basis = tidy(() => {
      const right = parts.right.slice([0, 0], [null, rank])
      // For x' = U S V' the samples lie along V; for x itself along x V / S.
      return isTall ? tall.matmul(right).div(parts.values.slice([0], [rank])) : right.add(0)
    })
    await basis.data()
    return { values: found.map((value, i) => (i < rank ? value : 0)), rank, basis }
  } finally {
    for (const part of Object.values(parts)) part.dispose()
  }
}
