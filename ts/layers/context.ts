import { ArgumentError, describe, StateError } from '../core/errors.js'
import type { Tensor } from '../ops/tensor.js'

/** What a layer may know about the call besides its weights and input. */
export interface Context {
  /** True while training: dropout drops, batch normalisation uses and records batch statistics. */
  readonly training: boolean
  /** Random key of this layer and this call; needed by layers that draw numbers. */
  readonly key?: Tensor
  /** This layer's state (running statistics, ...) as it was before the call. */
  readonly state: Record<string, Tensor>
  /** Hands back the new value of a state entry. The caller decides when it is stored. */
  update(name: string, value: Tensor): void
}

/** A context for evaluation: nothing random, and layers leave their state as it is. */
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
