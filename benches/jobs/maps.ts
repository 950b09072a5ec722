/** Programs mapped over samples or over networks: an ensemble's training step, gradients of every sample, and sums of their squares. */
import {
  crossEntropy,
  jit,
  perSampleGrads,
  type Tensor,
  Variable,
  valueAndGrad,
  vmap,
  zeros,
} from '../../ts/index.js'
import { type Inputs, type Job, repeatForValue, type Setup } from '../job.js'

type Weights = readonly Tensor[]

const classes = 10

/** A perceptron of relu layers; kernels are [out, in], as the peers' are. */
function perceptron(weights: Weights, x: Tensor): Tensor {
  let h = x
  for (let i = 0; i < weights.length; i += 2) {
    if (i > 0) h = h.relu()
    h = h.matmul((weights[i] as Tensor).transpose()).add(weights[i + 1] as Tensor)
  }
  return h
}

const lossOf = (weights: Weights, x: Tensor, y: Tensor) => crossEntropy(perceptron(weights, x), y)

const lossOfOne = (weights: Weights, x: Tensor, y: Tensor) =>
  lossOf(weights, x.expandDims(0), y.expandDims(0))

/** Variables of the layers, with an axis of networks in front if there are several. */
async function layers(inputs: Inputs, widths: readonly number[], networks?: number): Promise<Variable[]> {
  const front = networks === undefined ? [] : [networks]
  const variables = widths.slice(1).flatMap((units, i) => {
    const shapes = [
      [...front, units, widths[i] as number],
      [...front, units],
    ]
    return shapes.map((shape) => new Variable(zeros(shape)))
  })
  await inputs.parameters(variables)
  return variables
}

const data = async (inputs: Inputs, batch: number, features: number) =>
  [await inputs.normal('x', [batch, features]), await inputs.labels('y', batch, classes)] as const

/** A step of gradient descent of every network, on one batch; the value is the sum of their losses. */
const ensemble =
  (networks: number, widths: readonly number[], batch: number): Setup =>
  async (inputs) => {
    const weights = await layers(inputs, widths, networks)
    const [x, y] = await data(inputs, batch, widths[0] as number)
    const each = vmap((w: Weights, x: Tensor, y: Tensor) => valueAndGrad((w) => lossOf(w, x, y), w), {
      inAxes: [0, null, null],
    })
    const step = jit((x: Tensor, y: Tensor) => {
      const values = weights.map((variable) => variable.value)
      const { value, grads } = each(values, x, y)
      for (const [i, w] of weights.entries())
        w.assign((values[i] as Tensor).sub((grads[i] as Tensor).mul(0.01)))
      return value.sum()
    })
    return repeatForValue(() => step(x, y))
  }

/** What is made of the gradients of all samples, and a number to compare. */
type Made = (grads: Weights) => { readonly results: Weights; readonly value: Tensor }

const overSamples =
  (made: Made) =>
  (widths: readonly number[], batch: number): Setup =>
  async (inputs) => {
    const weights = await layers(inputs, widths)
    const [x, y] = await data(inputs, batch, widths[0] as number)
    const compiled = jit((x: Tensor, y: Tensor) =>
      made(perSampleGrads(lossOfOne, weights as readonly Variable[] as never, x, y) as Weights),
    )
    return async () => {
      const { results, value } = await compiled(x, y)
      const found = value.itemSync()
      for (const one of [...results, value]) one.dispose()
      return found
    }
  }

/** All gradients of all samples; the value is the sum of the squares of the last bias' gradients. */
const perSample = overSamples((grads) => ({
  results: grads,
  value: (grads.at(-1) as Tensor).square().sum(),
}))

/** Sums over samples of the squares of their gradients; the value is the sum over all of them. */
const squares = overSamples((grads) => {
  const results = grads.map((g) => g.square().sum([0]))
  return { results, value: results.map((sum) => sum.sum()).reduce((a, b) => a.add(b)) }
})

const narrow = [784, 100, classes]
const deep = [784, 100, 100, classes]

export const job: Job = {
  'ensemble/20 x 784-100-10/m=128': ensemble(20, narrow, 128),
  'per-sample/784-100-100-10/m=256': perSample(deep, 256),
  'squares/784-100-100-10/m=256': squares(deep, 256),
}
