import { ArgumentError, describe, StateError } from '../core/errors.js'
import type { Variable } from '../core/variable.js'
import { foldIn } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'

/** What a module may know about the call besides its weights and input. */
export interface Context {
  /** True while training: dropout drops, batch normalisation uses and records batch statistics. */
  readonly training: boolean
  /** Random key of this module and this call; needed by modules that draw numbers. */
  readonly key?: Tensor
  /** This module's state (running statistics, ...) by path, as it was before the call. */
  readonly state: Record<string, Tensor>
  /** Hands back the new value of a state entry. The caller decides when it is stored. */
  update(path: string, value: Tensor): void
  /** Is shown what children give, by their paths within this module; left out where nobody looks. */
  readonly observe?: ((path: string, output: unknown) => void) | undefined
}

/** A context for evaluation: nothing random, and modules leave their state as it is. */
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

/** Calls of one child within one call of its parent are told apart by this much in their keys. */
const keysOfOneCall = 65_536

/** How often each child was run within a call, by the context of the call. */
const calls = new WeakMap<Context, Map<string, number>>()

/**
 * The context of a child: its part of the state, and a random key of its own, another for every call.
 *
 * @param name of the child within its parent; @param index of the child among its siblings
 * @param state of the child; default its part of the parent's; @param look who is shown what its children give; default who looks at the parent's
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
    // Made when the child asks: who draws nothing leaves the parent's random stream alone.
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
 * @throws ArgumentError where nothing of that path was declared
 */
export function stateAt(who: string, state: ReadonlyMap<string, Variable>, path: string): Variable {
  const variable = state.get(path)
  if (variable !== undefined) return variable
  throw new ArgumentError(
    `${who}: update of an unknown state '${path}'; declared are ${[...state.keys()].join(', ') || 'none'}`,
  )
}
