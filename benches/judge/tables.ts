/** Information of discrete variables, and of discretized normal ones, by sums over their distributions. */
import { gammaTail, logGamma } from '../../ts/estimators/special.js'

/** One value of an input: its probability, and the probabilities of the outputs given it. */
export interface Given {
  readonly weight: number
  readonly outputs: readonly number[]
}

/** I(input; output) in nats of a channel with a discrete output. The input may be discrete, or the nodes of a quadrature. */
export function channelInformation(inputs: readonly Given[]): number {
  const total = inputs.reduce((sum, { weight }) => sum + weight, 0)
  const marginal = new Float64Array(inputs[0]?.outputs.length ?? 0)
  for (const { weight, outputs } of inputs) {
    for (const [j, p] of outputs.entries()) marginal[j] = (marginal[j] as number) + (weight / total) * p
  }
  let information = 0
  for (const { weight, outputs } of inputs) {
    for (const [j, p] of outputs.entries()) {
      if (p > 0) information += (weight / total) * p * Math.log(p / (marginal[j] as number))
    }
  }
  return information
}

/** I(row; column) in nats of a table of probabilities. */
export function tableInformation(chances: readonly (readonly number[])[]): number {
  return channelInformation(
    chances.flatMap((row) => {
      const weight = row.reduce((a, b) => a + b, 0)
      return weight > 0 ? [{ weight, outputs: row.map((p) => p / weight) }] : []
    }),
  )
}

/** Probability that a standard normal number is below z. */
export function normalBelow(z: number): number {
  const tail = gammaTail(0.5, (z * z) / 2) / 2
  return z > 0 ? 1 - tail : tail
}

/** The probabilities of the cells of width `step` around the multiples of `step` from -`reach` to `reach`, for a normal number. */
export function normalCells(mean: number, deviation: number, step: number, reach: number): number[] {
  const last = Math.ceil(reach / step)
  const edge = (k: number) => normalBelow(((k - 0.5) * step - mean) / deviation)
  let below = 0
  return Array.from({ length: 2 * last + 1 }, (_, i) => {
    const above = i === 2 * last ? 1 : edge(i - last + 1)
    const cell = above - below
    below = above
    return cell
  })
}

/** Nodes and weights of Gauss-Legendre quadrature on [-1, 1], of order 5. */
const legendre = [
  [0, 128 / 225],
  [0.5384693101056831, 0.47862867049936647],
  [-0.5384693101056831, 0.47862867049936647],
  [0.906179845938664, 0.23692688505618908],
  [-0.906179845938664, 0.23692688505618908],
] as const

/** Weighted sum of f over the nodes of an interval. */
function overInterval(low: number, high: number, visit: (x: number, weight: number) => void): void {
  const half = (high - low) / 2
  for (const [node, weight] of legendre) visit(low + half * (1 + node), half * weight)
}

const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)

/** Standard deviations beyond which normal numbers are negligible. */
const far = 8

/**
 * Information of a pair of standard normal numbers of correlation `rho`, x rounded to multiples of `stepX` and y to multiples of `stepY`; a
 * step of 0 does not round.
 */
export function roundedNormals(rho: number, stepX: number, stepY: number): number {
  if (stepX === 0 && stepY === 0) return -0.5 * Math.log1p(-rho * rho)
  if (stepY === 0) return roundedNormals(rho, 0, stepX)
  const noise = Math.sqrt(1 - rho * rho)
  const wide = stepX === 0 ? 0.05 : stepX
  const inputs: Given[] = []
  const last = Math.ceil(far / wide)
  const pieces = Math.max(1, Math.ceil(wide / 0.1))
  for (let k = -last; k <= last; k++) {
    const cell: Given[] = []
    for (let piece = 0; piece < pieces; piece++) {
      const low = (k - 0.5 + piece / pieces) * wide
      overInterval(low, low + wide / pieces, (x, weight) => {
        cell.push({ weight: weight * density(x), outputs: normalCells(rho * x, noise, stepY, far) })
      })
    }
    if (stepX === 0) inputs.push(...cell)
    else inputs.push(merged(cell))
  }
  return channelInformation(inputs.filter(({ weight }) => weight > 1e-15))
}

/** Several inputs merged into one. */
export function merged(inputs: readonly Given[]): Given {
  const weight = inputs.reduce((sum, one) => sum + one.weight, 0)
  const outputs = (inputs[0]?.outputs ?? []).map(
    (_, j) =>
      inputs.reduce((sum, one) => sum + one.weight * (one.outputs[j] as number), 0) /
      Math.max(weight, 1e-300),
  )
  return { weight, outputs }
}

/** Probabilities of 0 .. most, for counts of the given mean. */
export function poissonChances(mean: number, most: number): number[] {
  return Array.from({ length: most + 1 }, (_, k) => Math.exp(k * Math.log(mean) - mean - logGamma(k + 1)))
}

/** Counts x = a + c, y = b + c of independent counts of means a, b and c, as a table. */
export function sharedCounts(a: number, b: number, c: number): number[][] {
  const mostOf = (mean: number) => Math.ceil(mean + 9 * Math.sqrt(mean) + 9)
  const [x, y, shared] = [a, b, c].map((mean) => poissonChances(mean, mostOf(mean))) as [
    number[],
    number[],
    number[],
  ]
  return Array.from({ length: x.length + shared.length - 1 }, (_, i) =>
    Array.from({ length: y.length + shared.length - 1 }, (_, j) =>
      shared.reduce((sum, p, k) => sum + p * (x[i - k] ?? 0) * (y[j - k] ?? 0), 0),
    ),
  )
}
