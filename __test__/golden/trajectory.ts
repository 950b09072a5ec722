/** A training run with its path in the information plane, step by step, through the parts that models are made of. */

import type { ActivationName, Layer, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params, Precision } from './format.js'
import type { Operation, Outputs, Tensors } from './operation.js'

/** The weights of the whole network: `layers.0.kernel`, ... */
type NetworkWeights = Record<string, Tensor>

/** Convolution, Flatten, hidden layers, output layer. */
function layersOf(p: Params): Layer[] {
  const activation = p.activation as ActivationName
  const { filters, kernel_size: kernelSize, stride, padding } = p.conv
  const hidden = (p.hidden as number[]).map((units) => new hg.Dense(units, { activation }))
  const output = new hg.Dense(p.classes, { activation: p.output_activation })
  const layers = [
    new hg.Conv2d(filters, kernelSize, { stride, padding, activation }),
    new hg.Flatten(),
    ...hidden,
    output,
  ]
  // Weights come by name, so one list may hold layers with weights of different kinds.
  return layers as unknown as Layer[]
}

/** The weights of one layer under their own names. */
function ownWeights(all: NetworkWeights, index: number): Tensors {
  const prefix = `layers.${index}.`
  const own = Object.entries(all).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]))
}

/** Logits, and the outputs of the layers that have weights. */
function forward(layers: readonly Layer[], all: NetworkWeights, x: Tensor) {
  const outputs: Tensor[] = []
  let h = x
  let logits = x
  for (const [index, layer] of layers.entries()) {
    const own = ownWeights(all, index)
    logits = layer.preActivation(own, h, hg.evalContext())
    h = layer.activate(logits)
    if (Object.keys(own).length > 0) outputs.push(h)
  }
  return { logits, outputs }
}

/** A share of n samples, which the metric returns in float32, to the last digit of the precision. */
function exactShare(share: Tensor, n: number, precision: Precision): Tensor {
  return share.mul(n).round().cast(precision).div(n)
}

/** Loss, accuracy and coordinates before each step, and the weights at the end. */
export const trajectory: Operation = async (inputs, { params: p }, precision) => {
  const { x, y, ...initial } = inputs as Tensors & { x: Tensor; y: Tensor }
  const layers = layersOf(p)
  const target = hg.oneHot(y.cast('int32'), p.classes, precision)
  const hsic = new hg.HSIC({ kernel: p.kernel, sigma: p.sigma })
  const optimizer = new hg.SGD({ learningRate: p.lr, momentum: p.momentum })
  let weights: NetworkWeights = initial
  let state = optimizer.init(weights)
  const losses: Tensor[] = []
  const accuracies: Tensor[] = []
  const coordinates: Tensor[] = []
  for (let step = 0; step < p.steps; step++) {
    const { logits, outputs } = forward(layers, weights, x)
    accuracies.push(exactShare(hg.accuracy(logits, y), x.shape[0] as number, precision))
    const points = hsic.evaluateSegment([x, ...outputs, target])
    coordinates.push(
      hg.stack(
        points.map((point) => hg.stack(point, 0)),
        0,
      ),
    )
    const { value, grads } = hg.valueAndGrad(
      (w: NetworkWeights) => hg.crossEntropy(forward(layers, w, x).logits, y),
      weights,
    )
    losses.push(value)
    const { delta, state: next } = optimizer.update(grads, state, weights)
    weights = Object.fromEntries(
      Object.entries(weights).map(([name, w]) => [name, w.add(delta[name] as Tensor)]),
    )
    state = next
    await hg.evaluate([weights, Object.values(state.slots), losses, coordinates])
  }
  const outputs: Outputs = {
    loss: hg.stack(losses, 0),
    accuracy: hg.stack(accuracies, 0),
    coordinates: hg.stack(coordinates, 0),
  }
  for (const [name, w] of Object.entries(weights)) outputs[`final.${name}`] = w
  return outputs
}
