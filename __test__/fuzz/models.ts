/** Calls of models, datasets, files and charts. Files go to the working folder, which the fuzzer makes for each run. */
import { writeFileSync } from 'node:fs'
import * as hg from '../../ts/index.js'
import { type Call, constructorCall, type FunctionTable, functionCalls, methodCalls } from './call.js'
import { dataCalls, prepareDataFiles } from './data.js'
import { fitOptions } from './fit-options.js'
import { some } from './operations.js'
import { prepareTaskFiles } from './tasks.js'

const exports = hg as unknown as Readonly<Record<string, unknown>>
const count = 12
const x = () => Float32Array.from({ length: count * 3 }, (_, i) => Math.sin(i))
const y = () => Int32Array.from({ length: count }, (_, i) => i % 2)
const rows = () => Array.from({ length: count }, (_, i) => [Math.sin(i), Math.cos(i), 0.5])

const TYPES = { Sequential: hg.Sequential, IBSequential: hg.IBSequential }
type Kind = keyof typeof TYPES

function modelOf(kind: Kind): hg.Sequential | hg.IBSequential {
  const model = new TYPES[kind]({
    inputShape: [3],
    seed: 1,
    ...(kind === 'IBSequential' ? { trackDynamics: true } : {}),
  })
  model.add(new hg.Dense(4, { activation: 'relu' })).add(new hg.Dense(2, { activation: 'softmax' }))
  return model
}

const compiled = (kind: Kind) => modelOf(kind).compile({ metrics: ['accuracy'], learningRate: 0.1 })

const training = () => ({ ...fitOptions(), numClasses: 2, allowUnused: false })

/** Options of `fit` and `fitDataset`. */
const fitting = (own: object) => ({ ...training(), ...own })

const dataset = () => new hg.ArrayDataset(x(), y(), { inputShape: [3], batchSize: 5, classes: 2 })

function modelCalls(kind: Kind): Call[] {
  const tracks = kind === 'IBSequential'
  const options = {
    inputShape: [3],
    device: 'cpu',
    seed: 1,
    dtype: 'float32',
    compat: 'doubleSoftmax',
    noWeights: false,
    ...(tracks
      ? { trackDynamics: true, saveDynamics: { dir: 'dynamics', raw: true }, segment: 'label' }
      : {}),
  }
  const ready = () => compiled(kind)
  return [
    constructorCall(kind, TYPES[kind], () => [options]),
    ...methodCalls(kind, () => modelOf(kind), {
      add: () => [new hg.Dense(2)],
      compile: () => [
        {
          optimizer: 'sgd',
          loss: 'crossEntropy',
          metrics: ['accuracy'],
          learningRate: 0.1,
          momentum: 0.9,
          optimizerOptions: { weightDecay: 0.1, nesterov: true },
          lossOptions: { labelSmoothing: 0.1 },
        },
      ],
      context: () => [],
      countParams: () => [],
      dispose: () => [],
      eval: () => [],
      freeze: () => ['layers.0.**'],
      parameters: () => [],
      register: () => [new hg.Dense(2), [3], 'head'],
      settings: () => [],
      summary: () => [],
      train: () => [],
      unfreeze: () => ['**.bias'],
      ...(tracks
        ? {
            attachEvaluator: () => [new hg.HSIC({ sigma: 1 }), { evaluateOn: 'epoch', every: 1, samples: 8 }],
          }
        : { attachEvaluator: () => [new hg.HSIC({ sigma: 1 }), {}] }),
    }),
    ...methodCalls(kind, ready, {
      apply: () => [
        { 'layers.0.bias': some([4]) },
        some([2, 3]),
        { training: true, key: hg.key(1), state: {}, update() {} },
      ],
      call: () => [some([2, 3])],
      dynamics: () => [],
      explain: () => [{ batchSize: 4, training: true }],
      evaluate: () => [x(), y(), { batchSize: 5, signal: new AbortController().signal }],
      fit: () => [x(), y(), fitting({ batchSize: 5, validationSplit: 0.25, shuffle: true })],
      fitDataset: () => [dataset(), fitting({ validation: dataset() })],
      forward: () => [some([2, 3])],
      load: () => ['a-model', { optimizer: true }],
      predict: () => [rows(), { batchSize: 5, signal: new AbortController().signal }],
      save: () => ['saved/model'],
    }),
  ]
}

const setOptions = {
  batchSize: 5,
  shuffle: true,
  seed: 1,
  inputShape: [3],
  labels: true,
  classes: 2,
  scale: 0.5,
  offset: 0.1,
  dtype: 'float32',
}

const splitOptions = { batchSize: 5, validationSplit: 0.25, inputShape: [3], classes: 2, ignoreIndex: -1 }

const data: readonly Call[] = [
  constructorCall('ArrayDataset', hg.ArrayDataset, () => [x(), y(), setOptions]),
  ...methodCalls('ArrayDataset', dataset, {
    checkClasses: () => [2],
    checkFinite: () => [],
    dispose: () => [],
    epochIndices: () => [1],
    split: () => [0.25, 3],
    subset: () => [[0, 2, 3], { batchSize: 2, shuffle: true, seed: 2 }],
  }),
  constructorCall('DataGenerator', hg.DataGenerator, () => [{ seed: 1 }]),
  ...methodCalls('DataGenerator', () => new hg.DataGenerator({ seed: 1 }), {
    prepareArrayData: () => [x(), y(), splitOptions],
    setDataset: () => [some([count, 3]), hg.tensor(y()), splitOptions],
  }),
  {
    name: 'mnist.load',
    args: () => [
      { batchSize: 5, validationSplit: 0.2, seed: 1, limit: 10, dataDir: 'nowhere', verify: false },
    ],
    run: ([options]) => hg.mnist.load(options as hg.ImageSetOptions),
  },
]

