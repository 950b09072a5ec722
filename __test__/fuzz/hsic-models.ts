/** Calls of networks that are trained layer by layer. */
import * as hg from '../../ts/index.js'
import { type Call, constructorCall, methodCalls } from './call.js'
import { epochLimit } from './fit-options.js'
import { some } from './operations.js'

const count = 12
const x = () => Float32Array.from({ length: count * 3 }, (_, i) => Math.sin(i))
const y = () => Int32Array.from({ length: count }, (_, i) => i % 2)
const dataset = () => new hg.ArrayDataset(x(), y(), { inputShape: [3], batchSize: 5, classes: 2 })

const common = () => ({
  verbose: false,
  callbacks: [epochLimit],
  numClasses: 2,
  allowUnused: false,
  signal: new AbortController().signal,
})
const stage = () => ({
  ...common(),
  showPlot: false,
  appendDynamics: true,
  initialEpoch: 0,
  resume: 'no-runs',
})
const stages = (own: object) => ({ ...common(), preEpochs: 1, postEpochs: 1, ...own })

const criterion = () => new hg.HSIC({ sigma: 1 })
const post = { optimizer: 'adam', loss: 'crossEntropy', metrics: ['accuracy'], learningRate: 0.1 }
const pre = {
  regularizeCoeff: 10,
  optimizer: 'sgd',
  learningRate: 0.01,
  momentum: 0.9,
  optimizerOptions: { weightDecay: 0.1 },
  layerwiseRefresh: true,
}
const network = {
  inputShape: [3],
  device: 'cpu',
  seed: 1,
  dtype: 'float32',
  trackDynamics: true,
  saveDynamics: { dir: 'local-dynamics', raw: false },
  segment: 'label',
  compat: 'doubleSoftmax',
  noWeights: false,
}
const sigmaOptions = {
  sigmas: [1, 5],
  aggregate: 'sum',
  aggregateBatchNorm: { affine: true, eps: 1e-4, momentum: 0.2 },
}
const layers = () => [new hg.Dense(4, { activation: 'relu' }), new hg.HSICOutput(2)]

const sequential = () => {
  const model = new hg.HSICSequential({ inputShape: [3], seed: 1, trackDynamics: true })
  return model.add(new hg.Dense(4, { activation: 'relu' }))
}
const sigma = () =>
  new hg.HSICSigma({ inputShape: [3], seed: 1, sigmas: [1, 5], trackDynamics: true }, layers().slice(0, 1))

/** What there is of one kind of network. */
interface Kind {
  readonly type: string
  /** A network with a hidden layer. */
  make(): hg.HSICSequential | hg.HSICSigma
  /** Arguments of `compile`. */
  compile(): readonly unknown[]
  /** The path of a weight. */
  readonly path: string
}

const kinds: readonly Kind[] = [
  {
    type: 'HSICSequential',
    make: sequential,
    compile: () => [{ criterion: criterion(), ...pre, post }],
    path: 'layers.0.bias',
  },
  {
    type: 'HSICSigma',
    make: sigma,
    compile: () => [{ pre: { ...pre, criterion }, post }],
    path: 'copies.1.0.bias',
  },
]

function networkCalls({ type, make, compile, path }: Kind): Call[] {
  const topped = () => make().add(new hg.HSICOutput(2))
  const compiled = (model: hg.Network) => model.compile(...(compile() as [never]))
  const ready = () => compiled(topped())
  const unformatted = () => compiled(make().add(new hg.Dense(2)))
  return [
    ...methodCalls(type, make, {
      add: () => [
        new hg.Dense(2),
        ...(type === 'HSICSequential' ? [{ criterion: criterion(), regularizeCoeff: 1 }] : []),
      ],
      register: () => [new hg.Dense(2), [3], 'head'],
      attachEvaluator: () => [criterion(), { evaluateOn: 'epoch', every: 1, samples: 8 }],
    }),
    ...methodCalls(type, topped, {
      compile,
      context: () => [],
      countParams: () => [],
      dispose: () => [],
      eval: () => [],
      explain: () => [{ batchSize: 4, training: false }],
      freeze: () => ['**'],
      parameters: () => [],
      settings: () => [],
      summary: () => [],
      toJSON: () => [],
      train: () => [],
      unfreeze: () => ['**.bias'],
    }),
    {
      name: `${type}.trainBy`,
      args: () => [{ criterion: criterion(), regularizeCoeff: 1 }],
      run: ([options]) => {
        const model = make()
        return model.trainBy(model.layers[0] as hg.Layer, options as hg.LocalOptions)
      },
    },
    ...methodCalls(type, ready, {
      activations: () => [
        x(),
        {
          y: y(),
          layers: ['**'],
          batchSize: 5,
          run: 'mine',
          epoch: 3,
          to: 'a-dump',
          signal: new AbortController().signal,
        },
      ],
      apply: () => [
        { [path]: some([4]) },
        some([2, 3]),
        { training: true, key: hg.key(1), state: {}, update() {} },
      ],
      objectives: () => [
        { [path]: some([4]) },
        some([5, 3]),
        hg.tensor([0, 1, 1, 0, 1], { dtype: 'int32' }),
        { training: true, key: hg.key(1), state: {}, update() {} },
      ],
      call: () => [some([2, 3])],
      dynamics: () => [],
      evaluate: () => [x(), y(), { batchSize: 5, signal: new AbortController().signal }],
      fit: () => [x(), y(), stages({ batchSize: 5, validationSplit: 0.25, shuffle: true })],
      fitDataset: () => [dataset(), stages({ validation: dataset() })],
      forward: () => [some([2, 3])],
      load: () => ['a-model', { optimizer: true }],
      to: () => ['reference'],
      postTrain: () => [1, dataset(), dataset(), stage()],
      predict: () => [x(), { batchSize: 5, signal: new AbortController().signal }],
      predictClasses: () => [x(), { batchSize: 5, signal: new AbortController().signal }],
      preTrainingLoop: () => [1, dataset(), dataset(), stage()],
      report: () => [`a-report-${type}`, { x: x(), y: y(), samples: 5 }],
      save: () => [`saved/${type}`],
      sequentialForward: () => [some([2, 3])],
    }),
    ...methodCalls(type, unformatted, { matchUnits: () => [dataset()] }),
  ]
}

export const hsicModelCalls: readonly Call[] = [
  constructorCall('HSICSequential', hg.HSICSequential, () => [network]),
  constructorCall('HSICSigma', hg.HSICSigma, () => [{ ...network, ...sigmaOptions }, layers()]),
  ...kinds.flatMap(networkCalls),
]

/** Calls that must end with an error: nothing was trained, and the file is of another model. */
export const failingHsicCalls: readonly string[] = kinds.flatMap(({ type }) => [
  `${type}.dynamics`,
  `${type}.load`,
])
