/** Whole training steps of small perceptrons, in which overhead dominates. */
import { Adam, Dense, type Optimizer, Sequential, SGD } from '../../ts/index.js'
import type { Job, Setup } from '../job.js'
import { stepsOnOneBatch } from '../training.js'

const perceptron =
  (
    widths: readonly number[],
    activation: 'tanh' | 'relu',
    batch: number,
    optimizer: () => Optimizer,
  ): Setup =>
  (inputs) => {
    const [first, ...hidden] = widths.slice(0, -1)
    const model = new Sequential({ inputShape: [first as number] })
    for (const units of hidden) model.add(new Dense(units, { activation }))
    model.add(new Dense(widths.at(-1) as number))
    model.compile({ optimizer: optimizer() })
    return stepsOnOneBatch(model, inputs, batch, widths.at(-1))
  }

export const job: Job = {
  '12-10-7-5-4-3-2 tanh/batch 256 adam': perceptron(
    [12, 10, 7, 5, 4, 3, 2],
    'tanh',
    256,
    () => new Adam({ learningRate: 1e-3 }),
  ),
  '784-100-100-10 relu/batch 128 sgd': perceptron(
    [784, 100, 100, 10],
    'relu',
    128,
    () => new SGD({ learningRate: 0.01, momentum: 0.9 }),
  ),
}
