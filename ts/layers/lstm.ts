import type { Tensor } from '../ops/tensor.js'
import { Gated, type GatedOptions } from './gated.js'
import { type RecurrentState, type RecurrentWeights, recurrentProduct } from './recurrent.js'

/**
 * Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers, Schmidhuber and Cummins 2000):
 * `[batch, time, features]` to `[batch, units]`, or to `[batch, time, units]` with returnSequences.
 *
 *     [i, f, g, o] = W x + U h + b          the blocks of the kernels, in this order
 *     c' = s(f) c + s(i) tanh(g)            s the recurrent activation, the sigmoid
 *     h' = s(o) tanh(c')
 *
 * The state is `[h, c]`. There is one bias: for PyTorch's weights, add its two biases.
 *
 *     new LSTM(64, { returnSequences: true })
 */
export class LSTM extends Gated {
  protected readonly blocks = 4
  protected readonly carried = 2

  constructor(units: number, options: GatedOptions = {}) {
    super('LSTM', units, options)
  }

  protected step(
    { recurrentKernel }: RecurrentWeights,
    inputs: Tensor,
    [output, memory]: RecurrentState,
  ): RecurrentState {
    const sums = inputs.add(recurrentProduct(output, recurrentKernel))
    const [enter, keep, candidate, leave] = sums.split(4, 1) as [Tensor, Tensor, Tensor, Tensor]
    const cell = this.gate(keep)
      .mul(memory as Tensor)
      .add(this.gate(enter).mul(this.activation(candidate)))
    return [this.gate(leave).mul(this.activation(cell)), cell]
  }
}
