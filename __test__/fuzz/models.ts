/** Calls of models, datasets, files and charts. Files go to the working folder, which the fuzzer makes for each run. */
import { writeFileSync } from 'node:fs'
import * as hg from '../../ts/index.js'
import { prepareDump } from './activations.js'
import { type Call, constructorCall, type FunctionTable, functionCalls, methodCalls } from './call.js'
import { dataCalls, prepareDataFiles } from './data.js'
import { fitOptions } from './fit-options.js'
import { some } from './operations.js'
import { prepareRuns } from './runs.js'
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
          clipNorm: 1,
          clipValue: 0.5,
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
      toJSON: () => [],
      to: () => ['reference'],
      train: () => [],
      unfreeze: () => ['**.bias'],
      ...(tracks
        ? {
            attachEvaluator: () => [
              new hg.HSIC({ sigma: 1 }),
              { evaluateOn: 'epoch', every: [0, 1], initial: true, samples: 8 },
            ],
          }
        : { attachEvaluator: () => [new hg.HSIC({ sigma: 1 }), {}] }),
    }),
    ...methodCalls(kind, ready, {
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
        { 'layers.0.bias': some([4]) },
        some([2, 3]),
        { training: true, key: hg.key(1), state: {}, update() {} },
      ],
      call: () => [some([2, 3])],
      dynamics: () => [{ by: 'epoch' }],
      explain: () => [{ batchSize: 4, training: true }],
      evaluate: () => [x(), y(), { batchSize: 5, signal: new AbortController().signal }],
      fit: () => [
        x(),
        y(),
        fitting({
          appendDynamics: tracks,
          batchSize: 5,
          validationSplit: 0.25,
          shuffle: true,
          sampleWeight: y(),
          classWeight: [1, 2],
        }),
      ],
      fitDataset: () => [
        dataset(),
        fitting({ appendDynamics: tracks, validation: dataset(), classWeight: { 1: 2 } }),
      ],
      forward: () => [some([2, 3])],
      load: () => ['a-model', { optimizer: true }],
      predict: () => [rows(), { batchSize: 5, signal: new AbortController().signal }],
      report: () => ['a-report', { x: x(), y: y(), ...reported }],
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
  device: 'cpu',
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
      {
        batchSize: 5,
        validationSplit: 0.2,
        seed: 1,
        limit: 10,
        dataDir: 'nowhere',
        verify: false,
        device: 'cpu',
      },
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
  samples: [16],
  labelEntropy: 0.7,
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
const plane = {
  ...selection,
  title: 'mine',
  width: 200,
  height: 100,
  xScale: 'linear',
  yScale: 'log',
  xDomain: [0, 1],
  yDomain: [0.1, 2],
  band: 'runs',
}
export const reported = {
  samples: 5,
  title: 'mine',
  configuration: { data: 'some' },
  signal: new AbortController().signal,
}
const matrixLike = {
  rows: ['a', 'b'],
  columns: ['c', 'd'],
  subtitle: 'mine',
  domain: [0, 1],
  numbers: true,
  rowTitle: 'rows',
  columnTitle: null,
  title: 'mine',
  width: 200,
  height: 100,
}
const chart = () => hg.lossPlot({ loss: [3, 2, 1] })

/** Reads the arrays of a file, whole and by rows. */
async function readAll(opened: Promise<hg.ArrayFile>): Promise<void> {
  for (const array of (await opened).arrays.values()) {
    await array.read()
    await array.read([0, 1])
  }
}

class Own extends hg.Layer {
  build(inputShape: hg.Shape) {
    return inputShape
  }
  apply(_: object, x: hg.Tensor) {
    return x
  }
}

const functions: FunctionTable = {
  ckaHeatmap: () => [
    {
      values: [
        [1, 0.5],
        [0.5, null],
      ],
      layers: ['a', 'b'],
      others: ['c', 'd'],
      samples: 10,
    },
    { ...matrixLike, samples: 10, measure: 'CKA' },
  ],
  compare: () => [
    [recorded(), recorded()],
    [recorded(), recorded()],
    {
      epoch: 2,
      evaluator: 'HSIC',
      names: ['one', 'other'],
      pair: 'order',
      title: 'mine',
      width: 200,
      height: 100,
    },
  ],
  report: () => [
    null,
    'a-report',
    {
      title: 'mine',
      activations: { a: some([4, 2]), b: some([4, 3]) },
      activationsOf: 'some samples',
      gradientNorms: { a: 1 },
      configuration: { data: 'some' },
      network: 'a, b',
      band: 'se',
      signal: new AbortController().signal,
    },
  ],
  matrix: () => [
    [
      [1, -2],
      [Number.NaN, 3],
    ],
    { ...matrixLike, measure: 'CKA', unit: 'nats' },
  ],
  dynamicsTable: () => [recorded(), { ...selection, width: 80 }],
  epochsPlot: () => [recorded(), { ...plane, epochScale: 'log' }],
  informationPlane: () => [recorded(), plane],
  informationPlanePanels: () => [recorded(), { ...plane, columns: 2, axes: 'shared' }],
  buildModule: () => [{ class: 'Dense', arguments: [3, { activation: 'relu' }] }],
  load: () => ['a-model', { device: 'cpu', compile: true }],
  register: () => [Own],
  loadDynamics: () => ['a-store'],
  loadSegment: () => ['a-store', 0, 0],
  lossPlot: () => [
    { loss: [3, 2, 1], validationLoss: [3, 2.5, 2] },
    { title: 'mine', width: 200, height: 100, yScale: 'log', yDomain: [0.1, 4], epochScale: 'log' },
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
  openArrays: { args: () => ['arrays.npz', { labels: true }], use: readAll },
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
  await prepareDump()
  const values = { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } as const
  await hg.writeNpy('an-array.npy', values)
  await hg.writeNpz('arrays.npz', { a: values, b: values })
  await hg.writeSafetensors('a-file.safetensors', { a: values })
  await compiled('Sequential').save('a-model')
  await prepareTaskFiles()
  await prepareRuns()
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
  storeCall('finishEpoch', () => [0, 3, { samples: [16], labelEntropy: 0.7 }]),
  storeCall('flush', () => []),
  storeCall('close', () => []),
  constructorCall('Chart', hg.Chart, () => [{ mark: 'point', data: { values: [] } }]),
  ...methodCalls('Chart', () => hg.informationPlane(recorded()), {
    animation: () => [{ dpi: 72, cm: 4, seconds: 1, rest: 1, frames: 2 }],
  }),
  ...methodCalls('Chart', chart, {
    html: () => [],
    pdf: () => [{ cm: 8 }],
    png: () => [{ dpi: 72, cm: 4 }],
    save: () => ['charts/one.png', { scale: 1 }],
    svg: () => [{ cm: 8 }],
    toJSON: () => [],
  }),
  ...functionCalls(exports, functions),
]
