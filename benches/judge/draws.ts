/** Random draws, integrals and functions of distributions, for cases whose information is computed. */
import { digammaOf, logGamma } from '../../ts/estimators/special.js'
import type { HostRandom } from '../../ts/index.js'

/** Source of random draws. */
export const draws = {
  /** Standard normal numbers (Box and Muller). */
  normals: (random: HostRandom, count: number): number[] =>
    Array.from({ length: count }, () => {
      const radius = Math.sqrt(-2 * Math.log1p(-random.next()))
      return radius * Math.cos(2 * Math.PI * random.next())
    }),
  /** An index, with the given probabilities. */
  choice: (random: HostRandom, chances: readonly number[]): number => {
    let left = random.next()
    const found = chances.findIndex((chance) => {
      left -= chance
      return left < 0
    })
    return found < 0 ? chances.length - 1 : found
  },
}

/** Integral by Simpson's rule over an even number of steps. */
export function integral(f: (x: number) => number, low: number, high: number, steps: number): number {
  const step = (high - low) / steps
  let sum = f(low) + f(high)
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * f(low + i * step)
  return (sum * step) / 3
}

/** Mean of a number of draws. */
export function expectation(count: number, draw: () => number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += draw()
  return sum / count
}

/** - sum p ln p. */
export function entropyOfCounts(chances: readonly number[]): number {
  return chances.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0)
}

export const normalDensity = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)

/** Probability that a standard normal number exceeds x. */
export function normalTail(x: number): number {
  const upper = integral(normalDensity, Math.abs(x), Math.abs(x) + 10, 400)
  return x >= 0 ? upper : 1 - upper
}

/** Entropy of a t distribution of `nu` degrees of freedom beyond that of the normal one (Czyz et al. 2023). */
export function studentTerm(nu: number): number {
  return logGamma(nu / 2) - (nu / 2) * digammaOf(nu / 2)
}
