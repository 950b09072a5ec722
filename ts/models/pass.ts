/** Passes over a network: the choice of weights, state and random numbers. */
import { ArgumentError, describe, StateError, unknownName } from '../core/errors.js'
import { tensorOnly } from '../core/operands.js'
import { type Check, type Checks, callable, checkOptions, flag, isPlainObject } from '../core/options.js'
import type { Layer } from '../layers/layer.js'
import { stateAt } from '../nn/context.js'
import type { AnyModule } from '../nn/module.js'
import type { Tensor } from '../ops/tensor.js'
import { ForwardPass, type LayerEntry } from './forward.js'

/** Options of `apply`. */
export interface ApplyOptions {
  /** Default false. */
  training?: boolean
  /** Random key; needed by dropout in training. */
  key?: Tensor
  /** Values of the state by path; default the network's own state. */
  state?: Readonly<Record<string, Tensor>>
  /** Receives new values of the state by path, such as running statistics; default: they are dropped. */
  update?(path: string, value: Tensor): void
}

const applyChecks: Checks<ApplyOptions> = {
  training: flag,
  key: tensorOnly,
  state: {
    expected: 'tensors by path, as in stateVariables',
    accepts: isPlainObject,
  } as Check<Readonly<Record<string, Tensor>>>,
  update: callable<NonNullable<ApplyOptions['update']>>(),
}

/** Options of `pass`. */
export interface PassRequest extends Omit<ApplyOptions, 'key'> {
  /** Tensors by path; missing paths use the network's own weights. */
  weights?: Readonly<Record<string, Tensor>>
  tracking?: boolean
  /** Null for no key; by default the next key of the network's own stream. */
  key?: Tensor | null
  /** Whether a layer runs in evaluation mode in a training pass. */
  evaluates?: ((layer: Layer) => boolean) | undefined
  /** Is shown the output of every layer, see {@link ForwardPass}. */
  observe?: ((name: string, output: Tensor) => void) | undefined
}

/**
 * The request of a pure function of the weights.
 *
 * @param who the function's name for messages; @param known the network's weights by path
 * @throws UnknownNameError for a path that is not a weight; ArgumentError for values that are not weights
 */
export function applyRequest(
  who: string,
  known: Readonly<Record<string, unknown>>,
  weights: Readonly<Record<string, Tensor>>,
  options: ApplyOptions,
): PassRequest {
  const given = checkOptions(who, options, applyChecks)
  if (!isPlainObject(weights)) {
    throw new ArgumentError(
      `${who}: weights are ${describe(weights)}, expected tensors by path, as in model.weights`,
    )
  }
  const stranger = Object.keys(weights).find((path) => !Object.hasOwn(known, path))
  if (stranger !== undefined) throw unknownName('weight', stranger, Object.keys(known))
  // Without a key a layer that draws numbers throws: a pure function must not advance the network's own stream.
  const { key = null } = given
  return { update() {}, ...given, weights, key, tracking: false }
}

/** The part of the network that a pass uses. */
interface Passed {
  readonly name: string
  readonly module: Pick<AnyModule, 'params' | 'state'>
  readonly entries: ReadonlyMap<Layer, LayerEntry>
  /** A random key of the network's own stream. */
  drawKey(): Tensor
}

/** A pass over given weights. */
export function passOf({ name, module, entries, drawKey }: Passed, request: PassRequest): ForwardPass {
  const {
    weights = {},
    state = {},
    training = false,
    tracking = false,
    update,
    key,
    evaluates,
    observe,
  } = request
  const own = new Map([...module.params, ...module.state])
  let drawn: Tensor | undefined
  return new ForwardPass({
    entries,
    tracking,
    evaluates,
    observe,
    context: {
      training,
      // Drawn at a layer's first request: a network without random layers does not advance the stream.
      get key() {
        if (training) drawn ??= key === undefined ? drawKey() : (key ?? undefined)
        return drawn as Tensor
      },
      state: {},
      update: (path, value) => {
        if (!training) {
          throw new StateError(
            `state '${path}' was updated during evaluation; update it only when ctx.training is true`,
          )
        }
        const variable = stateAt(name, module.state, path)
        if (update === undefined) variable.assign(value.stopGradient())
        else update(path, value)
      },
    },
    read: (path) => {
      const value = weights[path] ?? state[path] ?? own.get(path)?.value
      if (value !== undefined) return value
      throw new StateError(
        `the weight '${path}' is missing: a network with noWeights computes with those given to apply(weights, x), all of its paramShapes`,
      )
    },
  })
}
