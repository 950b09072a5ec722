/** The quick forms of the published experiments on MNIST, and the page of results, which must match the stored runs. */
import { readFile } from 'node:fs/promises'
import test from 'ava'
import { goalReached, spread, summarize, verdictOf } from '../examples/bottleneck/acceptance.js'
import { Averaged } from '../examples/bottleneck/averaged.js'
import type { Experiment } from '../examples/bottleneck/experiment.js'
import { quickFormat } from '../examples/bottleneck/hsic/format.js'
import { quickUnformatted } from '../examples/bottleneck/hsic/unformatted.js'
import { kernelObjective, quickKernelized } from '../examples/bottleneck/local/kernelized.js'
import { localObjective, quickLocalLoss } from '../examples/bottleneck/local/local-losses.js'
import { pageOf, seenIn, studies } from '../examples/bottleneck/page.js'
import { type Run, readResults } from '../examples/bottleneck/store.js'
import { quickTradeOffs } from '../examples/bottleneck/vib/training.js'
import { LayeredTask } from '../examples/tasks/layered.js'
import {
  ArrayDataset,
  Dense,
  type Outcome,
  Sequential,
  SGD,
  type Task,
  type Tensor,
  TreeDataset,
  tensor,
  fit as train,
  Variable,
  valueAndGrad,
} from '../ts/index.js'

const minutes = 60_000

test.serial(
  'layers trained by HSIC tell digits after one epoch, better than back-propagation does',
  async (t) => {
    t.timeout(10 * minutes)
    const { format, plain } = await quickFormat(1)
    t.log(`back-propagation ${plain}, format trained ${format}`)
    t.true(format >= 85)
    t.true(format > plain)
  },
)

test.serial('units that nothing but HSIC trained stand for classes', async (t) => {
  t.timeout(10 * minutes)
  const units = await quickUnformatted(1)
  t.log(`unformatted ${units}`)
  t.true(units >= 94)
})

test.serial('a variational bottleneck tells digits, and holds the less the more a bit costs', async (t) => {
  t.timeout(10 * minutes)
  const { error, bits } = await quickTradeOffs(1)
  t.log(`beta .001: ${error} % wrong, ${bits.weak} bits; beta 1: ${bits.strong} bits`)
  t.true(error <= 3.5)
  t.true(bits.strong < Math.log2(10))
  t.true(bits.weak > Math.log2(10))
})

test.serial('layers learn from kernels and from local losses alone', async (t) => {
  t.timeout(10 * minutes)
  const right = await quickKernelized(1)
  const wrong = await quickLocalLoss(1)
  t.log(`kernelized ${right} % right, local losses ${wrong} % wrong`)
  t.true(right >= 85)
  t.true(wrong <= 10)
})

/** A weight that each step raises by 1. */
class Rising implements Task<{ x: Tensor }> {
  readonly parameters = { w: new Variable(tensor([0])) }
  readonly optimizers = { sgd: new SGD({ learningRate: 1, momentum: 0 }) }

  step({ x }: { x: Tensor }): Outcome {
    const { value, grads } = valueAndGrad(({ w }) => w.neg().mul(x.mean()).sum(), this.parameters)
    this.optimizers.sgd.step(this.parameters, grads)
    return { loss: value }
  }
}

test('averaged weights follow the weights step by step, and give way to them again', async (t) => {
  const rising = new Rising()
  const task = new Averaged(rising, 0.5)
  await train(task, new TreeDataset({ x: [1, 1, 1] }, { batchSize: 1 }), { epochs: 1, verbose: false })
  const { w } = rising.parameters
  // 0, then (0 + 1) / 2, (.5 + 2) / 2 and (1.25 + 3) / 2.
  const seen = await task.withAverages(async () => Number((await w.value.data())[0]))
  t.is(seen, 2.125)
  t.is(Number((await w.value.data())[0]), 3)
})

/** Cosines between rows of numbers. */
function cosines(rows: readonly (readonly number[])[]): number[][] {
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, index) => sum + value * (b[index] as number), 0)
  return rows.map((a) => rows.map((b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))))
}

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const centered = (row: readonly number[]) => row.map((value) => value - meanOf(row))

const outputs = [
  [1, 2, -1, 0.5],
  [0.2, -1, 3, 1],
  [2, 1, 1, -2],
]
const oneHotRows = [
  [1, 0, 0],
  [0, 1, 0],
  [1, 0, 0],
]
const view = { z: tensor(outputs), y: tensor(oneHotRows), labels: tensor(Int32Array.of(0, 1, 0)) }

test('the kernelized objective is pHSIC(Z, Z) - 2 pHSIC(Z, Y)', async (t) => {
  const objective = kernelObjective({ kernel: 'cosine', local: 1, final: 1 })
  const found = await objective({ ...view, head: (_, z) => z }).data()
  const [ofZ, ofY] = [cosines(outputs).flat(), cosines(oneHotRows.map(centered)).flat()]
  const pHSIC = (a: readonly number[], b: readonly number[]) =>
    meanOf(a.map((value, index) => (value - meanOf(a)) * (b[index] as number)))
  t.true(Math.abs(Number(found[0]) - (pHSIC(ofZ, ofZ) - 2 * pHSIC(ofY, ofZ))) < 1e-6)
})

