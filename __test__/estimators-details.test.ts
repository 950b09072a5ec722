/** What an estimate was: records, limits of the samples, and warnings. */
import { inspect } from 'node:util'
import test from 'ava'
import * as hg from '../ts/index.js'
import { key, normal, type Tensor, tensor } from '../ts/index.js'
import { warningsOf } from './warnings.js'

const n = 400
const draws = (seed: number, d = 1) => normal(key(seed), [n, d], { dtype: 'float64' })
const x = draws(1)
const y = x.mul(0.8).add(draws(2).mul(0.6))
const labels = Int32Array.from({ length: n }, (_, i) => i % 4)

/** The codes of the warnings that a function causes. */
async function codesOf(run: () => Promise<unknown>): Promise<string[]> {
  return (await warningsOf(run)).map(({ code }) => String(code))
}

test('a record tells unit, settings, samples and time, and its value is the estimate', async (t) => {
  for (const estimator of [
    new hg.KSG({ base: 2 }),
    new hg.EDGE(),
    new hg.GaussianMI(),
    new hg.HSIC({ sigma: 1 }),
  ]) {
    const details = await estimator.estimate(x, y, { details: true })
    t.is(details.value, await estimator.estimate(x, y))
    t.is(details.estimator, estimator.name)
    t.is(details.n, n)
    t.deepEqual([details.x.kind, details.y.dimensions, details.x.distinct], ['numbers', 1, n])
    t.true(details.seconds > 0 && Object.isFrozen(details))
    t.deepEqual(JSON.parse(JSON.stringify(details)).settings, JSON.parse(JSON.stringify(estimator.settings)))
  }
  const units = [new hg.KSG(), new hg.KSG({ base: 2 }), new hg.CKA()].map((one) =>
    one.estimate(x, y, { details: true }),
  )
  t.deepEqual(
    (await Promise.all(units)).map(({ unit }) => unit),
    ['nats', 'bits', 'none'],
  )
})

