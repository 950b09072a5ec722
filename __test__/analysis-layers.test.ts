/** Statistics of single layers against theory. */
import test from 'ava'
import * as hg from '../ts/index.js'
import { DataError, type Tensor } from '../ts/index.js'
import { checkGradient, close, sample } from './helpers.js'

const noise = (shape: number[], salt: number) => hg.normal(hg.key(salt), shape, { dtype: 'float64' })

test('the dimension of a sphere, of a plane in many dimensions and of a curve', async (t) => {
  const n = 1500
  const points = noise([n, 3], 1)
  const sphere = points.normalize()
  const plane = noise([n, 2], 2).matmul(noise([2, 10], 3))
  const at = hg.uniform(hg.key(4), [n, 1], { dtype: 'float64' })
  const curve = hg.concat([at.mul(6).cos(), at.mul(6).sin(), at], 1)
  for (const [x, d] of [
    [sphere, 2],
    [plane, 2],
    [curve, 1],
    [noise([n, 5], 5), 5],
  ] as const) {
    const two = await hg.twoNN(x)
    const likely = await hg.levinaBickel(x, { k: 12 })
    t.true(Math.abs(two.linear - d) < 0.12 * d, `two ${two.linear} of ${d}`)
    t.true(Math.abs(two.mleUnbiased - d) < 0.12 * d, `mle ${two.mleUnbiased} of ${d}`)
    t.true(Math.abs(two.mleCensored - d) < 0.12 * d, `censored ${two.mleCensored} of ${d}`)
    t.true(Math.abs(likely.unbiasedMean - d) < 0.16 * d, `levina ${likely.unbiasedMean} of ${d}`)
    t.true(Math.abs(likely.inverseMean - d) < 0.16 * d, `mackay ${likely.inverseMean} of ${d}`)
  }
  await t.throwsAsync(hg.twoNN(hg.ones([20, 2], { dtype: 'float64' })), {
    instanceOf: DataError,
    message: /copies/,
  })
})

test('ranks of known spectra', async (t) => {
  // Centering leaves five equal singular values.
  const even = await hg.spectrum(hg.eye(6, 6, { dtype: 'float64' }))
  for (const name of [
    'effectiveRank',
    'participationRatio',
    'stableRank',
    'nuclearRank',
    'numericalRank',
  ] as const) {
    t.true(Math.abs(even[name] - 5) < 1e-9, `${name} ${even[name]}`)
  }
  const values = [4, 2, 1, 1e-9]
  const diagonal = hg.tensor(Float64Array.from(values)).diag()
  const raw = await hg.spectrum(diagonal, { center: false, tolerance: 1e-6 })
  close(t, [...raw.singularValues], values, 1e-12)
  t.is(raw.numericalRank, 4)
  t.is(raw.rank, 3)
  const shares = [4 / 7, 2 / 7, 1 / 7]
  const entropy = -shares.reduce((sum, p) => sum + p * Math.log(p), 0)
  t.true(Math.abs(raw.effectiveRank - Math.exp(entropy)) < 1e-6)
  const constant = await hg.spectrum(hg.ones([5, 3], { dtype: 'float64' }))
  t.is(constant.effectiveRank, 0)
  t.is(constant.numericalRank, 0)
})

test('tall, wide and square samples have the singular values of their Gram matrix', async (t) => {
  for (const shape of [
    [40, 7],
    [7, 40],
    [9, 9],
  ]) {
    const x = noise(shape, 8)
    const { singularValues } = await hg.spectrum(x, { center: false })
    const gram = x.matmulT(
      x,
      (shape[0] as number) > (shape[1] as number) ? { transposeA: true } : { transposeB: true },
    )
    const expected = [...((await gram.eigh().values.data()) as Float64Array)].reverse().map(Math.sqrt)
    close(t, [...singularValues], expected, 1e-9)
  }
})

test('effective rank and participation ratio are terms of a loss', async (t) => {
  const x = sample([6, 3]).add(sample([6, 3], -1, 1, 7).sin())
  checkGradient(t, (a) => hg.participationRatio(a as Tensor), [x])
  checkGradient(t, (a) => hg.effectiveRank(a as Tensor), [x], { tolerance: 1e-5, second: false })
  const whole = await hg.spectrum(x)
  t.true(Math.abs(hg.effectiveRank(x).itemSync() - whole.effectiveRank) < 1e-9)
  t.true(Math.abs(hg.participationRatio(x).itemSync() - whole.participationRatio) < 1e-9)
  t.is(hg.participationRatio(hg.ones([4, 2])).itemSync(), 0)
  t.is(hg.effectiveRank(hg.ones([4, 2])).itemSync(), 0)
})

test('sparseness: even entries, a single one, nothing', async (t) => {
  const rows = hg.tensor(
    [
      [1, 1, 1, 1],
      [0, 5, 0, 0],
      [0, 0, 0, 0],
    ],
    { dtype: 'float64' },
  )
  const found = await hg.sparsity(rows)
  close(t, [...found.hoyerSamples], [0, 1, 0], 1e-12)
  t.is(found.zeroShare, 7 / 12)
  t.true(found.trevesRollsUnits.every((a) => a >= 0 && a <= 1))
})

test('dead, constant and saturated units are told', async (t) => {
  const rows = hg.tensor(
    [
      [0, 1, 0.999, -2],
      [0, 1, 0.5, 2],
    ],
    { dtype: 'float64' },
  )
  const found = await hg.layerStatistics(rows)
  t.is(found.deadShare, 0.25)
  t.is(found.constantShare, 0.5)
  t.is(found.saturatedShare, 5 / 8)
  close(t, [...found.unitVariance], [0, 0, 0.2495 ** 2, 4], 1e-12)
  const constant = await hg.layerStatistics(hg.ones([3, 2], { dtype: 'float64' }))
  t.is(constant.skewness, 0)
  t.is(constant.kurtosis, 0)
})

