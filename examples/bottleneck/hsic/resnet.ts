/** A convolutional residual network, each block trained with HSIC, then a readout: figure 7 of the paper. */
import {
  Activation,
  BatchNorm1d,
  BatchNorm2d,
  Chain,
  Conv2d,
  Dense,
  Flatten,
  HSICOutput,
  HSICSequential,
  type Layer,
  Residual,
  Sequential,
} from '../../../ts/index.js'
import { type Digits, digits, disposeOf, type ImageSet, imageShape } from '../digits.js'
import { after, type Case, type Experiment, percent, type Row } from '../experiment.js'
import { type Curve, descent, measure, quiet } from './networks.js'

const channels = 64
const taps = 5

const relu = () => new Activation('relu')
const norm2d = () => new BatchNorm2d({ affine: false })

/** Convolution, normalization and relu in parallel to the identity, then normalization and relu of the sum. */
function residualBlock(): Layer {
  const branch = [new Conv2d(channels, taps, { padding: 2 }), norm2d(), relu()]
  return new Chain([new Residual(branch), norm2d(), relu()])
}

/** 64 channels at half the size, five residual blocks, 512 units. */
function residualBlocks(): Layer[] {
  return [
    new Chain([new Conv2d(channels, taps, { stride: 2 }), norm2d(), relu()]),
    ...Array.from({ length: 5 }, residualBlock),
    new Chain([new Flatten(), new Dense(512), new BatchNorm1d({ affine: false }), relu()]),
  ]
}

/** Number of epochs, and of training images; default all. */
export interface ResnetRun {
  readonly set: ImageSet
  readonly beta: number
  readonly epochs: number
  readonly limit?: number
}

const dataOf = (seed: number, { set, limit }: ResnetRun): Promise<Digits> =>
  digits({ set, batchSize: 512, seed, flat: false, ...(limit === undefined ? {} : { limit }) })

/** Percent of the test images classified correctly after each epoch of the readout. */
export async function resnetFormatted(seed: number, run: ResnetRun): Promise<Curve> {
  const data = await dataOf(seed, run)
  using model = new HSICSequential({ inputShape: imageShape[run.set], seed })
  for (const layer of residualBlocks()) model.add(layer)
  model.add(new HSICOutput(10)).compile({
    criterion: measure(5),
    regularizeCoeff: run.beta,
    layerwiseRefresh: true,
    ...descent(0.01, 1e-3),
    post: { ...descent(0.01, 1e-3), metrics: ['accuracy'] },
  })
  await model.preTrainingLoop(run.epochs, data.train, undefined, quiet)
  const { validationMetrics } = await model.postTrain(run.epochs, data.train, data.test, quiet)
  disposeOf(data)
  return (validationMetrics?.accuracy ?? []).map(percent)
}

/** The same network by back-propagation. */
export async function resnetPlain(seed: number, run: ResnetRun): Promise<Curve> {
  const data = await dataOf(seed, run)
  using model = new Sequential({ inputShape: imageShape[run.set], seed })
  for (const layer of residualBlocks()) model.add(layer)
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({ ...descent(0.01, 1e-5), metrics: ['accuracy'] })
  const { validationMetrics } = await model.fitDataset(data.train, {
    epochs: run.epochs,
    validation: data.test,
    ...quiet,
  })
  disposeOf(data)
  return (validationMetrics?.accuracy ?? []).map(percent)
}

function casesOf(set: ImageSet, beta: number): Readonly<Record<string, Case>> {
  const run = { set, beta, epochs: 5 }
  return {
    hsic: {
      settings: `HSIC, beta ${beta}`,
      run: async (seed) => ({ test: await resnetFormatted(seed, run) }),
    },
    plain: { settings: 'back-propagation', run: async (seed) => ({ test: await resnetPlain(seed, run) }) },
  }
}

const settings =
  'convolution 5 x 5, stride 2, 64 channels; 5 residual blocks of 5 x 5; dense 512; all with batch normalization without scale and shift and relu. HSIC: batch 512, SGD .01, weight decay 1e-3, sigma 5, 5 epochs; readout: batch 512, SGD .01, weight decay 1e-3, 5 epochs. Back-propagation: batch 512, SGD .01, weight decay 1e-5, 5 epochs'

const rowsOf = (hsic: number, tolerance: number, plain: number): readonly Row[] => [
  { name: 'after epoch 5', case: 'hsic', of: after('test', 5), published: { value: hsic, tolerance } },
  { name: 'after epoch 5', case: 'plain', of: after('test', 5), theirs: plain },
]

export const resnetMnist: Experiment = {
  name: 'resnet',
  title: 'Residual network, MNIST',
  settings,
  cases: casesOf('mnist', 200),
  rows: rowsOf(98.94, 0.3, 98.61),
}

export const resnetFashion: Experiment = {
  name: 'resnet-fashion',
  title: 'Residual network, Fashion-MNIST',
  settings,
  cases: casesOf('fashion', 500),
  rows: rowsOf(89.05, 1, 88.6),
}

export const resnetCifar: Experiment = {
  name: 'resnet-cifar10',
  title: 'Residual network, CIFAR-10',
  settings,
  cases: casesOf('cifar10', 500),
  rows: [
    { name: 'after epoch 1', case: 'hsic', of: after('test', 1), theirs: 55.5 },
    ...rowsOf(60.86, 2, 61.09),
  ],
}
