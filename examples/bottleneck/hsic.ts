/** The HSIC bottleneck on MNIST at the settings of its authors' code (Ma, Lewis and Kleijn 2019, arXiv 1908.01580; choasma/HSIC-bottleneck). */
import {
  Activation,
  BatchNorm1d,
  Chain,
  Dense,
  HSIC,
  HSICOutput,
  HSICSequential,
  HSICSigma,
  type Layer,
  Sequential,
} from '../../ts/index.js'
import { digits } from './digits.js'

/** Percent of the test images that are told right, by epoch. */
export type Curve = readonly number[]

/** Dense, normalization without scale and shift, relu: what all networks of the paper are made of. */
function block(units: number): Layer {
  return new Chain([new Dense(units), new BatchNorm1d({ affine: false }), new Activation('relu')])
}

/** `count` blocks of a width, the last of another. */
const blocks = (width: number, count: number, last = width) =>
  Array.from({ length: count }, (_, index) => block(index === count - 1 ? last : width))

/** The measure of the paper: kernel variance 2 sigma^2 d, normalized by a regularized inverse. */
const measure = (sigma: number) => new HSIC({ sigma, scaleSqrtD: true, variant: 'nHSIC' })

/** Stochastic gradient descent as it is in effect in the authors' code, which makes a new optimizer for each step. */
const descent = (learningRate: number, weightDecay: number) => ({
  optimizer: 'sgd',
  learningRate,
  momentum: 0,
  optimizerOptions: { weightDecay },
})

const quiet = { verbose: false }
const percent = (share: number | undefined) => 100 * (share ?? Number.NaN)

/** A short or a whole run. */
export interface Length {
  readonly preEpochs: number
  readonly postEpochs: number
}

/** A network of seven blocks. */
export interface Form {
  readonly width: number
  /** Of the last block; default that of the others. */
  readonly last?: number
  /** Samples in a batch of training layer by layer. */
  readonly batchSize: number
}

/** What the paper's figure of format training was made with. */
export const published: Form = { width: 128, batchSize: 512 }

/** What the figure of the length of pre-training was made with. */
export const wide: Form = { width: 256, last: 128, batchSize: 256 }

/** Seven blocks, trained layer by layer, then a linear readout. */
export async function formatTrained(
  seed: number,
  { preEpochs, postEpochs }: Length,
  { width, last = width, batchSize }: Form,
): Promise<Curve> {
  const pre = await digits({ batchSize, range: [0, 1], shuffle: false, seed })
  const post = await digits({ batchSize: 256, range: [0, 1], shuffle: false, seed })
  using model = new HSICSequential({ inputShape: [784], seed })
  for (const layer of blocks(width, 7, last)) model.add(layer)
  model.add(new HSICOutput(10)).compile({
    criterion: measure(5),
    regularizeCoeff: 50,
    layerwiseRefresh: true,
    ...descent(1e-4, 1e-3),
    post: { ...descent(0.005, 1e-3), metrics: ['accuracy'] },
  })
  await model.preTrainingLoop(preEpochs, pre.train, undefined, quiet)
  const { validationMetrics } = await model.postTrain(postEpochs, post.train, post.test, quiet)
  for (const data of [pre, post]) dispose(data)
  return (validationMetrics?.accuracy ?? []).map(percent)
}

/** The network of {@link published} trained by back-propagation. */
export async function backPropagated(seed: number, epochs: number): Promise<Curve> {
  const data = await digits({ batchSize: 256, range: [0, 1], shuffle: false, seed })
  using model = new Sequential({ inputShape: [784], seed })
  for (const layer of blocks(128, 7)) model.add(layer)
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({ ...descent(0.001, 1e-5), metrics: ['accuracy'] })
  const { validationMetrics } = await model.fitDataset(data.train, {
    epochs,
    validation: data.test,
    ...quiet,
  })
  dispose(data)
  return (validationMetrics?.accuracy ?? []).map(percent)
}

/** Width 1024, the last layer as wide as there are classes; nothing but the HSIC objective says which unit is which class. */
export async function unformatted(seed: number, epochs: number): Promise<Curve> {
  const data = await digits({ batchSize: 256, range: [0, 1], shuffle: false, seed })
  using model = new HSICSequential({ inputShape: [784], seed })
  for (const layer of blocks(1024, 7, 10)) model.add(layer)
  model.compile({
    criterion: measure(6),
    regularizeCoeff: 200,
    layerwiseRefresh: true,
    ...descent(0.001, 1e-3),
  })
  const labels = data.test.labels as Int32Array
  const curve: number[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    await model.preTrainingLoop(1, data.train, undefined, quiet)
    await model.matchUnits(data.train)
    const found = await model.predictClasses(data.test.source.x.cast('float32').div(255))
    curve.push(percent(found.filter((label, index) => label === labels[index]).length / labels.length))
  }
  dispose(data)
  return curve
}

/** Seven blocks of width 128, the last 64, one copy for each kernel width; the mean of the copies, normalized, then a linear readout. */
export async function sigmaNetwork(seed: number, sigmas: readonly number[], length: Length): Promise<Curve> {
  const pre = await digits({ batchSize: 512, range: [0, 1], shuffle: false, seed })
  const post = await digits({ batchSize: 256, range: [0, 1], shuffle: false, seed })
  using model = new HSICSigma({ inputShape: [784], sigmas, seed }, [
    ...blocks(128, 7, 64),
    new HSICOutput(10),
  ])
  const readout = { ...descent(0.004, 1e-4), momentum: 0.9, metrics: ['accuracy'] }
  model.compile({
    pre: { criterion: measure, regularizeCoeff: 50, layerwiseRefresh: true, ...descent(1e-4, 1e-3) },
    post: readout,
  })
  await model.preTrainingLoop(length.preEpochs, pre.train, undefined, quiet)
  const { validationMetrics } = await model.postTrain(length.postEpochs, post.train, post.test, quiet)
  for (const data of [pre, post]) dispose(data)
  return (validationMetrics?.accuracy ?? []).map(percent)
}

function dispose({ train, test }: Awaited<ReturnType<typeof digits>>): void {
  train.dispose()
  test.dispose()
}
