/** The variational information bottleneck of the golden files in our API. */

import type { Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Operation } from './operation.js'

export const vib: Operation = (inputs, { params: p }, dtype) => {
  const given = (name: string) => inputs[name] as Tensor
  const x = given('x')
  const encoder = new hg.Sequential({ inputShape: x.shape.slice(1), dtype })
  encoder.add(new hg.Dense(given('enc_W0').shape[0] as number, { activation: p.activation }))
  encoder.add(new hg.Dense(given('enc_W1').shape[0] as number))
  const decoder = new hg.Sequential({ inputShape: [p.hidden_dim], dtype })
  decoder.add(new hg.Dense(p.num_classes, { activation: 'softmax' }))
  const model = new hg.VIB({
    encoder,
    decoder,
    hiddenDim: p.hidden_dim,
    covType: p.cov,
    numSamples: p.num_samples,
    tradeOff: p.tradeoff,
    scaleShift: p.scale_shift,
  })
  const layer = (index: number, kernel: string, bias: string) => ({
    [`layers.${index}.kernel`]: given(kernel),
    [`layers.${index}.bias`]: given(bias),
  })
  const weights = {
    encoder: { ...layer(0, 'enc_W0', 'enc_b0'), ...layer(1, 'enc_W1', 'enc_b1') },
    decoder: layer(0, 'dec_W', 'dec_b'),
  }
  const { scale, crossEntropy, ...terms } = model.terms(weights, x, given('labels'), given('noise'))
  return { ...terms, cross_entropy: crossEntropy, [p.cov === 'diag' ? 'scale' : 'factor']: scale }
}
