/** Critics: small networks that score pairs of samples. */

import { Variable } from '../core/variable.js'
import { foldIn, uniform } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'

/** Weights of a network by name. */
export type CriticWeights = Record<string, Variable>

/** Values of those weights. */
export type CriticValues = Readonly<Record<string, Tensor>>

/**
 * Weights of a network from `inputs` through relu layers of the widths `hidden` to `outputs`: uniform within 1 / sqrt(fan-in), as float32.
 *
 * @param name prefix of the weights' names
 */
export function denseWeights(
  name: string,
  from: Tensor,
  inputs: number,
  hidden: readonly number[],
  outputs: number,
): CriticWeights {
  const widths = [inputs, ...hidden, outputs]
  const weights: CriticWeights = {}
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    const [a, b] = [widths[layer] as number, widths[layer + 1] as number]
    const reach = 1 / Math.sqrt(a)
    const draw = (part: number, shape: number[]) =>
      uniform(foldIn(from, 2 * layer + part), shape, { low: -reach, high: reach })
    weights[`${name}.${layer}.kernel`] = new Variable(draw(0, [a, b]), { name: `${name}.${layer}.kernel` })
    weights[`${name}.${layer}.bias`] = new Variable(draw(1, [b]), { name: `${name}.${layer}.bias` })
  }
  return weights
}

/** The network of {@link denseWeights} on rows `[n, inputs]`. */
export function dense(values: CriticValues, name: string, x: Tensor): Tensor {
  let y = x
  for (let layer = 0; values[`${name}.${layer}.kernel`] !== undefined; layer++) {
    y = affine(values, name, layer, layer > 0 ? y.relu() : y)
  }
  return y
}

function affine(values: CriticValues, name: string, layer: number, x: Tensor): Tensor {
  return x.matmul(values[`${name}.${layer}.kernel`] as Tensor).add(values[`${name}.${layer}.bias`] as Tensor)
}

/**
 * Scores of all pairs `[n, m]` by one network of both: its first layer is the sum of a term of x and a term of y, so it is computed n + m
 * times instead of n m times. Hidden units are rows and pairs are columns, so a value shared by all pairs is one number per row.
 */
export function jointScores(values: CriticValues, x: Tensor, y: Tensor): Tensor {
  const [kernel, bias] = layerOf(values, 0)
  const cut = x.shape[1] as number
  const isTransposed = { transposeA: true, transposeB: true }
  const left = kernel.slice([0], [cut]).matmulT(x, isTransposed).add(bias)
  const right = kernel.slice([cut]).matmulT(y, isTransposed)
  const [n, m, width] = [left.shape[1], right.shape[1], left.shape[0]] as [number, number, number]
  let z = left
    .expandDims(2)
    .add(right.expandDims(1))
    .reshape([width, n * m])
  for (let layer = 1; values[`joint.${layer}.kernel`] !== undefined; layer++) {
    const [kernel, bias] = layerOf(values, layer)
    z = kernel.matmulT(z.relu(), { transposeA: true }).add(bias)
  }
  return z.reshape([n, m])
}

/** Kernel `[inputs, units]` and bias `[units, 1]` of a layer of the joint network. */
function layerOf(values: CriticValues, layer: number): [kernel: Tensor, bias: Tensor] {
  const bias = values[`joint.${layer}.bias`] as Tensor
  return [values[`joint.${layer}.kernel`] as Tensor, bias.expandDims(1)]
}

/** Scores of all pairs `[n, m]` as inner products of a network of x and a network of y. */
export function separableScores(values: CriticValues, x: Tensor, y: Tensor): Tensor {
  return dense(values, 'left', x).matmulT(dense(values, 'right', y), { transposeB: true })
}
