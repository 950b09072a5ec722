/** The scale of the data, from the smallest numbers of float64 to the largest. */
import test from 'ava'
import { columnsInRange } from '../ts/estimators/magnitude.js'
import * as hg from '../ts/index.js'
import { key, normal, type Tensor } from '../ts/index.js'

const n = 400
const draws = (seed: number, d = 1) => normal(key(seed), [n, d], { dtype: 'float64' })
const x = draws(1)
const y = x.add(draws(2))
const labels = Int32Array.from({ length: n }, (_, i) => i % 2)
const shifted = y.add(hg.tensor(Float64Array.from(labels)).expandDims(1))
const scales = [1e155, 1e305, 2e307, 1e-155, 1e-170, 1e-305]

for (const estimator of [
  new hg.MutualInformation(),
  new hg.KSG(),
  new hg.KSG({ variant: 2, copula: true }),
  new hg.KNN(),
  new hg.ResidualMI(),
  new hg.GaussianMI(),
  new hg.StudentCopulaMI(),
  new hg.EDGE(),
  new hg.EDGE({ copula: false }),
  new hg.HSIC({ sigma: 'median' }),
  new hg.HSIC({ sigma: 'median', kernel: 'laplacian', variant: 'nHSIC' }),
  new hg.DistanceCorrelation(),
  new hg.CKA(),
  new hg.CKA({ kernel: 'rbf' }),
  new hg.RenyiMI({ alpha: 2 }),
]) {
  test(`${estimator.name} ${JSON.stringify(estimator.settings)} does not depend on the unit of either side`, async (t) => {
    const own = await estimator.estimate(x, y)
    for (const scale of scales) {
      for (const [a, b] of [
        [x.mul(scale), y.mul(scale)],
        [x.mul(scale), y],
        [x, y.mul(scale)],
      ] as [Tensor, Tensor][]) {
        t.true(Math.abs((await estimator.estimate(a, b)) - own) < 1e-6, `${scale}`)
      }
    }
  })
}

for (const estimator of [new hg.MixedKSG(), new hg.KNN({ standardize: false, metric: 'euclidean' })]) {
  test(`${estimator.name} does not depend on the unit of both sides`, async (t) => {
    const own = await estimator.estimate(x, y)
    for (const scale of scales) {
      t.true(Math.abs((await estimator.estimate(x.mul(scale), y.mul(scale))) - own) < 1e-6, `${scale}`)
    }
  })
}

for (const estimator of [new hg.Ross(), new hg.DiscriminantMI(), new hg.MutualInformation()]) {
  test(`${estimator.name} of labels does not depend on the unit of the numbers`, async (t) => {
    const own = await estimator.estimate(shifted, labels)
    t.true(own > 0.02)
    for (const scale of scales) {
      t.true(Math.abs((await estimator.estimate(shifted.mul(scale), labels)) - own) < 1e-6, `${scale}`)
    }
  })
}

test('means of large numbers of one sign do not overflow', async (t) => {
  const large = (rows: Tensor) => rows.add(10).mul(1e307)
  for (const estimator of [new hg.KSG(), new hg.GaussianMI(), new hg.CKA(), new hg.DistanceCorrelation()]) {
    const own = await estimator.estimate(x.add(10), y.add(10))
    t.true(Math.abs((await estimator.estimate(large(x), large(y))) - own) < 1e-6, estimator.name)
  }
})

test('the median heuristic, the test of independence and an entropy take any scale', async (t) => {
  const median = await hg.medianSigma(x).item()
  const entropy = await new hg.KLEntropy({ metric: 'euclidean' }).estimate(x)
  const { pValue } = await hg.independenceTest(x, y)
  for (const scale of scales) {
    const scaled = x.mul(scale)
    t.true(Math.abs((await hg.medianSigma(scaled).item()) / scale / median - 1) < 1e-12)
    const moved = await new hg.KLEntropy({ metric: 'euclidean' }).estimate(scaled)
    t.true(Math.abs(moved - Math.log(scale) - entropy) < 1e-9)
    const found = await hg.independenceTest(scaled, y.mul(scale))
    t.true(Math.abs(found.pValue - pValue) < 1e-9)
  }
  const single = x.cast('float32')
  const own = await new hg.HSIC({ sigma: 'median' }).criterion(single, single).item()
  for (const scale of [1e25, 1e-30]) {
    const scaled = single.mul(scale)
    t.true(Math.abs((await new hg.HSIC({ sigma: 'median' }).criterion(scaled, scaled).item()) - own) < 1e-5)
  }
})

test('columns of ordinary size keep every bit', async (t) => {
  const columns = hg.concat([x.mul(1e99), x.mul(1e-98), x], 1)
  t.deepEqual(await columnsInRange(columns).array(), await columns.array())
})

test('subnormal numbers are refused in words', async (t) => {
  for (const ask of [
    () => new hg.KSG().estimate(x.mul(1e-320), y),
    () => hg.mutualInformation(x, y.mul(1e-320)),
    () => hg.independenceTest(x.mul(1e-320), y),
    () => new hg.KLEntropy().estimate(x.mul(1e-320)),
  ]) {
    await t.throwsAsync(ask, { code: 'DATA', message: /keeps only a few digits.*larger unit/ })
  }
  t.is(await new hg.GaussianMI().estimate(x, hg.zeros([n, 1], { dtype: 'float64' })), 0)
})
