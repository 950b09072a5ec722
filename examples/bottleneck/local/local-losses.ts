/** Local losses of Nokland and Eidnes 2019 (arXiv 1901.06656) on MNIST: each layer predicts the label, matches the similarities of the labels, or both. */
import {
  Activation,
  Adam,
  augment,
  augmented,
  BatchNorm1d,
  crossEntropy,
  Dense,
  Dropout,
  Flatten,
  fit,
  LearningRate,
  mse,
  multiStepLR,
  randomCrop,
  Sequential,
  type Tensor,
} from '../../../ts/index.js'
import { LayeredTask, type LocalView } from '../../tasks/layered.js'
import { digits, disposeOf } from '../digits.js'
import { after, type Experiment, percent, type Values } from '../experiment.js'

const width = 1024
const depth = 3
/** Weight of the similarity in the combined loss. */
const share = 0.99

export type LocalLoss = 'pred' | 'sim' | 'predsim'

/** Correlations between samples: rows are centered and scaled to length 1. */
function similarities(h: Tensor): Tensor {
  const centered = h.sub(h.mean(1, { keepDims: true }))
  const length = centered.square().sum(1, { keepDims: true }).add(1e-16).sqrt()
  const unit = centered.div(length)
  return unit.matmul(unit.permute([1, 0]))
}

/** The loss of a layer. */
export function localObjective(loss: LocalLoss): (view: LocalView) => Tensor {
  return ({ z, y, labels, head }) => {
    const pred = () => crossEntropy(head('pred', z), labels)
    const sim = () => mse(similarities(head('sim', z)), similarities(y))
    if (loss === 'pred') return pred()
    if (loss === 'sim') return sim()
    return sim()
      .mul(share)
      .add(pred().mul(1 - share))
  }
}

async function run(seed: number, loss: LocalLoss, epochs: number, limit = 60_000): Promise<Values> {
  // Normalized as in the authors' code: mean .1307, standard deviation .3081.
  const range = [-0.1307 / 0.3081, (1 - 0.1307) / 0.3081] as const
  const data = await digits({ batchSize: 128, range, shuffle: true, seed, flat: false, limit })
  const layer = (index: number) => {
    const inputShape = index === 0 ? [1, 28, 28] : [width]
    const body = new Sequential({ inputShape, seed: seed + 100 * index })
    if (index === 0) body.add(new Flatten())
    body.add(new Dense(width)).add(new BatchNorm1d()).add(new Activation('relu'))
    const sim = new Sequential({ inputShape: [width], seed: seed + 100 * index + 1 })
    const pred = new Sequential({ inputShape: [width], seed: seed + 100 * index + 2 })
    const heads = {
      ...(loss === 'pred' ? {} : { sim: sim.add(new Dense(width, { useBias: false })) }),
      ...(loss === 'sim' ? {} : { pred: pred.add(new Dense(10, { kernelInitializer: 'zeros' })) }),
    }
    return { body, heads, after: new Sequential({ inputShape: [width] }).add(new Dropout(0.1)) }
  }
  const adam = () => new Adam({ learningRate: 5e-4 })
  const task = new LayeredTask({
    layers: Array.from({ length: depth }, (_, index) => layer(index)),
    readout: new Sequential({ inputShape: [width], seed: seed + 999 }).add(
      new Dense(10, { kernelInitializer: 'zeros' }),
    ),
    classes: 10,
    objective: localObjective(loss),
    local: adam,
    final: adam,
    seed,
  })
  const milestones = [0.5, 0.75, 0.89, 0.94].map((part) => Math.round(part * epochs))
  const { history } = await fit(
    task,
    augmented(data.train, augment([randomCrop({ padding: 2 })]), { seed }),
    {
      epochs,
      validation: data.test,
      verbose: false,
      callbacks: [new LearningRate(multiStepLR({ milestones, gamma: 0.25 }))],
    },
  )
  task.dispose()
  disposeOf(data)
  return { test: (history.validationMetrics?.accuracy ?? []).map((right) => 100 - percent(right)) }
}

const epochs = 5

const forms: Readonly<Record<LocalLoss, readonly [title: string, theirs: number]>> = {
  pred: ['prediction', 0.68],
  sim: ['similarity matching', 0.8],
  predsim: ['both, .99 of it similarity matching', 0.62],
}

export const localLosses: Experiment = {
  name: 'local-losses',
  title: 'Local losses, MNIST',
  settings: `3 layers of 1024 (dense, batch normalization, relu) and a readout, dropout .1, crops after padding by 2 pixels, batch 128, Adam 5e-4, rates x .25 after 50, 75, 89 and 94 % of ${epochs} epochs`,
  differences: `${epochs} epochs instead of 100, so there is no verdict. Back-propagation in their table: .75 % wrong`,
  higherIsBetter: false,
  cases: Object.fromEntries(
    Object.entries(forms).map(([name, [title]]) => [
      name,
      { settings: title, run: (seed: number) => run(seed, name as LocalLoss, epochs) },
    ]),
  ),
  rows: Object.entries(forms).map(([name, [, theirs]]) => ({
    name: `after ${epochs} epochs`,
    case: name,
    of: after('test'),
    unit: '% wrong',
    theirs,
  })),
}

/** Percent of the test images misclassified after one epoch of the combined loss on 12,000 images. */
export async function quickLocalLoss(seed: number): Promise<number> {
  return after('test')(await run(seed, 'predsim', 1, 12_000))
}
