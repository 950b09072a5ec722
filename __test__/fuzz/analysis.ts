/** Calls of the analysis of layers and of runs. */
import * as hg from '../../ts/index.js'
import { type FunctionTable, functionCalls } from './call.js'
import { some } from './operations.js'

const exports = hg as unknown as Readonly<Record<string, unknown>>
const samples = 30

/** Numbers that depend on each other, without repeats. */
const numbers = (width: number, salt: number) =>
  Array.from({ length: samples }, (_, i) =>
    Array.from({ length: width }, (_, j) => Math.sin(i * 1.3 + j) + 0.3 * Math.sin(i * i * 0.7 + salt + j)),
  )
const classes = (salt = 1.3) =>
  Int32Array.from({ length: samples }, (_, i) => (Math.sin(i * salt) > 0 ? 1 : 0))
const runs = (salt: number) => Array.from({ length: 5 }, (_, i) => Math.sin(i + salt))

const information = { k: 3, standardize: true, correction: 'millerMadow', base: 2 }
const quantization = { levels: 3, range: [-1, 1], rule: 'round' }
const test = () => ({ x: numbers(2, 3), y: classes() })
const layers = () => [numbers(2, 1), numbers(3, 2)]

const functions: FunctionTable = {
  adjustPValues: () => [[0.1, 0.02], { method: 'holm', alpha: 0.1 }],
  argmaxPlane: () => [numbers(2, 1), classes(), { base: 2 }],
  bootstrap: [
    () => [
      [numbers(1, 1), numbers(1, 2)],
      new hg.GaussianMI(),
      { resamples: 3, level: 0.9, seed: 1, bca: true, signal: new AbortController().signal },
    ],
    () => [
      [runs(1)],
      (x: hg.Tensor) => x.mean(),
      {
        indices: [
          [0, 1, 2, 3, 4],
          [4, 4, 2, 1, 0],
        ],
      },
    ],
  ],
  canonicalCorrelations: () => [numbers(2, 1), numbers(3, 2), { variance: 0.9 }],
  comparePaired: [
    () => [runs(1), runs(2), { level: 0.9, resamples: 4, flips: 4, seed: 1 }],
    () => [runs(1), runs(2), { indices: [[0, 1, 2, 3, 4]], signs: [[1, 1, -1, 1, -1]] }],
  ],
  conditionalMutualInformation: () => [
    numbers(1, 1),
    numbers(1, 2),
    numbers(1, 3),
    { ...information, estimator: 'gaussian' },
  ],
  distanceCorrelationTest: () => [numbers(1, 1), numbers(2, 2)],
  effectiveRank: () => [some([5, 3])],
  gaussianConditional: () => [some([9, 1], 'float64'), some([9, 2], 'float64'), some([9, 1], 'float64')],
  halfJackknife: () => [
    numbers(1, 1),
    numbers(1, 2),
    new hg.DistanceCorrelation(),
    { rounds: 3, level: 0.9, seed: 1, signal: new AbortController().signal },
  ],
  interactionInformation: () => [
    classes(),
    classes(2),
    classes(3),
    { ...information, estimator: 'discrete' },
  ],
  labelAgreement: () => [classes(), classes(2)],
  labelEntropy: () => [classes(), { weights: Float64Array.from({ length: samples }, (_, i) => i), base: 2 }],
  layerSimilarity: [
    () => ['svcca', layers(), { others: layers(), variance: 0.9 }],
    () => [new hg.CKA(), layers()],
    () => ['procrustes', layers()],
    () => ['rsa', layers()],
  ],
  layerStatistics: () => [numbers(2, 1), { deadValue: 0, saturation: 0.9 }],
  layerMeasures: () => [numbers(3, 1), ['mean', 'effectiveRank', 'twoNN'], () => {}],
  levinaBickel: () => [numbers(3, 1), { k: 5, range: [4, 6] }],
  linearSchedule: () => [10, 5],
  logisticProbe: () => [numbers(2, 1), classes(), { strength: 0.5, test: test(), iterations: 200 }],
  logSchedule: () => [100, 5],
  noisyInformation: () => [numbers(2, 1), classes(), { variance: 0.1, draws: 2, seed: 1, base: 2 }],
  normalizedInformation: () => [numbers(1, 1), numbers(2, 2), { k: 3, scale: 'radius' }],
  partialCorrelation: () => [numbers(1, 1), numbers(1, 2), numbers(1, 3)],
  participationRatio: () => [some([5, 3])],
  permutationTest: [
    () => [
      numbers(1, 1),
      numbers(1, 2),
      new hg.HSIC({ sigma: 1 }),
      { permutations: 3, alternative: 'twoSided', seed: 1, signal: new AbortController().signal },
    ],
    () => [runs(1), runs(2), (x: hg.Tensor, y: hg.Tensor) => x.mul(y).sum(), { orders: [[4, 3, 2, 1, 0]] }],
  ],
  procrustes: () => [numbers(2, 1), numbers(3, 2)],
  quantizedPlane: () => [numbers(2, 1), classes(), { ...quantization, base: 2 }],
  representationalSimilarity: () => [numbers(3, 1), numbers(4, 2)],
  ridgeProbe: () => [
    numbers(2, 1),
    numbers(1, 2),
    { penalty: 0.5, test: { x: numbers(2, 3), y: numbers(1, 4) } },
  ],
  rvCoefficients: () => [numbers(2, 1), numbers(3, 2)],
  sparsity: () => [numbers(3, 1)],
  spectrum: () => [numbers(3, 1), { center: false, tolerance: 1e-6 }],
  summarizeRuns: () => [numbers(2, 1), { level: 0.9 }],
  totalCorrelation: () => [layers(), { estimator: 'gaussian', correction: 'none', base: 2 }],
  transferEntropy: () => [
    numbers(1, 1),
    numbers(1, 2),
    { ...information, estimator: 'knn', history: 2, sourceHistory: 2, delay: 1 },
  ],
  twoNN: () => [numbers(3, 1), { discard: 0.2 }],
}

export const analysisCalls = functionCalls(exports, functions)
