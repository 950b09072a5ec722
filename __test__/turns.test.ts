/** Loops of promises that resolve at once leave turns to others. */
import test from 'ava'
import { atOnce, inTurns, settled, type Work } from '../ts/core/turns.js'
import { ArrayDataset, Binned, HostRandom, key, normal, tensor } from '../ts/index.js'

/** Keeps the thread for about a millisecond. */
function busy(): void {
  const start = performance.now()
  while (performance.now() - start < 1) {
    /* nothing else may run */
  }
}

test('many loops at once get a turn together, not one each', async (t) => {
  let turns = 0
  let isOver = false
  const count = () => {
    turns++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const loop = async () => {
    for (let i = 0; i < 10; i++) {
      await settled()
      busy()
    }
  }
  await Promise.all(Array.from({ length: 40 }, loop))
  isOver = true
  // 400 ms of work in turns of 8 ms plus the work that has begun; all 40 in each turn would leave 10 of them.
  t.true(turns >= 20, `${turns} turns`)
})

/** Turns of the event loop in which others had their part while some work was done. */
async function turnsOf<T>(work: () => Promise<T>): Promise<{ result: T; turns: number }> {
  let turns = 0
  let isOver = false
  const count = () => {
    turns++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const result = await work()
  isOver = true
  return { result, turns }
}

test.serial('work is done at once or in turns, with the same result and the same error', async (t) => {
  function* work(fails: boolean): Work<string> {
    for (let part = 0; part < 5; part++) yield
    if (fails) throw new RangeError('at its end')
    return 'done'
  }
  t.is(atOnce(work(false)), 'done')
  t.throws(() => atOnce(work(true)), { instanceOf: RangeError })
  const { result, turns } = await turnsOf(() => inTurns(work(false)))
  t.is(result, 'done')
  t.true(turns >= 5, `${turns} turns`)
  await t.throwsAsync(inTurns(work(true)), { instanceOf: RangeError })
})

test.serial('orders and splits of many samples are the same at once and in turns', async (t) => {
  const n = 300_000
  const { result, turns } = await turnsOf(() => inTurns(new HostRandom(7).permuting(n)))
  t.deepEqual(result, new HostRandom(7).permutation(n))
  t.deepEqual(
    Int32Array.from(result).sort(),
    Int32Array.from({ length: n }, (_, i) => i),
  )
  t.true(turns >= 2, `${turns} turns`)
  const x = normal(key(1), [n, 1])
  const labels = Int32Array.from({ length: n }, (_, i) => i % 7)
  for (const shuffle of [false, true]) {
    const plain = new ArrayDataset(x, labels, { shuffle, seed: 3 })
    const other = await ArrayDataset.inTurns(x, labels, { shuffle, seed: 3 })
    t.is(other.classes, 7)
    t.deepEqual(await inTurns(other.ordering(2)), plain.epochIndices(2))
    const [train, validation] = plain.split(0.25)
    const parts = await inTurns(other.splitting(0.25))
    t.deepEqual([parts[0].indices, parts[1].indices], [train.indices, validation.indices])
    t.is(train.samples, 225_000)
    if (!shuffle) t.true(train.indices.every((row, i) => i === 0 || row > (train.indices[i - 1] as number)))
    plain.dispose()
    other.dispose()
  }
})

test.serial(
  'nested arrays of estimates are read in turns, and are refused like those of tensor()',
  async (t) => {
    const rows = Array.from({ length: 200_000 }, (_, i) => [Math.sin(i), Math.cos(i)])
    const labels = Int32Array.from({ length: 200_000 }, (_, i) => i % 3)
    const estimate = () => new Binned({ range: 'data' }).estimate(rows, labels)
    const { result, turns } = await turnsOf(estimate)
    const whole = tensor(rows, { dtype: 'float64' })
    t.is(result, await new Binned({ range: 'data' }).estimate(whole, labels))
    t.true(turns >= 3, `${turns} turns`)
    for (const [wrong, message] of [
      [[0, 'x'], /data\[199999\]\[1\] is "x", expected a number/],
      [[0], /data\[199999\] has 1 elements, expected 2/],
      [[0, true], /data\[199999\]\[1\] is a boolean among numbers/],
    ] as const) {
      rows[199_999] = wrong as never
      t.throws(() => tensor(rows), { message })
      await t.throwsAsync(estimate, { message })
    }
  },
)
