/** Linear map from a layer's activations to numbers. */
import { tidy } from '../../core/memory.js'
import { above, type Checks, checkOptions } from '../../core/options.js'
import type { SampleData } from '../../estimators/data.js'
import { where } from '../../ops/index.js'
import { eye, type Tensor } from '../../ops/tensor.js'
import { entriesOf, inRows, rowsFrom, sameCount } from '../read.js'
import { checkWidth, type ProbeTest, testCheck } from './logistic.js'

/** Options of {@link ridgeProbe}. */
export interface RidgeProbeOptions {
  /** Weight of the squared weights, in squared units of x. Default 1. */
  penalty?: number
  /** Held-out samples. */
  test?: ProbeTest
}

const checks: Checks<RidgeProbeOptions> = { penalty: above(0), test: testCheck }

/** R^2 on some samples: 1 - squared errors / squared deviations from the mean of these samples, at most 1. */
export interface RidgeScore {
  /** For each target; for a constant target 1 if it is predicted exactly, else 0. */
  readonly targets: readonly number[]
  readonly mean: number
  /** The mean weighted by the variance of the targets. */
  readonly weighted: number
}

/** Result of {@link ridgeProbe}. */
export interface RidgeProbe {
  /** `[d, targets]`. */
  readonly weights: readonly (readonly number[])[]
  readonly intercept: readonly number[]
  readonly train: RidgeScore
  readonly test?: RidgeScore
}

/**
 * Ridge regression of numbers on a layer (Hoerl and Kennard 1970): the minimum of |Y - X W - b|^2 + penalty |W|^2, the intercept b not
 * penalized, in float64 by a Cholesky factor of the smaller of X'X and XX'.
 *
 * @param x `[n, d]`
 * @param y `[n, targets]`
 * @throws DTypeError for class labels; ShapeError for different numbers of samples
 */
export async function ridgeProbe(
  x: SampleData,
  y: SampleData,
  options: RidgeProbeOptions = {},
): Promise<RidgeProbe> {
  const name = 'ridgeProbe'
  const { penalty = 1, test } = checkOptions(name, options, checks)
  const [rows, targets] = [await rowsFrom(`${name}: x`, x), await rowsFrom(`${name}: y`, y)]
  sameCount(name, rows, targets)
  const held = test && {
    x: await rowsFrom(`${name}: test.x`, test.x),
    y: await rowsFrom(`${name}: test.y`, test.y),
  }
  if (held !== undefined) {
    sameCount(`${name}: test`, held.x, held.y)
    checkWidth(name, rows, held.x)
    checkWidth(`${name} targets`, targets, held.y)
  }
  const { weights, intercept } = tidy(() => solved(rows, targets, penalty))
  try {
    const found = await entriesOf(() => ({
      weights,
      intercept,
      ...scores('train', rows, targets, weights, intercept),
      ...(held === undefined ? {} : scores('test', held.x, held.y, weights, intercept)),
    }))
    const part = (which: string): RidgeScore => {
      const of = (what: string) => (found as Record<string, number[]>)[`${which}${what}`] as number[]
      return { targets: of('Targets'), mean: of('Mean')[0] as number, weighted: of('Weighted')[0] as number }
    }
    return {
      weights: inRows(found.weights, targets.shape[1] as number),
      intercept: found.intercept,
      train: part('train'),
      ...(held !== undefined && { test: part('test') }),
    }
  } finally {
    weights.dispose()
    intercept.dispose()
  }
}

function solved(x: Tensor, y: Tensor, penalty: number): { weights: Tensor; intercept: Tensor } {
  const [n, d] = x.shape as [number, number]
  const [meanX, meanY] = [x.mean(0), y.mean(0)]
  const [a, b] = [x.sub(meanX), y.sub(meanY)]
  const shift = (size: number) => eye(size, size, { dtype: 'float64' }).mul(penalty)
  const product = (of: Tensor) => a.matmulT(of, { transposeA: true })
  const inner = () => a.matmulT(a, { transposeB: true })
  const weights =
    d <= n
      ? product(b).choleskySolve(product(a).add(shift(d)).cholesky())
      : product(b.choleskySolve(inner().add(shift(n)).cholesky()))
  return { weights, intercept: meanY.sub(meanX.expandDims(0).matmul(weights).flatten(0)) }
}

/** R^2 by name; lazy. */
function scores(
  which: string,
  x: Tensor,
  y: Tensor,
  weights: Tensor,
  intercept: Tensor,
): Record<string, Tensor> {
  const error = y.sub(x.matmul(weights)).sub(intercept).square().sum(0)
  const spread = y.sub(y.mean(0)).square().sum(0)
  const isSome = spread.greater(0)
  const constant = error.equal(0).cast('float64')
  const targets = where(
    isSome,
    error
      .div(where(isSome, spread, 1))
      .neg()
      .add(1),
    constant,
  )
  const total = spread.sum()
  const isAny = total.greater(0)
  return {
    [`${which}Targets`]: targets,
    [`${which}Mean`]: targets.mean(),
    [`${which}Weighted`]: where(
      isAny,
      targets
        .mul(spread)
        .sum()
        .div(where(isAny, total, 1)),
      targets.mean(),
    ),
  }
}
