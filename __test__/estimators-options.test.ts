/** Forms of the estimators that options choose: channels, wide data, clipping, units. */
import test from 'ava'
import * as hg from '../ts/index.js'
import {
  CKA,
  concat,
  DiscriminantMI,
  DistanceCorrelation,
  EDGE,
  type Estimator,
  HSIC,
  key,
  normal,
  RenyiMI,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../ts/index.js'
import { close } from './close.js'

/** n draws of pairs of d independent normal coordinates with correlation r, as float64 `[n, d]` each. */
function normalPairs(n: number, r: number, d: number): { x: Tensor; y: Tensor } {
  const z = normal(key(1), [2, n, d], { dtype: 'float64' })
  const x = z.slice([0], [1]).reshape([n, d])
  const noise = z.slice([1], [2]).reshape([n, d])
  return { x, y: x.mul(r).add(noise.mul(Math.sqrt(1 - r * r))) }
}

const value = (estimator: Estimator, x: Tensor, y: Tensor) => tidy(() => estimator.criterion(x, y)).itemSync()

test('Renyi channels: plain data of more than two axes have theirs too', async (t) => {
  const maps = normal(key(3), [30, 3, 2, 2], { dtype: 'float64' })
  const labels = Int32Array.from({ length: 30 }, (_, i) => i % 4)
  const renyi = new RenyiMI({ channels: true })
  const got = await renyi.estimate(maps, labels)
  close(t, [got], [value(renyi, maps, tensor(labels))], 1e-12)
  t.true(Math.abs(got - (await new RenyiMI().estimate(maps, labels))) > 1e-3)
  const one = maps.slice([0, 0], [null, 1])
  close(t, [await renyi.estimate(one, labels)], [await new RenyiMI().estimate(one, labels)], 1e-12)
})

test('the discriminant bound of more columns than samples is that of the space they span', async (t) => {
  const n = 60
  const labels = Int32Array.from({ length: n }, (_, i) => i % 3)
  const x = normal(key(8), [n, 50], { dtype: 'float64' }).add(
    tensor(labels).oneHot(50).cast('float64').mul(4),
  )
  // Columns of 0 change no distance, only the number of columns, by which the mean variance is divided.
  const padded = (columns: number) => concat([x, zeros([n, columns], { dtype: 'float64' })], 1)
  const [narrow, wide] = [padded(10), padded(11)]
  const own = new DiscriminantMI({ folds: 5 })
  const [a, b] = [await own.estimate(narrow, labels), await own.estimate(wide, labels)]
  t.true(Math.abs(a - b) < 5e-3, `${a} with as many columns as samples, ${b} with one more`)
  t.true(a > 0.3 && a < Math.log(3), `${a}`)
  const noise = normal(key(5), [128, 4000], { dtype: 'float64' })
  const none = await own.estimate(
    noise,
    Int32Array.from({ length: 128 }, (_, i) => i % 10),
  )
  t.true(none < 0.05 && none > -0.3, `no information: ${none}`)
})

test('EDGE with weights: widths that its equations can use', async (t) => {
  const { x, y } = normalPairs(2000, 0.7, 2)
  const edge = new EDGE({ ensemble: 'weights' })
  t.is(edge.params.widths.length, 10)
  const got = await edge.estimate(x, y)
  t.true(Math.abs(got + Math.log(1 - 0.49)) < 0.15, `${got}`)
})

test('clip: estimates below 0 become 0, others stay', async (t) => {
  const x = normal(key(11), [12, 2], { dtype: 'float64' })
  for (const make of [
    (clip: boolean) => new HSIC({ sigma: 1, estimator: 'unbiased', clip }),
    (clip: boolean) => new CKA({ unbiased: true, clip }),
    (clip: boolean) => new DistanceCorrelation({ estimator: 'unbiased', clip }),
  ]) {
    let below = 0
    for (let seed = 20; seed < 32; seed++) {
      const y = normal(key(seed), [12, 2], { dtype: 'float64' })
      const plain = value(make(false), x, y)
      if (plain < 0) below++
      t.is(value(make(true), x, y), Math.max(0, plain))
    }
    t.true(below > 0)
  }
  const cka = new CKA({ unbiased: true, clip: true })
  const pairs = Array.from({ length: 12 }, (_, i) => normal(key(20 + i), [12, 2], { dtype: 'float64' }))
  for (const y of pairs) t.true((await cka.estimateBatches([[x, y]])) >= 0)
})

test('alignment and distance correlation do not depend on units, however small or large', async (t) => {
  const { x, y } = normalPairs(40, 0.6, 2)
  for (const measure of [
    new CKA(),
    new CKA({ unbiased: true }),
    new CKA({ kernel: 'rbf' }),
    new DistanceCorrelation(),
    new DistanceCorrelation({ estimator: 'unbiased' }),
  ]) {
    const want = value(measure, x, y)
    for (const unit of [1e-150, 1e-100, 1e100]) {
      close(t, measure.criterion(x.mul(unit), y.mul(unit)), [want], 1e-9)
      close(t, measure.criterion(x.mul(unit), y), [want], 1e-9)
    }
  }
  const halves = (unit: number) =>
    [0, 20].map((from): [Tensor, Tensor] => [
      x.slice([from], [from + 20]).mul(unit),
      y.slice([from], [from + 20]),
    ])
  const cka = new CKA({ unbiased: true })
  close(t, [await cka.estimateBatches(halves(1e-100))], [await cka.estimateBatches(halves(1))], 1e-9)
})

test('an estimator has a gradient exactly if it says so', async (t) => {
  const r = Float64Array.from({ length: 80 }, (_, i) => Math.sin(1.7 * i * i) + 0.3 * Math.cos(i))
  using x = hg.tensor(r, { shape: [40, 2] })
  using y = hg.tensor(
    r.filter((_, i) => i % 2 === 0).map((v, i) => v + 0.5 * Math.sin(3.1 * i)),
    { shape: [40, 1] },
  )
  const all = [
    ...[new hg.Binned(), new hg.DiscreteMI(), new hg.EDGE(), new hg.GaussianCopulaMI(), new hg.KSG()],
    ...[new hg.MixedKSG(), new hg.Ross(), new hg.StudentCopulaMI(), new hg.KDE(), new hg.RenyiMI()],
    ...[new hg.HSIC({ sigma: 1 }), new hg.CKA(), new hg.DistanceCorrelation(), new hg.GaussianMI()],
  ]
  for (const one of all) {
    const other = one instanceof hg.Ross ? hg.tensor(Int32Array.from({ length: 40 }, (_, i) => i % 2)) : y
    const slope = (await hg
      .grad((a: hg.Tensor) => one.criterion(a, other))(x)
      .data()) as Float64Array
    t.is(
      slope.some((value) => value !== 0),
      one.hasGradient,
      one.name,
    )
  }
  t.false(new hg.MINE().hasGradient)
})
