/** Calls of layers, losses, metrics, optimizers, schedules, initializers, and other classes. */

import type { Layer, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import { inputOf, type LayerSample, layerSamples } from '../layer-samples.js'
import {
  type Call,
  constructorCall,
  type FunctionTable,
  functionCalls,
  methodCalls,
  setterCall,
} from './call.js'
import { some } from './operations.js'

const exports = hg as unknown as Readonly<Record<string, unknown>>

function layerCalls(type: string, sample: LayerSample): Call[] {
  const { args, input } = sample
  const Type = exports[type] as new (...args: unknown[]) => Layer
  const plain = () => new Type(...args())
  const declared = () => {
    const layer = plain()
    layer.declare(input)
    return layer
  }
  const ready = () => {
    const layer = declared()
    layer.initialize()
    return layer
  }
  const x = () => inputOf(sample)
  const context = () => ({ training: true, key: hg.key(1), state: ready().stateValues(), update() {} })
  const run = () => [ready().weights(), x(), context()]
  return [
    constructorCall(type, Type, args),
    ...methodCalls(type, plain, { declare: () => [input] }),
    ...methodCalls(type, declared, {
      initialize: () => [{ key: hg.key(3), dtype: 'float32', noWeights: false, device: 'cpu' }],
    }),
    ...methodCalls(type, ready, {
      activate: () => [x()],
      apply: run,
      call: () => [x(), { training: true, key: hg.key(1) }],
      clone: () => [],
      countParams: () => [],
      freeze: () => ['**'],
      preActivation: run,
      stateValues: () => [],
      toJSON: () => [],
      unfreeze: () => ['**'],
      weights: () => [],
      ...(Type.prototype instanceof hg.Recurrent ? { run: () => [ready().weights(), x()] } : {}),
      ...(type === 'Bidirectional' ? { run } : {}),
      ...(type === 'SelfAttention2d' ? { attend: run } : {}),
      ...(type === 'MultiHeadAttention'
        ? { attend: () => [ready().weights(), attended(x()), context()] }
        : {}),
    }),
    setterCall(type, plain, 'name', () => ['another']),
  ]
}

/** Everything that attention can be given. */
const attended = (query: Tensor) => ({
  query,
  key: query,
  value: query,
  mask: hg.ones([3, 3]).cast('bool'),
  bias: some([3, 3]),
  keyMask: hg.ones([2, 3]).cast('bool'),
})

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
const signs = (shape: hg.Shape) => some(shape).sign()
const classes = (shape: hg.Shape) => hg.ones(shape).cast('int32')
const counted = { classes: 2, threshold: 0.4, ignoreIndex: -1 }
const useInitializer = (initializer: hg.initializers.Initializer) =>
  initializer(hg.key(1), [2, 3], 3, 2, 'float32')

const functions: FunctionTable = {
  accuracy: () => [probabilities(), labels(), { ignoreIndex: -1 }],
  averagePrecision: () => [probabilities(), labels(), { average: 'macro', capacity: 8 }],
  binaryAccuracy: () => [some([3]), some([3]), { threshold: 0.4, perLabel: true }],
  brier: () => [probabilities(), labels(), { logits: true }],
  calibrationError: () => [probabilities(), labels(), { bins: 4, norm: 'max', logits: true }],
  cohenKappa: () => [probabilities(), labels(), { ...counted, weighting: 'linear' }],
  confusionMatrix: () => [probabilities(), labels(), { ...counted, normalize: 'true' }],
  exactMatch: () => [some([3, 2]), some([3, 2]), { threshold: 0.4 }],
  explainedVariance: () => [some([3, 2]), some([3, 2]), { average: 'none' }],
  f1: () => [probabilities(), labels(), { ...counted, average: 'binary', multilabel: false }],
  fBeta: () => [probabilities(), labels(), { ...counted, average: 'macro', beta: 2 }],
  logLoss: () => [probabilities(), labels(), { logits: true }],
  matthews: () => [labels(), labels(), counted],
  perplexity: () => [
    some([2, 3, 4]),
    hg.tensor(
      [
        [0, 1, 2],
        [3, 2, 1],
      ],
      { dtype: 'int32' },
    ),
    { ignoreIndex: 0 },
  ],
  precision: () => [some([3, 2]), some([3, 2]), { threshold: 0.4, average: 'micro', multilabel: true }],
  r2: () => [some([3, 2]), some([3, 2]), { average: 'weighted' }],
  recall: () => [probabilities(), labels(), { ...counted, average: 'none' }],
  rocAUC: () => [probabilities(), labels(), { average: 'weighted', capacity: 8 }],
  rootMeanSquaredError: () => [some([3, 2]), some([3, 2])],
  topKAccuracy: () => [probabilities(), labels(), { k: 1 }],
  bce: () => [probabilities(), probabilities(), { reduction: 'sum' }],
  bceWithLogits: () => [probabilities(), probabilities(), { reduction: 'sum', posWeight: some([2]) }],
  checkLabels: () => [[0, 1, 1], 2],
  clipByNorm: () => [{ a: some([2]) }, 0.5, { normType: 1 }],
  clipByValue: () => [{ a: some([2]) }, 0.5],
  cosineDistance: () => [some([3, 2]), some([3, 2]), { reduction: 'sum' }],
  cosineEmbedding: () => [some([3, 2]), some([3, 2]), signs([3]), { margin: 0.1, reduction: 'none' }],
  ctc: () => [
    some([4, 2, 3]),
    classes([2, 2]),
    classes([2]),
    classes([2]),
    { blank: 0, zeroInfinity: true, reduction: 'none' },
  ],
  gaussianNll: () => [some([3]), some([3]), some([3]).square(), { full: true, eps: 1e-3, reduction: 'sum' }],
  hinge: () => [some([3]), signs([3]), { margin: 0.5, reduction: 'sum' }],
  multiMargin: () => [probabilities(), labels(), { margin: 0.5, p: 2, reduction: 'none' }],
  ntXent: () => [some([3, 2]), some([3, 2]), { temperature: 0.2, reduction: 'none' }],
  poissonNll: () => [
    some([3]),
    some([3]).square(),
    { logInput: false, full: true, eps: 1e-3, reduction: 'sum' },
  ],
  sigmoidFocal: () => [some([4]), labels(), { alpha: 0.3, gamma: 1.5, reduction: 'sum' }],
  softmaxFocal: () => [probabilities(), labels(), { alpha: some([2]), gamma: 1.5, reduction: 'none' }],
  squaredHinge: () => [some([3]), signs([3]), { margin: 0.5, reduction: 'sum' }],
  tripletMargin: () => [
    some([3, 2]),
    some([3, 2]),
    some([3, 2]),
    { margin: 0.5, p: 1, swap: true, eps: 1e-3, reduction: 'none' },
  ],
  warmupLR: { args: () => [{ steps: 5, startFactor: 0.1 }, hg.cosineLR({ period: 10 })], use: rate },
  cosineLR: { args: () => [{ period: 10, minRate: 0.01 }], use: rate },
  cosineRestartsLR: { args: () => [{ period: 2, multiplier: 2, minRate: 0.01 }], use: rate },
  createLoss: {
    args: () => ['crossEntropy', { labelSmoothing: 0.1, weight: some([2]), ignoreIndex: -1 }],
    use: (loss: hg.Loss) => loss(probabilities(), labels()),
  },
  createMetric: {
    args: () => ['accuracy', { lossName: 'crossEntropy', ignoreIndex: -1 }],
    use: ({ of }: hg.Metric) => of(probabilities(), labels()),
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
  scaledDotProductAttention: () => [
    some([1, 2, 3, 4]),
    some([1, 2, 3, 4]),
    some([1, 2, 3, 2]),
    { mask: hg.ones([3, 3]).cast('bool'), bias: some([3, 3]), causal: true, scale: 0.5 },
  ],
  recurrentProduct: () => [some([2, 3]), some([4, 3])],
  residualNetworkLR: { args: () => [], use: rate },
  smoothL1: () => [some([3]), some([3]), { beta: 0.5, reduction: 'mean' }],
  softmaxAndCrossEntropy: () => [probabilities(), probabilities(), { reduction: 'sum' }],
  spectralNorm: () => [some([3, 2]), some([3]), some([2]), { iterations: 2, eps: 1e-6 }],
  stepLR: { args: () => [{ stepSize: 2, gamma: 0.5 }], use: rate },
}

const initializerTable: FunctionTable = {
  constant: { args: () => [0.5], use: useInitializer },
  fans: () => [[2, 3, 4]],
  glorotNormal: { args: () => [], use: useInitializer },
  glorotUniform: { args: () => [], use: useInitializer },
  heNormal: { args: () => [], use: useInitializer },
  heUniform: { args: () => [], use: useInitializer },
  identity: { args: () => [], use: useInitializer },
  lecunNormal: { args: () => [], use: useInitializer },
  lecunUniform: { args: () => [], use: useInitializer },
  normal: { args: () => [0, 1], use: useInitializer },
  orthogonal: { args: () => [0.5], use: useInitializer },
  ones: { args: () => [], use: useInitializer },
  resolveInitializer: { args: () => ['heNormal'], use: useInitializer },
  uniform: { args: () => [-1, 1], use: useInitializer },
  uniformFanIn: { args: () => [], use: useInitializer },
  zeros: { args: () => [], use: useInitializer },
}

const silent = { write: () => true }
const errors = Object.entries(exports).filter(
  ([name, value]) => typeof value === 'function' && /^[A-Z]\w*Error$/.test(name) && name !== 'HyperglowError',
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
      to: () => ['reference'],
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
    ...Object.entries(layerSamples).flatMap(([type, sample]) => layerCalls(type, sample)),
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
