/** What looks like dependence and is none: copied samples, tables with more cells than samples, constants. */
import test from 'ava'
import * as hg from '../ts/index.js'
import { key, normal, type Tensor, uniform } from '../ts/index.js'
import { warningsOf } from './warnings.js'

const n = 500
const x = normal(key(1), [n, 1], { dtype: 'float64' })
const y = normal(key(2), [n, 1], { dtype: 'float64' })
const labels = uniform(key(3), [n], { dtype: 'float64' }).mul(3).floor().cast('int32')

/** The samples, the first `count` of them `times` more. */
const withCopies = (rows: Tensor, count: number, times = 1) =>
  hg.concat([rows, ...Array.from({ length: times }, () => rows.slice([0], [count]))])

/** The messages of the warnings with a code that a function causes. */
async function messagesOf(wanted: string, run: () => Promise<unknown>): Promise<string[]> {
  return (await warningsOf(run)).filter(({ code }) => code === wanted).map(({ message }) => message)
}

const isOfCopies = (text: string) => /samples are copies of others.*mutualInformation\(\)/.test(text)

for (const make of [
  () => new hg.KSG(),
  () => new hg.KNN({ jitter: 1e-10 }),
  () => new hg.ResidualMI(),
  () => new hg.EDGE(),
  () => new hg.MixedKSG(),
]) {
  const { name } = make()
  test.serial(`${name} warns of copied samples, once`, async (t) => {
    const told = async (a: Tensor, b: Tensor) =>
      (await make().estimate(a, b, { details: true })).warnings.filter(isOfCopies).length
    for (const [count, times] of [
      [150, 1],
      [n, 1],
      [n, 4],
    ] as const) {
      t.is(await told(withCopies(x, count, times), withCopies(y, count, times)), 1)
    }
    // Ties in one column, or in both on a grid, are no copies; nor are a few.
    t.is(await told(x, y), 0)
    t.is(await told(x.mul(4).floor(), y), 0)
    const onGrid = () => told(x.mul(4).floor(), y.mul(4).floor())
    if (name === 'ResidualMI')
      await t.throwsAsync(onGrid, { instanceOf: hg.DataError, message: /y: sample 0/ })
    else t.is(await onGrid(), 0)
    t.is(await told(withCopies(x, 15), withCopies(y, 15)), 0)
    t.is(await told(withCopies(x, n), hg.concat([y, normal(key(4), [n, 1], { dtype: 'float64' })])), 0)
    const estimator = make()
    const messages = await messagesOf('HYPERGLOW_REPEATED_SAMPLES', async () => {
      for (let i = 0; i < 2; i++) await estimator.estimate(withCopies(x, 150), withCopies(y, 150))
    })
    t.is(messages.filter(isOfCopies).length, 1)
  })
}

test('copied samples with labels are told as well', async (t) => {
  for (const estimator of [new hg.Ross(), new hg.KSG()]) {
    const { warnings } = await estimator.estimate(withCopies(x, n), withCopies(labels, n), { details: true })
    t.true(warnings.some((text) => text.startsWith('Ross: 500 of 1000 samples') && isOfCopies(text)))
    t.false((await estimator.estimate(x, labels, { details: true })).warnings.some(isOfCopies))
  }
})

test('mutualInformation counts copies once and does not warn', async (t) => {
  const own = await hg.mutualInformation(x, y)
  const { value, warnings } = await hg.mutualInformation(withCopies(x, n), withCopies(y, n), {
    details: true,
  })
  t.true(Math.abs(value - own) < 1e-9)
  t.deepEqual(warnings, [])
})

test.serial('tests of independence warn of copied pairs, each once', async (t) => {
  const [a, b] = [x.slice([0], [100]), y.slice([0], [100])]
  const permuted = (p: Tensor, q: Tensor) => hg.permutationTest(p, q, new hg.CKA(), { permutations: 5 })
  for (const run of [permuted, (p: Tensor, q: Tensor) => hg.independenceTest(p, q)]) {
    t.deepEqual(await messagesOf('HYPERGLOW_REPEATED_SAMPLES', () => run(a, b)), [])
    const messages = await messagesOf('HYPERGLOW_REPEATED_SAMPLES', async () => {
      for (let i = 0; i < 2; i++) await run(withCopies(a, 100), withCopies(b, 100))
    })
    t.is(messages.length, 1)
    t.true(isOfCopies(messages[0] as string))
  }
})

test.serial('a test of independence says where its approximation finds too little', async (t) => {
  const of = (d: number) => () =>
    hg.independenceTest(
      normal(key(1), [100, d], { dtype: 'float64' }),
      normal(key(2), [100, d], { dtype: 'float64' }),
    )
  t.deepEqual(await messagesOf('HYPERGLOW_WIDE', of(5)), [])
  const messages = await messagesOf('HYPERGLOW_WIDE', async () => {
    for (let i = 0; i < 2; i++) await of(100)()
  })
  t.is(messages.length, 1)
  t.regex(messages[0] as string, /100 samples.*permutationTest/)
})

test.serial('a table of more values than samples can fill is told', async (t) => {
  const values = (seed: number, count: number) =>
    uniform(key(seed), [n], { dtype: 'float64' }).mul(count).floor().cast('int32')
  const discrete = new hg.DiscreteMI()
  const messages = await messagesOf('HYPERGLOW_FEW_SAMPLES', async () => {
    for (let i = 0; i < 2; i++) t.true((await discrete.estimate(values(5, 80), values(6, 80))) > 1)
  })
  t.is(messages.length, 1)
  t.regex(messages[0] as string, /500 samples are too few for a table of 80 x 80.*mutualInformation\(\)/)
  const told = async (r: number, c: number) => {
    const { warnings } = await discrete.estimate(values(5, r), values(6, c), { details: true })
    return warnings.filter((text) => /too few for a table/.test(text)).length
  }
  // (11 - 1)(11 - 1) = 500 / 5
  t.deepEqual([await told(80, 80), await told(11, 11), await told(11, 12)], [1, 0, 1])
  const ofRule = await messagesOf('HYPERGLOW_FEW_SAMPLES', async () => {
    t.true((await hg.mutualInformation(values(5, 80), values(6, 80))) < 0.15)
  })
  t.deepEqual(ofRule, [])
})

test('a constant is named, and limits the information to 0', async (t) => {
  const constant = hg.ones([n, 2], { dtype: 'float64' })
  for (const [a, b, what] of [
    [x, constant, 'y'],
    [constant, x, 'x'],
    [x, new Int32Array(n), 'y'],
    [new Int32Array(n), labels, 'x'],
  ] as const) {
    const { value, limit, limitedBy, warnings, saturated } = await hg.mutualInformation(a, b, {
      details: true,
    })
    t.deepEqual([value, limit, saturated], [0, 0, false])
    t.is(limitedBy, `the entropy of ${what}, which is constant`)
    t.deepEqual(warnings, [`MutualInformation: ${what} is constant, so the information is 0`])
  }
  const both = await hg.mutualInformation(constant, constant, { details: true })
  t.is(both.warnings.length, 2)
})
