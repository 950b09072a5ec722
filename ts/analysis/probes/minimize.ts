/** Minimization of a smooth convex function, by its value and gradient. */
import { settled } from '../../core/turns.js'

/** A value and a gradient at a point. */
export interface Slope {
  readonly value: number
  readonly gradient: Float64Array
}

/** Result of a minimization. */
export interface Minimum extends Slope {
  readonly point: Float64Array
  readonly iterations: number
  /** Whether no entry of the gradient is above the tolerance. */
  readonly converged: boolean
}

const dot = (a: Float64Array, b: Float64Array) => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
const along = (a: Float64Array, step: number, b: Float64Array) =>
  a.map((value, i) => value + step * (b[i] as number))
const largest = (a: Float64Array) => a.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** Number of remembered pairs of steps and gradient changes. */
const memory = 10

/**
 * L-BFGS (Liu and Nocedal 1989) with a line search for the weak Wolfe conditions by bisection (Lewis and Overton 2013).
 *
 * @param at value and gradient
 * @param tolerance of the largest entry of the gradient
 */
export async function minimize(
  at: (point: Float64Array) => Promise<Slope>,
  start: Float64Array,
  tolerance: number,
  limit: number,
): Promise<Minimum> {
  let point = start
  let here = await at(point)
  const pairs: { step: Float64Array; change: Float64Array; scale: number }[] = []
  for (let iteration = 0; ; iteration++) {
    const converged = largest(here.gradient) <= tolerance
    if (converged || iteration === limit) return { ...here, point, iterations: iteration, converged }
    const direction = downhill(here.gradient, pairs)
    const slope = dot(here.gradient, direction)
    const length = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(direction, direction))) : 1
    const found = await search(at, point, here, direction, slope, length)
    // At the precision of rounding there is no further decrease.
    if (found === undefined) return { ...here, point, iterations: iteration, converged }
    const next = along(point, found.length, direction)
    const step = along(next, -1, point)
    const change = along(found.gradient, -1, here.gradient)
    const curvature = dot(step, change)
    if (curvature > 0) pairs.push({ step, change, scale: 1 / curvature })
    if (pairs.length > memory) pairs.shift()
    point = next
    here = found
    await settled()
  }
}

/** The L-BFGS descent direction. */
function downhill(
  gradient: Float64Array,
  pairs: readonly { step: Float64Array; change: Float64Array; scale: number }[],
): Float64Array {
  let q = gradient.map((value) => -value)
  const shares: number[] = []
  for (const { step, change, scale } of pairs.slice().reverse()) {
    const share = scale * dot(step, q)
    shares.unshift(share)
    q = along(q, -share, change)
  }
  const last = pairs.at(-1)
  if (last !== undefined) {
    const factor = 1 / (last.scale * dot(last.change, last.change))
    q = q.map((value) => factor * value)
  }
  for (const [i, { step, change, scale }] of pairs.entries()) {
    q = along(q, (shares[i] as number) - scale * dot(change, q), step)
  }
  return q
}

async function search(
  at: (point: Float64Array) => Promise<Slope>,
  point: Float64Array,
  here: Slope,
  direction: Float64Array,
  slope: number,
  first: number,
): Promise<(Slope & { readonly length: number }) | undefined> {
  let [low, high, length] = [0, Number.POSITIVE_INFINITY, first]
  for (let i = 0; i < 60; i++) {
    const there = await at(along(point, length, direction))
    if (!(there.value <= here.value + 1e-4 * length * slope)) high = length
    else if (dot(there.gradient, direction) < 0.9 * slope) low = length
    else return { ...there, length }
    length = high === Number.POSITIVE_INFINITY ? 2 * low : (low + high) / 2
  }
  return undefined
}
