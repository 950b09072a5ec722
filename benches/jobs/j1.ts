/**
 * J1, one training iteration of the seed's notebook: convolution of 16, dense 1000, 500, 200 and 10, MNIST in batches of 64,
 * SGD with momentum, cross-entropy of the softmax's output as if it were logits.
 *
 * The peers have one case, 'j1'. Two jobs correspond to it: `j1` with the notebook's HSIC evaluator, `j1b` without one.
 */
import { Conv2d, Dense, Flatten, HSIC, IBSequential, mnist, type Tensor, tensor } from '../../ts/index.js'
import type { StepInput } from '../../ts/train/feed.js'
import type { Inputs, Job, Setup } from '../job.js'
import { trainer } from '../training.js'

const batch = 64
/** Number of training images; the rest validates. */
const samples = 48_000

function network(tracked: boolean): IBSequential {
  const model = new IBSequential({ inputShape: [1, 28, 28], trackDynamics: tracked, compat: 'doubleSoftmax' })
  model.add(new Conv2d(16, 3, { stride: 1, padding: 1, activation: 'relu' }))
  model.add(new Flatten())
  for (const units of [1000, 500, 200]) model.add(new Dense(units, { activation: 'relu' }))
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({ optimizer: 'sgd', loss: 'crossEntropy', learningRate: 0.001, momentum: 0.95 })
  if (tracked) model.attachEvaluator(new HSIC({ kernel: 'gaussian', sigma: 5 }))
  return model
}

/** The order of the images, endless. */
async function* rowsOf(inputs: Inputs): AsyncGenerator<Tensor> {
  const given = await inputs.tensor('order', () =>
    tensor(Int32Array.from({ length: samples }, (_, i) => (i * 7919) % samples)),
  )
  const order = given.dataSync() as Int32Array
  for (let start = 0; ; start = (start + batch) % samples) yield tensor(order.slice(start, start + batch))
}

const notebook =
  (tracked: boolean): Setup =>
  async (inputs) => {
    const dataDir = process.env.MNIST_DIR
    const { train } = await mnist.load({ batchSize: batch, ...(dataDir === undefined ? {} : { dataDir }) })
    const model = network(tracked)
    await inputs.parameters(Object.values(model.weights))
    const { step } = await trainer(model, train, 10)
    const order = rowsOf(inputs)
    const { x, y } = train.source
    return async () => {
      using rows = (await order.next()).value as Tensor
      return step({ x, y, rows } satisfies StepInput)
    }
  }

export const withEvaluator: Job = { j1: notebook(true) }
export const withoutEvaluator: Job = { j1: notebook(false) }
