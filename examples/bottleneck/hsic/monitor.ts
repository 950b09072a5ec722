/** nHSIC of the last hidden layer with image and label during back-propagation: figure 2 of the paper. */
import { Dense, IBSequential } from '../../../ts/index.js'
import { digits, disposeOf } from '../digits.js'
import {
  type Experiment,
  numberOf,
  percent,
  type Row,
  type Shape,
  single,
  type Values,
} from '../experiment.js'
import { type ActivationName, blocks, descent, measure, quiet } from './networks.js'

/** Number of batches between measurements, as in the authors' code. */
const every = 20

/**
 * nHSIC of the last block with image and label, for the first and the last measured batch, and the training accuracy at the end in percent.
 */
async function monitored(
  seed: number,
  { activation, depth }: { activation: ActivationName; depth: number },
): Promise<Values> {
  const data = await digits({ batchSize: 256, seed })
  using model = new IBSequential({ inputShape: [784], seed, trackDynamics: true })
  const count = depth + 2
  for (const layer of blocks({ width: 256, last: 128, count, activation })) model.add(layer)
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({ ...descent(0.005, 1e-5), metrics: ['accuracy'] })
  model.attachEvaluator(measure(5), { every })
  await model.fitDataset(data.train, { epochs: 5, ...quiet })
  using dynamics = model.batchDynamics
  const [, , , layers] = dynamics.shape as [number, number, number, number, number]
  const values = await dynamics.data()
  const ofLast = (side: 0 | 1) => {
    const course: number[] = []
    for (let at = 2 * (count - 1) + side; at < values.length; at += 2 * layers)
      course.push(Number(values[at]))
    return course.filter((value) => !Number.isNaN(value))
  }
  const [x, y] = [ofLast(0), ofLast(1)]
  const { metrics } = await model.evaluate(data.train)
  disposeOf(data)
  return {
    xStart: x[0] as number,
    xEnd: x.at(-1) as number,
    yStart: y[0] as number,
    yEnd: y.at(-1) as number,
    train: percent(metrics.accuracy),
  }
}

/** Values of the authors' figure for a network. */
type Figure = readonly [xStart: number, xEnd: number, yStart: number, yEnd: number, train: number]

const names = ['xStart', 'xEnd', 'yStart', 'yEnd', 'train'] as const
const titles = {
  xStart: 'nHSIC(X, Z) at the start',
  xEnd: 'nHSIC(X, Z) after 5 epochs',
  yStart: 'nHSIC(Y, Z) at the start',
  yEnd: 'nHSIC(Y, Z) after 5 epochs',
  train: 'training images',
} as const

function rowsOf(figures: Readonly<Record<string, Figure>>): Row[] {
  return Object.entries(figures).flatMap(([name, figure]) =>
    names.map((of, index): Row => {
      const theirs = figure[index] as number
      return { name: titles[of], case: name, of: single(of), theirs, ...(of === 'train' ? {} : { unit: '' }) }
    }),
  )
}

/** nHSIC with the label rises and ends between 5 and 9, the maximum for 10 classes; nHSIC with the image falls. */
const courseOf = (name: string): Shape => ({
  claim: `${name}: nHSIC(Y, Z) rises and ends between 5 and 9, nHSIC(X, Z) falls`,
  cases: [name],
  holds: (of) => {
    const [xStart, xEnd, yStart, yEnd] = names.map((one) => numberOf(of(name), one)) as [
      number,
      number,
      number,
      number,
    ]
    return yEnd > yStart && yEnd >= 5 && yEnd <= 9 && xEnd < xStart
  },
})

const settings =
  'blocks of width 256, the last 128, and a readout; back-propagation, batch 256, SGD .005 without momentum, weight decay 1e-5, 5 epochs; nHSIC (sigma 5) of the last block on every 20th training batch'

const activations: Readonly<Record<ActivationName, Figure>> = {
  relu: [28.7, 23.6, 5.5, 8.1, 96.0],
  tanh: [29.4, 23.7, 6.1, 7.5, 94.9],
  elu: [33.5, 29.2, 6.7, 7.8, 95.8],
  sigmoid: [18.0, 9.6, 4.2, 5.5, 90.1],
}

export const activation: Experiment = {
  name: 'activation',
  title: 'nHSIC under back-propagation, by activation',
  settings: `7 ${settings}`,
  cases: Object.fromEntries(
    (Object.keys(activations) as ActivationName[]).map((name) => [
      name,
      { settings: name, run: (seed: number) => monitored(seed, { activation: name, depth: 5 }) },
    ]),
  ),
  rows: rowsOf(activations),
  shapes: [
    ...Object.keys(activations).map(courseOf),
    {
      claim: 'nHSIC(X, Z) ends highest with elu, lowest with sigmoid',
      cases: Object.keys(activations),
      holds: (of) => {
        const [relu, tanh, elu, sigmoid] = Object.keys(activations).map((name) => numberOf(of(name), 'xEnd'))
        const middle = [relu as number, tanh as number]
        return (elu as number) > Math.max(...middle) && (sigmoid as number) < Math.min(...middle)
      },
    },
  ],
}

const depths: Readonly<Record<string, Figure>> = {
  depth5: [28.6, 23.5, 5.6, 8.2, 96.0],
  depth10: [26.2, 19.7, 4.7, 8.3, 97.0],
  depth15: [24.9, 17.7, 4.0, 8.4, 97.3],
  depth20: [22.8, 15.9, 3.5, 8.3, 95.8],
}

function isFalling(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value < (values[index - 1] as number))
}

export const depth: Experiment = {
  name: 'depth',
  title: 'nHSIC under back-propagation, by depth',
  settings: `depth and 2 ${settings}; relu`,
  cases: Object.fromEntries(
    Object.keys(depths).map((name) => [
      name,
      {
        settings: name.replace('depth', 'depth '),
        run: (seed: number) =>
          monitored(seed, { activation: 'relu', depth: Number(name.replace('depth', '')) }),
      },
    ]),
  ),
  rows: rowsOf(depths),
  shapes: [
    {
      claim: 'deeper networks start and end with a lower nHSIC(X, Z)',
      cases: Object.keys(depths),
      holds: (of) =>
        ['xStart', 'xEnd'].every((one) =>
          isFalling(Object.keys(depths).map((name) => numberOf(of(name), one))),
        ),
    },
    {
      claim: 'accuracy does not fail with depth: at least 90 % everywhere',
      cases: Object.keys(depths),
      holds: (of) => Object.keys(depths).every((name) => numberOf(of(name), 'train') >= 90),
    },
  ],
}
