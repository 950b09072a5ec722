/** The t distribution on the host: what copula estimators need of it. */
import { logGamma } from './special.js'

/**
 * Probability that a t variable of `nu` degrees of freedom lies above t >= 0: half the regularised incomplete beta function
 * at nu / (nu + t^2), by its continued fraction (Lentz).
 */
export function studentTail(t: number, nu: number): number {
  const x = nu / (nu + t * t)
  const [a, b] = [nu / 2, 0.5]
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x))
  if (t === 0) return 0.5
  const isNear = x < (a + 1) / (a + b + 2)
  const whole = isNear ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b
  return whole / 2
}

function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300
  const away = (value: number) => (Math.abs(value) < tiny ? tiny : value)
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let c = 1
  let result = d
  for (let m = 1; m <= 300; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away(1 + even * d)
    c = away(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away(1 + odd * d)
    c = away(1 + odd / c)
    result *= d * c
    if (Math.abs(d * c - 1) < 1e-15) break
  }
  return result
}

/** Logarithm of the density of a t variable of `nu` degrees of freedom. */
export function studentLogDensity(t: number, nu: number): number {
  const norm = logGamma((nu + 1) / 2) - logGamma(nu / 2) - 0.5 * Math.log(nu * Math.PI)
  return norm - ((nu + 1) / 2) * Math.log1p((t * t) / nu)
}

/**
 * Quantiles of t with `nu` degrees of freedom at k / (2 (n + 1)), k = 0 .. 2 n + 1; those at 0 and 1 stand as 0, nobody has them.
 * Found from the middle outwards by Newton's method, each from the one before.
 */
export function studentQuantiles(n: number, nu: number): Float64Array {
  const size = 2 * (n + 1)
  const quantiles = new Float64Array(size)
  let t = 0
  for (let k = n; k >= 1; k--) {
    const tail = k / size
    // On the logarithm of the tail, which is nearly linear in t or in ln t, Newton's method cannot overshoot far.
    for (let step = 0; step < 60; step++) {
      const value = studentTail(t, nu)
      const move = (value * (Math.log(value) - Math.log(tail))) / Math.exp(studentLogDensity(t, nu))
      t += move
      if (Math.abs(move) <= 1e-13 * (1 + t)) break
    }
    quantiles[size - k] = t
    quantiles[k] = -t
  }
  return quantiles
}
