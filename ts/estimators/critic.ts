/** Critics: small networks that score pairs of samples. */
import { foldIn, uniform } from '../random.js'
import type { Tensor } from '../tensor.js'
import { Variable } from '../variable.js'

/** Weights of a network by name. */
export type CriticWeights = Record<string, Variable>

/** Values of those weights. */
export type CriticValues = Readonly<Record<string, Tensor>>

/**
 * Weights of a network from `inputs` through relu layers of the widths `hidden` to `outputs`: uniform within 1 / sqrt(fan-in), as float32.
 *
 * @param name their names begin with it
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

/** The network of {@link denseWeights} on rows `[n, inputs]`, from the given layer on. */
export function dense(values: CriticValues, name: string, x: Tensor, start = 0): Tensor {
  let y = x
  for (let layer = start; values[`${name}.${layer}.kernel`] !== undefined; layer++) {
    y = affine(values, name, layer, layer > start ? y.relu() : y)
  }
  return y
}

function affine(values: CriticValues, name: string, layer: number, x: Tensor): Tensor {
  return x.matmul(values[`${name}.${layer}.kernel`] as Tensor).add(values[`${name}.${layer}.bias`] as Tensor)
}

/**
 * Scores of all pairs `[n, m]` by one network of both: its first layer is a sum of a part for x and a part for y, so it is computed n + m
 * times and not n m times.
 */
export function jointScores(values: CriticValues, x: Tensor, y: Tensor): Tensor {
  const kernel = values['joint.0.kernel'] as Tensor
  const cut = x.shape[1] as number
  const left = x.matmul(kernel.slice([0], [cut])).add(values['joint.0.bias'] as Tensor)
  const right = y.matmul(kernel.slice([cut]))
  const [n, m, width] = [left.shape[0], right.shape[0], left.shape[1]] as [number, number, number]
  const first = left
    .expandDims(1)
    .add(right.expandDims(0))
    .reshape([n * m, width])
  return dense(values, 'joint', first.relu(), 1).reshape([n, m])
}

/** Scores of all pairs `[n, m]` as inner products of a network of x and a network of y. */
export function separableScores(values: CriticValues, x: Tensor, y: Tensor): Tensor {
  return dense(values, 'left', x).matmulT(dense(values, 'right', y), { transposeB: true })
}
