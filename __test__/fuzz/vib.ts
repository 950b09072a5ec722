/** Calls of the variational information bottleneck. */
import * as hg from '../../ts/index.js'
import { type Call, constructorCall, methodCalls } from './call.js'
import { fitOptions } from './fit-options.js'
import { some } from './operations.js'

const count = 12
const x = () => Float32Array.from({ length: count * 3 }, (_, i) => Math.sin(i))
const rows = () => Array.from({ length: count }, (_, i) => [Math.sin(i), Math.cos(i), 0.5])
const y = () => Int32Array.from({ length: count }, (_, i) => i % 2)
const dataset = () => new hg.ArrayDataset(x(), y(), { inputShape: [3], batchSize: 5, classes: 2 })

const options = () => ({
  encoder: new hg.Sequential({ inputShape: [3] }).add(new hg.Dense(5)),
  decoder: new hg.Sequential({ inputShape: [2] }).add(new hg.Dense(2)),
  hiddenDim: 2,
  covType: 'full',
  numSamples: 2,
  tradeOff: 0.1,
  scaleShift: -1,
  seed: 1,
})

const training = () => ({ ...fitOptions(), allowUnused: true })

const model = () => new hg.VIB(options() as hg.VIBOptions)
const compiled = () => model().compile({ learningRate: 0.01 })

export const vibCalls: readonly Call[] = [
  constructorCall('VIB', hg.VIB, () => [options()]),
  ...methodCalls('VIB', model, {
    compile: () => [
      { optimizer: 'sgd', learningRate: 0.1, momentum: 0.9, optimizerOptions: { weightDecay: 0.1 } },
    ],
    dispose: () => [],
    encode: () => [some([4, 3])],
    generate: () => [3, hg.key(2)],
    predict: () => [rows(), { numSamples: 2, batchSize: 5, signal: new AbortController().signal }],
    terms: () => [
      { encoder: { 'layers.0.bias': some([5]) }, decoder: { 'layers.0.bias': some([2]) } },
      some([4, 3]),
      hg.tensor([0, 1, 1, 0], { dtype: 'int32' }),
      some([2, 4, 2]),
    ],
  }),
  ...methodCalls('VIB', compiled, {
    evaluate: () => [rows(), y(), { batchSize: 2 }],
    fit: () => [rows(), y(), { ...training(), batchSize: 5, validationSplit: 0.25, shuffle: true }],
    fitDataset: () => [dataset(), { ...training(), validation: dataset(), scalars: { rate: 0.1 }, seed: 1 }],
  }),
]
