import { concat, where } from '../ops/index.js'
import { ones, type Tensor, zeros } from '../ops/tensor.js'

/**
 * Normal scores of each column: the quantile of the standard normal at rank / (n + 1), ranks from 1, equal values having the mean of their
 * ranks. Increasing maps of a column do not change them. No gradient.
 *
 * @param x `[n, d]` float64; @returns `[n, d]`
 */
export function normalScores(x: Tensor): Tensor {
  const n = x.shape[0] as number
  return normalQuantiles(doubledRanks(x.stopGradient()).div(2 * (n + 1)))
}

/** Twice the rank of each entry within its column, ranks from 1, equal values having the mean of their ranks; float64 `[n, d]`. */
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
  const none = zeros([n, d], { dtype: 'float64' })
  const sizes = none.scatterAdd(0, run, ones([n, d], { dtype: 'float64' }))
  const ends = sizes.cumsum(0)
  // The first of a run has rank end - size + 1, the last has rank end.
  const ofRuns = ends.mul(2).sub(sizes).add(1)
  return none.scatterAdd(0, order, ofRuns.takeAlong(run, 0))
}

/** Coefficients of Wichura 1988, algorithm AS 241 (PPND16): three rational functions, each as numerator and denominator. */
const central = [
  [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987,
    67265.7709270087, 33430.57558358813, 2509.0809287301227,
  ],
  [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
    28729.085735721943, 5226.495278852546,
  ],
] as const
const middle = [
  [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
    0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
    0.0005475938084995345, 1.0507500716444169e-9,
  ],
] as const
const tail = [
  [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
    0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
  ],
  [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133,
    1.8463183175100548e-5, 1.421511758316446e-7, 2.0442631033899397e-15,
  ],
] as const

/** Quantile of the standard normal distribution at each entry, between 0 and 1, to about 1e-15 relative (Wichura 1988). */
function normalQuantiles(p: Tensor): Tensor {
  const q = p.sub(0.5)
  const r = p.minimum(p.neg().add(1)).log().neg().sqrt()
  const ofTail = where(r.lessEqual(5), rationals(middle, r.sub(1.6)), rationals(tail, r.sub(5)))
  const ofCenter = q.mul(rationals(central, q.square().neg().add(0.180625)))
  return where(q.abs().lessEqual(0.425), ofCenter, q.sign().mul(ofTail))
}

function rationals([above, below]: readonly [readonly number[], readonly number[]], x: Tensor): Tensor {
  const horner = ([first = 0, ...others]: readonly number[]): Tensor =>
    others.length === 0 ? x.mul(0).add(first) : horner(others).mul(x).add(first)
  return horner(above).div(horner(below))
}
