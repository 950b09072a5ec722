/**
 * J5, one continual-learning step of a hypernetwork, task 4 of 5: cross-entropy of the generated main network 784-100-100-10, plus the
 * squared change of the weights generated for the four earlier tasks, against stored ones; Adam.
 *
 * Modes: `plain`; `dtheta`, the change after a look-ahead SGD step of the task's loss, held constant; `second`, the same, differentiated
 * through.
 */
import {
  Adam,
  broadcastTo,
  concat,
  crossEntropy,
  evaluate,
  jit,
  key,
  type Tensor,
  uniform,
  Variable,
  valueAndGrad,
  zeros,
} from '../../ts/index.js'
import { type Inputs, type Job, repeatForValue, type Setup } from '../job.js'

const shapes = [[100, 784], [100], [100, 100], [100], [10, 100], [10]]
const sizes = shapes.map((shape) => shape.reduce((product, extent) => product * extent, 1))
const total = sizes.reduce((sum, size) => sum + size, 0)
const tasks = 5
const task = 4
const batch = 128
const rate = 1e-3
const beta = 0.01
const chunk = 2000
const chunks = Math.ceil(total / chunk)

type Kind = 'hmlp' | 'chunked_hmlp'
type Mode = 'plain' | 'dtheta' | 'second'

/** The hypernetwork's weights: kernels and biases of three layers and, in chunks, embeddings [chunks, 8]; and of the tasks [5, 8]. */
type Weights<T> = { layers: T[]; embeddings: T }

/** The main network's weights [tasks, total] for embeddings [tasks, 8]. */
function hypernetwork(layers: readonly Tensor[], embeddings: Tensor): Tensor {
  const [w0, b0, w1, b1, w2, b2, ofChunks] = layers as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor?,
  ]
  const count = embeddings.shape[0] as number
  const shape = [count, chunks, 8]
  const input =
    ofChunks === undefined
      ? embeddings
      : concat([broadcastTo(embeddings.expandDims(1), shape), broadcastTo(ofChunks, shape)], 2)
  const hidden = input.matmul(w0).add(b0).relu().matmul(w1).add(b1).relu()
  return hidden.matmul(w2).add(b2).reshape([count, -1]).slice([0, 0], [count, total])
}

/** Logits [batch, 10] of the main network with weights [total]. */
function mainNetwork(weights: Tensor, x: Tensor): Tensor {
  let offset = 0
  const parts = shapes.map((shape, i) => {
    const from = offset
    offset += sizes[i] as number
    return weights.slice([from], [offset]).reshape(shape)
  })
  const [w0, b0, w1, b1, w2, b2] = parts as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
  const dense = (h: Tensor, w: Tensor, b: Tensor) => h.matmulT(w, { transposeB: true }).add(b)
  return dense(dense(dense(x, w0, b0).relu(), w1, b1).relu(), w2, b2)
}

function taskLoss({ layers, embeddings }: Weights<Tensor>, x: Tensor, y: Tensor): Tensor {
  const weights = hypernetwork(layers, embeddings.slice([task], [tasks])).reshape([total])
  return crossEntropy(mainNetwork(weights, x), y)
}

/** Mean over the earlier tasks of the squared distance between their generated weights and the stored ones. */
function drift(layers: readonly Tensor[], embeddings: Tensor, targets: Tensor): Tensor {
  return hypernetwork(layers, embeddings.slice([0], [task]))
    .sub(targets)
    .square()
    .sum()
    .div(task)
}

/** The loss of a step in one of the modes. */
function objective(mode: Mode, w: Weights<Tensor>, x: Tensor, y: Tensor, targets: Tensor): Tensor {
  if (mode === 'plain') return taskLoss(w, x, y).add(drift(w.layers, w.embeddings, targets).mul(beta))
  const { value, grads } = valueAndGrad((at: Weights<Tensor>) => taskLoss(at, x, y), w)
  const ahead = w.layers.map((layer, i) => {
    const slope = grads.layers[i] as Tensor
    return layer.sub((mode === 'second' ? slope : slope.stopGradient()).mul(rate))
  })
  return value.add(drift(ahead, w.embeddings, targets).mul(beta))
}

async function initial(inputs: Inputs, kind: Kind): Promise<Weights<Variable>> {
  const [inputsOf, outputsOf] = kind === 'hmlp' ? [8, total] : [16, chunk]
  const made = [
    [inputsOf, 100],
    [100],
    [100, 100],
    [100],
    [100, outputsOf],
    [outputsOf],
    ...(kind === 'hmlp' ? [] : [[chunks, 8]]),
    [tasks, 8],
  ].map((shape, i) => {
    const limit = 1 / Math.sqrt(shape[0] as number)
    return new Variable(
      shape.length === 1 ? zeros(shape) : uniform(key(i), shape, { low: -limit, high: limit }),
    )
  })
  await inputs.parameters(made)
  return { layers: made.slice(0, -1), embeddings: made.at(-1) as Variable }
}

const step =
  (kind: Kind, mode: Mode): Setup =>
  async (inputs) => {
    const weights = await initial(inputs, kind)
    const x = await inputs.normal('x', [batch, 784])
    const y = await inputs.labels('y', batch, 10)
    const targets = hypernetwork(
      weights.layers.map(({ value }) => value),
      weights.embeddings.value.slice([0], [task]),
    )
    await evaluate(targets)
    const optimizer = new Adam({ learningRate: rate })
    optimizer.prepare(weights)
    const run = jit((images: Tensor, labels: Tensor, stored: Tensor) => {
      const { value, grads } = valueAndGrad(
        (w: Weights<Tensor>) => objective(mode, w, images, labels, stored),
        weights,
      )
      optimizer.step(weights, grads)
      return value
    })
    return repeatForValue(() => run(x, y, targets))
  }

export const job: Job = Object.fromEntries(
  (['hmlp', 'chunked_hmlp'] as const).flatMap((kind) =>
    (['plain', 'dtheta', 'second'] as const).map((mode) => [`${kind}/${mode}`, step(kind, mode)]),
  ),
)
