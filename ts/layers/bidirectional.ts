import { ArgumentError, describe } from '../core/errors.js'
import { type Checks, checkOptions, isInstance, oneOf } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { concat, stack } from '../ops/index.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type Merge, merged } from './branches.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'
import { Recurrent, type RecurrentOptions, type RecurrentRun, type RecurrentWeights } from './recurrent.js'

/** A recurrent layer of any kind. */
type AnyRecurrent = Recurrent<RecurrentWeights, RecurrentOptions>

/** Options of {@link Bidirectional}. */
export interface BidirectionalOptions extends NameOptions {
  /** Concatenate both outputs, or combine them entry by entry. Default 'concat'. */
  merge?: 'concat' | Merge
}

const checks: Checks<BidirectionalOptions> = {
  ...nameChecks,
  merge: oneOf('concat', 'sum', 'mean', 'product', 'max'),
}

/** Result of {@link Bidirectional.run}: for each direction, outputs in the order of the input. */
export interface BidirectionalRun {
  readonly forward: RecurrentRun
  readonly backward: RecurrentRun
}

/**
 * A recurrent layer in both directions of the sequence (Schuster and Paliwal 1997), each direction with its own weights, `forward.*`
 * and `backward.*`: `[batch, time, features]` to `[batch, 2 units]`, the last output of each direction, or to `[batch, time, 2 units]` if
 * the layer returns sequences.
 *
 *     new Bidirectional(new LSTM(32, { returnSequences: true }))
 */
export class Bidirectional extends Layer {
  readonly forward: AnyRecurrent
  readonly backward: AnyRecurrent
  readonly merge: 'concat' | Merge

  constructor(layer: AnyRecurrent, options: BidirectionalOptions = {}) {
    const given = checkOptions('Bidirectional', options, checks)
    super({ kind: 'bidirectional', name: given.name })
    if (!isInstance(layer, Recurrent as unknown as abstract new () => AnyRecurrent)) {
      throw new ArgumentError(
        `Bidirectional: given ${describe(layer)}, expected a recurrent layer such as new LSTM(32)`,
      )
    }
    this.merge = given.merge ?? 'concat'
    this.forward = this.child('forward', layer)
    this.backward = this.child('backward', layer.clone())
  }

  build(inputShape: Shape): Shape {
    const [shape] = [this.forward.declare(inputShape), this.backward.declare(inputShape)]
    return this.merge === 'concat' ? shape.with(-1, 2 * (shape.at(-1) as number)) : shape
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    const { forward, backward } = this.run(weights, x, ctx)
    const both = [forward, backward].map(({ outputs, state }) =>
      this.forward.returnSequences ? stack(outputs, 1) : state[0],
    )
    return this.merge === 'concat' ? concat(both, -1) : merged(both, this.merge)
  }

  /**
   * Runs both directions over a sequence.
   *
   * @param x `[batch, time, features]`
   */
  run(weights: Weights, x: Tensor, ctx: Context): BidirectionalRun {
    checkInputs(this.name, weights, x)
    const through = (layer: AnyRecurrent, sequence: Tensor) =>
      this.within(layer, weights, ctx, (own) => layer.run(own, sequence))
    const backward = through(this.backward, x.flip(1))
    return {
      forward: through(this.forward, x),
      backward: { outputs: backward.outputs.toReversed(), state: backward.state },
    }
  }

  protected override settings() {
    return [this.forward, { merge: this.merge, ...this.naming() }]
  }
}
