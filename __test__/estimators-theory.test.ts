/** Bounds of information theory against numbers worked out by hand, and critics that are trained. */
import test from 'ava'
import {
  bottleneckLagrangian,
  CLUB,
  checkDataProcessing,
  fanoBound,
  generalizationGapBound,
  InfoNCE,
  informationBounds,
  key,
  MINE,
  normal,
  relevanceGap,
  SMILE,
} from '../ts/index.js'
import { close } from './close.js'

test('the generalisation gap: sqrt((2^bits + ln(1 / delta)) / (2 n))', (t) => {
  close(t, [generalizationGapBound(3 * Math.LN2, 100, Math.exp(-2))], [Math.sqrt((8 + 2) / 200)], 1e-12)
  close(t, [relevanceGap(2 * Math.LN2, 400, 3)], [(4 * 3) / 20], 1e-12)
  t.throws(() => generalizationGapBound(1, 100, 0), { code: 'ARGUMENT', message: /delta/ })
  t.throws(() => generalizationGapBound(Number.NaN, 100), { code: 'ARGUMENT' })
})

test("Fano's inequality", (t) => {
  // One bit of doubt between two classes: a coin is as good.
  close(t, [fanoBound(Math.LN2, 2)], [0.5], 1e-9)
  close(t, [fanoBound(0, 5), fanoBound(-0.1, 5)], [0, 0])
  close(t, [fanoBound(Math.log(10), 10)], [0.9], 1e-9)
  const e = 0.1
  const doubt = -e * Math.log(e) - (1 - e) * Math.log(1 - e) + e * Math.log(9)
  close(t, [fanoBound(doubt, 10)], [e], 1e-9)
})

test('the data-processing check names rises beyond the tolerance', (t) => {
  t.deepEqual(checkDataProcessing([3, 2, 2.04, 1], 0.05), [])
  const [rise, ...more] = checkDataProcessing([3, 2, 2.5, 1], 0.05)
  t.deepEqual(more, [])
  t.is(rise?.layer, 2)
  close(t, [rise?.excess as number], [0.5], 1e-12)
  const [after] = checkDataProcessing([3, Number.NaN, 5, 1])
  t.deepEqual(after, { layer: 2, excess: 2 })
  t.throws(() => checkDataProcessing(null as unknown as number[]), {
    code: 'ARGUMENT',
    message: /values must be an array.*received null/,
  })
  t.throws(() => bottleneckLagrangian(Number.NaN, 1, 1), { code: 'ARGUMENT', message: /I\(X; T\)/ })
  t.throws(() => bottleneckLagrangian(1, Number.NaN, 1), { code: 'ARGUMENT', message: /I\(T; Y\)/ })
  const wrong = { compression: 1, relevance: 1, n: 10, classes: 2, targetEntropy: -1 }
  t.throws(() => informationBounds(wrong), { code: 'ARGUMENT', message: /targetEntropy.*-1/ })
})

test('estimates of one estimator at the same time are those of one after the other', async (t) => {
  const draws = (seed: number) => {
    const z = normal(key(seed), [2, 200, 1], { dtype: 'float64' })
    return [z.slice([0], [1]).reshape([200, 1]), z.sum(0)] as const
  }
  const mine = new MINE({ steps: 200 })
  const [a, b] = [draws(1), draws(2)]
  const apart = [await mine.estimate(...a), await mine.estimate(...b)]
  t.deepEqual(await Promise.all([mine.estimate(...a), mine.estimate(...b)]), apart)
})

test('all bounds of a point', (t) => {
  const bounds = informationBounds({ compression: 2, relevance: 0.5, n: 1000, classes: 2, beta: 3 })
  close(t, [bounds.lagrangian], [bottleneckLagrangian(2, 0.5, 3)])
  close(t, [bounds.lagrangian, bounds.relevanceAtMost], [0.5, Math.LN2], 1e-12)
  close(t, [bounds.errorAtLeast], [fanoBound(Math.LN2 - 0.5, 2)], 1e-12)
})

test('trained critics find the information of held-out normal pairs, the same with the same seed', async (t) => {
  const n = 1200
  const z = normal(key(4), [2, n, 1], { dtype: 'float64' })
  const x = z.slice([0], [1]).reshape([n, 1])
  const y = x.mul(0.9).add(z.slice([1], [2]).reshape([n, 1]).mul(Math.sqrt(0.19)))
  const options = {
    critic: 'separable',
    steps: 1200,
    batchSize: 64,
    learningRate: 5e-3,
    patience: 3,
  } as const
  for (const estimator of [new MINE(options), new InfoNCE(options), new SMILE(options)]) {
    const got = await estimator.estimate(x, y)
    t.true(got > 0.6 && got < 1.05, `${estimator.name}: ${got}, truth 0.830`)
  }
  const { critic: _, ...plain } = options
  const club = await new CLUB(plain).estimate(x, y)
  t.true(club > 2, `CLUB: ${club}; of normal pairs the bound is rho^2 / (1 - rho^2) = 4.26`)
  const short = new InfoNCE({ ...options, steps: 100, seed: 3 })
  t.is(await short.estimate(x, y), await short.estimate(x, y))
})
