/** The tasks under `examples/tasks` learn their functions. */
import test from 'ava'
import { Gan, mixture } from '../examples/tasks/gan.js'
import { Hypernetwork, waves } from '../examples/tasks/hypernetwork.js'
import * as hg from '../ts/index.js'

const quiet = { verbose: false }

test('a task with two optimizers: a GAN learns a mixture, and HSIC sees its critic lose hold', async (t) => {
  const of = (count: number) => {
    const flat = mixture(count)
    return { x: hg.tensor(flat, { shape: [count, 2] }) }
  }
  const task = new Gan({ seed: 1 })
  const { history, dynamics } = await hg.fit(
    task,
    new hg.TreeDataset(of(4096), { batchSize: 128, shuffle: true, seed: 1 }),
    {
      ...quiet,
      epochs: 60,
      validation: new hg.TreeDataset(of(512), { batchSize: 512 }),
      evaluators: [
        { evaluator: new hg.HSIC({ sigma: 1 }), every: 8 },
        { evaluator: new hg.HSIC({ sigma: 1 }), evaluateOn: 'epoch', samples: 256, every: 20 },
      ],
    },
  )
  const { missed = [], wrong = [] } = history.validationMetrics ?? {}
  t.true((missed[0] as number) > 0.2 && (missed.at(-1) as number) < 0.1, `missed ${missed.at(-1)}`)
  t.true((wrong.at(-1) as number) < 0.15, `wrong ${wrong.at(-1)}`)
  t.deepEqual(dynamics?.shape, [60, 2, 2, 2])
  t.deepEqual(dynamics?.layers, ['features', 'verdict'])
  const relevance = (epoch: number) => dynamics?.values[epoch]?.[0]?.[1]?.[1] as number
  const most = Math.max(...Array.from({ length: 60 }, (_, epoch) => relevance(epoch)))
  t.true(relevance(59) < most / 2, 'the verdict says less of which points were given')
  t.is(dynamics?.values.filter((epoch) => Number.isFinite(epoch[1]?.[0]?.[0])).length, 3)
})

test('a network whose weights another makes draws a wave for each condition', async (t) => {
  const task = new Hypernetwork({ conditions: 3, seed: 1 })
  const { history, dynamics } = await hg.fit(
    task,
    new hg.TreeDataset(waves(256, 3), { batchSize: 64, shuffle: true }),
    {
      ...quiet,
      epochs: 120,
      validation: new hg.TreeDataset(waves(51, 3), { batchSize: 51 }),
      scalars: { decay: ({ step }) => 1e-6 / (1 + step) },
      evaluators: [{ evaluator: new hg.HSIC({ sigma: 1 }), evaluateOn: { probe: probe() } }],
    },
  )
  t.true((history.validationLoss?.at(-1) as number) < 0.02, `${history.validationLoss?.at(-1)}`)
  t.deepEqual(task.main.weights, {}, 'it has no weights of its own')
  t.deepEqual(dynamics?.shape, [120, 1, 1, 2])
  t.true(dynamics?.values.flat(3).every(Number.isFinite))
})

function probe() {
  const { x, y } = waves(40, 3)
  return { x: hg.tensor(x), y: hg.tensor(y) }
}
