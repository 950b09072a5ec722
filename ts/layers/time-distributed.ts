import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { checkOptions, isInstance } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/**
 * A layer applied to every step of a sequence, with the same weights, `layer.*`: `[batch, time, ...shape]` to `[batch, time, ...]`. All steps
 * of all samples are one batch of the layer, so its weights are the same for all samples.
 *
 *     new TimeDistributed(new Dense(8)) // [time, features] to [time, 8]
 */
export class TimeDistributed extends Layer {
  readonly layer: Layer

  constructor(layer: Layer, options: NameOptions = {}) {
    const { name } = checkOptions('TimeDistributed', options, nameChecks)
    super({ kind: 'time_distributed', name })
    if (!isInstance(layer, Layer)) {
      throw new ArgumentError(
        `TimeDistributed: given ${describe(layer)}, expected a layer such as new Dense(8)`,
      )
    }
    this.layer = this.child('layer', layer)
  }

  build(inputShape: Shape): Shape {
    const [time, ...step] = inputShape
    if (time === undefined || step.length === 0) {
      throw new ShapeError(`${this.name}: expected an input [time, ...shape], received [${inputShape}]`)
    }
    return [time, ...this.layer.declare(step)]
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    const [batch, time, ...step] = x.shape
    if (batch === undefined || time === undefined || step.length === 0) {
      throw new ShapeError(`${this.name}: expected an input [batch, time, ...shape], received [${x.shape}]`)
    }
    const repeated = this.#ofEachStep(weights, batch, time)
    const y = this.runChild(this.layer, repeated, x.reshape([batch * time, ...step]), ctx)
    return y.reshape([batch, time, ...y.shape.slice(1)])
  }

  /** Weights of each sample as weights of each step; others stay. */
  #ofEachStep(weights: Weights, batch: number, time: number): Weights {
    const { paramShapes } = this
    const ofEachStep = (path: string, weight: Tensor) => {
      if (weight?.rank !== (paramShapes[path]?.length ?? Number.NaN) + 1) return weight
      const [samples, ...own] = weight.shape
      if (samples !== batch) {
        throw new ShapeError(
          `${this.name}: weight '${path}' is [${weight.shape}], ${samples} weights of samples, expected ${batch}, one for each`,
        )
      }
      return weight
        .expandDims(1)
        .broadcastTo([batch, time, ...own])
        .reshape([batch * time, ...own])
    }
    return Object.fromEntries(
      Object.entries(weights).map(([path, weight]) => [path, ofEachStep(path, weight)]),
    )
  }

  protected override settings() {
    return [this.layer, this.naming()]
  }
}