test('moments of normal numbers', async (t) => {
  const found = await hg.layerStatistics(noise([20_000, 2], 9))
  t.true(Math.abs(found.kurtosis - 3) < 0.1)
  t.true(Math.abs(found.skewness) < 0.05)
  t.true(Math.abs(found.variance - 1) < 0.03)
})

test('quantized values are few, stay near, and let the gradient through within the range', async (t) => {
  const x = hg.tensor([-3, -0.9, -0.1, 0.2, 0.8, 4], { dtype: 'float64' })
  const halves = hg.quantize(x, { levels: 2, range: [-1, 1] })
  t.deepEqual(await halves.array(), [-0.5, -0.5, -0.5, 0.5, 0.5, 0.5])
  const nearest = hg.quantize(x, { levels: 3, range: [-1, 1], rule: 'round' })
  t.deepEqual(await nearest.array(), [-1, -1, 0, 0, 1, 1])
  t.deepEqual(await hg.quantizationCodes(x, { levels: 4 }).array(), [0, 1, 1, 1, 2, 3])
  const slope = hg.grad((at: Tensor) =>
    hg
      .quantize(at, { levels: 4, range: [-1, 1] })
      .mul(x)
      .sum(),
  )(x)
  t.deepEqual(await slope.array(), [0, -0.9, -0.1, 0.2, 0.8, 0])
  for (const dtype of ['float32', 'float64'] as const) {
    for (const levels of [2, 3, 5, 8]) {
      const rows = hg.normal(hg.key(levels), [200, 3], { dtype }).tanh()
      for (const rule of ['floor', 'round'] as const) {
        const values = (await hg.quantize(rows, { levels, rule }).data()) as Float64Array
        t.is(new Set(values).size, levels, `${dtype} ${levels} ${rule}`)
      }
    }
  }
})

test('the plane of a quantized layer is that of counting its values', async (t) => {
  const labels = Int32Array.from({ length: 300 }, (_, i) => i % 4)
  const h = noise([300, 2], 12).add(hg.tensor(labels).cast('float64').expandDims(1)).tanh()
  const options = { levels: 3, range: [-1, 1] } as const
  const plane = await hg.quantizedPlane(h, labels, options)
  const few = hg.quantize(h, options)
  const counted = await new hg.DiscreteMI({ correction: 'none' }).estimate(few, labels)
  t.true(Math.abs(plane.withTarget - counted) < 1e-12)
  t.is(plane.withInput, plane.entropy)
  t.true(Math.abs(plane.entropy - plane.withTarget - plane.conditionalEntropy) < 1e-12)
  const again = await hg.quantizedPlane(few, labels, options)
  t.deepEqual(again, plane, 'levels are counted as themselves')
  t.true((await hg.quantizedPlane(h, labels, { ...options, base: 2 })).entropy > plane.entropy)
})

test('a network of quantized layers trains, and its plane is exact', async (t) => {
  const n = 200
  const x = (await noise([n, 2], 21).cast('float32').data()) as Float32Array
  const labels = Int32Array.from({ length: n }, (_, i) => Number((x[2 * i] as number) > 0))
  const hidden = new hg.Quantized(new hg.Dense(3, { activation: 'tanh' }), { levels: 4, range: [-1, 1] })
  const net = new hg.Sequential({ inputShape: [2], seed: 2 })
    .add(hidden)
    .add(new hg.Dense(2))
    .compile({ optimizer: 'adam', learningRate: 0.02, metrics: ['accuracy'] }) as hg.Sequential
  await net.fit(x, labels, { epochs: 40, batchSize: 20, verbose: false })
  t.true(((await net.evaluate(x, labels)).metrics.accuracy as number) > 0.9)
  const h = hidden.call(hg.tensor(x, { shape: [n, 2] }))
  const values = new Set((await h.data()) as Float32Array)
  t.true(values.size <= 4 && [...values].every((value) => [-0.75, -0.25, 0.25, 0.75].includes(value)))
  const plane = await hg.quantizedPlane(h, labels, { levels: 4, range: [-1, 1] })
  t.true(plane.withTarget > 0.5 * plane.targetEntropy)
  t.is(plane.occupied, new Set(((await h.array()) as number[][]).map(String)).size)
})

test('schedules rise, begin with 0 and end with the last epoch', (t) => {
  for (const [last, points] of [
    [1000, 20],
    [7, 30],
    [1, 1],
    [0, 4],
  ] as const) {
    for (const epochs of [hg.logSchedule(last, points), hg.linearSchedule(last, points)]) {
      t.is(epochs[0], 0)
      t.is(epochs.at(-1), last)
      t.true(epochs.every((epoch, i) => i === 0 || epoch > (epochs[i - 1] as number)))
    }
  }
  t.deepEqual(hg.linearSchedule(100, 4), [0, 25, 50, 75, 100])
  t.deepEqual(hg.logSchedule(1000, 5), [0, 1, 6, 32, 178, 1000])
})

test('a large layer leaves turns to others', async (t) => {
  const x = noise([40_000, 50], 14)
  await hg.evaluate(x)
  let longest = 0
  const start = performance.now()
  let last = start
  let isOver = false
  const watch = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (!isOver) setImmediate(watch)
  }
  setImmediate(watch)
  await hg.spectrum(x)
  isOver = true
  // In one go it would be nearly all of it; in turns of some 10 ms a twentieth, but other programs take the thread away, too.
  const whole = performance.now() - start
  t.true(longest < whole / 2, `${longest} of ${whole} ms`)
})
