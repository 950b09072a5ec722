import { type Checks, checkOptions } from '../core/options.js'
import type { Layer } from '../layers/layer.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkPass, type ForwardContext, type ForwardResult } from './forward.js'
import { Network } from './network.js'
import { type NetworkOptions, networkChecks } from './network-options.js'

/** Options of {@link Sequential}. */
export type SequentialOptions = Omit<NetworkOptions, 'trackDynamics' | 'saveDynamics' | 'segment'>

const { trackDynamics: _, saveDynamics: __, segment: ___, ...plainChecks } = networkChecks
const checks: Checks<SequentialOptions> = plainChecks

/** A stack of layers: each layer's input is the output of the layer before it. */
export abstract class Stack extends Network {
  /** Shape of one output; the input shape before the first `add`. */
  get outputShape(): Shape {
    return this.layers.at(-1)?.outputShape ?? this.inputShape
  }

  /**
   * Adds a layer on top, and creates its weights at once.
   *
   * @throws ShapeError if the layer cannot take the output of the layer below; StateError after `compile`, or for a layer in use
   */
  add(layer: Layer): this {
    this.register(layer, this.outputShape)
    return this
  }

  /** The further arguments of `add` for a layer, for files. @internal */
  addedWith(_layer: Layer): object | undefined {
    return undefined
  }

  forward(x: Tensor, ctx: ForwardContext = this.context()): ForwardResult {
    checkPass(ctx)
    let output = x
    const hidden: Tensor[] = []
    for (const layer of this.layers) {
      output = ctx.run(layer, output)
      // The origin's list has every layer, Flatten and Dropout too.
      if (ctx.tracking && (this.segment === 'origin' || layer.countsInDynamics))
        hidden.push(ctx.detach(output))
    }
    return { output, hidden }
  }
}

/**
 * A linear stack of layers.
 *
 *     const model = new Sequential({ inputShape: [784] })
 *     model.add(new Dense(500, { activation: 'relu' })).add(new Dense(10, { activation: 'softmax' }))
 *     model.compile({ optimizer: 'adam', metrics: ['accuracy'] })
 *     await model.fit(x, y, { epochs: 5 })
 *
 * It does not track dynamics; {@link IBSequential} does.
 */
export class Sequential extends Stack {
  constructor(options: SequentialOptions) {
    const given = checkOptions('Sequential', options, checks)
    super({ ...given, trackDynamics: false })
  }

  override settings(): readonly unknown[] {
    const { inputShape, seed, dtype, compat, noWeights } = this
    return [{ inputShape, seed, dtype, compat, noWeights }]
  }
}
