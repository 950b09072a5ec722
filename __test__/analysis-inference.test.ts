/** Intervals and tests against theory. */
import test from 'ava'
import {
  normalBelow,
  normalQuantile,
  quantileOf,
  studentAbove,
  studentQuantile,
} from '../ts/analysis/distributions.js'
import * as hg from '../ts/index.js'
import { ArgumentError, DataError, NumericalError, ShapeError, type Tensor } from '../ts/index.js'
import { close } from './helpers.js'
import { warningsOf } from './warnings.js'

const noise = (shape: number[], salt: number) => hg.normal(hg.key(salt), shape, { dtype: 'float64' })
const mean = (x: Tensor) => x.mean()
const near = (value: number, truth: number, error: number) => Math.abs(value - truth) <= error

test('quantiles and tails of tables', (t) => {
  t.true(near(normalQuantile(0.975), 1.959963984540054, 1e-13))
  t.true(near(normalQuantile(1e-10), -6.361340902404056, 1e-12))
  t.true(near(normalBelow(-3), 0.0013498980316300933, 1e-17))
  // Of 1 degree the distribution is Cauchy's, of 2 it has a closed form.
  for (const p of [0.6, 0.9, 0.975, 0.9995]) {
    t.true(near(studentQuantile(p, 1) / Math.tan(Math.PI * (p - 0.5)), 1, 1e-12), `${p}`)
    const closed = (2 * p - 1) / Math.sqrt(2 * p * (1 - p))
    t.true(near(studentQuantile(p, 2) / closed, 1, 1e-12), `${p}`)
    t.true(near(studentAbove(studentQuantile(p, 17), 17), 1 - p, 1e-13))
  }
  t.true(near(studentQuantile(0.975, 10), 2.22813885, 1e-8))
  t.is(studentQuantile(0.5, 3), 0)
  t.is(quantileOf([1, 2, 4], 0.75), 3)
})

test('Benjamini and Hochberg reject four of the fifteen of their paper, Bonferroni three', (t) => {
  const p = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528,
    0.759, 1,
  ]
  const rejected = (method: NonNullable<hg.MultipleTestingOptions['method']>) =>
    hg.adjustPValues(p, { method }).rejected.filter(Boolean).length
  t.is(rejected('benjaminiHochberg'), 4)
  t.is(rejected('bonferroni'), 3)
  t.is(rejected('holm'), 3)
  t.true(rejected('benjaminiYekutieli') <= 4)
  // The order given does not matter.
  const turned = hg.adjustPValues(p.slice().reverse()).adjusted
  t.deepEqual(turned.slice().reverse(), hg.adjustPValues(p).adjusted.slice())
  t.deepEqual(hg.adjustPValues([]).adjusted, [])
  t.throws(() => hg.adjustPValues([0.1, 1.2]), { instanceOf: DataError, message: /index 1/ })
})

test('bootstrap intervals of normal means cover them as often as they say', async (t) => {
  const rounds = 120
  let [percentile, bca] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const found = await hg.bootstrap([noise([40], 100 + round)], mean, {
      resamples: 400,
      level: 0.9,
      seed: round,
    })
    const covers = ([low, high]: hg.Interval) => Number(low <= 0 && 0 <= high)
    percentile += covers(found.percentile)
    bca += covers(found.bca as hg.Interval)
  }
  // 0.9 of 120 is 108 with a deviation of 3.3; the percentile interval of 40 samples is a little short.
  t.true(percentile >= 96 && percentile <= 118, `${percentile}`)
  t.true(bca >= 96 && bca <= 118, `${bca}`)
})

test('the bootstrap is decided by its seed, and its standard error is that of theory', async (t) => {
  const x = noise([200], 1)
  const first = await hg.bootstrap([x], mean, { seed: 3 })
  t.deepEqual(first, await hg.bootstrap([x], mean, { seed: 3 }))
  t.notDeepEqual(first, await hg.bootstrap([x], mean, { seed: 4 }))
  const deviation = await x.std().item()
  t.true(near(first.standardError, deviation / Math.sqrt(200), 0.006))
  t.true(Math.abs(first.bias) < 0.01)
  t.true(Math.abs(first.acceleration as number) < 0.03)
  const plain = await hg.bootstrap([x], mean, { seed: 3, bca: false })
  t.deepEqual(plain.percentile, first.percentile)
  t.false('bca' in plain)
})

