/** Options of the constructor of a network. */
import { deviceNamed } from '../core/devices.js'
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { floatDType } from '../core/operands.js'
import {
  type Checks,
  checkOptions,
  elsewhere,
  flag,
  isList,
  oneOf,
  required,
  whole,
} from '../core/options.js'
import { resolveSave, type SaveDynamics } from '../dynamics/save.js'
import type { FloatDType } from '../nn/initializers.js'
import type { Device, DeviceRequest, Shape } from '../ops/tensor.js'

/** List of tensors that evaluators receive, see {@link NetworkOptions.segment}. */
export type Segment = 'label' | 'origin'

/** Options of {@link Network}. */
export interface NetworkOptions {
  /** Shape of one input, without the batch axis. */
  inputShape: Shape
  /** Device of weights, state and computation, until `to` moves the network. Default: the default device, which `HYPERGLOW_DEVICE` names. */
  device?: DeviceRequest
  /** Seed of the initial weights, of dropout and, in `fit`, of split and order of the data. Default 0. */
  seed?: number
  /** Dtype of weights and activations. Default 'float32'. */
  dtype?: FloatDType
  /** Evaluate the attached evaluators on every training batch. Default false. */
  trackDynamics?: boolean
  /**
   * Write the dynamics to a folder during training. An earlier run in the folder is moved to the folder `earlier-1` (or the next number)
   * inside; `fit` with `appendDynamics` continues it instead.
   */
  saveDynamics?: string | SaveDynamics
  /**
   * Tensors that evaluators receive. 'label' (default): the input, the outputs of all layers with parameters, and the target (class labels
   * as one-hot rows). 'origin': the input and the outputs of all layers, the last of which is the target, as in PyGlow.
   */
  segment?: Segment
  /** 'doubleSoftmax': a softmax output goes into the cross-entropy as if it were logits, as in PyGlow. Default: logits, once. */
  compat?: 'doubleSoftmax'
  /**
   * Make no weights: `apply` receives all of them, for instance from another network. The network still has its own state (running
   * statistics). Default false.
   */
  noWeights?: boolean
}

/** The checked options with their defaults. */
export interface NetworkSettings {
  readonly inputShape: Shape
  readonly device: Device
  readonly seed: number
  readonly dtype: FloatDType
  readonly trackDynamics: boolean
  readonly saveDynamics: Readonly<Required<SaveDynamics>> | undefined
  readonly segment: Segment
  readonly compat: 'doubleSoftmax' | undefined
  readonly noWeights: boolean
}

/** The checks of {@link NetworkOptions}. */
export const networkChecks: Checks<NetworkOptions> = {
  inputShape: required({
    ...elsewhere<Shape>(),
    expected: 'an array of extents without the batch axis, such as [1, 28, 28]',
  }),
  device: elsewhere(),
  seed: whole(0),
  dtype: floatDType,
  trackDynamics: flag,
  saveDynamics: elsewhere(),
  segment: oneOf('label', 'origin'),
  compat: oneOf('doubleSoftmax'),
  noWeights: flag,
}

/**
 * Checks the options of a network.
 *
 * @throws ShapeError for an invalid input shape; DeviceError for a missing device; UnknownNameError, ArgumentError
 */
export function resolveNetwork(options: NetworkOptions): NetworkSettings {
  const given = checkOptions('a network', options, networkChecks)
  const { inputShape, seed = 0, dtype = 'float32', segment = 'label', compat, noWeights = false } = given
  const { trackDynamics = false, saveDynamics } = given
  const shape = Object.freeze(checkInputShape(inputShape))
  return {
    inputShape: shape,
    device: deviceNamed('a network', given.device),
    seed,
    dtype,
    trackDynamics,
    saveDynamics: checkSave(saveDynamics, trackDynamics),
    segment,
    compat,
    noWeights,
  }
}

function checkInputShape(shape: unknown): number[] {
  if (!isList(shape)) {
    throw new ShapeError(
      `inputShape is ${describe(shape)}, expected extents without the batch axis, such as [1, 28, 28]`,
    )
  }
  const extents = shape as readonly unknown[]
  const bad = extents.findIndex((extent) => !Number.isSafeInteger(extent) || (extent as number) < 1)
  if (bad >= 0) {
    throw new ShapeError(
      `inputShape has extent ${describe(extents[bad])} on axis ${bad}, expected positive whole numbers`,
    )
  }
  return [...(extents as number[])]
}

function checkSave(
  given: string | SaveDynamics | undefined,
  tracked: boolean,
): Required<SaveDynamics> | undefined {
  if (given === undefined) return undefined
  const save = resolveSave(given)
  if (!tracked)
    throw new ArgumentError('saveDynamics needs trackDynamics: true, since there would be nothing to save')
  return save
}
