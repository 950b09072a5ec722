import { ArgumentError, describe, describeList } from '../core/errors.js'
import { checkValue, isList, whole } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import type { Context } from '../nn/context.js'
import type { Tensor } from '../ops/tensor.js'

/** Throws ArgumentError unless `value` is a whole number of at least `least`; returns it. */
export function wholeNumber(what: string, value: number, least = 1): number {
  return checkValue(what, value, whole(least))
}

/** A number for all axes, or one per axis, as an array of `rank` whole numbers of at least `least`. */
export function perAxis(
  what: string,
  value: number | readonly number[],
  rank: number,
  least: number,
): readonly number[] {
  if (typeof value === 'number') return new Array<number>(rank).fill(wholeNumber(what, value, least))
  if (!isList(value) || value.length !== rank) {
    throw new ArgumentError(
      `${what} must be a number or have ${rank} entries, one per spatial axis; received ${
        isList(value) ? describeList(value) : describe(value)
      }`,
    )
  }
  // Array.from, since a hole is a missing entry.
  return Array.from(value as readonly number[], (entry) => wholeNumber(what, entry, least))
}

/**
 * Checks the weights and the input of a layer.
 *
 * @param weights tensors by name; @param needed the required names
 * @throws {ArgumentError} for anything but tensors
 */
export function checkInputs(layer: string, weights: object, x: Tensor, needed: readonly string[] = []): void {
  idOf(layer, x)
  if (typeof weights !== 'object' || weights === null) {
    throw new ArgumentError(`${layer}: weights are ${describe(weights)}, expected tensors by name`)
  }
  for (const [name, weight] of Object.entries(weights)) {
    if (weight !== undefined) idOf(`${layer}: weight '${name}'`, weight)
  }
  const missing = needed.find((name) => (weights as Record<string, unknown>)[name] === undefined)
  if (missing !== undefined) {
    throw new ArgumentError(
      `${layer}: weight '${missing}' is missing, given are ${Object.keys(weights).join(', ') || 'none'}`,
    )
  }
}

/** Checks the context of a layer that uses the context. */
export function checkContext(layer: string, ctx: Context): void {
  const { state, update } = (typeof ctx === 'object' && ctx) || ({} as Partial<Context>)
  if (typeof state !== 'object' || state === null || typeof update !== 'function') {
    throw new ArgumentError(
      `${layer}: the context is ${describe(ctx)}, expected { training, state, update } such as evalContext()`,
    )
  }
  for (const [name, value] of Object.entries(state)) idOf(`${layer}: state '${name}'`, value)
  if (ctx.key !== undefined) idOf(`${layer}: key`, ctx.key)
}

/**
 * Refuses a call of the base class of layers of 1 to 3 spatial axes with the arguments of a subclass.
 *
 * @throws {ArgumentError}
 */
export function checkRank(base: string, rank: unknown): void {
  if (rank === 1 || rank === 2 || rank === 3) return
  throw new ArgumentError(
    `${base}: given ${describe(rank)} as the number of spatial axes; use ${base}1d, ${base}2d or ${base}3d`,
  )
}