test('intervals of halves cover the information of a Gaussian pair', async (t) => {
  const [rho, n] = [0.6, 400]
  const truth = -0.5 * Math.log(1 - rho * rho)
  // The estimate has the derivative rho / (1 - rho^2) in the correlation, which has the deviation (1 - rho^2) / sqrt n.
  const deviation = rho / Math.sqrt(n)
  const rounds = 20
  let covered = 0
  for (let round = 0; round < rounds; round++) {
    const x = noise([n, 1], 900 + round)
    const y = x.mul(rho).add(noise([n, 1], 700 + round).mul(Math.sqrt(1 - rho * rho)))
    const estimator = new hg.GaussianMI()
    const { value, standardError, interval } = await hg.halfJackknife(x, y, estimator, { rounds: 40 })
    t.is(value, await estimator.estimate(x, y))
    t.true(standardError > deviation / 2 && standardError < deviation * 2, `${standardError / deviation}`)
    t.true(near((interval[0] + interval[1]) / 2, value, 1e-12))
    if (interval[0] <= truth && truth <= interval[1]) covered++
  }
  // 0.95 of 20 is 19 with a deviation of 1.
  t.true(covered >= 16, `${covered}`)
  const x = noise([20, 1], 1)
  const ask = (options: object) => hg.halfJackknife(x, x.add(noise([20, 1], 2)), new hg.GaussianMI(), options)
  t.deepEqual(await ask({ rounds: 5 }), await ask({ rounds: 5 }))
  t.notDeepEqual(await ask({ rounds: 5 }), await ask({ rounds: 5, seed: 1 }))
  for (const options of [{ rounds: 1 }, { level: 1 }, { seed: -1 }, { halves: 3 }]) {
    await t.throwsAsync(ask(options), { instanceOf: ArgumentError }, JSON.stringify(options))
  }
  await t.throwsAsync(ask({ signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' })
})

test('estimators are statistics, those without a lazy value too', async (t) => {
  const x = noise([60, 1], 2)
  const y = x.add(noise([60, 1], 3))
  for (const estimator of [new hg.DistanceCorrelation(), new hg.GaussianMI(), new hg.ResidualMI()]) {
    const told = await hg.permutationTest(x, y, estimator, { permutations: 19 })
    t.is(told.pValue, 0.05, estimator.name)
    if (estimator.isBiasedByCopies) continue
    t.is(estimator.name, 'GaussianMI')
    const found = await hg.bootstrap([x, y], estimator, { resamples: 20, bca: false })
    t.true(found.percentile[0] <= found.percentile[1], estimator.name)
    t.true(near(told.value, found.value, 1e-9), estimator.name)
  }
})

test('the bootstrap refuses estimators for which copies are dependence', async (t) => {
  const [x, y] = [noise([60, 1], 2), noise([60, 1], 3)]
  const biased = [
    new hg.Binned(),
    new hg.CKA(),
    new hg.CKA({ unbiased: true }),
    new hg.DiscreteMI(),
    new hg.DiscriminantMI(),
    new hg.DistanceCorrelation(),
    new hg.EDGE(),
    new hg.HSIC({ sigma: 1 }),
    new hg.KDE(),
    new hg.KNN(),
    new hg.KSG(),
    new hg.MixedKSG(),
    new hg.MutualInformation(),
    new hg.RenyiMI(),
    new hg.ResidualMI(),
    new hg.Ross(),
    new hg.MINE(),
    new hg.CLUB(),
  ]
  for (const estimator of biased) {
    await t.throwsAsync(hg.bootstrap([x, y], estimator), {
      instanceOf: ArgumentError,
      message: new RegExp(`${estimator.name} counts as dependence.*halfJackknife`),
    })
  }
})

test('copies of unrelated samples count as dependence where the bootstrap says so', async (t) => {
  const [n, width, rounds] = [120, 12, 12]
  const [x, y] = [noise([n, width], 51), noise([n, width], 52)]
  const random = new hg.HostRandom(7)
  for (const estimator of [
    new hg.HSIC({ sigma: 4, estimator: 'unbiased' }),
    new hg.CKA({ unbiased: true }),
    new hg.DistanceCorrelation({ estimator: 'unbiased' }),
    new hg.KSG(),
  ]) {
    t.true(estimator.isBiasedByCopies, estimator.name)
    const value = await estimator.estimate(x, y)
    const copied: number[] = []
    for (let round = 0; round < rounds; round++) {
      const rows = Int32Array.from({ length: n }, () => Math.floor(n * random.next()))
      copied.push(await estimator.estimate(x.take(rows), y.take(rows)))
    }
    const { standardError } = await hg.halfJackknife(x, y, estimator, { rounds })
    const shift = copied.reduce((sum, one) => sum + one / rounds, 0) - value
    t.true(shift > 2 * standardError, `${estimator.name}: ${shift} ${standardError}`)
  }
})

test.serial('a statistic that copies shift is told of once, and others are not', async (t) => {
  const said = async (run: () => Promise<unknown>) =>
    (await warningsOf(run))
      .filter(({ code }) => code === 'HYPERGLOW_BOOTSTRAP_BIAS')
      .map(({ message }) => message)
  const gaussian = new hg.GaussianMI()
  const options = { resamples: 100, bca: false }
  const [x, y] = [noise([100, 6], 61), noise([100, 6], 62)]
  const messages = await said(async () => {
    for (let round = 0; round < 2; round++) await hg.bootstrap([x, y], gaussian, options)
  })
  t.is(messages.length, 1)
  t.regex(messages[0] as string, /standard errors above that of the samples.*shifted; use halfJackknife/)
  const related = noise([100, 1], 63)
  const near = related.add(noise([100, 1], 64))
  t.deepEqual(await said(() => hg.bootstrap([related, near], new hg.GaussianMI(), options)), [])
  t.deepEqual(await said(() => hg.bootstrap([related], mean, options)), [])
})

test('HSIC with median widths, which shuffles leave, has the values of widths found anew', async (t) => {
  const x = noise([30, 2], 8)
  const y = x.slice([0, 0], [null, 1]).add(noise([30, 1], 9))
  for (const options of [
    { sigma: 'median' },
    { sigma: 1, sigmaY: 'median', kernelY: 'laplacian' },
    { sigma: 'median', kernelY: 'linear' },
  ] as const) {
    const hsic = new hg.HSIC({ ...options, estimator: 'unbiased' })
    const found = await hg.permutationTest(x, y, hsic, { permutations: 19 })
    const anew = await hg.permutationTest(x, y, (a, b) => hsic.criterion(a, b), { permutations: 19 })
    t.true(near(found.value, anew.value, 1e-9))
    t.is(found.pValue, anew.pValue)
    for (const [round, value] of found.nullValues.entries()) {
      t.true(Math.abs(value - (anew.nullValues[round] as number)) < 1e-9, `round ${round}`)
    }
  }
})

test('HSIC of many columns, by matrices that shuffles move, has the values of similarities made anew', async (t) => {
  const x = noise([30, 200], 8)
  const y = x.slice([0, 0], [null, 60]).add(noise([30, 60], 9))
  for (const options of [
    { sigma: 'median' },
    { sigma: 'median', estimator: 'unbiased', clip: true },
    { sigma: 9, variant: 'nHSIC' },
    { kernel: 'linear', estimator: 'biasedN2' },
  ] as const) {
    const hsic = new hg.HSIC(options)
    const found = await hg.permutationTest(x, y, hsic, { permutations: 19 })
    const anew = await hg.permutationTest(x, y, (a, b) => hsic.criterion(a, b), { permutations: 19 })
    t.is(found.pValue, anew.pValue)
    for (const [round, value] of [found.value, ...found.nullValues].entries()) {
      const own = [anew.value, ...anew.nullValues][round] as number
      t.true(near(value, own, 1e-7 * Math.abs(anew.value)), `round ${round}: ${value}, ${own}`)
    }
  }
})

test('every measure of dependence has a p-value: small for dependence, even for none', async (t) => {
  const n = 40
  const x = noise([n, 2], 4)
  const y = x
    .slice([0, 0], [null, 1])
    .square()
    .add(noise([n, 1], 5).mul(0.1))
  const labels = Int32Array.from((await y.data()) as Float64Array, (value) => Number(value > 0.5))
  const measures = [
    new hg.HSIC({ sigma: 'median' }),
    new hg.CKA({ kernel: 'rbf' }),
    new hg.DistanceCorrelation({ estimator: 'unbiased' }),
    new hg.KSG(),
    new hg.RenyiMI(),
  ]
  for (const measure of measures) {
    const { pValue } = await hg.permutationTest(x, y, measure, { permutations: 99 })
    t.true(pValue <= 0.05, `${measure.name} ${pValue}`)
  }
  for (const measure of [new hg.Ross(), new hg.HSIC({ sigma: 'median' })]) {
    const { pValue } = await hg.permutationTest(x, labels, measure, { permutations: 99 })
    t.true(pValue <= 0.05, `${measure.name} ${pValue}`)
  }
  let sum = 0
  for (let round = 0; round < 60; round++) {
    const free = await hg.permutationTest(
      noise([20, 1], 200 + round),
      noise([20, 1], 300 + round),
      new hg.CKA(),
      {
        permutations: 39,
        seed: round,
      },
    )
    sum += free.pValue
  }
  // The mean of p is 0.5125, with a deviation of 0.04.
  t.true(near(sum / 60, 0.5125, 0.13), `${sum / 60}`)
})

test('both sides of a permutation test', async (t) => {
  const x = Float64Array.from({ length: 12 }, (_, i) => i)
  const y = x.map((value) => -value)
  const product = (a: Tensor, b: Tensor) => a.sub(a.mean()).mul(b).sum()
  const p = async (alternative: 'greater' | 'less' | 'twoSided') =>
    (await hg.permutationTest(x, y, product, { permutations: 199, alternative })).pValue
  t.is(await p('less'), 1 / 200)
  t.is(await p('greater'), 1)
  t.is(await p('twoSided'), 2 / 200)
})

test('distance correlation has a t test', async (t) => {
  const x = noise([50, 6], 6)
  t.true((await hg.distanceCorrelationTest(x, x.sin())).pValue < 1e-6)
  const free = await hg.distanceCorrelationTest(x, noise([50, 6], 7))
  t.true(free.pValue > 0.01)
  t.is(free.degrees, 1174)
})

test('runs: the t interval of known numbers', async (t) => {
  const found = await hg.summarizeRuns([
    [1, 10],
    [2, 10],
    [3, 10],
  ])
  close(t, [...found.mean], [2, 10], 1e-12)
  close(t, [...found.deviation], [1, 0], 1e-12)
  // t(0.975, 2) = 4.302652729749462.
  close(t, [...found.high], [2 + 4.302652729749462 / Math.sqrt(3), 10], 1e-9)
  await t.throwsAsync(hg.summarizeRuns([[1, 2]]), { instanceOf: DataError })
})

test('few pairs have an exact sign-flip test, and say the smallest p-value that they can have', async (t) => {
  const three = await hg.comparePaired([1, 1.1, 1.2], [0, 0, 0])
  t.is(three.signFlipCount, 2)
  t.is(three.signFlipPValue, 0.25)
  t.is(three.signFlipSmallestPValue, 0.25)
  // Of 16 flips of 1, 2, 3, -4 the sums are at least 2 in size in all but those of +-(1 + 4 - 2 - 3) = 0.
  const four = await hg.comparePaired([1, 2, 3, -4], [0, 0, 0, 0])
  t.is(four.signFlipPValue, 14 / 16)
  t.is(four.signFlipSmallestPValue, 1 / 8)
  const many = Array.from({ length: 13 }, (_, i) => 1 + i)
  const drawn = await hg.comparePaired(many, Array(13).fill(0), { flips: 99 })
  t.is(drawn.signFlipPValue, (1 + drawn.signFlipCount) / 100)
  t.is(drawn.signFlipSmallestPValue, 0.01)
})

test('paired settings: what both share takes itself out', async (t) => {
  const shared = [1, 9, 4, 7, 3, 8]
  const a = shared.map((value, i) => value + 0.5 + 0.1 * (i % 2))
  const { difference, interval, pValue, signFlipPValue, bootstrapInterval } = await hg.comparePaired(
    a,
    shared,
  )
  t.true(near(difference, 0.55, 1e-12))
  t.true(interval[0] > 0.4 && interval[1] < 0.7)
  t.true(pValue < 1e-5)
  // Of 64 ways to choose signs two are as extreme.
  t.true(near(signFlipPValue, 2 / 64, 0.02), `${signFlipPValue}`)
  t.true(bootstrapInterval[0] >= 0.5 && bootstrapInterval[1] <= 0.6)
  const none = await hg.comparePaired(shared, shared)
  t.is(none.pValue, 1)
  t.is(none.t, 0)
})

test('what is no statistic, no order and no sample is refused', async (t) => {
  const x = noise([10], 8)
  await t.throwsAsync(hg.bootstrap([x], 'mean' as never), {
    instanceOf: ArgumentError,
    message: /function of tensors/,
  })
  await t.throwsAsync(
    hg.bootstrap([x], (a) => (a as Tensor).mul(2)),
    { instanceOf: ShapeError, message: /scalar/ },
  )
  await t.throwsAsync(
    hg.bootstrap([x], (a) => (a as Tensor).sub(1e9).log().mean()),
    { instanceOf: NumericalError },
  )
  await t.throwsAsync(hg.bootstrap([x], mean, { indices: [[0, 1]] }), { instanceOf: ShapeError })
  await t.throwsAsync(hg.bootstrap([x], mean, { indices: [Array(10).fill(10)] }), { instanceOf: DataError })
  await t.throwsAsync(hg.permutationTest(x, x, new hg.CKA(), { orders: [Array(10).fill(3)] }), {
    instanceOf: DataError,
    message: /twice/,
  })
  await t.throwsAsync(hg.permutationTest(x, noise([9], 1), new hg.CKA()), { instanceOf: ShapeError })
  await t.throwsAsync(hg.comparePaired([1, 2], [1, 2], { signs: [[1, 0]] }), { instanceOf: DataError })
})

test('tests and intervals end when they are told to', async (t) => {
  const x = Float64Array.from({ length: 60 }, (_, i) => Math.sin(3 * i))
  const y = x.map((value, i) => value + Math.cos(5 * i))
  const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => hg.permutationTest(x, y, new hg.KSG(), { permutations: 1e6, signal }),
    (signal) => hg.bootstrap([x, y], new hg.GaussianMI(), { resamples: 1e6, signal }),
    (signal) => hg.halfJackknife(x, y, new hg.KSG(), { rounds: 1e6, signal }),
  ]
  for (const call of calls) {
    const controller = new AbortController()
    const reason = new Error('enough')
    setTimeout(() => controller.abort(reason), 20)
    t.is(await t.throwsAsync(call(controller.signal)), reason)
    await t.throwsAsync(call(3 as never), { instanceOf: ArgumentError, message: /signal/ })
  }
})

test.serial('nothing is left to the collector', async (t) => {
  const x = Float64Array.from({ length: 60 }, (_, i) => Math.sin(3 * i))
  const y = x.map((value, i) => value + Math.cos(5 * i))
  const labels = Int32Array.from(x, (value) => Number(value > 0))
  const own = hg.tensor(x)
  const calls: Record<string, () => Promise<unknown>> = {
    shuffles: () => hg.permutationTest(x, y, new hg.HSIC({ sigma: 1 }), { permutations: 5 }),
    'shuffles with the median width': () =>
      hg.permutationTest(x, y, new hg.HSIC({ sigma: 'median' }), { permutations: 5 }),
    'shuffles of what is not lazy': () => hg.permutationTest(x, y, new hg.KSG(), { permutations: 5 }),
    'shuffles of labels': () => hg.permutationTest(own, labels, new hg.Binned(), { permutations: 5 }),
    resamples: () => hg.bootstrap([x, y], new hg.GaussianMI(), { resamples: 5 }),
    halves: () => hg.halfJackknife(x, y, new hg.KSG(), { rounds: 5 }),
    estimates: () => new hg.KSG().estimate(own, y),
  }
  for (const [name, call] of Object.entries(calls)) {
    await call()
    const { buffers, nodes } = hg.memory()
    await call()
    const after = hg.memory()
    // Fewer are left if the collector has run.
    t.true(after.buffers <= buffers && after.nodes <= nodes, `${name}: ${after.buffers - buffers} buffers`)
  }
  // What was given is still there.
  t.is((await own.data()).length, 60)
})
