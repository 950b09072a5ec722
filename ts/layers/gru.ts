import type { Shape, Tensor } from '../ops/tensor.js'
import { Gated, type GatedOptions } from './gated.js'
import { type RecurrentState, type RecurrentWeights, recurrentProduct } from './recurrent.js'

/** {@link RecurrentWeights}, and `recurrentBias` (3 units), which is added to the product with the previous output. */
export type GRUWeights = RecurrentWeights & { recurrentBias?: Tensor }

/**
 * Gated recurrent unit (Cho et al. 2014) with the reset gate after the product, as in cuDNN and PyTorch:
 * `[batch, time, features]` to `[batch, units]`, or to `[batch, time, units]` with returnSequences.
 *
 *     [r, z, n] = W x + b,  [r', z', n'] = U h + b'     the blocks of the kernels, in this order
 *     candidate = tanh(n + s(r + r') n')                s the recurrent activation, the sigmoid
 *     h' = (1 - s(z + z')) candidate + s(z + z') h
 */
export class GRU extends Gated<GRUWeights> {
  protected readonly blocks = 3
  protected readonly carried = 1

  constructor(units: number, options: GatedOptions = {}) {
    super('GRU', units, options)
  }

  override build(inputShape: Shape): Shape {
    const outputShape = super.build(inputShape)
    const { useBias = true, biasInitializer = 'uniformFanIn' } = this.options
    const fans = { fanIn: this.units, fanOut: this.units }
    if (useBias) this.param('recurrentBias', [this.blocks * this.units], biasInitializer, fans)
    return outputShape
  }

  protected step(
    { recurrentKernel, recurrentBias }: GRUWeights,
    inputs: Tensor,
    [output]: RecurrentState,
  ): RecurrentState {
    const product = recurrentProduct(output, recurrentKernel)
    const recurrent = recurrentBias === undefined ? product : product.add(recurrentBias)
    const [resetIn, updateIn, candidateIn] = inputs.split(3, 1) as [Tensor, Tensor, Tensor]
    const [resetBefore, updateBefore, candidateBefore] = recurrent.split(3, 1) as [Tensor, Tensor, Tensor]
    const reset = this.gate(resetIn.add(resetBefore))
    const update = this.gate(updateIn.add(updateBefore))
    const candidate = this.activation(candidateIn.add(reset.mul(candidateBefore)))
    return [candidate.add(update.mul(output.sub(candidate)))]
  }
}
