/** Distributions of test statistics, computed in JavaScript. */
import { gammaTail, logGamma } from '../estimators/special.js'

/** P(Z <= z) of a standard normal variable. */
export function normalBelow(z: number): number {
  const tail = gammaTail(0.5, (z * z) / 2) / 2
  return z > 0 ? 1 - tail : tail
}

/** The quantile of the standard normal distribution, to about 1e-15: Newton's method (third order) on {@link normalBelow}. */
export function normalQuantile(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY
  if (p >= 1) return Number.POSITIVE_INFINITY
  if (p > 0.5) return -normalQuantile(1 - p)
  // Abramowitz and Stegun 26.2.23, to 4e-4.
  const t = Math.sqrt(-2 * Math.log(p))
  const above = 2.515517 + t * (0.802853 + t * 0.010328)
  let z = above / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t
  for (let i = 0; i < 4; i++) {
    const error = (normalBelow(z) - p) * Math.sqrt(2 * Math.PI) * Math.exp((z * z) / 2)
    z -= error / (1 + (z * error) / 2)
  }
  return z
}

/** The regularized incomplete beta function I_x(a, b), by its continued fraction (Lentz). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a)
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logGamma(a) - logGamma(b) + logGamma(a + b))
  const safe = (value: number) => (Math.abs(value) < 1e-300 ? 1e-300 : value)
  let c = 1
  let d = 1 / safe(1 - ((a + b) * x) / (a + 1))
  let fraction = d
  for (let m = 1; m <= 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / safe(1 + even * d)
    c = safe(1 + even / c)
    fraction *= c * d
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / safe(1 + odd * d)
    c = safe(1 + odd / c)
    fraction *= c * d
    if (Math.abs(c * d - 1) < 1e-16) break
  }
  return (front * fraction) / a
}

/** P(T > t) of Student's distribution. */
export function studentAbove(t: number, degrees: number): number {
  const half = incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2
  return t > 0 ? half : 1 - half
}

/** The quantile of Student's distribution, by bisection to the last digit. */
export function studentQuantile(p: number, degrees: number): number {
  if (p < 0.5) return -studentQuantile(1 - p, degrees)
  if (p === 0.5) return 0
  let [low, high] = [0, 1]
  while (studentAbove(high, degrees) > 1 - p && high < 1e300) [low, high] = [high, 2 * high]
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2
    if (middle <= low || middle >= high) break
    if (studentAbove(middle, degrees) > 1 - p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The quantile of sorted values by linear interpolation (type 7 of Hyndman and Fan 1996). */
export function quantileOf(sorted: ArrayLike<number>, p: number): number {
  const place = p * (sorted.length - 1)
  const below = Math.min(sorted.length - 1, Math.max(0, Math.floor(place)))
  const [a, b] = [sorted[below] as number, sorted[Math.min(sorted.length - 1, below + 1)] as number]
  return a + (b - a) * (place - below)
}

/** Mean of some numbers. */
export function meanOf(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] as number
  return sum / values.length
}

/** Standard deviation of some numbers, over n - `less`. */
export function deviationOf(values: ArrayLike<number>, less = 1): number {
  const mean = meanOf(values)
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += ((values[i] as number) - mean) ** 2
  return Math.sqrt(sum / (values.length - less))
}
