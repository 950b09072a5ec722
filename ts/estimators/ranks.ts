import { concat } from '../ops/index.js'
import { indexAlong } from '../ops/movement.js'
import { ones, type Tensor, tensor, zeros } from '../tensor.js'

/**
 * Normal scores of each column: the quantile of the standard normal at rank / (n + 1), ranks from 1, equal values sharing the mean
 * of their ranks. They stay the same under any increasing map of a column. No gradient passes.
 *
 * @param x `[n, d]` float64; @returns `[n, d]`
 */
export function normalScores(x: Tensor): Tensor {
  const n = x.shape[0] as number
  // Twice the rank is a whole number even where ranks are shared.
  const quantiles = Float64Array.from({ length: 2 * n + 1 }, (_, twice) =>
    normalQuantile(twice / (2 * (n + 1))),
  )
  const indices = doubledRanks(x.stopGradient()).cast('int32')
  return tensor(quantiles).take(indices.flatten(0)).reshape(x.shape)
}

/** Twice the rank of each entry within its column, ranks from 1, equal values sharing the mean of their ranks; float64 `[n, d]`. */
export function doubledRanks(x: Tensor): Tensor {
  const [n, d] = x.shape as [number, number]
  const order = x.argSort(0)
  const sorted = x.takeAlong(order, 0)
  const isNew = sorted
    .slice([1])
    .notEqual(sorted.slice([0], [n - 1]))
    .cast('float64')
  const run = concat([zeros([1, d], { dtype: 'float64' }), isNew])
    .cumsum(0)
    .cast('int32')
  const sizes = zeros([n, d], { dtype: 'float64' }).scatterAdd(0, run, ones([n, d], { dtype: 'float64' }))
  const ends = sizes.cumsum(0)
  // The first of a run has rank end - size + 1, the last has rank end.
  const ofRuns = ends.mul(2).sub(sizes).add(1)
  const place = zeros([n, d], { dtype: 'int32' }).scatter(0, order, indexAlong([n, d], 0).cast('int32'))
  return ofRuns.takeAlong(run, 0).takeAlong(place, 0)
}

/** Coefficients of Wichura 1988, algorithm AS 241 (PPND16): three rational functions, each as numerator and denominator. */
const central = [
  [
    3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
    45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
  ],
  [
    1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867,
    39307.89580009271061, 28729.085735721942674, 5226.495278852545925,
  ],
] as const
const middle = [
  [
    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4,
  ],
  [
    1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
    0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9,
  ],
] as const
const tail = [
  [
    6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
    0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
  ],
  [
    1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
    1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
  ],
] as const

/** Quantile of the standard normal distribution, to about 1e-15 relative (Wichura 1988); infinite at 0 and 1. */
export function normalQuantile(p: number): number {
  const q = p - 0.5
  if (Math.abs(q) <= 0.425) return q * rational(central, 0.180625 - q * q)
  const r = Math.sqrt(-Math.log(Math.min(p, 1 - p)))
  const size = !Number.isFinite(r) ? r : r <= 5 ? rational(middle, r - 1.6) : rational(tail, r - 5)
  return Math.sign(q) * size
}

function rational([above, below]: readonly [readonly number[], readonly number[]], x: number): number {
  const horner = (coefficients: readonly number[]) => coefficients.reduceRight((sum, c) => sum * x + c, 0)
  return horner(above) / horner(below)
}
