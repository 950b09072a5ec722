import test from 'ava'
import {
  ArgumentError,
  ArrayDataset,
  type Augmentation,
  augment,
  augmented,
  type Batch,
  cropImages,
  cutout,
  cutoutImages,
  Dense,
  DTypeError,
  Flatten,
  flipImages,
  grad,
  horizontalFlip,
  jit,
  key,
  mixSamples,
  mixup,
  noise,
  normalization,
  normalizeImages,
  quarterTurns,
  randomCrop,
  randomShift,
  Sequential,
  ShapeError,
  shiftImages,
  type Tensor,
  tensor,
  turnImages,
  verticalFlip,
} from '../ts/index.js'

const numbers = (count: number) => Float64Array.from({ length: count }, (_, i) => Math.sin(i * 1.7) + 0.1 * i)
const images = (shape: number[]) => tensor(numbers(shape.reduce((a, b) => a * b, 1)), { shape })
const ints = (rows: number[][] | number[]) => tensor(rows as number[], { dtype: 'int32' })
const batchOf = (x: Tensor, y: Tensor = ints(Array.from({ length: x.shape[0] as number }, (_, i) => i))) => ({
  x,
  y,
})

// ---- deterministic forms

test('flips, turns and shifts move pixels as told, sample by sample', async (t) => {
  const x = tensor([
    [
      [1, 2],
      [3, 4],
    ],
    [
      [5, 6],
      [7, 8],
    ],
  ])
  const rows = (y: Tensor) => y.array()
  t.deepEqual(await rows(flipImages(x, ints([1, 0]))), [
    [
      [2, 1],
      [4, 3],
    ],
    [
      [5, 6],
      [7, 8],
    ],
  ])
  t.deepEqual(await rows(flipImages(x, tensor([false, true]), 'vertical')), [
    [
      [1, 2],
      [3, 4],
    ],
    [
      [7, 8],
      [5, 6],
    ],
  ])
  t.deepEqual(await rows(turnImages(x, ints([1, -1]))), [
    [
      [2, 4],
      [1, 3],
    ],
    [
      [7, 5],
      [8, 6],
    ],
  ])
  t.deepEqual(await rows(turnImages(x, ints([6, 4]))), [
    [
      [4, 3],
      [2, 1],
    ],
    [
      [5, 6],
      [7, 8],
    ],
  ])
  const shifts = ints([
    [1, 0],
    [0, -1],
  ])
  t.deepEqual(await rows(shiftImages(x, shifts, { fill: 9 })), [
    [
      [9, 9],
      [1, 2],
    ],
    [
      [6, 9],
      [8, 9],
    ],
  ])
})

test('bytes can be moved, too', async (t) => {
  const x = tensor(Uint8Array.of(1, 2, 3, 4), { shape: [1, 2, 2] })
  const cut = cropImages(x, ints([[1, 0]]), { padding: 1, fill: 7 })
  t.is(cut.dtype, 'uint8')
  t.deepEqual(await cut.array(), [
    [
      [7, 1],
      [7, 3],
    ],
  ])
})

test('crops beyond the padded image go on as the padding does', async (t) => {
  const x = tensor([[[1, 2, 3]]])
  const at = async (mode: 'constant' | 'replicate', offset: number) =>
    (await cropImages(x, ints([[0, offset]]), { mode }).data()).join()
  t.is(await at('replicate', 2), '3,3,3')
  t.is(await at('constant', -2), '0,0,1')
})

