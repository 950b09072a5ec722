/** The t distribution for copula estimators. */
import { literal } from '../core/create.js'
import { minimum } from '../ops/index.js'
import { full, type Tensor } from '../ops/tensor.js'
import { logGamma } from './special.js'

/** Distance of the nodes of a curve, in standard deviations of the normal score. */
const step = 1 / 128

/** Largest normal score of a curve: one sample in 10^16 exceeds it. */
const reach = 8.25

const nodes = Math.round(reach / step)

/** Positions of normal scores on a curve. They do not depend on the degrees of freedom. */
export interface CurvePositions {
  /** Number of the node below |score|, int32 `[n * d]`. */
  readonly below: Tensor
  /** Fraction of the distance to the next node, 0 to 1, `[n, d]`. */
  readonly part: Tensor
  /** Sign of the score `[n, d]`. */
  readonly sign: Tensor
}

/** @param scores normal scores `[n, d]` float64 */
export function positionsOf(scores: Tensor): CurvePositions {
  const along = scores.abs().div(step)
  const below = minimum(along.floor(), nodes - 1)
  return { below: below.cast('int32').flatten(0), part: along.sub(below), sign: scores.sign() }
}

/** A t distribution, in tensors: one program serves all degrees of freedom. */
export interface Student {
  /** Degrees of freedom, scalar. */
  readonly nu: Tensor
  /** Logarithm of the density at 0, scalar. */
  readonly logNorm: Tensor
  /** Cubic segments of the curve from normal scores to asinh of quantiles, `[nodes, 4]`. */
  readonly curve: Tensor
}

/** The t distribution of `nu` degrees of freedom. */
export function studentOf(nu: number): Student {
  const scalar = (value: number) => full([], value, { dtype: 'float64' })
  return {
    nu: scalar(nu),
    logNorm: scalar(logNormOf(nu)),
    curve: literal(curveOf(nu), [nodes, 4]),
  }
}

/** Quantiles of t at the probabilities of the normal scores, to about 1e-7 relative; `[n, d]`. */
export function studentScores({ below, part, sign }: CurvePositions, { curve }: Student): Tensor {
  const pieces = curve.take(below)
  const coefficient = (i: number) => pieces.slice([0, i], [null, i + 1]).reshape(part.shape)
  const w = coefficient(3)
    .mul(part)
    .add(coefficient(2))
    .mul(part)
    .add(coefficient(1))
    .mul(part)
    .add(coefficient(0))
  const grown = w.expm1()
  // sinh w, without cancellation near 0.
  return grown
    .add(grown.div(grown.add(1)))
    .mul(sign)
    .div(2)
}

/** Logarithm of the density of a t variable at t. */
export function studentLogDensity(t: Tensor, { nu, logNorm }: Student): Tensor {
  return t.square().div(nu).log1p().mul(nu.add(1).div(-2)).add(logNorm)
}

const logNormOf = (nu: number) => logGamma((nu + 1) / 2) - logGamma(nu / 2) - 0.5 * Math.log(nu * Math.PI)

const curves = new Map<number, Float64Array>()

/**
 * asinh of the quantile of t as a function w of the normal score v >= 0, in cubic segments of four coefficients: w(0) = 0 and w' = phi(v) /
 * (f(sinh w) cosh w), phi and f the two densities, by the Runge-Kutta method of order 4. In w the tails of t, which are powers, are as
 * smooth as those of the normal distribution.
 */
function curveOf(nu: number): Float64Array {
  const known = curves.get(nu)
  if (known !== undefined) return known
  const constant = -0.5 * Math.log(2 * Math.PI) - logNormOf(nu)
  const slope = (v: number, w: number) => {
    const cosh = Math.cosh(w)
    const logDensity = (-(nu + 1) / 2) * Math.log1p(Math.sinh(w) ** 2 / nu)
    return Math.exp(constant - (v * v) / 2 - logDensity) / cosh
  }
  const pieces = new Float64Array(4 * nodes)
  let w = 0
  let left = slope(0, 0)
  for (let i = 0; i < nodes; i++) {
    const v = i * step
    const second = slope(v + step / 2, w + (step / 2) * left)
    const third = slope(v + step / 2, w + (step / 2) * second)
    const fourth = slope(v + step, w + step * third)
    const rise = (step / 6) * (left + 2 * second + 2 * third + fourth)
    const right = slope(v + step, w + rise)
    // Hermite's cubic: both endpoints with both slopes.
    pieces.set(
      [w, step * left, 3 * rise - step * (2 * left + right), step * (left + right) - 2 * rise],
      4 * i,
    )
    w += rise
    left = right
  }
  curves.set(nu, pieces)
  return pieces
}
