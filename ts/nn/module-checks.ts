/** Checks of modules: the order of calls, shapes, weights and contexts. */
import { ArgumentError, describe, ShapeError, StateError } from '../core/errors.js'
import type { Shape } from '../ops/tensor.js'
import { checkExtents } from './declaration.js'

/** A module, as far as the checks need it. */
interface CheckedModule {
  readonly kind: string
  readonly name: string
  readonly inputShape: Shape | undefined
  readonly declared: boolean
  readonly initialized: boolean
  readonly children: ReadonlyMap<string, { readonly declared: boolean }>
  readonly params: ReadonlyMap<string, unknown>
  readonly state: ReadonlyMap<string, unknown>
}

/** The error for a module that is already part of another module. */
export function inUse({ name, inputShape }: CheckedModule): StateError {
  const declared = inputShape === undefined ? '' : ` (input shape [${inputShape}])`
  return new StateError(
    `layer '${name}' is already part of a network${declared}; make a new layer instead of adding it twice`,
  )
}

/**
 * Checks the result of a module's `build`.
 *
 * @throws ShapeError for an invalid output shape; StateError for a child that was not declared
 */
export function checkBuilt({ name, children }: CheckedModule, inputShape: Shape, outputShape: unknown): void {
  if (!Array.isArray(outputShape)) {
    throw new ShapeError(
      `${name}: build() must return the output shape without the batch axis, received ${describe(outputShape)}`,
    )
  }
  checkExtents(outputShape, () => `${name}: output shape for the input shape [${inputShape}]`)
  for (const [place, child] of children) {
    if (child.declared) continue
    throw new StateError(
      `${name}: build() did not declare the child '${place}'; call its declare(inputShape) there`,
    )
  }
}

/** @throws StateError for a module that is not declared, or that already has Variables */
export function checkInitializable(what: string, module: CheckedModule): void {
  const { declared, initialized, kind, name, params, state } = module
  if (!declared) {
    throw new StateError(`${what}: the shapes are not known yet; call declare(inputShape) first`)
  }
  if (initialized || params.size + state.size > 0) {
    throw new StateError(`${what}: ${kind} '${name}' has been initialized already; make a new one`)
  }
}

/** @throws ArgumentError for invalid weights and contexts of a child's run */
export function checkCall(name: string, weights: unknown, ctx: unknown): void {
  if (typeof weights !== 'object' || weights === null) {
    throw new ArgumentError(`${name}: weights are ${describe(weights)}, expected tensors by path`)
  }
  const { update, state } = (ctx ?? {}) as { readonly update?: unknown; readonly state?: unknown }
  if (typeof update !== 'function' || typeof state !== 'object' || state === null) {
    throw new ArgumentError(
      `${name}: the context is ${describe(ctx)}, expected { training, state, update } such as evalContext()`,
    )
  }
}
