/** How a pass over a network is made: whose weights, state and random numbers it uses. */
import { ArgumentError, describe, StateError, unknownName } from '../core/errors.js'
import { tensorOnly } from '../core/operands.js'
import { type Check, type Checks, callable, checkOptions, flag, isPlainObject } from '../core/options.js'
import type { Layer } from '../layers/layer.js'
import { stateAt } from '../nn/context.js'
import type { AnyModule } from '../nn/module.js'
import type { Tensor } from '../ops/tensor.js'
import { ForwardPass, type LayerEntry } from './forward.js'

/** What `apply` can be told. */
export interface ApplyOptions {
  /** Default false. */
  training?: boolean
  /** Random key; needed by dropout in training. */
  key?: Tensor
  /** Values of the state by path; default the network's own. */
  state?: Readonly<Record<string, Tensor>>
  /** Takes new values of the state by path, such as running statistics; default: they are dropped. */
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

/** What `pass` can be told. */
export interface PassRequest extends Omit<ApplyOptions, 'key'> {
  /** By path; those left out are the network's own. */
  weights?: Readonly<Record<string, Tensor>>
  tracking?: boolean
  /** Null for none; left out, it comes from the network's own stream. */
  key?: Tensor | null
  /** Whether a layer runs in evaluation mode although the pass is one of training. */
  evaluates?: ((layer: Layer) => boolean) | undefined
  /** Is shown the output of every layer, see {@link ForwardPass}. */
  observe?: ((name: string, output: Tensor) => void) | undefined
}

/**
 * What a pure function of the weights asks of a pass.
 *
 * @param who it is, for messages; @param known the weights there are, by path
 * @throws UnknownNameError for a path that is not a weight; ArgumentError for weights that are none
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
  // Without a key a layer that draws numbers says so: the network's own stream is not touched.
  const { key = null } = given
  return { update() {}, ...given, weights, key, tracking: false }
}

/** What a pass needs of the network. */
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
      // Drawn when a layer asks: a network that draws nothing leaves the random stream alone.
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
