/** Calls of estimators, kernels, bounds and the theory of information. */
import type { Estimator, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import {
  type Call,
  constructorCall,
  type FunctionTable,
  functionCalls,
  type MakeArgs,
  methodCalls,
} from './call.js'
import { some } from './operations.js'

const exports = hg as unknown as Readonly<Record<string, unknown>>
const samples = 30

/** Numbers that depend on each other, without repeats. */
const numbers = (width: number, salt: number) =>
  Array.from({ length: samples }, (_, i) =>
    Array.from({ length: width }, (_, j) => Math.sin(i * 1.3 + j) + 0.3 * Math.sin(i * i * 0.7 + salt + j)),
  )
const classes = () => Int32Array.from({ length: samples }, (_, i) => (Math.sin(i * 1.3) > 0 ? 1 : 0))

const common = { base: 2, clip: true, device: 'cpu' }
const trained = {
  ...common,
  hidden: [4],
  batchSize: 8,
  learningRate: 0.01,
  steps: 4,
  patience: 1,
  heldOut: 0.4,
  standardize: true,
  seed: 1,
}
const critic = { ...trained, critic: 'separable' }
const scale = { standardize: true, jitter: 1e-10, seed: 1 }
const kernels = { kernel: 'gaussian', kernelY: 'laplacian', sigma: 1, sigmaY: [1, 2], scaleSqrtD: true }

interface EstimatorRow {
  readonly options: object
  /** Kind of y. */
  readonly y: 'numbers' | 'classes'
}

const estimators: Readonly<Record<string, EstimatorRow>> = {
  Binned: { options: { ...common, bins: 5, range: [-2, 2], millerMadow: true }, y: 'classes' },
  CKA: { options: { kernel: 'rbf', fraction: 0.5, unbiased: true, clip: true, device: 'cpu' }, y: 'numbers' },
  CLUB: { options: trained, y: 'numbers' },
  DiscreteMI: { options: { ...common, correction: 'none' }, y: 'classes' },
  DiscriminantMI: { options: { ...common, folds: 3, seed: 1 }, y: 'classes' },
  DistanceCorrelation: {
    options: { estimator: 'unbiased', measure: 'correlation', clip: true, device: 'cpu' },
    y: 'numbers',
  },
  EDGE: {
    options: {
      ...common,
      hash: 'floor',
      ensemble: 'mean',
      widths: [1, 2],
      correction: 'none',
      repeats: 2,
      seed: 1,
    },
    y: 'numbers',
  },
  GaussianCopulaMI: { options: { ...common, biasCorrection: true }, y: 'numbers' },
  GaussianMI: { options: { ...common, biasCorrection: true }, y: 'numbers' },
  HSIC: {
    options: {
      ...kernels,
      estimator: 'biased',
      variant: 'nHSIC',
      epsilon: 1e-4,
      precision: 'float64',
      clip: true,
      device: 'cpu',
    },
    y: 'numbers',
  },
  InfoNCE: { options: critic, y: 'numbers' },
  KDE: { options: { ...common, variance: 0.1, bound: 'upper' }, y: 'classes' },
  KNN: { options: { ...common, ...scale, k: 3, metric: 'maximum' }, y: 'numbers' },
  KSG: { options: { ...common, ...scale, k: [3, 4], variant: 1, copula: true }, y: 'numbers' },
  MINE: { options: { ...critic, rate: 0.1 }, y: 'numbers' },
  MixedKSG: { options: { ...common, k: 3 }, y: 'numbers' },
  MutualInformation: { options: { ...common, x: 'auto', y: 'auto', seed: 1 }, y: 'numbers' },
  NWJ: { options: critic, y: 'numbers' },
  RenyiMI: {
    options: { ...common, alpha: 1.5, sigma: 'silverman', widthFactor: 1, channels: false },
    y: 'numbers',
  },
  ResidualMI: { options: { ...common, k: 3, copula: true }, y: 'numbers' },
  Ross: { options: { ...common, ...scale, k: 3 }, y: 'classes' },
  SMILE: { options: { ...critic, tau: 2 }, y: 'numbers' },
  StudentCopulaMI: { options: common, y: 'numbers' },
}

function estimatorCalls(type: string, { options, y }: EstimatorRow): Call[] {
  const Type = exports[type] as new (options: object) => Estimator
  const make = () => new Type(options)
  const target = y === 'classes' ? classes : () => numbers(2, 2)
  const tensors = () => [some([samples, 2]), y === 'classes' ? hg.tensor(classes()) : some([samples, 2])]
  const segment = () => {
    const [x, other] = tensors() as [Tensor, Tensor]
    return [x, some([samples, 3]), other]
  }
  const target2 = { target: y }
  const batches = () => [
    [numbers(2, 1), numbers(2, 2)],
    [numbers(2, 3), numbers(2, 4)],
  ]
  return [
    constructorCall(type, Type, () => [options]),
    ...methodCalls(type, make, {
      ...(make().isLazy ? { criterion: tensors, evaluateSegment: () => [segment(), target2] } : {}),
      ...('matrices' in Type.prototype ? { matrices: tensors, factors: tensors } : {}),
      ...('bins' in Type.prototype ? { bins: () => [some([samples, 2])] } : {}),
      ...('entropy' in Type.prototype ? { entropy: () => [some([4, 4], 'float64')] } : {}),
      ...('estimateBatches' in Type.prototype ? { estimateBatches: () => [batches()] } : {}),
      estimate: () => [numbers(2, 1), target(), { details: true }],
      measureSegment: () => [segment(), target2, () => {}],
      samplesFor: () => [2, 2],
      doubt: () => [some([samples, 2])],
      adviceOnDoubt: () => [0.1, 'x'],
    }),
  ]
}

const scores = () => some([4, 4])
const kernel = () => hg.gaussianKernel({ sigma: 1 })
const useKernel = (made: hg.Kernel) => hg.kernelMatrix(made, some([4, 2]))
const dynamics = () => ({
  epochs: 2,
  layers: ['a', 'b'],
  evaluators: ['KDE'],
  values: [
    [
      [
        [2, 0.5],
        [1.5, 0.6],
      ],
    ],
    [
      [
        [1.9, 0.6],
        [1.4, 0.6],
      ],
    ],
  ],
})

const functions: FunctionTable = {
  bottleneckLagrangian: () => [1, 0.5, 2],
  checkDataProcessing: () => [[3, 2, 1], 0.1],
  club: () => [some([4, 2]), some([4, 2]), some([4, 2])],
  createEstimator: () => ['ksg', { k: 4 }],
  deltaKernel: { args: () => [], use: useKernel },
  donskerVaradhan: () => [scores()],
  edgeInformation: () => [
    hg.tensor([0, 1, 0, 1], { dtype: 'int32' }),
    hg.tensor([0, 1, 1, 0], { dtype: 'int32' }),
    { least: -1, most: 1 },
  ],
  edgeWeights: () => [some([5]), 2],
  fanoBound: () => [0.5, 4],
  floorHash: () => [some([4, 2]), 0.3, 0.1],
  gaussianKernel: { args: () => [{ sigma: [1, 2], scaleSqrtD: true }], use: useKernel },
  generalizationGapBound: () => [1, 100, 0.05],
  imqKernel: { args: () => [{ c: 2 }], use: useKernel },
  independenceTest: () => [
    numbers(2, 1),
    numbers(2, 2),
    { kernel: 'gaussian', sigma: 'median', device: 'cpu' },
  ],
  infoNCE: () => [scores()],
  informationBounds: () => [
    { compression: 2, relevance: 1, n: 100, classes: 4, targetEntropy: 1.2, delta: 0.1, beta: 2 },
  ],
  isKernel: () => [kernel()],
  jensenShannon: () => [scores()],
  kdeEntropy: () => [some([4, 2]), { variance: 0.1, bound: 'lower' }],
  kernelMatrix: () => [kernel(), some([4, 2])],
  laplacianKernel: { args: () => [{ sigma: 1, scaleSqrtD: false }], use: useKernel },
  linearKernel: { args: () => [], use: useKernel },
  logMeanExpApart: () => [scores()],
  medianSigma: () => [some([4, 2])],
  mineObjective: () => [scores(), 0.1],
  mutualInformation: () => [numbers(2, 1), classes(), { ...common, x: 'auto', y: 'auto', seed: 1 }],
  nguyenWainwrightJordan: () => [scores()],
  polynomialKernel: { args: () => [{ gamma: 0.5, coef0: 1, degree: 2 }], use: useKernel },
  relevanceGap: () => [1, 100, 4],
  renyiMatrix: () => [some([5, 2]), { alpha: 2, sigma: 1, widthFactor: 1, channels: false }],
  smile: () => [scores(), 2],
  splitSegment: () => ['mine', [some([4, 2]), some([4, 3, 2]), some([4])]],
  theoryReport: () => [
    dynamics(),
    { n: 100, classes: 4, evaluator: 'KDE', base: 2, tolerance: 0.1, targetEntropy: 1, delta: 0.1, beta: 1 },
  ],
}

const entropyOptions = { k: 3, metric: 'euclidean', base: 2, jitter: 1e-10, seed: 1, device: 'cpu' }

export const estimatorCallsOfAll: readonly Call[] = [
  ...Object.entries(estimators).flatMap(([type, row]) => estimatorCalls(type, row)),
  ...functionCalls(exports, functions),
  constructorCall('Findings', hg.Findings, () => [true, 2]),
  ...methodCalls('Findings', () => new hg.Findings(true), {
    formula: () => ['ln n'],
    inUnit: () => [0.5],
    isSaturated: () => [0.5],
    limitToSamples: () => [2, 'the number of samples'],
    limitTo: () => [2, 'the number of samples'],
    warn: () => ['a warning', 'HYPERGLOW_MINE'],
    withUnit: () => [0.5],
  }),
  constructorCall('KLEntropy', hg.KLEntropy, () => [entropyOptions]),
  ...methodCalls('KLEntropy', () => new hg.KLEntropy({ k: 2 }), {
    criterion: () => [some([samples, 2])],
    estimate: () => [numbers(2, 1)],
  }),
]

/** Other options that exclude those of the table. */
export const otherOptions: readonly Call[] = (
  [
    ['Binned', { binSize: 0.5 }],
    ['CKA', { kernel: 'rbf', sigma: 2 }],
    ['EDGE', { authors: true, gamma: 1, seed: 1 }],
    ['HSIC', { kernel: 'polynomial', gamma: 1, coef0: 1, degree: 2 }],
    ['HSIC', { kernel: 'imq', c: 1 }],
  ] as const
).map(([type, options]) => constructorCall(type, exports[type], (() => [options]) as MakeArgs))