test('a record prints as text with its unit', async (t) => {
  const details = await new hg.Ross({ base: 2 }).estimate(y, labels, { details: true })
  const text = inspect(details)
  t.is(text, String(details))
  t.regex(text, /^-?\d.* bits\n {2}by Ross \{ k: 3/)
  t.regex(text, /y: classes, 1 dimension, 4 different of 400/)
  t.regex(text, /limit: 2 bits, the entropy of y in the samples/)
  t.regex(String(await new hg.CKA().estimate(x, y, { details: true })), /no unit/)
})

test('wrong options of a call are refused', async (t) => {
  const call = (options: object) => new hg.KSG().estimate(x, y, options)
  await t.throwsAsync(call({ detail: true }), { code: 'UNKNOWN_NAME', message: /did you mean "details"/ })
  await t.throwsAsync(call({ details: 1 }), { code: 'ARGUMENT' })
  await t.throwsAsync(call(null as never), { code: 'ARGUMENT' })
})

test('estimators with both bounds give them; those with one give that', async (t) => {
  const kde = await new hg.KDE({ variance: 0.1 }).estimate(x, y, { details: true })
  t.is(kde.value, kde.upper as number)
  const lower = await new hg.KDE({ variance: 0.1, bound: 'lower' }).estimate(x, y)
  t.is(kde.lower as number, lower)
  t.true((kde.lower as number) < kde.value)
  const discriminant = await new hg.DiscriminantMI().estimate(y, labels, { details: true })
  t.is(discriminant.lower as number, discriminant.value)
  t.false('upper' in discriminant)
})

test('entropies have a record, which says that they may be negative', async (t) => {
  const narrow = x.mul(1e-3)
  const details = await new hg.KLEntropy().estimate(narrow, { details: true })
  t.is(details.value, await new hg.KLEntropy().estimate(narrow))
  t.true(details.value < 0)
  t.regex(String(details), /nats\n.*KLEntropy/)
  t.regex(String(details), /may be negative/)
  t.false('y' in details)
})

test('a value below 0 is explained', async (t) => {
  const hsic = new hg.HSIC({ sigma: 1, estimator: 'unbiased' })
  const seeds = Array.from({ length: 10 }, (_, i) => i + 20)
  const records = await Promise.all(seeds.map((seed) => hsic.estimate(x, draws(seed), { details: true })))
  const below = records.filter(({ value }) => value < 0)
  t.true(below.length > 0)
  for (const { warnings } of below) t.regex(warnings.join(), /below 0: .*clip: true/)
})

test('EDGE counts the rows that share a bucket', async (t) => {
  const { collisions } = await new hg.EDGE().estimate(x, labels, { details: true })
  t.is(collisions?.y, 0)
  t.true((collisions?.x as number) > n / 2)
})

/** x or y of each kind of numbers that classes of are asked for. */
const hard: Readonly<Record<string, Tensor>> = {
  bits: tensor(
    Float64Array.from({ length: 8 * n }, (_, i) => (Math.floor(i / 8) >> (i % 8)) & 1),
    { shape: [n, 8] },
  ),
  relu: draws(3, 3).relu(),
  rounded: draws(4, 2).mul(3).round(),
  'one-hot': tensor(labels).oneHot(4).cast('float64'),
  numbers: draws(5, 2),
  'the label itself': tensor(Float64Array.from(labels), { shape: [n, 1] }),
}

test('no estimator tells more of classes than their entropy in the samples', async (t) => {
  const coin = Int32Array.from({ length: n }, (_, i) => Number(i % 10 === 0))
  const estimators = [
    new hg.Ross(),
    new hg.KSG(),
    new hg.MixedKSG(),
    new hg.DiscriminantMI(),
    new hg.GaussianMI(),
    new hg.EDGE(),
    new hg.EDGE({ hash: 'pstable' }),
    new hg.EDGE({ ensemble: 'weights', correction: 'none' }),
    new hg.EDGE({ authors: true }),
    new hg.KDE(),
    new hg.Binned({ range: 'data', millerMadow: true }),
    new hg.DiscreteMI(),
    new hg.RenyiMI(),
    new hg.MINE({ steps: 300 }),
    new hg.CLUB({ steps: 300 }),
  ]
  for (const y of [labels, coin]) {
    const counts = [...new Set(y)].map((label) => y.filter((one) => one === label).length)
    const entropy = counts.reduce((sum, count) => sum - (count / n) * Math.log(count / n), 0)
    for (const [name, given] of Object.entries(hard)) {
      for (const estimator of estimators) {
        const value = await estimator.estimate(given, y, { details: true })
        t.true(
          value.value <= entropy + 1e-9,
          `${estimator.name} of ${name}: ${value.value}, H(Y) is ${entropy}`,
        )
      }
    }
  }
})

test('the lazy value of a measurement keeps to the entropies as well', (t) => {
  const coin = tensor(Int32Array.from({ length: n }, (_, i) => i % 2))
  for (const estimator of [new hg.Ross(), new hg.EDGE(), new hg.DiscriminantMI(), new hg.MixedKSG()]) {
    for (const given of Object.values(hard)) {
      t.true(estimator.criterion(given, coin).itemSync() <= Math.LN2 + 1e-9, estimator.name)
    }
  }
})

test('labels that know nothing of tied numbers have no information', async (t) => {
  const coin = Int32Array.from(draws(9).greater(0).cast('int32').dataSync() as Int32Array)
  for (const name of ['bits', 'relu', 'rounded', 'numbers'] as const) {
    for (const estimator of [new hg.Ross(), new hg.MixedKSG(), new hg.KSG(), new hg.DiscriminantMI()]) {
      const value = await estimator.estimate(hard[name] as Tensor, coin)
      t.true(Math.abs(value) < 0.08, `${estimator.name} of ${name}: ${value}`)
    }
  }
})

test('relu units: half of the values at 0 do not break the neighbors', async (t) => {
  const [a, b] = [draws(11).relu(), draws(12).relu()]
  const independent = await new hg.KSG().estimate(a, b)
  t.true(Math.abs(independent) < 0.08, `${independent}`)
})

test.serial('what determines each other is capped at what samples can carry, in words', async (t) => {
  for (const d of [2, 10]) {
    const a = draws(7, d)
    const edge = new hg.EDGE({ hash: 'pstable' })
    t.deepEqual(await codesOf(() => edge.estimate(a, a.mul(2))), ['HYPERGLOW_CAPPED'])
    const details = await edge.estimate(a, a.mul(2), { details: true })
    t.is(details.value, Math.log(n))
    t.true(details.saturated)
    t.regex(
      details.warnings.join(),
      /more than the 5\.991 that the samples can carry \(ln n of 400 samples\)/,
    )
  }
  const self = await new hg.KSG().estimate(x, x, { details: true })
  t.true(self.saturated && self.value < Math.log(n))
  t.regex(self.warnings.join(), /functions of each other/)
  const near = await new hg.KSG().estimate(x, y, { details: true })
  t.false(near.saturated)
  t.deepEqual(near.warnings, [])
})

test('CLUB beyond what samples could show says so, and is not cut', async (t) => {
  const details = await new hg.CLUB({ steps: 500 }).estimate(x, x, { details: true })
  t.true(details.value > Math.log(n))
  t.is(details.upper as number, details.value)
  t.regex(details.warnings.join(), /CLUB: .* nats are more than 400 samples could show/)
})

test('a critic whose training fails is refused', async (t) => {
  const huge = x.mul(1e30)
  await t.throwsAsync(new hg.MINE({ standardize: false, steps: 200 }).estimate(huge, y), {
    code: 'NUMERICAL',
    message: /standardize/,
  })
  await t.throwsAsync(new hg.CLUB({ standardize: false, steps: 200 }).estimate(huge, y), {
    code: 'NUMERICAL',
    message: /standardize/,
  })
})

test.serial('MixedKSG says that distances tie', async (t) => {
  const lattice = (seed: number) => draws(seed, 3).mul(3).round()
  const mixed = new hg.MixedKSG()
  t.deepEqual(await codesOf(() => mixed.estimate(lattice(1), lattice(2))), ['HYPERGLOW_TIES'])
  t.deepEqual(await codesOf(() => mixed.estimate(x, y)), [])
})

test('more columns than neighbors can do with are named', async (t) => {
  const details = await new hg.KSG().estimate(draws(1, 16), draws(2, 16), { details: true })
  t.regex(details.warnings.join(), /in 32 dimensions the nearest of 400 samples are far away/)
})

test('limits and warnings speak in the unit of the estimate', async (t) => {
  const x = Float64Array.from({ length: 300 }, (_, i) => Math.sin(i * i))
  const own = Array.from(x, (v) => v ** 3)
  const rule = (o: { base?: number }) => hg.mutualInformation(x, own, { ...o, details: true })
  const ksg = (o: { base?: number }) => new hg.KSG(o).estimate(x, x, { details: true })
  for (const estimate of [rule, ksg]) {
    const inBits = await estimate({ base: 2 })
    const inNats = await estimate({})
    const said = inBits.warnings.join()
    const [, bits] = /: \D*([\d.]+) bits/.exec(said) as unknown as [string, string]
    t.regex(said, / \/ ln 2 of 300 samples/)
    t.notRegex(said, /nats/)
    const [, nats] = /: \D*([\d.]+) nats/.exec(inNats.warnings.join()) as unknown as [string, string]
    t.true(Math.abs(Number(bits) * Math.LN2 - Number(nats)) < 0.01)
    t.true(Math.abs(inBits.value * Math.LN2 - inNats.value) < 1e-9)
  }
  const { limit, limitedBy } = await hg.mutualInformation(x, own, { base: 2, details: true })
  t.is(limitedBy, 'ln n / ln 2 of 300 samples')
  t.true(Math.abs(limit - Math.log2(300)) < 1e-12)
})