test('local losses match similarities, predict labels, or do both', async (t) => {
  const of = async (loss: 'pred' | 'sim' | 'predsim') => {
    const found = await localObjective(loss)({ ...view, head: (_, z) => z.slice([0, 0], [3, 3]) }).data()
    return Number(found[0])
  }
  const firstThree = outputs.map((row) => row.slice(0, 3))
  const [ofZ, ofY] = [firstThree, oneHotRows].map((rows) => cosines(rows.map(centered)).flat())
  const sim = meanOf(
    (ofZ as number[]).map((value, index) => (value - ((ofY as number[])[index] as number)) ** 2),
  )
  const pred = meanOf(
    firstThree.map((row, index) => {
      const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0))
      return total - (row[index === 1 ? 1 : 0] as number)
    }),
  )
  t.true(Math.abs((await of('sim')) - sim) < 1e-6)
  t.true(Math.abs((await of('pred')) - pred) < 1e-6)
  t.true(Math.abs((await of('predsim')) - (0.99 * sim + 0.01 * pred)) < 1e-6)
})

test('no gradient of a layer crosses to the one before', async (t) => {
  // The second layer alone has an objective, so the first keeps its weights.
  const layer = (seed: number) => ({
    body: new Sequential({ inputShape: [3], seed }).add(new Dense(3, { useBias: false })),
  })
  const layers = [layer(1), layer(2)]
  let calls = 0
  const task = new LayeredTask({
    layers,
    readout: new Sequential({ inputShape: [3], seed: 3 }).add(new Dense(2)),
    classes: 2,
    objective: ({ z }) =>
      z
        .square()
        .sum()
        .mul(calls++ === 0 ? 0 : 1),
    local: () => new SGD({ learningRate: 0.1, momentum: 0 }),
    final: () => new SGD({ learningRate: 0.1, momentum: 0 }),
    seed: 1,
  })
  const weights = () =>
    Promise.all(
      layers.map(async ({ body }) => [...(await (Object.values(body.weights)[0] as Variable).value.data())]),
    )
  const before = await weights()
  const data = new ArrayDataset([[1, 2, 3]], [1], { batchSize: 1, classes: 2 })
  await train(task, data, { epochs: 1, verbose: false })
  const now = await weights()
  t.deepEqual(now[0], before[0])
  t.notDeepEqual(now[1], before[1])
})

test('results are told with their spread over seeds', (t) => {
  t.is(spread([1, 2, 3]), '2.00 ± 1.00')
  t.is(spread([94]), '94.00')
  t.is(spread([0.5, 0.7]), '0.600 ± 0.141')
})

test('a published number counts as reproduced by the rule that was fixed before', (t) => {
  const published = { value: 94, tolerance: 1 }
  t.is(verdictOf(summarize([93.5, 93.6]), published), 'fewer than 3 seeds')
  t.is(verdictOf(summarize([93.5, 93.6, 93.7]), published), 'reproduced')
  t.is(verdictOf(summarize([92.8, 92.9, 93.0]), published), 'not reproduced')
  t.is(verdictOf(summarize([96, 96, 96]), published), 'better than published')
  t.is(verdictOf(summarize([96, 96, 96]), published, false), 'not reproduced')
  // The spread of ours widens the band: the standard error is 1.
  const wide = summarize([90 - Math.sqrt(3), 90, 90 + Math.sqrt(3)])
  t.is(verdictOf(wide, { value: 91.9, tolerance: 0.1 }), 'reproduced')
  t.is(verdictOf(wide, { value: 92.1, tolerance: 0.1 }), 'not reproduced')
  t.is(verdictOf(wide, { value: 92.1, tolerance: 0.1, standardError: 1 }), 'reproduced')
  t.is(goalReached(summarize([97.4, 97.5, 97.6]), { atLeast: 97.5 }), 'reached')
  t.is(goalReached(summarize([1.5, 1.5, 1.5]), { atMost: 1.4 }), 'not reached')
})

test('a claim is counted in the seeds that all of its cases were run with', (t) => {
  const experiment: Experiment = {
    name: 'made',
    title: '',
    settings: '',
    cases: {},
    rows: [],
  }
  const run = (name: string, seed: number, value: number): Run => ({
    experiment: 'made',
    case: name,
    seed,
    settings: '',
    values: { value },
    seconds: 1,
    date: '',
    machine: '',
    version: '',
  })
  const shape = {
    claim: 'a above b',
    cases: ['a', 'b'],
    holds: (of: (name: string) => Run['values']) => (of('a').value as number) > (of('b').value as number),
  }
  const runs = [run('a', 1, 2), run('b', 1, 1), run('a', 2, 0), run('b', 2, 1), run('a', 3, 5)]
  t.deepEqual(seenIn(experiment, shape, runs), { seen: 1, of: 2 })
})

test('every experiment can be asked for, and each row reads a case that there is', (t) => {
  const experiments = studies.flatMap(([study]) => study.experiments)
  t.is(new Set(experiments.map(({ name }) => name)).size, experiments.length)
  for (const { name, cases, rows, shapes = [] } of experiments) {
    const named = [...rows.flatMap((row) => row.case ?? []), ...shapes.flatMap((shape) => shape.cases)]
    for (const one of named) t.true(Object.hasOwn(cases, one), `${name}: ${one}`)
  }
})

test('a run at other settings than those of the page is refused', async (t) => {
  const [run] = (await readResults()) as [Run]
  t.notThrows(() => pageOf([run]))
  t.throws(() => pageOf([{ ...run, settings: 'width 7' }]), { message: /at other settings.*run it again/ })
})

test('docs/results.md is what the kept runs say', async (t) => {
  t.is(await readFile('docs/results.md', 'utf8'), pageOf(await readResults()))
})
