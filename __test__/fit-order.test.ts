/** The order of samples in `fit`, and the contents of batches. */
import test from 'ava'
import { ArrayDataset, Dense, memory, Sequential, tensor, UnknownNameError } from '../ts/index.js'

const model = () => new Sequential({ inputShape: [1], seed: 3 }).add(new Dense(1)).compile({ loss: 'mse' })
const x = [[1], [2], [3], [4], [5], [6]]
const y = [[1], [0], [1], [0], [1], [0]]

/** Losses of single samples, in the order in which they come, for weights that do not move. */
async function lossesOf(options: { shuffle?: boolean; validationSplit?: number }): Promise<number[]> {
  const losses: number[] = []
  const onBatchEnd = (_: number, { loss }: { loss: number }) => void losses.push(loss)
  const still = model().compile({ loss: 'mse', optimizer: 'sgd', learningRate: 0 })
  await still.fit(x, y, { batchSize: 1, verbose: false, callbacks: [{ onBatchEnd }], ...options })
  return losses
}

test('without shuffle, samples come in the order of the arrays', async (t) => {
  const ordered = await lossesOf({ shuffle: false, validationSplit: 0 })
  const still = model().compile({ loss: 'mse', optimizer: 'sgd', learningRate: 0 })
  const each: number[] = []
  for (const [i, row] of x.entries()) each.push((await still.evaluate([row], [y[i] as number[]])).loss)
  t.deepEqual(ordered.map(Math.fround), each.map(Math.fround))
  const shuffled = await lossesOf({ validationSplit: 0 })
  t.notDeepEqual(shuffled, ordered)
  t.deepEqual([...shuffled].sort(), [...ordered].sort())
})

test('a split keeps the order of what it trains on, unless that is shuffled', (t) => {
  const rows = Array.from({ length: 20 }, (_, i) => [i])
  const data = new ArrayDataset(rows, rows, { seed: 1 })
  const [train, validation] = data.split(0.3)
  t.deepEqual(
    [...train.indices],
    [...train.indices].sort((a, b) => a - b),
  )
  t.is(train.samples + validation.samples, 20)
})

test('a batch has no entries but x, y and weight', async (t) => {
  const batch = { x: tensor([[1]]), y: tensor([[1]]), mask: tensor([3]) }
  await t.throwsAsync(model().fitDataset([batch], { verbose: false }), {
    instanceOf: UnknownNameError,
    message: /entry of batch 0 "mask"/,
  })
})

test('compiling again releases what the optimizer before remembered', (t) => {
  const first = model().compile({ optimizer: 'adam' })
  const { variables } = memory()
  for (let i = 0; i < 5; i++) first.compile({ optimizer: 'adam' })
  t.is(memory().variables, variables)
  first.dispose()
})

test('data of a fit are released when it ends, not when they are collected', async (t) => {
  const fitted = async () => {
    const one = model()
    await one.fit(new Float32Array(200_000), new Float32Array(200_000), { verbose: false, batchSize: 50_000 })
    one.dispose()
    return memory().bytes
  }
  // The arena of the plans stays for the next run.
  const first = await fitted()
  t.true((await fitted()) - first < 100_000)
})
