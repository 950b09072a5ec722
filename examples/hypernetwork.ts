/**
 * A task of two networks: one makes the weights of the other, which draws a sine wave for each of four phases.
 *
 *     node build/examples/hypernetwork.js [--epochs N] [--seed N]
 *
 * In your own program, import from 'hyperglow'.
 */
import { parseArgs } from 'node:util'
import { cosineLR, dynamicsTable, EarlyStopping, fit, HSIC, LearningRate, TreeDataset } from '../ts/index.js'
import { Hypernetwork, waves } from './tasks/hypernetwork.js'

const { values } = parseArgs({
  options: { epochs: { type: 'string', default: '150' }, seed: { type: 'string', default: '1' } },
})
const seed = Number(values.seed)
const conditions = 4
const task = new Hypernetwork({ conditions, seed })
const { history, dynamics } = await fit(
  task,
  new TreeDataset(waves(512, conditions), { batchSize: 64, shuffle: true, seed }),
  {
    epochs: Number(values.epochs),
    validation: new TreeDataset(waves(101, conditions), { batchSize: 101 }),
    // The penalty of large weights decays in the first thousand steps, without another trace.
    scalars: { decay: ({ step }) => 1e-5 * Math.max(0, 1 - step / 1000) },
    evaluators: [{ evaluator: new HSIC({ kernel: 'gaussian', sigma: 1 }), evaluateOn: 'epoch', every: 10 }],
    callbacks: [
      new LearningRate(cosineLR({ period: Number(values.epochs) })),
      new EarlyStopping({ patience: 30 }),
    ],
  },
)
console.log(
  `mean squared error ${history.validationLoss?.at(-1)?.toExponential(2)} after ${history.epochs.length} epochs`,
)
if (dynamics !== undefined) console.log(dynamicsTable(dynamics))
