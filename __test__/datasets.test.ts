import test from 'ava'
import {
  ArgumentError,
  ArrayDataset,
  type Batch,
  DataError,
  DataGenerator,
  mnist,
  ShapeError,
  tensor,
} from '../ts/index.js'

/** n samples of one number, their own index, labeled by parity. */
function counting(n: number, options: ConstructorParameters<typeof ArrayDataset>[2] = {}): ArrayDataset {
  const x = Float32Array.from({ length: n }, (_, i) => i)
  return new ArrayDataset(
    x,
    Int32Array.from(x, (i) => i % 2),
    { inputShape: [1], ...options },
  )
}

async function pass(data: AsyncIterable<Batch>): Promise<number[][]> {
  const batches: number[][] = []
  for await (const batch of data) {
    batches.push([...(await batch.x.data())].map(Number))
    batch[Symbol.dispose]?.()
  }
  return batches
}

test('a scale or an offset that is no number is refused', (t) => {
  for (const options of [
    { scale: Number.NaN },
    { offset: Number.POSITIVE_INFINITY },
    { scale: '2' as never },
  ]) {
    t.throws(() => new ArrayDataset([[1]], [0], options), { instanceOf: ArgumentError })
  }
})

test('the last batch keeps what is left, and the length counts it', async (t) => {
  const data = counting(10, { batchSize: 4 })
  t.is(data.length, 3)
  t.is(data.samples, 10)
  t.is(data.classes, 2)
  t.deepEqual(await pass(data), [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9],
  ])
})

