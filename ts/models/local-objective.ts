/** The objective of a layer that is trained alone, and a pass that visits each such layer. */

import type { Variable } from '../core/variable.js'
import type { SegmentOptions } from '../estimators/estimator.js'
import type { Estimator } from '../estimators/index.js'
import type { Layer } from '../layers/layer.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import { Tensor } from '../ops/tensor.js'
import type { ForwardContext, ForwardPass } from './forward.js'

/** A layer that is trained alone. */
export interface LocalTraining {
  /** Path of the layer's weights, such as `layers.0`. */
  readonly path: string
  readonly criterion: Estimator
  /** Weight of the dependence on the target. */
  readonly coefficient: number
  readonly optimizer: Optimizer
  /** The trainable weights, by path. */
  readonly parameters: Readonly<Record<string, Variable>>
}

/** The objective of one layer on one batch. */
export interface LayerObjective {
  /** Name of the layer. */
  readonly layer: string
  /** `input - coefficient * target`, a scalar. */
  readonly value: Tensor
  /** The criterion between the output of the layer and the input of the network. */
  readonly input: Tensor
  /** The criterion between the output of the layer and the target. */
  readonly target: Tensor
  /** False where the batch has fewer samples than the criterion needs; the numbers are then meaningless. */
  readonly counts?: false
}

/** Input and target of a batch as criteria take them: class labels are one-hot rows. */
export interface LocalBatch {
  readonly x: Tensor
  readonly y: Tensor
  readonly kind: SegmentOptions
}

/**
 * The objective of a layer: `criterion(z, x) - coefficient * criterion(z, y)` (Ma, Lewis and Kleijn 2019, eq. 5). Both terms share the
 * criterion's computation of `z`.
 *
 * @param z `[batch, ...]` output of the layer
 */
export function objectiveOf(
  layer: Layer,
  z: Tensor,
  { x, y, kind }: LocalBatch,
  { criterion, coefficient }: Pick<LocalTraining, 'criterion' | 'coefficient'>,
): LayerObjective {
  const [[input, target] = []] = criterion.evaluateSegment([x, z, y], kind) as [[Tensor, Tensor]]
  const [onInput, onTarget] = [input as Tensor, target as Tensor]
  return {
    layer: layer.name,
    value: onInput.sub(onTarget.mul(coefficient)),
    input: onInput,
    target: onTarget,
  }
}

/** Runs a layer and may change its input and output. */
export type Visit = (layer: Layer, run: () => Tensor) => Tensor

/** A pass that calls a function for each layer. */
export class VisitedPass implements ForwardContext {
  readonly #pass: ForwardPass
  readonly #visit: Visit

  constructor(pass: ForwardPass, visit: Visit) {
    this.#pass = pass
    this.#visit = visit
  }

  get training(): boolean {
    return this.#pass.training
  }

  get tracking(): boolean {
    return this.#pass.tracking
  }

  run(layer: Layer, x: Tensor): Tensor {
    return this.#visit(layer, () => this.#pass.run(layer, x))
  }

  detach(output: Tensor): Tensor {
    return this.#pass.detach(output)
  }

  point(name: string, output: Tensor): Tensor {
    return this.#pass.point(name, output)
  }
}

/** A pass in which no gradient passes from a layer to the layer before it. */
export class DetachedPass implements ForwardContext {
  readonly #pass: ForwardContext
  readonly #detaches: (layer: Layer) => boolean

  /** @param detaches whether a layer takes its input without gradient */
  constructor(pass: ForwardContext, detaches: (layer: Layer) => boolean) {
    this.#pass = pass
    this.#detaches = detaches
  }

  get training(): boolean {
    return this.#pass.training
  }

  get tracking(): boolean {
    return this.#pass.tracking
  }

  run(layer: Layer, x: Tensor): Tensor {
    return this.#pass.run(layer, x instanceof Tensor && this.#detaches(layer) ? this.#pass.detach(x) : x)
  }

  detach(output: Tensor): Tensor {
    return this.#pass.detach(output)
  }

  point(name: string, output: Tensor): Tensor {
    return this.#pass.point(name, output)
  }
}
