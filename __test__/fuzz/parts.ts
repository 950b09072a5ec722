/** Calls of layers, losses, metrics, optimizers, schedules, initializers, and what has a class of its own. */

import type { Layer, Shape, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import {
  type Call,
  constructorCall,
  type FunctionTable,
  functionCalls,
  type MakeArgs,
  methodCalls,
  setterCall,
} from './call.js'
import { some } from './operations.js'

const activated = { activation: 'tanh', name: 'mine' }
const weighted = {
  ...activated,
  useBias: true,
  kernelInitializer: 'glorotUniform',
  biasInitializer: 'zeros',
}
const windows = { stride: 1, padding: 1, ceilMode: true, name: 'mine' }
const steps = { ...weighted, recurrentInitializer: 'ones', returnSequences: true }

interface LayerRow {
  readonly args: MakeArgs
  readonly input: Shape
}

const convolution = { ...weighted, stride: 1, padding: 'same', dilation: 1, groups: 1 }
const norm = { eps: 1e-3, momentum: 0.2, affine: true, trackRunningStats: true, name: 'mine' }

const layers: Readonly<Record<string, LayerRow>> = {
  Activation: { args: () => ['relu', { name: 'mine' }], input: [3] },
  AvgPool1d: { args: () => [2, { ...windows, countIncludePad: false }], input: [2, 5] },
  AvgPool2d: { args: () => [[2, 2], { ...windows, countIncludePad: false }], input: [2, 5, 5] },
  AvgPool3d: { args: () => [2, { ...windows, countIncludePad: false }], input: [1, 3, 3, 3] },
  BatchNorm1d: { args: () => [norm], input: [3] },
  BatchNorm2d: { args: () => [norm], input: [2, 3, 3] },
  BatchNorm3d: { args: () => [norm], input: [1, 2, 2, 2] },
  Conv1d: { args: () => [2, 3, convolution], input: [2, 5] },
  Conv2d: {
    args: () => [
      2,
      [3, 3],
      {
        ...convolution,
        padding: [
          [1, 1],
          [0, 1],
        ],
      },
    ],
    input: [2, 5, 5],
  },
  Conv3d: { args: () => [1, 2, convolution], input: [1, 3, 3, 3] },
  Dense: { args: () => [2, weighted], input: [3] },
  Dropout: { args: () => [0.5, { name: 'mine' }], input: [3] },
  Flatten: { args: () => [{ name: 'mine' }], input: [2, 3] },
  GRU: { args: () => [2, { ...steps, recurrentActivation: 'sigmoid' }], input: [3, 2] },
  GlobalAvgPool: { args: () => [{ name: 'mine' }], input: [2, 3, 3] },
  LSTM: { args: () => [2, { ...steps, recurrentActivation: 'sigmoid' }], input: [3, 2] },
  LocallyConnected2d: { args: () => [2, 2, { ...weighted, stride: 1, padding: 0 }], input: [1, 4, 4] },
  MaxPool1d: { args: () => [2, { ...windows, dilation: 1 }], input: [2, 5] },
  MaxPool2d: { args: () => [[2, 2], { ...windows, dilation: [1, 1] }], input: [2, 5, 5] },
  MaxPool3d: { args: () => [2, { ...windows, dilation: 1 }], input: [1, 3, 3, 3] },
  RNN: { args: () => [2, steps], input: [3, 2] },
}

const exports = hg as unknown as Readonly<Record<string, unknown>>

function layerCalls(type: string, { args, input }: LayerRow): Call[] {
  const Type = exports[type] as new (...args: unknown[]) => Layer
  const plain = () => new Type(...args())
  const ready = () => {
    const layer = plain()
    layer.initialize(input)
    return layer
  }
  const x = () => some([2, ...input])
  const context = () => ({ training: true, key: hg.key(1), state: ready().stateValues(), update() {} })
  const run = () => [ready().weights(), x(), context()]
  return [
    constructorCall(type, Type, args),
    ...methodCalls(type, plain, { initialize: () => [input, { key: hg.key(3), dtype: 'float32' }] }),
    ...methodCalls(type, ready, {
      activate: () => [x()],
      apply: run,
      call: () => [x(), { training: true, key: hg.key(1) }],
      clone: () => [],
      countParams: () => [],
      preActivation: run,
      stateValues: () => [],
      weights: () => [],
      ...('run' in Type.prototype ? { run: () => [ready().weights(), x()] } : {}),
    }),
    setterCall(type, plain, 'name', () => ['another']),
  ]
}

const group = { params: ['a'], learningRate: 0.5 }
const optimizers: Readonly<Record<string, object>> = {
  Adadelta: { learningRate: 1, weightDecay: 0.1, rho: 0.9, eps: 1e-6 },
  Adagrad: { learningRate: 0.1, weightDecay: 0.1, lrDecay: 0.1, initialAccumulator: 0.1, eps: 1e-6 },
  Adam: { learningRate: 0.1, weightDecay: 0.1, betas: [0.9, 0.99], eps: 1e-6, amsgrad: true },
  AdamW: { learningRate: 0.1, weightDecay: 0.1, betas: [0.9, 0.99], eps: 1e-6, amsgrad: true },
  RMSprop: { learningRate: 0.1, weightDecay: 0.1, alpha: 0.9, eps: 1e-6, momentum: 0.1, centered: true },
  SGD: { learningRate: 0.1, weightDecay: 0.1, momentum: 0.9, dampening: 0, nesterov: true },
}

function optimizerCalls(type: string, options: object): Call[] {
  const Type = exports[type] as new (...args: unknown[]) => hg.Optimizer
  const make = () => new Type(options)
  const params = () => ({ a: some([2]), b: [some([3])] })
  const variables = () => ({ a: new hg.Variable(some([2])), b: [new hg.Variable(some([3]))] })
  return [
    constructorCall(type, Type, () => [options, [group]]),
    ...methodCalls(type, make, {
      dispose: () => [],
      forget: () => [[new hg.Variable(some([2]))]],
      init: () => [params()],
      prepare: () => [variables()],
      stateVariables: () => [],
      step: () => [variables(), params(), { learningRate: 0.2 }],
      update: () => [params(), make().init(params()), params(), { learningRate: 0.2 }],
    }),
    setterCall(type, make, 'learningRate', () => [0.5]),
  ]
}

const rate = (schedule: (base: number, epoch: number) => number) => schedule(0.1, 3)
const probabilities = () => some([4, 2])
const labels = () => hg.tensor([0, 1, 1, 0], { dtype: 'int32' })
const useInitializer = (initializer: hg.initializers.Initializer) =>
  initializer(hg.key(1), [2, 3], 3, 2, 'float32')

const functions: FunctionTable = {
  accuracy: () => [probabilities(), labels(), { ignoreIndex: -1 }],
  binaryAccuracy: () => [some([3]), some([3]), { threshold: 0.4 }],
  bce: () => [probabilities(), probabilities(), { reduction: 'sum' }],
  bceWithLogits: () => [probabilities(), probabilities(), { reduction: 'sum', posWeight: some([2]) }],
  checkLabels: () => [[0, 1, 1], 2],
  clipByNorm: () => [{ a: some([2]) }, 0.5, { normType: 1 }],
  clipByValue: () => [{ a: some([2]) }, 0.5],
  cosineLR: { args: () => [{ period: 10, minRate: 0.01 }], use: rate },
  cosineRestartsLR: { args: () => [{ period: 2, multiplier: 2, minRate: 0.01 }], use: rate },
  createLoss: {
    args: () => ['crossEntropy', { labelSmoothing: 0.1, weight: some([2]), ignoreIndex: -1 }],
    use: (loss: hg.Loss) => loss(probabilities(), labels()),
  },
  createMetric: {
    args: () => ['accuracy'],
    use: ({ fn }: { fn: hg.MetricFunction }) => fn(probabilities(), labels()),
  },
  createOptimizer: () => ['sgd', { learningRate: 0.1, momentum: 0.9 }],
  crossEntropy: [
    () => [
      probabilities(),
      labels(),
      { labelSmoothing: 0.1, weight: some([2]), ignoreIndex: -1, reduction: 'mean' },
    ],
    () => [probabilities(), probabilities(), { labelSmoothing: 0.1, weight: some([2]) }],
  ],
  evalContext: () => [{ a: some([1]) }],
  exponentialLR: { args: () => [{ gamma: 0.9 }], use: rate },
  hsicLoss: () => [some([6, 2]), some([6, 3]), some([6, 2]), new hg.HSIC({ sigma: 1 }), 0.5],
  huber: () => [some([3]), some([3]), { delta: 0.5, reduction: 'none' }],
  klDiv: () => [some([3, 2]), some([3, 2]), { reduction: 'batchmean', logTarget: true }],
  knowledgeDistillation: () => [some([3, 2]), some([3, 2]), { temperature: 3, targetMapping: [1, 0] }],
  l1: () => [some([3]), some([3]), { reduction: 'sum' }],
  lambdaLR: { args: () => [(epoch: number) => 1 / (1 + epoch)], use: rate },
  linearLR: { args: () => [{ startFactor: 0.5, endFactor: 1, totalEpochs: 4 }], use: rate },
  logitCrossEntropy: () => [probabilities(), probabilities(), { reduction: 'sum' }],
  lossName: () => ['mse'],
  mse: () => [some([3]), some([3]), { reduction: 'sum' }],
  multiStepLR: { args: () => [{ milestones: [1, 2], gamma: 0.5 }], use: rate },
  nll: () => [probabilities(), labels(), { weight: some([2]), ignoreIndex: -1, reduction: 'mean' }],
  oneCycleLR: {
    args: () => [
      {
        maxRate: 1,
        totalSteps: 10,
        riseShare: 0.3,
        initialDivisor: 25,
        finalDivisor: 100,
        annealing: 'cos',
        threePhase: true,
      },
    ],
    use: rate,
  },
  optimizerName: () => ['Adam'],
  optimizerOptions: () => ['adam'],
  polynomialLR: { args: () => [{ totalEpochs: 5, power: 2 }], use: rate },
  recurrentProduct: () => [some([2, 3]), some([4, 3])],
  residualNetworkLR: { args: () => [], use: rate },
  smoothL1: () => [some([3]), some([3]), { beta: 0.5, reduction: 'mean' }],
  softmaxAndCrossEntropy: () => [probabilities(), probabilities(), { reduction: 'sum' }],
  stepLR: { args: () => [{ stepSize: 2, gamma: 0.5 }], use: rate },
}

const initializerTable: FunctionTable = {
  constant: { args: () => [0.5], use: useInitializer },
  fans: () => [[2, 3, 4]],
  glorotNormal: { args: () => [], use: useInitializer },
  glorotUniform: { args: () => [], use: useInitializer },
  heNormal: { args: () => [], use: useInitializer },
  heUniform: { args: () => [], use: useInitializer },
  normal: { args: () => [0, 1], use: useInitializer },
  ones: { args: () => [], use: useInitializer },
  resolveInitializer: { args: () => ['heNormal'], use: useInitializer },
  uniform: { args: () => [-1, 1], use: useInitializer },
  uniformFanIn: { args: () => [], use: useInitializer },
  zeros: { args: () => [], use: useInitializer },
}

const silent = { write: () => true }
const errors = Object.entries(exports).filter(
  ([name, value]) => typeof value === 'function' && name.endsWith('Error') && name !== 'HyperglowError',
)

function otherCalls(): Call[] {
  const variable = () => new hg.Variable(some([2]), { name: 'w' })
  const reporter = () => new hg.ProgressReporter({ stream: silent })
  const looping = () => {
    const made = reporter()
    made.loopStart('training', 3)
    return made
  }
  const random = () => new hg.HostRandom(1)
  const plateau = () => new hg.ReduceLROnPlateau(0.1)
  return [
    constructorCall('Variable', hg.Variable, () => [
      some([2]),
      { name: 'w', trainable: false, device: 'cpu' },
    ]),
    ...methodCalls('Variable', variable, {
      assign: () => [some([2])],
      data: () => [],
      dataSync: () => [],
      dispose: () => [],
      toJSON: () => [],
      toString: () => [],
    }),
    constructorCall('ProgressReporter', hg.ProgressReporter, () => [
      { verbose: true, stream: silent, clock: () => 1 },
    ]),
    ...methodCalls('ProgressReporter', reporter, {
      epochStart: () => [1, 3],
      loopStart: () => ['training', 3],
      note: () => ['a note'],
      epochEnd: () => [],
      close: () => [],
    }),
    ...methodCalls('ProgressReporter', looping, {
      update: () => [1, { loss: 0.5, accuracy: 0.1 }],
      loopEnd: () => [{ loss: 0.5 }],
    }),
    constructorCall('HostRandom', hg.HostRandom, () => [1]),
    ...methodCalls('HostRandom', random, { next: () => [], int: () => [5], permutation: () => [5] }),
    constructorCall('ReduceLROnPlateau', hg.ReduceLROnPlateau, () => [
      0.1,
      { mode: 'min', factor: 0.5, patience: 2, threshold: 1e-3, cooldown: 1, minRate: 0 },
    ]),
    ...methodCalls('ReduceLROnPlateau', plateau, { step: () => [0.5] }),
    ...errors.map(([name, type]) => constructorCall(name, type, () => ['what happened'])),
  ]
}

/** Operations that are methods of Tensor, from the calls of the functions. */
function tensorCalls(free: readonly Call[]): Call[] {
  const own = methodCalls('Tensor', () => some([1]), {
    array: () => [],
    arraySync: () => [],
    data: () => [],
    dataSync: () => [],
    dispose: () => [],
    item: () => [],
    itemSync: () => [],
    toJSON: () => [],
    toString: () => [],
  })
  const derived = free
    .filter(({ name }) => name in hg.Tensor.prototype)
    .map(({ name, args }): Call => {
      const run: Call['run'] = (given) => {
        const x = args()[0] as Record<string, (...rest: unknown[]) => unknown>
        return (x[name] as (...rest: unknown[]) => unknown).apply(x, [...given])
      }
      return { name: `Tensor.${name}`, args: () => args().slice(1), run }
    })
  return [...own, ...derived]
}

export function partCalls(operationCalls: readonly Call[]): Call[] {
  return [
    ...Object.entries(layers).flatMap(([type, row]) => layerCalls(type, row)),
    ...Object.entries(optimizers).flatMap(([type, options]) => optimizerCalls(type, options)),
    ...functionCalls(exports, functions),
    ...functionCalls(hg.initializers as unknown as Record<string, unknown>, initializerTable).map((call) => ({
      ...call,
      name: `initializers.${call.name}`,
    })),
    ...otherCalls(),
    ...tensorCalls(operationCalls),
  ]
}

export type { Tensor }