test('gradients of the deterministic forms agree with differences', async (t) => {
  const shape = [2, 2, 3, 3]
  const at = ints([
    [1, 0],
    [2, 3],
  ])
  const forms: Record<string, (x: Tensor) => Tensor> = {
    flip: (x) => flipImages(x, ints([0, 1])),
    turn: (x) => turnImages(x, ints([1, 3])),
    crop: (x) => cropImages(x, at, { padding: 1, size: [2, 4] }),
    reflect: (x) => cropImages(x, at, { padding: 2, mode: 'reflect' }),
    replicate: (x) => cropImages(x, at, { padding: 2, mode: 'replicate' }),
    shift: (x) => shiftImages(x, at),
    cutout: (x) => cutoutImages(x, at, { size: 2 }),
    normalize: (x) => normalizeImages(x, [0.1, 0.2], [2, 3]),
    mix: (x) => mixSamples(x, ints([1, 0]), tensor(Float64Array.of(0.3, 0.9))),
  }
  const flat = numbers(36)
  for (const [name, form] of Object.entries(forms)) {
    const weights = images([...form(images(shape)).shape])
    const loss = (x: Tensor) => form(x).square().mul(weights).sum()
    const got = (await grad(loss)(images(shape)).data()) as Float64Array
    for (const place of [0, 4, 8, 17, 22, 35]) {
      const moved = async (step: number) => {
        const values = flat.slice()
        values[place] = (values[place] as number) + step
        return loss(tensor(values, { shape })).item() as Promise<number>
      }
      const difference = ((await moved(1e-5)) - (await moved(-1e-5))) / 2e-5
      t.true(Math.abs(difference - (got[place] as number)) < 1e-6, `${name} at ${place}`)
    }
  }
})

test('numbers that do not fit the images are refused', (t) => {
  const x = images([2, 1, 3, 3])
  const refuses = (
    f: () => unknown,
    instanceOf: typeof ShapeError | typeof DTypeError | typeof ArgumentError,
    message: RegExp,
  ) => t.throws(f, { instanceOf, message })
  refuses(() => flipImages(x, ints([1])), ShapeError, /flips has shape \(1\), expected \(2\)/)
  refuses(() => flipImages(x, tensor([1, 0])), DTypeError, /integer dtype or bool/)
  refuses(() => flipImages(images([2, 3]), ints([1, 0])), ShapeError, /\[batch, \.\.\., height, width\]/)
  refuses(
    () =>
      cropImages(
        x,
        ints([
          [0, 0],
          [0, 0],
        ]),
        { padding: 3, mode: 'reflect' },
      ),
    ShapeError,
    /at most 2/,
  )
  refuses(() => turnImages(images([1, 2, 3]), ints([1])), ShapeError, /square/)
  refuses(() => normalizeImages(x, [0, 1], 1), ShapeError, /one for each channel/)
  refuses(() => normalizeImages(x, 0, 0), ArgumentError, /above 0/)
  refuses(() => mixSamples(ints([1, 2]), ints([1, 0]), tensor([0.5, 0.5])), DTypeError, /one-hot/)
  refuses(() => mixSamples(x, ints([1, 0]), tensor([0.5])), ShapeError, /one share/)
})

// ---- random forms

test('the same key gives the same batch, another key another', async (t) => {
  const x = images([16, 1, 8, 8])
  const all: Record<string, Augmentation> = {
    horizontalFlip: horizontalFlip(),
    verticalFlip: verticalFlip({ probability: 0.4 }),
    randomCrop: randomCrop({ padding: 2, mode: 'reflect' }),
    randomShift: randomShift({ most: [2, 1], fill: 0.5 }),
    cutout: cutout({ size: 3, holes: 2 }),
    noise: noise({ std: 0.1 }),
    quarterTurns: quarterTurns(),
    mixup: mixup({ classes: 16, alpha: 1 }),
  }
  for (const [name, change] of Object.entries(all)) {
    const of = async (seed: number) => [...((await change(batchOf(x), key(seed)).x.data()) as Float64Array)]
    t.deepEqual(await of(1), await of(1), name)
    t.notDeepEqual(await of(1), await of(2), name)
  }
})

