/** The RV coefficient and its adjusted forms. */
import type { SampleData } from '../../estimators/data.js'
import { standardized } from '../../estimators/standardized.js'
import { where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { rowsFrom, sameCount, scalarsOf } from '../read.js'

/** Result of {@link rvCoefficients}. */
export interface RVCoefficients {
  /** tr(S T) / sqrt(tr(S S) tr(T T)) with S = X X', T = Y Y' of centered columns (Escoufier 1973): linear CKA. From 0 to 1, near 1 for many columns. */
  readonly rv: number
  /** The same without the diagonals of S and T (Smilde et al. 2009): not biased upward by many columns; may be below 0. */
  readonly rv2: number
  /** On standardized columns, each squared correlation r^2 replaced by 1 - (n - 1) / (n - 2) (1 - r^2) (Mayer, Lorent and Horgan 2011). */
  readonly adjustedMayer: number
  /** (rv - expected) / (1 - expected) (El Ghaziri and Qannari 2015). */
  readonly adjustedGhaziri: number
  /** The mean of rv over permutations of the samples. */
  readonly expected: number
}

/**
 * RV coefficients of two sets of columns: similarity of the configurations of the samples. 0 if an argument is constant.
 *
 * @param x `[n, dx]`, n of at least 3
 * @param y the same samples
 * @throws DTypeError for class labels; ShapeError for different numbers of samples; DataError for too few
 */
export async function rvCoefficients(x: SampleData, y: SampleData): Promise<RVCoefficients> {
  const [a, b] = [await rowsFrom('rvCoefficients: x', x, 3), await rowsFrom('rvCoefficients: y', y, 3)]
  const n = sameCount('rvCoefficients', a, b)
  const found = await scalarsOf(() => {
    const [p, q] = [a.sub(a.mean(0)), b.sub(b.mean(0))]
    const [u, v] = [standardized(a), standardized(b)]
    return {
      rv: rv(p, q),
      rv2: rv2(p, q),
      mayer: ratio(adjusted(u, v, n), adjusted(u, u, n), adjusted(v, v, n)),
      expected: spread(p)
        .mul(spread(q))
        .sqrt()
        .div(n - 1),
    }
  })
  return {
    rv: found.rv,
    rv2: found.rv2,
    adjustedMayer: found.mayer,
    adjustedGhaziri: (found.rv - found.expected) / (1 - found.expected),
    expected: found.expected,
  }
}

/** tr(X X' Y Y') of centered columns, from the smaller of two products. */
function product(x: Tensor, y: Tensor): Tensor {
  const [n, d] = x.shape as [number, number]
  if (n > d) return x.matmulT(y, { transposeA: true }).square().sum()
  return x
    .matmulT(x, { transposeB: true })
    .mul(y.matmulT(y, { transposeB: true }))
    .sum()
}

/** RV of centered columns; lazy. */
export function rv(x: Tensor, y: Tensor): Tensor {
  return ratio(product(x, y), product(x, x), product(y, y))
}

/** RV2 of centered columns; lazy. */
export function rv2(x: Tensor, y: Tensor): Tensor {
  const [p, q] = [x.square().sum(1), y.square().sum(1)]
  const apart = (a: Tensor, b: Tensor, u: Tensor, v: Tensor) => product(a, b).sub(u.mul(v).sum())
  return ratio(apart(x, y, p, q), apart(x, x, p, p), apart(y, y, q, q))
}

function ratio(xy: Tensor, xx: Tensor, yy: Tensor): Tensor {
  const norm = xx.mul(yy)
  const isDefined = norm.greater(0)
  return where(isDefined, xy.div(where(isDefined, norm, 1).sqrt()), 0)
}

/** The sum of adjusted squared correlations of all pairs of columns. */
function adjusted(x: Tensor, y: Tensor, n: number): Tensor {
  const squares = x.matmulT(y, { transposeA: true }).div(n).square()
  return squares
    .neg()
    .add(1)
    .mul(-(n - 1) / (n - 2))
    .add(1)
    .sum()
}

/** (tr S)^2 / tr S^2. */
function spread(x: Tensor): Tensor {
  const squares = product(x, x)
  const isSome = squares.greater(0)
  return where(
    isSome,
    x
      .square()
      .sum()
      .square()
      .div(where(isSome, squares, 1)),
    0,
  )
}
