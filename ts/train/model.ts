/** What training needs of a model; networks are such. */
import type { Variable } from '../core/variable.js'
import type { Attachment, Probe } from '../dynamics/attachment.js'
import type { SaveDynamics } from '../dynamics/save.js'
import type { Layer } from '../layers/layer.js'
import type { FloatDType } from '../nn/initializers.js'
import type { Loss } from '../nn/losses/reduction.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import type { TrainingState } from './state.js'

/** What a pass through a model can be told. */
export interface TrainingPassRequest {
  readonly training?: boolean
  /** Whether `hidden` is wanted. */
  readonly tracking?: boolean
  /** Weights by path; those left out are the model's own. */
  readonly weights?: Readonly<Record<string, Tensor>>
  /** Takes new values of the state, by path. */
  update?(path: string, value: Tensor): void
}

/** A pass through a model. */
export interface TrainingPass {
  readonly training: boolean
  readonly tracking: boolean
  run(layer: Layer, x: Tensor): Tensor
  detach(output: Tensor): Tensor
  point(name: string, output: Tensor): Tensor
  /** The layer whose output a tensor is, if it is one of this pass. */
  producer(output: Tensor): Layer | undefined
  /** The name of a point: that of the layer whose output it is, or what the network called it. */
  nameOf(output: Tensor): string | undefined
}

/** What training needs of a model. */
export interface Trainable {
  readonly trainingState: TrainingState
  readonly inputShape: Shape
  readonly dtype: FloatDType
  readonly seed: number
  readonly numLayers: number
  /** Whether the model computes with weights that are handed in, and has none. */
  readonly noWeights: boolean
  readonly trackDynamics: boolean
  readonly saveDynamics: Readonly<Required<SaveDynamics>> | undefined
  /** What stands for the target in a segment: the labels, or the last output. */
  readonly segment: 'label' | 'origin'
  readonly attachments: readonly Attachment<Probe>[]
  /** By path. */
  readonly weights: Readonly<Record<string, Variable>>
  readonly trainableWeights: Readonly<Record<string, Variable>>
  readonly stateVariables: Readonly<Record<string, Variable>>
  pass(request: TrainingPassRequest): TrainingPass
  forward(x: Tensor, pass?: TrainingPass): { output: Tensor; hidden: Tensor[] }
  /** What the last softmax is applied to; the output where the network does not end in one. */
  logitsOf(pass: TrainingPass, output: Tensor): Tensor
  /** Loss of a batch, from its output. @param loss in place of that of `compile` */
  lossOf(pass: TrainingPass, output: Tensor, y: Tensor, loss?: Loss): Tensor
}