test('each sample draws numbers of its own, in the range that is asked for', async (t) => {
  const count = 4000
  const ramp = tensor(
    Float32Array.from({ length: 25 }, (_, i) => i + 1),
    { shape: [1, 5, 5] },
  )
  const x = ramp.add(tensor(new Float32Array(count), { shape: [count, 1, 1] }))
  const flipped = await horizontalFlip({ probability: 0.3 })(batchOf(x), key(3))
    .x.slice([0, 0, 0], [null, 1, 1])
    .data()
  const share = [...flipped].filter((first) => Number(first) === 5).length / count
  t.true(Math.abs(share - 0.3) < 0.03, `${share}`)
  // The value of the middle pixel is its source index.
  const counts = new Map<number, number>()
  const moved = randomShift({ most: 1 })(batchOf(x), key(4)).x.slice([0, 2, 2], [null, 3, 3])
  for (const value of await moved.data()) counts.set(Number(value), (counts.get(Number(value)) ?? 0) + 1)
  t.deepEqual(
    [...counts.keys()].sort((a, b) => a - b),
    [7, 8, 9, 12, 13, 14, 17, 18, 19],
  )
  for (const n of counts.values()) t.true(Math.abs(n / count - 1 / 9) < 0.02)
  const cropped = randomCrop({ size: [3, 3] })(batchOf(x), key(5)).x
  t.deepEqual(cropped.shape, [count, 3, 3])
  t.is(new Set([...(await cropped.slice([0, 0, 0], [null, 1, 1]).data())]).size, 9)
  const turned = await quarterTurns()(batchOf(x), key(6)).x.slice([0, 0, 0], [null, 1, 1]).data()
  t.deepEqual(
    [...new Set(turned as Float32Array)].sort((a, b) => a - b),
    [1, 5, 21, 25],
  )
})

test('noise and normalization change the numbers as told', async (t) => {
  const x = tensor(new Float32Array(20_000), { shape: [100, 2, 10, 10] })
  const noisy = (await noise({ std: 0.5 })(batchOf(x), key(1)).x.data()) as Float32Array
  const mean = noisy.reduce((a, b) => a + b, 0) / noisy.length
  const std = Math.sqrt(noisy.reduce((a, b) => a + b * b, 0) / noisy.length)
  t.true(Math.abs(mean) < 0.02 && Math.abs(std - 0.5) < 0.02)
  const scaled = normalization({ mean: [1, 2], std: [2, 4] })(batchOf(x), key(1)).x
  t.is(await scaled.min().item(), -0.5)
  t.is(await scaled.max().item(), -0.5)
})

test('the shares of mixup have the moments of Beta(alpha, alpha)', async (t) => {
  const count = 20_000
  const y = ints(Array.from({ length: count }, (_, i) => i % 2))
  const x = y.cast('float64').reshape([count, 1])
  for (const alpha of [0.1, 0.2, 0.5, 1, 2, 8]) {
    const mixed = mixup({ alpha, classes: 2 })({ x, y }, key(7))
    t.deepEqual(mixed.y.shape, [count, 2])
    const shares = (await mixed.y.data()) as Float64Array
    const values = (await mixed.x.data()) as Float64Array
    const drawn: number[] = []
    for (let i = 0; i < count; i++) {
      t.true(Math.abs((shares[2 * i] as number) + (shares[2 * i + 1] as number) - 1) < 1e-9)
      t.true(Math.abs((shares[2 * i + 1] as number) - (values[i] as number)) < 1e-9)
      // Partners of the other class show the share itself.
      const own = shares[2 * i + (i % 2)] as number
      if (own !== 1) drawn.push(own)
    }
    const mean = drawn.reduce((a, b) => a + b, 0) / drawn.length
    const variance = drawn.reduce((a, b) => a + (b - mean) ** 2, 0) / drawn.length
    t.true(Math.abs(mean - 0.5) < 0.02, `mean at ${alpha}: ${mean}`)
    t.true(Math.abs(variance - 1 / (4 * (2 * alpha + 1))) < 0.01, `variance at ${alpha}: ${variance}`)
  }
  t.throws(() => mixup()({ x, y }, key(1)), { instanceOf: ArgumentError, message: /give \{ classes \}/ })
})

