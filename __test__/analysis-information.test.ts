/** Information among several variables against theory. */
import test from 'ava'
import * as hg from '../ts/index.js'
import { DataError, DTypeError, type Tensor } from '../ts/index.js'
import { checkGradient, sample } from './helpers.js'

const noise = (n: number, salt: number, d = 1) => hg.normal(hg.key(salt), [n, d], { dtype: 'float64' })
const near = (value: number, truth: number, error: number) => Math.abs(value - truth) <= error

test('conditional information of normal variables is that of the partial correlation', async (t) => {
  const n = 2000
  const z = noise(n, 1)
  const x = z.add(noise(n, 2))
  const u = noise(n, 3)
  // Given z, x - z and y - z have correlation 0.8.
  const y = z.add(x.sub(z).mul(0.8)).add(u.mul(0.6))
  const truth = -Math.log(1 - 0.64) / 2
  const gaussian = await hg.conditionalMutualInformation(x, y, z, { estimator: 'gaussian' })
  const knn = await hg.conditionalMutualInformation(x, y, z)
  t.true(near(gaussian, truth, 0.05), `${gaussian}`)
  t.true(near(knn, truth, 0.07), `${knn}`)
  t.true(near(await hg.partialCorrelation(x, y, z), 0.8, 0.03))
  const apart = await hg.conditionalMutualInformation(x, z.add(u), z)
  t.true(near(apart, 0, 0.05), `${apart}`)
  const inBits = await hg.conditionalMutualInformation(x, y, z, { estimator: 'gaussian', base: 2 })
  t.true(near(inBits, gaussian / Math.LN2, 1e-12))
})

test('the Gaussian form is differentiable', (t) => {
  const [x, y, z] = [sample([9, 1]), sample([9, 2], -1, 1, 5).sin(), sample([9, 1], -1, 1, 9).exp()]
  checkGradient(t, (a, b, c) => hg.gaussianConditional(a as Tensor, b as Tensor, c as Tensor), [x, y, z], {
    tolerance: 1e-5,
    second: false,
  })
})

test('transfer entropy of autoregressive series goes one way', async (t) => {
  const n = 4000
  const [e, f] = [(await noise(n, 5).data()) as Float64Array, (await noise(n, 6).data()) as Float64Array]
  const x = e
  const y = new Float64Array(n)
  for (let i = 1; i < n; i++) {
    y[i] = 0.5 * (y[i - 1] as number) + 0.7 * (x[i - 1] as number) + (f[i] as number)
  }
  // y_t given its past has the variance 0.49 + 1, given x as well 1.
  const truth = Math.log(1.49) / 2
  for (const estimator of ['gaussian', 'knn'] as const) {
    const { value, rows } = await hg.transferEntropy(x, y, { estimator })
    const back = await hg.transferEntropy(y, x, { estimator })
    t.is(rows, n - 1)
    t.true(near(value, truth, 0.03), `${estimator} ${value}`)
    t.true(near(back.value, 0, 0.02), `${estimator} ${back.value}`)
  }
  const late = await hg.transferEntropy(x, y, { estimator: 'gaussian', history: 2, delay: 3 })
  t.true(late.value < 0.02, 'what is older than the history knows nothing more')
})

test('a copied symbol is transferred in full', async (t) => {
  const x = Int32Array.from({ length: 400 }, (_, i) => Number((i * 7919) % 13 > 5))
  const y = Int32Array.from(x, (_, i) => (i === 0 ? 0 : (x[i - 1] as number)))
  const { value } = await hg.transferEntropy(x, y)
  const { value: entropy } = await hg.labelEntropy(x)
  t.true(value > 0.5 * entropy && value <= entropy + 1e-12)
})

test('interaction has the signs of its names: xor is synergy, copies are redundancy', async (t) => {
  const bits = (f: (i: number) => number) => Int32Array.from({ length: 64 }, (_, i) => f(i))
  const [a, b] = [bits((i) => i & 1), bits((i) => (i >> 1) & 1)]
  const xor = await hg.interactionInformation(
    a,
    b,
    bits((i) => (i & 1) ^ ((i >> 1) & 1)),
  )
  t.true(near(xor.interactionInformation, Math.LN2, 1e-12))
  t.true(near(xor.mutualInformation, 0, 1e-12))
  const copies = await hg.interactionInformation(a, a, a, { base: 2 })
  t.true(near(copies.coInformation, 1, 1e-12))
})

test('total correlation of normal variables is that of their determinant', async (t) => {
  const n = 5000
  const common = noise(n, 7)
  const parts = [1, 2, 3].map((i) => common.add(noise(n, 10 + i)))
  // Correlation 1/2 of each pair: |R| = (1 - r)^2 (1 + 2 r).
  const { totalCorrelation, dualTotalCorrelation } = await hg.totalCorrelation(parts)
  t.true(near(totalCorrelation, -Math.log(0.25 * 2) / 2, 0.04), `${totalCorrelation}`)
  // Of two variables both are their information.
  const two = await hg.totalCorrelation(parts.slice(0, 2))
  t.true(near(two.totalCorrelation, two.dualTotalCorrelation, 1e-9))
  t.true(near(two.totalCorrelation, -Math.log(1 - 0.25) / 2, 0.03))
  t.true(dualTotalCorrelation > 0)
})

