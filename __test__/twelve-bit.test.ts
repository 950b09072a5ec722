/** The parts of the 12-bit experiment. */
import test from 'ava'
import { reluChecks, tanhChecks } from '../examples/twelve-bit/bands.js'
import { twelveBits } from '../examples/twelve-bit/data.js'
import {
  binned,
  type Course,
  deadLayers,
  fall,
  measure,
  type Pair,
  targetsOf,
} from '../examples/twelve-bit/measures.js'
import { Networks } from '../examples/twelve-bit/networks.js'
import { zeros } from '../ts/index.js'

test('the patterns and labels are those of the published tables', async (t) => {
  const data = twelveBits()
  t.is(data.labels.filter((label) => label === 1).length, 2118)
  t.deepEqual([...data.x.slice(12 * 5, 12 * 6)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1])
  // Bins of the patterns themselves lose nothing: I(X;X) = 12 bits, I(X;Y) = H(Y).
  const targets = targetsOf(data)
  const [[[x, y]]] = (await measure(binned('relu'), [[targets.rows]], targets)) as [[Pair]]
  t.is(x, 12)
  t.true(Math.abs(y - 0.9991571208502711) < 1e-7)
})

test('networks side by side learn, and a seed gives the same network in any company', async (t) => {
  const data = twelveBits()
  const together = new Networks('tanh', [3, 4], data)
  const alone = new Networks('tanh', [4], data)
  const before = await together.accuracies(data)
  for (let epoch = 0; epoch < 30; epoch++) {
    await together.train()
    await alone.train()
  }
  const after = await together.accuracies(data)
  t.true(after.every((accuracy, seed) => accuracy > 0.6 && accuracy >= (before[seed] as number) - 0.02))
  const [mine] = alone.activations()
  const theirs = together.activations()[1]
  const distance = mine
    ?.at(-1)
    ?.sub(theirs?.at(-1) ?? 0)
    .abs()
    .max()
    ?.itemSync()
  t.true(Number(distance) < 1e-4)
})

test('a layer that gives one output for all patterns is dead', async (t) => {
  const data = twelveBits()
  const { rows } = targetsOf(data)
  const networks = [
    [rows, zeros([4096, 3]), rows],
    [rows, rows, rows],
  ]
  t.deepEqual(await deadLayers(networks, ['first', 'second', 'output']), [['second'], []])
})

test('bands: falls from the peak, and seeds that did not learn do not count for relu', (t) => {
  t.is(fall([1, 5, 4, 2]), 3)
  const course = (seeds: number, at: (epoch: number, seed: number, layer: number) => Pair): Course => ({
    epochs: [0, 1],
    values: [0, 1].map((epoch) =>
      Array.from({ length: seeds }, (_, seed) =>
        Array.from({ length: 6 }, (_, layer) => at(epoch, seed, layer)),
      ),
    ),
  })
  const falling = course(2, (epoch, _, layer) => [layer < 2 ? 12 : 12 - 3 * epoch, 0.95])
  const runs = { accuracies: [0.99, 0.5], binned: falling, kde: falling }
  t.deepEqual(
    tanhChecks(runs).map(({ holds }) => holds),
    [false, true, true, true, true],
  )
  const still = course(2, (_, seed) => [seed === 0 ? 12 : 1, 1])
  t.deepEqual(
    reluChecks({ accuracies: [0.99, 0.5], binned: still, kde: falling }).map(({ holds }) => holds),
    [true, false],
  )
  t.is(reluChecks({ accuracies: [0.5, 0.5], binned: still, kde: still })[0]?.holds, undefined)
})