test('a shuffled dataset has another order every epoch, the same for the same seed', async (t) => {
  const one = counting(50, { batchSize: 50, shuffle: true, seed: 7 })
  const two = counting(50, { batchSize: 50, shuffle: true, seed: 7 })
  const other = counting(50, { batchSize: 50, shuffle: true, seed: 8 })
  const [first, second] = [await pass(one), await pass(one)]
  t.notDeepEqual(first, second)
  t.deepEqual([first, second], [await pass(two), await pass(two)])
  t.notDeepEqual(first, await pass(other))
  t.deepEqual(
    (first[0] as number[]).toSorted((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i),
  )
})

test('inputs and targets stay together', async (t) => {
  const data = counting(20, { batchSize: 6, shuffle: true, seed: 1 })
  for await (const { x, y } of data) {
    const labels = [...(await y.data())]
    t.deepEqual(
      labels,
      [...(await x.data())].map((value) => Number(value) % 2),
    )
    t.is(y.dtype, 'int32')
  }
})

test('bytes stay bytes and are scaled in the batch', async (t) => {
  const bytes = Uint8Array.of(0, 51, 255)
  const data = new ArrayDataset(bytes, [0, 1, 0], { inputShape: [1], scale: 2 / 255, offset: -1 })
  t.is(data.source.x.dtype, 'uint8')
  const [values] = await pass(data)
  t.deepEqual(
    values?.map((value) => Math.round(value * 1e6) / 1e6),
    [-1, -0.6, 1],
  )
})

test('a split takes floor(n (1 - share)) samples to train, and every sample once', (t) => {
  for (const [n, share, expected] of [
    [10, 0.2, 8],
    [100, 0.2, 80],
    [7, 0.5, 3],
    [5, 0, 5],
  ] as const) {
    const [train, validation] = counting(n).split(share, 3)
    t.is(train.samples, expected)
    t.is(validation.samples, n - expected)
    const all = [...train.indices, ...validation.indices].toSorted((a, b) => a - b)
    t.deepEqual(
      all,
      Array.from({ length: n }, (_, i) => i),
    )
  }
  t.throws(() => counting(4).split(1), { instanceOf: ArgumentError, message: /share must be.*received 1/ })
})

test('bad data are refused with what is wrong', (t) => {
  const make =
    (x: number[][], y: number[], options = {}) =>
    () =>
      new ArrayDataset(x, y, options)
  t.throws(make([[1], [2]], [0]), { instanceOf: ShapeError, message: /2 samples and y 1/ })
  t.throws(make([], []), { instanceOf: DataError })
  t.throws(make([[1], [2]], [0, 3], { classes: 3 }), { instanceOf: DataError, message: /label 3 at index 1/ })
  t.throws(make([[1], [2]], [0, 0.5], { labels: true }), {
    instanceOf: DataError,
    message: /label 0.5 at index 1/,
  })
  t.throws(make([[1], [2]], [0, -1], { labels: true }), {
    instanceOf: DataError,
    message: /label -1 at index 1/,
  })
  t.throws(make([[1]], [0], { batchSize: 0 }), { instanceOf: ArgumentError })
  t.throws(make([[1, 2, 3]], [0], { inputShape: [2] }), { instanceOf: ShapeError })
})

test('a value that is not finite is found with its sample', async (t) => {
  const x = Float32Array.of(1, 2, 3, Number.NaN, 5, Number.POSITIVE_INFINITY)
  const data = new ArrayDataset(x, [0, 0, 1], { inputShape: [2] })
  await t.throwsAsync(data.checkFinite(), { instanceOf: DataError, message: /x of sample 1 / })
  await t.notThrowsAsync(counting(5).checkFinite())
})

test('real targets keep their shape', async (t) => {
  const y = Float32Array.of(0.5, 1.5)
  const data = new ArrayDataset([[1], [2]], tensor(y, { shape: [2, 1] }))
  t.is(data.classes, undefined)
  for await (const batch of data) t.deepEqual(batch.y.shape, [2, 1])
})

test('DataGenerator gives batches for training and validation', async (t) => {
  const generator = new DataGenerator({ seed: 4 })
  const x = Array.from({ length: 10 }, (_, i) => [i, i])
  const [train, validation] = generator.prepareArrayData(
    x,
    x.map(([i = 0]) => [i % 3]),
    { batchSize: 3 },
  )
  t.deepEqual([train.samples, validation.samples, train.length], [8, 2, 3])
  t.is(train.classes, 3)
  t.notDeepEqual(await pass(train), await pass(train))
  t.deepEqual(await pass(validation), await pass(validation))
  const [again] = generator.setDataset(tensor(x), tensor(Int32Array.from({ length: 10 }, (_, i) => i % 3)), {
    batchSize: 4,
    validationSplit: 0.5,
  })
  t.is(again.samples, 5)
  t.throws(() => generator.setDataset(tensor(x), tensor([1, 2])), { instanceOf: ShapeError })
})

test('MNIST comes in the batches of the papers', async (t) => {
  const { train, validation, test: held } = await mnist.load({ seed: 1 })
  t.deepEqual([train.samples, validation.samples, held.samples], [48_000, 12_000, 10_000])
  t.deepEqual([train.length, validation.length, held.length], [750, 188, 157])
  t.deepEqual([train.classes, train.inputShape], [10, [1, 28, 28]])
  const validating = new Set(validation.indices)
  t.is(validating.size, 12_000)
  t.false(train.indices.some((index) => validating.has(index)))
  for await (const { x, y } of held) {
    const pixels = (await x.data()) as Float32Array
    t.deepEqual([x.shape, x.dtype], [[64, 1, 28, 28], 'float32'])
    t.is(Math.min(...pixels), -1)
    t.true(Math.abs(Math.max(...pixels) - 1) < 1e-6)
    // The first digits of the test file.
    t.deepEqual([...(await y.data())].slice(0, 5), [7, 2, 1, 0, 4])
    break
  }
  for (const data of [train, held]) data.dispose()
})

test('MNIST can be limited, and the seed decides the split', async (t) => {
  const load = async (seed: number) => {
    const data = await mnist.load({ limit: 100, batchSize: 10, validationSplit: 0.3, seed })
    return {
      sizes: [data.train.samples, data.validation.samples, data.test.samples],
      held: [...data.validation.indices],
    }
  }
  const [a, b, c] = [await load(1), await load(1), await load(2)]
  t.deepEqual(a.sizes, [70, 30, 100])
  t.deepEqual(a.held, b.held)
  t.notDeepEqual(a.held, c.held)
  await t.throwsAsync(mnist.load({ limit: 0 }), { instanceOf: ArgumentError })
})
