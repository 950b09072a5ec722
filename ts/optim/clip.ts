import { ArgumentError } from '../errors.js'
import { stack } from '../ops/index.js'
import { checkOptions } from '../options.js'
import type { Tensor } from '../tensor.js'
import { type Leaf, leavesOf, rebuild } from './leaves.js'
import type { ParameterTree } from './optimizer.js'

/** Limits every entry of every gradient to [-max, max]. */
export function clipByValue<G extends ParameterTree>(grads: G, max: number): G {
  checkMax('clipByValue', max)
  return rebuild(grads, (_path, grad) => grad.clip(-max, max))
}

/**
 * Scales all gradients by one factor so that their norm, taken over all of them together, is at most `max`. Gradients below
 * it stay as they are.
 *
 * @param options normType: order of the norm, 1, 2, ... or Infinity (the largest size of an entry); default 2
 * @returns the scaled gradients, and the norm before scaling as a scalar
 */
export function clipByNorm<G extends ParameterTree>(
  grads: G,
  max: number,
  options: { normType?: number } = {},
): { clipped: G; norm: Tensor } {
  checkMax('clipByNorm', max)
  checkOptions('clipByNorm', options, ['normType'])
  const { normType = 2 } = options
  if (!(normType > 0)) {
    throw new ArgumentError(`clipByNorm: normType must be above 0 or Infinity, received ${normType}`)
  }
  const norm = globalNorm(leavesOf(grads), normType)
  const factor = norm.add(1e-6).reciprocal().mul(max).minimum(1)
  return { clipped: rebuild(grads, (_path, grad) => grad.mul(factor.cast(grad.dtype))), norm }
}

function globalNorm(leaves: Leaf<Tensor>[], order: number): Tensor {
  const dtype = leaves.some(({ value }) => value.dtype === 'float64') ? 'float64' : 'float32'
  if (leaves.length === 0) throw new ArgumentError('clipByNorm: there is no gradient to clip')
  const over = (measure: (sizes: Tensor) => Tensor) =>
    stack(
      leaves.map(({ value }) => measure(value.cast(dtype))),
      0,
    )
  if (order === Number.POSITIVE_INFINITY) return over((grad) => grad.abs().max()).max()
  if (order === 2)
    return over((grad) => grad.square().sum())
      .sum()
      .sqrt()
  if (order === 1) return over((grad) => grad.abs().sum()).sum()
  return over((grad) => grad.abs().pow(order).sum())
    .sum()
    .pow(1 / order)
}

function checkMax(name: string, max: number): void {
  if (!(max > 0)) throw new ArgumentError(`${name}: the limit must be above 0, received ${max}`)
}
