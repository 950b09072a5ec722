/**
 * A task with two optimizers: a generative adversarial network learns a mixture of eight normal distributions in the plane.
 *
 *     node build/examples/gan.js [--epochs N] [--seed N] [--out DIR]
 *
 * Stop the program and run it again: it continues from its last checkpoint. In your own program, import from 'hyperglow'.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Checkpoint, CSVLogger, dynamicsTable, fit, HSIC, TreeDataset } from '../ts/index.js'
import { Gan, mixture } from './tasks/gan.js'

const { values } = parseArgs({
  options: {
    epochs: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: join('runs', 'gan') },
  },
})
const seed = Number(values.seed)
const task = new Gan({ seed })
const data = new TreeDataset({ x: points(4096) }, { batchSize: 128, shuffle: true, seed })
const { history, dynamics } = await fit(task, data, {
  epochs: Number(values.epochs),
  validation: new TreeDataset({ x: points(1024) }, { batchSize: 1024 }),
  evaluators: [{ evaluator: new HSIC({ kernel: 'gaussian', sigma: 1 }), every: 8 }],
  callbacks: [new CSVLogger(join(values.out, 'log.csv')), new Checkpoint(values.out, { keep: 1 })],
  resume: values.out,
})
const { missed = [], wrong = [] } = history.validationMetrics ?? {}
console.log(
  `given points are ${missed.at(-1)?.toFixed(3)} from the nearest made one, made ones ${wrong.at(-1)?.toFixed(3)} from the nearest given one`,
)
if (dynamics !== undefined) console.log(dynamicsTable(dynamics))

/** Points [count, 2] as nested numbers. */
function points(count: number): number[][] {
  const flat = mixture(count)
  return Array.from({ length: count }, (_, i) => [...flat.subarray(2 * i, 2 * i + 2)])
}