const array = () => ({ dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) })
const storeOptions = {
  epochs: 2,
  batches: 2,
  evaluators: ['HSIC'],
  layers: ['a'],
  evaluatorSettings: [{ sigma: 1 }],
  seed: 1,
  raw: true,
  chunkBatches: 1,
  units: ['none'],
  epochNumbers: [1, 2],
  notes: { data: 'mine' },
  overwrite: true,
}

let stores = 0
const store = () => hg.DynamicsWriter.create(`store-${stores++}`, storeOptions as hg.DynamicsOptions)

/** A call of a method of a store, which is opened first. */
function storeCall(
  method: 'append' | 'skip' | 'appendSegment' | 'finishEpoch' | 'flush' | 'close',
  args: () => unknown[],
): Call {
  const run: Call['run'] = async (given) => {
    const writer = await store()
    try {
      const f = writer[method] as (...args: unknown[]) => unknown
      return await f.apply(writer, [...given])
    } finally {
      await writer.close()
    }
  }
  return { name: `DynamicsWriter.${method}`, args, run }
}

const recorded = () => ({
  layers: ['a', 'b'],
  evaluators: ['HSIC'],
  values: [1, 2, 3].map((n) => [
    [
      [0.1 * n, 0.2 * n],
      [0.3 * n, 0.1 + 0.1 * n],
    ],
  ]),
})
const selection = { evaluator: 'HSIC', layer: ['a', 1], xTitle: 'x', yTitle: 'y', units: 'nats' }
const plane = { ...selection, title: 'mine', width: 200, height: 100, xScale: 'linear', yScale: 'log' }
const chart = () => hg.lossPlot({ loss: [3, 2, 1] })

class Own extends hg.Layer {
  build(inputShape: hg.Shape) {
    return inputShape
  }
  apply(_: object, x: hg.Tensor) {
    return x
  }
}

const functions: FunctionTable = {
  dynamicsTable: () => [recorded(), { ...selection, width: 80 }],
  epochsPlot: () => [recorded(), plane],
  informationPlane: () => [recorded(), plane],
  informationPlanePanels: () => [recorded(), { ...plane, columns: 2, axes: 'shared' }],
  buildModule: () => [{ class: 'Dense', arguments: [3, { activation: 'relu' }] }],
  load: () => ['a-model'],
  register: () => [Own],
  loadDynamics: () => ['a-store'],
  loadSegment: () => ['a-store', 0, 0],
  lossPlot: () => [
    { loss: [3, 2, 1], validationLoss: [3, 2.5, 2] },
    { title: 'mine', width: 200, height: 100, yScale: 'log' },
  ],
  readMnist: () => [{ dataDir: 'nowhere', verify: false }],
  readCsv: () => [
    'a-table.csv',
    {
      header: true,
      columns: ['a', 1],
      target: 'c',
      labels: true,
      delimiter: ',',
      dtype: 'float32',
      missing: 'mean',
      missingTexts: ['', '?'],
    },
  ],
  readNpy: () => ['an-array.npy'],
  readNpz: () => ['arrays.npz', { names: ['a'] }],
  readSafetensors: () => ['a-file.safetensors'],
  writeAtomic: () => ['written/text', 'text', { sync: false }],
  writeNpy: () => ['written/array.npy', array()],
  writeNpz: () => ['written/arrays.npz', { a: array() }, { compress: true }],
  writeSafetensors: () => ['written/file.safetensors', { a: array() }, { note: 'mine' }],
}

/** Makes the files that the calls of this table read. */
export async function prepareFiles(): Promise<void> {
  writeFileSync('a-text', 'text')
  writeFileSync('a-table.csv', 'a,b,c\n1,2,x\n3,?,y\n')
  await prepareDataFiles()
  const values = { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } as const
  await hg.writeNpy('an-array.npy', values)
  await hg.writeNpz('arrays.npz', { a: values, b: values })
  await hg.writeSafetensors('a-file.safetensors', { a: values })
  await compiled('Sequential').save('a-model')
  await prepareTaskFiles()
  const writer = await hg.DynamicsWriter.create('a-store', storeOptions as hg.DynamicsOptions)
  const part = { dtype: 'float32', shape: [2, 3], data: new Float32Array(6) } as const
  await writer.append(0, 0, Float32Array.of(1, 2))
  await writer.appendSegment(0, 0, [part, part, part])
  await writer.close()
}

export const modelCallsOfAll: readonly Call[] = [
  ...modelCalls('Sequential'),
  ...modelCalls('IBSequential'),
  ...data,
  ...dataCalls,
  {
    name: 'DynamicsWriter.create',
    args: () => [`store-${stores++}`, storeOptions],
    run: async ([folder, options]) => {
      const writer = await hg.DynamicsWriter.create(folder as string, options as hg.DynamicsOptions)
      await writer.close()
    },
  },
  storeCall('append', () => [0, 0, Float32Array.of(1, 2)]),
  storeCall('skip', () => [0, 0]),
  storeCall('appendSegment', () => [0, 0, [array(), array(), array()]]),
  storeCall('finishEpoch', () => [0, 3]),
  storeCall('flush', () => []),
  storeCall('close', () => []),
  constructorCall('Chart', hg.Chart, () => [{ mark: 'point', data: { values: [] } }]),
  ...methodCalls('Chart', chart, {
    png: () => [{ scale: 1 }],
    save: () => ['charts/one.vl.json', { scale: 1 }],
    svg: () => [],
    toJSON: () => [],
  }),
  ...functionCalls(exports, functions),
]
