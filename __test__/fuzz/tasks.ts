/** Calls of tasks, their data and callbacks. */
import * as hg from '../../ts/index.js'
import { type Call, constructorCall, functionCalls, methodCalls } from './call.js'
import { fitOptions } from './fit-options.js'

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

const logs = { loss: 1, metrics: {}, validationLoss: 2, validationMetrics: {}, seconds: 1 }
const context = (): hg.FitContext => ({
  epoch: 0,
  step: 3,
  parameters: {},
  state: {},
  optimizers: { sgd: new hg.SGD({ learningRate: 0.1 }) },
  stop() {},
  async checkpoint() {},
})
const history = { epochs: [1], loss: [1], metrics: {}, seconds: [1] }
const goingBy = { monitor: 'loss', mode: 'min', minDelta: 0.1 }

/** Calls of the hooks that callbacks have themselves. */
const callbackCalls: readonly Call[] = [
  constructorCall('EarlyStopping', hg.EarlyStopping, () => [
    { ...goingBy, patience: 2, startFromEpoch: 1, restoreBest: true },
  ]),
  ...methodCalls('EarlyStopping', () => new hg.EarlyStopping(), {
    onTrainBegin: () => [],
    onEpochEnd: () => [0, logs, context()],
    onTrainEnd: () => [history, context()],
    save: () => [],
    load: () => [{ data: { best: 1, bestEpoch: 1, wait: 1 }, tensors: {} }],
  }),
  constructorCall('Checkpoint', hg.Checkpoint, () => [
    'runs/fuzz',
    { everyEpochs: 2, everySteps: 3, keep: 1, best: 'loss', mode: 'min', minDelta: 0 },
  ]),
  ...methodCalls('Checkpoint', () => new hg.Checkpoint('runs/fuzz'), {
    onTrainBegin: () => [],
    onEpochEnd: () => [0, logs],
    onSettled: () => ['epoch', context()],
    save: () => [],
    load: () => [{ data: { best: 1 } }],
  }),
  constructorCall('CSVLogger', hg.CSVLogger, () => ['log.csv', { separator: ';', append: true }]),
  ...methodCalls('CSVLogger', () => new hg.CSVLogger('log.csv'), {
    onTrainBegin: () => [],
    onEpochEnd: () => [0, logs],
    save: () => [],
    load: () => [{ data: { length: 3 } }],
  }),
  constructorCall('LearningRate', hg.LearningRate, () => [
    hg.stepLR({ stepSize: 2 }),
    { per: 'step', monitor: 'loss', optimizer: 'sgd' },
  ]),
  ...methodCalls('LearningRate', () => new hg.LearningRate(new hg.ReduceLROnPlateau(0.1)), {
    onTrainBegin: () => [{ epochs: 1, batches: 1 }, context()],
    onEpochBegin: () => [0, context()],
    onBatchBegin: () => [0, context()],
    onEpochEnd: () => [0, logs, context()],
    save: () => [],
    load: () => [{ data: { steps: 1, plateau: null } }],
  }),
]

export const taskCalls: readonly Call[] = [
  constructorCall('TreeDataset', hg.TreeDataset, () => [arrays(), { ...order, device: 'cpu' }]),
  ...methodCalls('TreeDataset', dataset, { dispose: () => [], epochIndices: () => [1] }),
  constructorCall('TrainingRecord', hg.TrainingRecord, () => [{ seed: 1, device: 'cpu' }]),
  ...methodCalls('TrainingRecord', () => new hg.TrainingRecord(), { dispose: () => [] }),
  ...callbackCalls,
  ...functionCalls(exports, {
    loadCheckpoint: () => ['a-run', line()],
    fit: () => [
      line(),
      dataset(),
      {
        ...fitOptions(),
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

/** Makes the checkpoint that the calls of this table read. */
export async function prepareTaskFiles(): Promise<void> {
  await hg.fit(line(), dataset(), { verbose: false, callbacks: [new hg.Checkpoint('a-run')] })
}
