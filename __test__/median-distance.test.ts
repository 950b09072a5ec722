/** The median of the distances of all pairs, and the width that kernels take from it. */
import test from 'ava'
import * as hg from '../ts/index.js'
import { key, normal, type Tensor, tensor } from '../ts/index.js'
import { close } from './close.js'

/** By sorting all distances, which are stored. */
function byDefinition(x: Tensor): number {
  const n = x.shape[0] as number
  const rows = x.cast('float64').cdist().dataSync() as Float64Array
  const distances: number[] = []
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) distances.push(rows[i * n + j] as number)
  distances.sort((a, b) => a - b)
  const middle = (from: number) => distances[Math.floor(from / 2)] as number
  return (middle(distances.length - 1) + middle(distances.length)) / 2
}

test('it is the middle of the sorted distances, however many there are', (t) => {
  for (const [n, d] of [
    [2, 3],
    [7, 1],
    [60, 40],
    [130, 3],
    [400, 20],
    [760, 30],
  ] as const) {
    for (const dtype of ['float32', 'float64'] as const) {
      const x = normal(key(n), [n, d], { dtype })
      const found = x.medianDistance()
      t.is(found.dtype, dtype)
      close(t, [found.itemSync()], [byDefinition(x)], dtype === 'float32' ? 1e-5 : 1e-12)
    }
  }
})

test('where most samples coincide it is the mean of the distances that are not 0, and 1 where all do', (t) => {
  const rows = (n: number, apart: number) =>
    tensor(
      Float32Array.from({ length: 40 * n }, (_, i) => (i < 40 * apart ? 0.1 : 0.7)),
      { shape: [n, 40] },
    )
  for (const n of [30, 800]) {
    close(t, [rows(n, 3).medianDistance().itemSync()], [0.6 * Math.sqrt(40)], 1e-6)
    t.is(rows(n, 0).medianDistance().itemSync(), 1)
  }
  t.is(
    tensor([
      [1, Number.POSITIVE_INFINITY],
      [2, 3],
    ])
      .medianDistance()
      .itemSync(),
    Number.NaN,
  )
  t.throws(() => tensor([[1, 2]]).medianDistance(), {
    instanceOf: hg.ArgumentError,
    message: /at least 2 rows/,
  })
})

test('labels are as far apart as their one-hot rows', (t) => {
  for (const counts of [[5, 5], [9, 1], [8, 1, 1], [10], [3, 3, 4], [6, 2], [2, 1], [4, 2, 1]]) {
    const labels = Int32Array.from(counts.flatMap((count, c) => new Array<number>(count).fill(c)))
    const hot = tensor(labels).oneHot(counts.length)
    close(t, [hg.medianSigma(tensor(labels)).itemSync()], [hg.medianSigma(hot).itemSync()], 1e-6)
  }
})

test('no gradient passes, and compiled programs give the same', async (t) => {
  const x = normal(key(1), [50, 4], { dtype: 'float64' })
  const loss = (v: Tensor) => v.medianDistance().mul(v.sum())
  const slope = hg.grad(loss)(x).dataSync() as Float64Array
  t.true(slope.every((one) => one === slope[0]))
  t.is(slope[0], x.medianDistance().itemSync())
  const program = hg.jit((v: Tensor) => v.medianDistance())
  t.is(await (await program(x)).item(), x.medianDistance().itemSync())
  program.dispose()
})

test.serial('the median of 5,000 samples of 512 numbers takes less than 200 MB', async (t) => {
  const x = normal(key(1), [5000, 512])
  const labels = Int32Array.from({ length: 5000 }, (_, i) => i % 10)
  await hg.evaluate(x)
  hg.releaseMemory()
  const value = await new hg.HSIC({ sigma: 'median' }).estimate(x, labels)
  t.true(Number.isFinite(value))
  const { peakBytes } = hg.memory()
  t.true(peakBytes < 200e6, `${peakBytes / 1e6} MB`)
})
