/** The part of a model that training uses. */
import type { Device } from '../core/devices.js'
import type { Variable } from '../core/variable.js'
import type { Attachment, Probe } from '../dynamics/attachment.js'
import type { SaveDynamics } from '../dynamics/save.js'
import type { Layer } from '../layers/layer.js'
import type { FloatDType } from '../nn/initializers.js'
import type { Loss } from '../nn/losses/reduction.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import type { TrainingState } from './state.js'

/** Options of a pass over a model. */
export interface TrainingPassRequest {
  readonly training?: boolean
  /** Whether the pass returns `hidden`. */
  readonly tracking?: boolean
  /** Weights by path; a missing path stands for the model's own weight. */
  readonly weights?: Readonly<Record<string, Tensor>>
  /** Receives new values of the state, by path. */
  update?(path: string, value: Tensor): void
}

/** A pass over a model. */
export interface TrainingPass {
  readonly training: boolean
  readonly tracking: boolean
  run(layer: Layer, x: Tensor): Tensor
  detach(output: Tensor): Tensor
  point(name: string, output: Tensor): Tensor
  /** The layer that computed a tensor in this pass; undefined for other tensors. */
  producer(output: Tensor): Layer | undefined
  /** The name of a point: that of the layer whose output it is, or what the network called it. */
  nameOf(output: Tensor): string | undefined
}

/** The part of a model that training uses. */
export interface Trainable {
  readonly trainingState: TrainingState
  readonly inputShape: Shape
  readonly dtype: FloatDType
  /** The device of its Variables. */
  readonly device: Device
  readonly seed: number
  readonly numLayers: number
  /** Whether the model has no weights of its own. */
  readonly noWeights: boolean
  readonly trackDynamics: boolean
  readonly saveDynamics: Readonly<Required<SaveDynamics>> | undefined
  /** The target in a segment: the labels, or the last output. */
  readonly segment: 'label' | 'origin'
  readonly attachments: readonly Attachment<Probe>[]
  /** By path. */
  readonly weights: Readonly<Record<string, Variable>>
  readonly trainableWeights: Readonly<Record<string, Variable>>
  readonly stateVariables: Readonly<Record<string, Variable>>
  pass(request: TrainingPassRequest): TrainingPass
  forward(x: Tensor, pass?: TrainingPass): { output: Tensor; hidden: Tensor[] }
  /** The input of the last softmax; the output for a network that does not end in a softmax. */
  logitsOf(pass: TrainingPass, output: Tensor): Tensor
  /** Loss of a batch, from its output. @param loss in place of that of `compile` */
  lossOf(pass: TrainingPass, output: Tensor, y: Tensor, loss?: Loss): Tensor
}
