/** The one-dimensional "needle": layers that end in a single unit, along which the classes are spread. */
import { Activation, BatchNorm1d, Chain, Dense, HSICSequential } from '../../../ts/index.js'
import { digits, disposeOf } from '../digits.js'
import { type Experiment, percent, single, type Values } from '../experiment.js'
import { descent, measure, quiet } from './networks.js'

const widths = [64, 32, 16, 8, 4, 2, 1] as const
const bins = 20

/** Mean of each class. */
function meansOf(positions: ArrayLike<number>, labels: Int32Array): number[] {
  const sums = new Float64Array(10)
  const counts = new Float64Array(10)
  labels.forEach((label, index) => {
    sums[label] = (sums[label] as number) + (positions[index] as number)
    counts[label] = (counts[label] as number) + 1
  })
  return [...sums].map((sum, label) => sum / (counts[label] as number))
}

/** Number of images of each class by position of the unit in [-1, 1]. */
function histogram(positions: ArrayLike<number>, labels: Int32Array, label: number): number[] {
  const counts = new Array<number>(bins).fill(0)
  labels.forEach((one, index) => {
    if (one !== label) return
    const bin = Math.min(bins - 1, Math.floor((((positions[index] as number) + 1) / 2) * bins))
    counts[bin] = (counts[bin] as number) + 1
  })
  return counts
}

async function needle(seed: number): Promise<Values> {
  const data = await digits({ batchSize: 256, seed })
  using model = new HSICSequential({ inputShape: [784], seed })
  for (const units of widths) {
    model.add(new Chain([new Dense(units), new BatchNorm1d({ affine: false }), new Activation('tanh')]))
  }
  model.compile({
    criterion: measure(5),
    regularizeCoeff: 500,
    layerwiseRefresh: true,
    ...descent(5e-5, 1e-3),
  })
  await model.preTrainingLoop(5, data.train, undefined, quiet)
  const positionsOf = async (set: typeof data.train) => {
    using images = set.source.x.cast('float32').div(255)
    using outputs = await model.predict(images, { batchSize: 1000 })
    return outputs.data()
  }
  const [train, test] = [await positionsOf(data.train), await positionsOf(data.test)] as [
    Float32Array,
    Float32Array,
  ]
  const labels = data.test.labels as Int32Array
  const means = meansOf(train, data.train.labels as Int32Array)
  const nearest = (position: number) => {
    const distances = means.map((mean) => Math.abs(mean - position))
    return distances.indexOf(Math.min(...distances))
  }
  const right = labels.filter((label, index) => nearest(test[index] as number) === label).length
  disposeOf(data)
  const places = Array.from({ length: 10 }, (_, label) => [`bins${label}`, histogram(test, labels, label)])
  return { right: percent(right / labels.length), means, ...Object.fromEntries(places) }
}

export const needleExperiment: Experiment = {
  name: 'needle',
  title: 'One unit: the needle',
  settings:
    '784-64-32-16-8-4-2-1, batch normalization without scale and shift, tanh; HSIC: batch 256, SGD 5e-5, weight decay 1e-3, sigma 5, beta 500, 5 epochs. A test image is given the class whose training images have the nearest mean on the line',
  differences:
    'the paper had a figure, which later versions removed; the labels of the last layer are one-hot as for the others, in their code the class index. The row is a count that corresponds to the figure',
  cases: { main: { settings: '', run: needle } },
  rows: [{ name: 'nearest class on the line', of: single('right') }],
}
