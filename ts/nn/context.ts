import { ArgumentError, describe, StateError } from '../core/errors.js'
import type { Variable } from '../core/variable.js'
import { foldIn } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'

/** The context of a call: everything that a module receives besides weights and input. */
export interface Context {
  /** True while training: dropout drops, batch normalization uses and records batch statistics. */
  readonly training: boolean
  /** Random key of this module and this call, for modules that draw numbers. */
  readonly key?: Tensor
  /** This module's state (running statistics, ...) by path, before the call. */
  readonly state: Record<string, Tensor>
  /** Returns the new value of a state entry to the caller, which stores it. */
  update(path: string, value: Tensor): void
  /** Called with the path of each child within this module and its output; undefined if outputs are not observed. */
  readonly observe?: ((path: string, output: unknown) => void) | undefined
}

/** A context for evaluation: no random numbers, and no new state. */
export function evalContext(state: Record<string, Tensor> = {}): Context {
  if (typeof state !== 'object' || state === null) {
    throw new ArgumentError(`evalContext: given ${describe(state)}, expected tensors by name`)
  }
  return {
    training: false,
    state,
    update(name) {
      throw new StateError(
        `state '${name}' was updated during evaluation; update it only when ctx.training is true`,
      )
    },
  }
}

/** Difference between the key indices of two runs of one child within one call of its parent. */
const keysOfOneCall = 65_536

/** Number of runs of each child within a call, by the context of the call. */
const calls = new WeakMap<Context, Map<string, number>>()

/**
 * The context of a child: its part of the state, and its own random key, another key for every run.
 *
 * @param name name of the child within its parent; @param index index of the child among its siblings
 * @param state state of the child; default its part of the parent's state
 */
export function childContext(
  ctx: Context,
  name: string,
  index: number,
  state: Record<string, Tensor> = under(ctx.state, name),
  { observe }: Pick<Context, 'observe'> = { observe: ctx.observe && inside(ctx, name) },
): Context {
  const counts = calls.get(ctx) ?? new Map<string, number>()
  calls.set(ctx, counts)
  const call = counts.get(name) ?? 0
  counts.set(name, call + 1)
  let own: Tensor | undefined
  return {
    training: ctx.training,
    // Derived at the first request: a child without random numbers does not advance the parent's random stream.
    get key() {
      if (own === undefined) {
        const { key } = ctx
        own = key && foldIn(key, call * keysOfOneCall + index)
      }
      return own as Tensor
    },
    state,
    update: (path, value) => ctx.update(`${name}.${path}`, value),
    observe,
  }
}

/** Who looks at the children of a child. */
function inside(ctx: Context, name: string): Context['observe'] {
  return (path, output) => ctx.observe?.(`${name}.${path}`, output)
}

/** The entries of a child, by their paths within it. */
export function under(entries: Readonly<Record<string, Tensor>>, name: string): Record<string, Tensor> {
  const prefix = `${name}.`
  return Object.fromEntries(
    Object.entries(entries).flatMap(([path, value]) =>
      path.startsWith(prefix) ? [[path.slice(prefix.length), value] as const] : [],
    ),
  )
}

/**
 * The Variable of an entry of the state.
 *
 * @throws ArgumentError for a path that was not declared
 */
export function stateAt(who: string, state: ReadonlyMap<string, Variable>, path: string): Variable {
  const variable = state.get(path)
  if (variable !== undefined) return variable
  throw new ArgumentError(
    `${who}: update of an unknown state '${path}'; declared are ${[...state.keys()].join(', ') || 'none'}`,
  )
}