test('augment composes with keys of its own, and names the step that is wrong', async (t) => {
  const x = images([8, 1, 4, 4])
  const twice = augment([noise({ std: 1 }), noise({ std: 1 })])
  const of = async (change: Augmentation) =>
    (await change(batchOf(x), key(1)).x.sub(x).data()) as Float64Array
  const [sum, single] = [await of(twice), await of(augment([noise({ std: 1 })]))]
  // Two draws of one key would be twice the first.
  t.false(sum.every((value, i) => Math.abs(value - 2 * (single[i] as number)) < 1e-9))
  t.throws(() => augment([horizontalFlip(), 3 as never]), { instanceOf: ArgumentError, message: /3 at 1/ })
  const none = augment([horizontalFlip(), (() => undefined) as never])
  t.throws(() => none(batchOf(x), key(1)), { instanceOf: ArgumentError, message: /step 1 returned/ })
})

test('an augmentation works inside of a compiled step as it does before it', async (t) => {
  const change = augment([horizontalFlip(), randomCrop({ padding: 2 }), mixup({ classes: 8, alpha: 0.5 })])
  const x = images([8, 2, 5, 5])
  const step = jit(({ x, y, from }: { x: Tensor; y: Tensor; from: Tensor }) => {
    const { x: changed, y: rows } = change({ x, y }, from)
    return { changed, rows }
  })
  const { y } = batchOf(x)
  const inside = await step({ x, y, from: key(3) })
  const before = change({ x, y }, key(3))
  t.deepEqual(await inside.changed.data(), await before.x.data())
  t.deepEqual(await inside.rows.data(), await before.y.data())
})

// ---- datasets

const small = () =>
  new ArrayDataset(
    Float32Array.from({ length: 10 * 16 }, (_, i) => Math.sin(i)),
    Int32Array.from({ length: 10 }, (_, i) => i % 2),
    { inputShape: [1, 4, 4], batchSize: 4 },
  )

test('an augmented dataset tells of itself what the source tells, and draws anew in every pass', async (t) => {
  const make = () => augmented(small(), augment([randomShift({ most: 1 })]), { seed: 5 })
  const data = make()
  t.deepEqual([data.length, data.samples, data.batchSize, data.classes], [3, 10, 4, 2])
  const pass = async (source: AsyncIterable<Batch>) => {
    const seen: number[] = []
    for await (const batch of source) {
      seen.push(...((await batch.x.data()) as Float32Array))
      batch[Symbol.dispose]?.()
    }
    return seen
  }
  const [first, second] = [await pass(data), await pass(data)]
  t.notDeepEqual(first, second)
  t.deepEqual(await pass(make()), first)
  const list = [{ x: images([2, 1, 3, 3]), y: ints([0, 1]) }]
  t.is((await pass(augmented(list, horizontalFlip()))).length, 18)
  t.throws(() => augmented(3 as never, horizontalFlip()), { instanceOf: ArgumentError })
})

test('fit trains on augmented data, and validates on data as they are', async (t) => {
  const run = async (seed: number) => {
    const model = new Sequential({ inputShape: [1, 4, 4], seed: 1 })
    model.add(new Flatten()).add(new Dense(2, { activation: 'softmax' }))
    model.compile({ learningRate: 0.1 })
    const change = augment([horizontalFlip(), noise({ std: 0.1 }), mixup({ classes: 2 })])
    const history = await model.fitDataset(augmented(small(), change, { seed }), {
      epochs: 2,
      validation: small(),
      verbose: false,
    })
    const bias = (await model.weights['layers.1.bias']?.data()) as Float32Array
    return { losses: history.loss, bias: [...bias] }
  }
  const [a, b, c] = [await run(1), await run(1), await run(2)]
  t.deepEqual(a, b)
  t.notDeepEqual(a.bias, c.bias)
})
