/**
 * The network of PyGlow's notebook on MNIST: its learning curve with softmax applied twice, and its information planes with and without
 * dropout.
 */
import { Conv2d, Dense, Dropout, Flatten, HSIC, IBSequential, mnist } from '../../../ts/index.js'
import { after, curveOf, type Experiment, percent, type Study, type Values } from '../experiment.js'
import { quiet } from '../hsic/networks.js'

/** Options of the training. */
export interface NotebookRun {
  /** The loss applies softmax to the output again, as in PyGlow. */
  readonly doubleSoftmax?: boolean
  /** Dropout rate after each hidden dense layer in training. Default none. */
  readonly dropout?: number
  /** Record HSIC (Gaussian, sigma 5) of each layer on every batch. */
  readonly track?: boolean
  readonly epochs: number
  /** Maximum number of images. Default all. */
  readonly limit?: number
}

/**
 * Losses and accuracies by epoch; with `track` also HSIC of each layer with the image (`x.LAYER`) and with the label (`y.LAYER`), means
 * over the batches of an epoch.
 */
export async function notebook(seed: number, run: NotebookRun): Promise<Values> {
  const { doubleSoftmax = false, dropout = 0, track = false, epochs, limit } = run
  const { train, validation, test } = await mnist.load({
    batchSize: 64,
    validationSplit: 0.2,
    seed,
    ...(limit === undefined ? {} : { limit }),
  })
  using model = new IBSequential({
    inputShape: [1, 28, 28],
    seed,
    trackDynamics: track,
    ...(doubleSoftmax ? { compat: 'doubleSoftmax' } : {}),
  })
  model.add(new Conv2d(16, 3, { padding: 1, activation: 'relu' })).add(new Flatten())
  for (const units of [1000, 500, 200]) {
    model.add(new Dense(units, { activation: 'relu' }))
    if (dropout > 0) model.add(new Dropout(dropout))
  }
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({
    optimizer: 'sgd',
    loss: 'crossEntropy',
    metrics: ['accuracy'],
    learningRate: 0.001,
    momentum: 0.95,
  })
  if (track) model.attachEvaluator(new HSIC({ kernel: 'gaussian', sigma: 5 }))
  const history = await model.fitDataset(train, { epochs, validation, ...quiet })
  const planes = track ? await planesOf(model) : {}
  const { metrics } = await model.evaluate(test)
  for (const data of [train, validation, test]) data.dispose()
  return { loss: history.loss, test: percent(metrics.accuracy), ...planes }
}

/** The trajectories of the layers in the information plane. */
async function planesOf(model: IBSequential): Promise<Values> {
  using dynamics = model.evaluatedDynamics
  const [epochs, , layers] = dynamics.shape as [number, number, number, number]
  const values = await dynamics.data()
  const course = (layer: number, side: 0 | 1) =>
    Array.from({ length: epochs }, (_, epoch) => Number(values[(epoch * layers + layer) * 2 + side]))
  return Object.fromEntries(
    Array.from({ length: layers }, (_, layer) => [
      [`x.${layer}`, course(layer, 0)] as const,
      [`y.${layer}`, course(layer, 1)] as const,
    ]).flat(),
  )
}

const epochs = 7
/** The last of the five layers with weights. */
const output = 4
const plateau = Math.log(10)

const rowsOf = (name: string) => [
  { name: 'after epoch 7', case: name, of: (values: Values) => values.test as number },
  {
    name: 'HSIC(output, image) in epoch 1, 1/1000',
    case: name,
    unit: '',
    of: (values: Values) => 1000 * after(`x.${output}`, 1)(values),
  },
  {
    name: 'HSIC(output, image) in epoch 7, 1/1000',
    case: name,
    unit: '',
    of: (values: Values) => 1000 * after(`x.${output}`, epochs)(values),
  },
  {
    name: 'HSIC(output, label) in epoch 1, 1/1000',
    case: name,
    unit: '',
    of: (values: Values) => 1000 * after(`y.${output}`, 1)(values),
  },
  {
    name: 'HSIC(output, label) in epoch 7, 1/1000',
    case: name,
    unit: '',
    of: (values: Values) => 1000 * after(`y.${output}`, epochs)(values),
  },
]

export const planes: Experiment = {
  name: 'notebook',
  title: "PyGlow's notebook",
  settings:
    'convolution 3 x 3 of 16 channels, dense 1000, 500, 200, softmax of 10, relu between; batch 64, SGD .001 with momentum .95, 7 epochs on 48,000 images',
  differences:
    'the notebook does not document which units it drops; here dropout is .2 after each hidden dense layer. The planes compare layers with the label; PyGlow compared them with the output',
  cases: {
    'double-softmax': {
      settings: 'softmax twice in the loss',
      run: (seed) => notebook(seed, { doubleSoftmax: true, epochs }),
    },
    plane: { settings: 'softmax once', run: (seed) => notebook(seed, { track: true, epochs }) },
    dropout: {
      settings: 'softmax once, dropout .2',
      run: (seed) => notebook(seed, { track: true, dropout: 0.2, epochs }),
    },
  },
  rows: [
    {
      name: 'loss in epoch 1',
      case: 'double-softmax',
      unit: 'nats',
      of: after('loss', 1),
      theirs: 2.29,
    },
    {
      name: 'loss in epoch 7',
      case: 'double-softmax',
      unit: 'nats',
      of: after('loss', epochs),
      theirs: 1.55,
    },
    ...rowsOf('plane'),
    ...rowsOf('dropout'),
  ],
  shapes: [
    {
      claim:
        'with the softmax taken twice the loss begins on a plateau within .03 of ln 10 = 2.303 and ends between 1.46, below which it cannot fall, and 1.62',
      cases: ['double-softmax'],
      holds: (of) => {
        const loss = curveOf(of('double-softmax'), 'loss')
        const end = loss.at(-1) as number
        return Math.abs((loss[0] as number) - plateau) < 0.03 && end > 1.46 && end < 1.62
      },
    },
    {
      claim: 'HSIC of the output with the label rises from the first epoch to the last',
      cases: ['plane', 'dropout'],
      holds: (of) =>
        ['plane', 'dropout'].every((name) => {
          const course = curveOf(of(name), `y.${output}`)
          return (course.at(-1) as number) > (course[0] as number)
        }),
    },
  ],
}

export const notebookStudy: Study = {
  title: 'Information planes of PyGlow 0.1.7',
  source:
    "The published values are the loss in PyGlow's documentation, from 2.29 to 1.55 with a plateau near 2.30. Its network ends with a softmax, and its cross-entropy applies softmax again, so the loss cannot fall below 1.46",
  experiments: [planes],
}