test('labels are never taken for numbers, and copies are told', async (t) => {
  const labels = Int32Array.from({ length: 40 }, (_, i) => i % 3)
  const x = sample([40, 1])
  await t.throwsAsync(hg.conditionalMutualInformation(x, labels, x, { estimator: 'knn' }), {
    instanceOf: DTypeError,
    message: /y holds class labels/,
  })
  const same = hg.zeros([40, 1], { dtype: 'float64' })
  await t.throwsAsync(hg.conditionalMutualInformation(same, same, same), { instanceOf: DataError })
  await t.throwsAsync(hg.transferEntropy([1, 2, 3], [1, 2, 3], { history: 2 }), { instanceOf: DataError })
})

test('normalized information depends on no unit, is near 0 of independent and near 1 of equal variables', async (t) => {
  const n = 600
  const [x, u] = [noise(n, 21), noise(n, 22)]
  const y = x.add(u.mul(0.5))
  const first = await hg.normalizedInformation(x, y)
  for (const [a, b, place] of [
    [x, y.mul(0), /y: column 0 is constant.*leave the column out/],
    [hg.concat([x, x.mul(0).add(2)], 1), y, /x: column 1 is constant/],
  ] as const) {
    await t.throwsAsync(hg.normalizedInformation(a, b), { instanceOf: DataError, message: place })
  }
  const scaled = await hg.normalizedInformation(x.mul(1e6).add(3), y.mul(1e-3))
  for (const name of ['geometric', 'joint', 'max'] as const)
    t.true(near(first[name], scaled[name], 1e-9), name)
  t.true((await hg.normalizedInformation(x, u)).geometric < 0.05)
  t.true((await hg.normalizedInformation(x, x.mul(2))).geometric > 0.9)
})

test('entropies that are not above 0 divide no information', async (t) => {
  const x = noise(300, 41)
  const y = x.add(noise(300, 42).mul(0.01))
  await t.throwsAsync(hg.normalizedInformation(x, y, { scale: 'none' }), {
    instanceOf: DataError,
    message:
      /with scale 'none' the entropies are H\(X\) = .*H\(X, Y\) = -.* nats.*the default scale 'volume', or mutualInformation/,
  })
  const { geometric, jointEntropy } = await hg.normalizedInformation(x, y)
  t.true(geometric > 0.5 && geometric <= 1 && jointEntropy > 0)
})

test('labelings agree whatever their numbers, and by chance not at all', async (t) => {
  const a = Int32Array.from({ length: 90 }, (_, i) => i % 3)
  const renamed = a.map((label) => [7, -2, 40][label] as number)
  const same = await hg.labelAgreement(a, renamed)
  t.true(near(same.normalized.min, 1, 1e-12))
  t.true(near(same.adjusted.arithmetic, 1, 1e-12))
  t.true(near(same.variationOfInformation, 0, 1e-12))
  const order = new hg.HostRandom(3)
  let adjusted = 0
  let plain = 0
  for (let round = 0; round < 30; round++) {
    const rows = order.permutation(90)
    const found = await hg.labelAgreement(
      a,
      Int32Array.from(rows, (row) => row % 9),
    )
    adjusted += found.adjusted.arithmetic / 30
    plain += found.normalized.arithmetic / 30
  }
  t.true(Math.abs(adjusted) < 0.03, `${adjusted}`)
  t.true(plain > 0.05, 'the plain one is above 0 by chance')
  const one = new Int32Array(9)
  t.is((await hg.labelAgreement(one, one)).adjusted.max, 1)
})

test('noisy information lies between its bounds, and is known of far and of near samples', async (t) => {
  const labels = Int32Array.from({ length: 60 }, (_, i) => i % 2)
  const h = hg.concat([noise(60, 31, 2), hg.tensor(labels).cast('float64').reshape([60, 1])], 1)
  for (const variance of [0.01, 0.1, 1, 10]) {
    const { withInput, withTarget } = await hg.noisyInformation(h, labels, { variance, draws: 20 })
    for (const { value, lower, upper, standardError } of [withInput, withTarget as hg.BoundedInformation]) {
      t.true(
        lower - 4 * standardError <= value && value <= upper + 4 * standardError,
        `${variance}: ${lower} ${value} ${upper}`,
      )
      t.true(lower <= upper)
    }
  }
  const far = hg.tensor([[0], [1e3], [2e3], [3e3]], { dtype: 'float64' })
  const apart = await hg.noisyInformation(far, Int32Array.of(0, 0, 1, 1), { variance: 1 })
  t.true(near(apart.withInput.value, Math.log(4), 1e-9))
  t.true(near(apart.withTarget?.value as number, Math.LN2, 1e-9))
  t.true(near(apart.withTarget?.lower as number, Math.LN2, 1e-9))
  const same = await hg.noisyInformation(hg.zeros([8, 2], { dtype: 'float64' }))
  t.true(near(same.withInput.value, 0, 1e-12))
  const again = await hg.noisyInformation(h, labels, { seed: 4 })
  t.deepEqual(again, await hg.noisyInformation(h, labels, { seed: 4 }))
})
