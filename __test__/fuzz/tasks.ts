/** Calls of tasks, their data and callbacks. */
import * as hg from '../../ts/index.js'
import { type Call, constructorCall, functionCalls, methodCalls } from './call.js'
import { OwnError } from './junk.js'

const exports = hg as unknown as Readonly<Record<string, unknown>>
const count = 12
const arrays = () => ({
  x: hg.tensor(
    Float32Array.from({ length: count * 2 }, (_, i) => Math.sin(i)),
    { shape: [count, 2] },
  ),
  more: { y: Float32Array.from({ length: count }, (_, i) => Math.cos(i)) },
})
const order = { batchSize: 5, shuffle: true, seed: 1 }
const dataset = () => new hg.TreeDataset(arrays(), order)

type Row = { x: hg.Tensor; more: { y: hg.Tensor } }

/** A line through points. */
function line(): hg.Task<Row> {
  const parameters = { slope: new hg.Variable(hg.zeros([2]), { name: 'slope' }) }
  const sgd = new hg.SGD({ learningRate: 0.1 })
  const lossOf = (slope: hg.Tensor, { x, more }: Row) => hg.mse(x.mul(slope).sum(1), more.y)
  const segment = ({ x, more }: Row): hg.TaskSegment => ({
    input: x,
    layers: [['line', x.mul(parameters.slope.value)]],
    target: more.y.reshape([-1, 1]),
  })
  return {
    parameters,
    optimizers: { sgd },
    step(batch) {
      const { value, grads } = hg.valueAndGrad(({ slope }) => lossOf(slope, batch), parameters)
      sgd.step(parameters, grads)
      return { loss: value, segment: segment(batch) }
    },
    evaluate: (batch) => ({ loss: lossOf(parameters.slope.value, batch), segment: segment(batch) }),
  }
}

/** Ends what a number of epochs out of all measure would not. */
const enough = {
  onEpochEnd(epoch: number) {
    if (epoch >= 2) throw new OwnError('enough')
  },
}

export const taskCalls: readonly Call[] = [
  constructorCall('TreeDataset', hg.TreeDataset, () => [arrays(), order]),
  ...methodCalls('TreeDataset', dataset, { dispose: () => [], epochIndices: () => [1] }),
  constructorCall('TrainingRecord', hg.TrainingRecord, () => [{ seed: 1 }]),
  ...methodCalls('TrainingRecord', () => new hg.TrainingRecord(), { dispose: () => [] }),
  ...functionCalls(exports, {
    fit: () => [
      line(),
      dataset(),
      {
        epochs: 1,
        initialEpoch: 0,
        verbose: false,
        callbacks: [enough],
        showPlot: false,
        appendDynamics: true,
        signal: new AbortController().signal,
        resume: 'no-runs',
        allowUnused: ['slope'],
        validation: dataset(),
        scalars: { rate: 0.1, other: ({ step }: { step: number }) => step },
        evaluators: [
          new hg.HSIC({ sigma: 1 }),
          { evaluator: new hg.HSIC({ sigma: 2 }), evaluateOn: 'epoch' },
        ],
        saveDynamics: { dir: 'task-dynamics', raw: true },
        seed: 1,
      },
    ],
  }),
]
