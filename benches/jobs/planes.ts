/**
 * The information plane of a run of 50 epochs, 5 tanh layers and 2,000 samples, measured like dynamics: an iteration is the 10 coordinates
 * of one epoch, the epochs in turn, so the whole job is 50 iterations. Its value is the sum of the coordinates in nats.
 */
import { Binned, type Estimator, evaluate, KDE, KSG, key, normal, type Tensor } from '../../ts/index.js'
import type { Inputs, Job, Setup } from '../job.js'

const epochs = 50
const samples = 2000
const inputWidth = 12
const widths = [10, 7, 5, 4, 3]

/** Activations by epoch and layer, float64: a network whose weights grow, if the peers' arrays are missing. */
async function activations(inputs: Inputs, x: Tensor): Promise<Tensor[][]> {
  const draw = (layer: number, from: number, to: number) =>
    normal(key(layer), [from, to], { dtype: 'float64' }).div(Math.sqrt(from))
  const weights = widths.map((units, layer) => draw(layer, widths[layer - 1] ?? inputWidth, units))
  const all: Tensor[][] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    const scale = 0.5 + (3 * epoch) / epochs
    const layers: Tensor[] = []
    for (const [layer, weight] of weights.entries()) {
      const below = layers.at(-1) ?? x
      layers.push(await inputs.tensor(`h${epoch}_${layer}`, () => below.mul(scale).matmul(weight).tanh()))
    }
    await evaluate(layers)
    all.push(layers)
  }
  return all
}

const plane =
  (estimator: () => Estimator, target: 'classes' | 'numbers'): Setup =>
  async (inputs) => {
    const x = await inputs.tensor('x', () => normal(key(11), [samples, inputWidth], { dtype: 'float64' }))
    const y =
      target === 'classes'
        ? await inputs.labels('y', samples, 2)
        : await inputs.tensor('target', () => x.sum(1, { keepDims: true }))
    const all = await activations(inputs, x)
    const measure = estimator()
    let epoch = 0
    return async () => {
      const layers = all[epoch++ % epochs] as Tensor[]
      const pairs = await measure.measureSegment([x, ...layers, y], { target })
      return pairs.flat().reduce((sum, value) => sum + value)
    }
  }

export const job: Job = {
  'planes/binned': plane(() => new Binned({ bins: 30 }), 'classes'),
  'planes/kde': plane(() => new KDE({ variance: 1e-3 }), 'classes'),
  'planes/ksg': plane(() => new KSG({ k: 3, standardize: false }), 'numbers'),
}
