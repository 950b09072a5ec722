import { ArgumentError } from '../../core/errors.js'
import { type Check, type Checks, checkOptions, checkValue } from '../../core/options.js'
import { idOf } from '../../core/tensor.js'
import { stack } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { type Leaf, leavesOf, rebuild } from './leaves.js'
import type { ParameterTree } from './optimizer.js'

/** Limits every entry of every gradient to [-max, max]. */
export function clipByValue<G extends ParameterTree>(grads: G, max: number): G {
  checkMax('clipByValue', max)
  checkGradients('clipByValue', grads)
  return rebuild(grads, (_path, grad) => grad.clip(-max, max))
}

/** Options of {@link clipByNorm}. */
export interface ClipOptions {
  /** Order of the norm: 1, 2, ... or Infinity, the largest absolute value of an entry. Default 2. */
  normType?: number
}

const positive: Check<number> = {
  expected: 'a number above 0, or Infinity',
  accepts: (value) => typeof value === 'number' && value > 0,
}
const checks: Checks<ClipOptions> = { normType: positive }

/**
 * Scales all gradients by one factor so that the norm of all their entries is at most `max`. Gradients with a smaller norm are
 * unchanged.
 *
 * @returns the scaled gradients, and the norm before scaling as a scalar
 */
export function clipByNorm<G extends ParameterTree>(
  grads: G,
  max: number,
  options: ClipOptions = {},
): { clipped: G; norm: Tensor } {
  const { normType = 2 } = checkOptions('clipByNorm', options, checks)
  checkMax('clipByNorm', max)
  checkGradients('clipByNorm', grads)
  const leaves = leavesOf(grads)
  const norm = globalNorm(leaves, normType)
  const factor = norm.add(1e-6).reciprocal().mul(max).minimum(1)
  const dtype = leaves.some(({ value }) => value.dtype === 'float64') ? 'float64' : 'float32'
  const clipped = rebuild(grads, (_path, grad) => grad.mul(factor.cast(grad.dtype)))
  return { clipped, norm: norm.cast(dtype) }
}

/** The norm in float64: the squares of large float32 gradients are infinite in float32, and of small ones 0. */
function globalNorm(leaves: Leaf<Tensor>[], order: number): Tensor {
  if (leaves.length === 0) throw new ArgumentError('clipByNorm: there is no gradient to clip')
  const over = (measure: (sizes: Tensor) => Tensor) =>
    stack(
      leaves.map(({ value }) => measure(value.cast('float64'))),
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

/** Throws for a Variable among the gradients. */
function checkGradients(name: string, grads: ParameterTree): void {
  for (const { path, value } of leavesOf(grads)) idOf(`${name}: gradient '${path}'`, value)
}

function checkMax(name: string, max: number): void {
  checkValue(`${name}: the limit`, max, positive)
}
