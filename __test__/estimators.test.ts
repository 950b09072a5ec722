/** Estimators against exact values, population values and invariances. */
import test from 'ava'
import fc from 'fast-check'
import {
  Binned,
  CKA,
  type CKAOptions,
  createEstimator,
  DiscreteMI,
  DiscriminantMI,
  DistanceCorrelation,
  EDGE,
  type Estimator,
  estimatorNames,
  GaussianCopulaMI,
  GaussianMI,
  grad,
  HSIC,
  independenceTest,
  infoNCE,
  KDE,
  kdeEntropy,
  key,
  laplacianKernel,
  linearKernel,
  mutualInformation,
  normal,
  RenyiMI,
  ResidualMI,
  StudentCopulaMI,
  type Tensor,
  tensor,
  tidy,
} from '../ts/index.js'
import { close, numericalGradient } from './close.js'

/** n draws of pairs of d independent normal coordinates with correlation r, as float64 `[n, d]` each. */
function normalPairs(n: number, r: number, d = 1, seed = 1): { x: Tensor; y: Tensor } {
  const z = normal(key(seed), [2, n, d], { dtype: 'float64' })
  const x = z.slice([0], [1]).reshape([n, d])
  const noise = z.slice([1], [2]).reshape([n, d])
  return { x, y: x.mul(r).add(noise.mul(Math.sqrt(1 - r * r))) }
}

/** Information of {@link normalPairs} in nats. */
const truth = (r: number, d = 1) => (-d / 2) * Math.log(1 - r * r)

const labelsOf = (values: readonly number[]) => tensor(Int32Array.from(values))
const value = (estimator: Estimator, x: Tensor, y: Tensor) => tidy(() => estimator.criterion(x, y)).itemSync()

test('normal data: every estimator of information finds -1/2 ln(1 - r^2)', (t) => {
  const { x, y } = normalPairs(2000, 0.8)
  for (const [estimator, error] of [
    [new GaussianMI(), 0.03],
    [new GaussianCopulaMI(), 0.03],
    [new StudentCopulaMI(), 0.03],
    [new ResidualMI(), 0.08],
    [new EDGE(), 0.04],
  ] as const) {
    const got = value(estimator, x, y)
    t.true(Math.abs(got - truth(0.8)) < error, `${estimator.name}: ${got}, expected ${truth(0.8)}`)
  }
})

test('independent data: the mean over seeds is near 0', (t) => {
  for (const estimator of [new GaussianMI({ biasCorrection: true }), new GaussianCopulaMI(), new EDGE()]) {
    const values = Array.from({ length: 20 }, (_, seed) => {
      const { x, y } = normalPairs(300, 0, 2, seed + 10)
      return value(estimator, x, y)
    })
    const mean = values.reduce((a, b) => a + b) / values.length
    t.true(Math.abs(mean) < 0.01, `${estimator.name}: ${mean}`)
  }
})

test('GaussianMI is 1/2 ln(|Cx| |Cy| / |Cxy|) and ignores constant columns', (t) => {
  const { x, y } = normalPairs(50, 0.5, 1)
  const [a, b] = [x.sub(x.mean()), y.sub(y.mean())]
  const r2 = a.mul(b).sum().square().div(a.square().sum().mul(b.square().sum())).itemSync()
  close(t, new GaussianMI().criterion(x, y), [-0.5 * Math.log(1 - r2)], 1e-12)
  const constant = tensor(new Float64Array(50).fill(0.1), { shape: [50, 1] })
  close(t, new GaussianMI().criterion(constant, y), [0], 1e-15)
  close(t, new GaussianCopulaMI().criterion(x, constant), [0], 1e-15)
  close(t, new GaussianMI({ base: 2 }).criterion(x, y), [(-0.5 * Math.log(1 - r2)) / Math.LN2], 1e-12)
})

test('gradients of the differentiable estimators agree with finite differences', (t) => {
  const { x, y } = normalPairs(8, 0.5, 2, 4)
  for (const estimator of [
    new GaussianMI(),
    new KDE({ variance: 0.5 }),
    new DistanceCorrelation(),
    new DistanceCorrelation({ estimator: 'unbiased' }),
    new CKA(),
    new CKA({ kernel: 'linear', unbiased: true }),
    new RenyiMI({ sigma: 1 }),
    new RenyiMI({ sigma: 1, alpha: 2 }),
  ]) {
    const of = (v: Tensor) => estimator.criterion(v, y)
    close(t, grad(of)(x), numericalGradient(of, x), 1e-6)
  }
})

test('the t copula: dependence in the tails alone is found, in nats', (t) => {
  // Two uncorrelated t variables with 1 degree of freedom, from one chi-square: the truth is the constant of the family.
  const { x, y } = normalPairs(3000, 0, 1, 7)
  const scale = normal(key(8), [3000, 1], { dtype: 'float64' }).abs()
  const got = value(new StudentCopulaMI(), x.div(scale), y.div(scale))
  t.true(Math.abs(got - 0.2242) < 0.03, `${got}`)
  t.true(Math.abs(value(new GaussianCopulaMI(), x.div(scale), y.div(scale))) < 0.03)
})

test('additive noise that is not normal: the residual estimate', (t) => {
  const { x, y } = normalPairs(2000, 0, 2, 3)
  // y = x + U(0, 1) in two dimensions, as in the figure of the EDGE paper; U from normal by its distribution function.
  const noise = y.div(Math.SQRT2).erf().add(1).div(2)
  const got = value(new ResidualMI(), x, x.add(noise))
  t.true(Math.abs(got - 2.918) < 0.2, `${got}`)
})

test('distance correlation of normal pairs is its population value', (t) => {
  const r = 0.6
  const above = r * Math.asin(r) + Math.sqrt(1 - r * r) - r * Math.asin(r / 2) - Math.sqrt(4 - r * r) + 1
  const population = above / (1 + Math.PI / 3 - Math.sqrt(3))
  const { x, y } = normalPairs(1500, r)
  const squared = value(new DistanceCorrelation({ estimator: 'unbiased' }), x, y)
  t.true(Math.abs(squared - population) < 0.05, `${squared}, population ${population}`)
  t.true(Math.abs(value(new DistanceCorrelation(), x, y) ** 2 - population) < 0.06)
})

test('discrete information: exact tables, labels and one-hot rows alike', async (t) => {
  const [x, y] = [labelsOf([0, 0, 1, 1]), labelsOf([5, 5, 9, 9])]
  const plain = new DiscreteMI({ correction: 'none' })
  close(t, plain.criterion(x, y), [Math.LN2], 1e-15)
  close(t, plain.criterion(x.oneHot(2).cast('float64'), y), [Math.LN2], 1e-15)
  close(t, plain.criterion(x, labelsOf([3, 3, 3, 3])), [0], 1e-15)
  close(t, new DiscreteMI({ correction: 'millerMadow' }).criterion(x, y), [Math.LN2 + 1 / 8], 1e-15)
  t.is(await new DiscreteMI({ correction: 'none', base: 2 }).estimate(['0', 1].map(Number), [4, 2]), 1)
})

test('binned activations: edges, range and symbols', (t) => {
  const column = (values: number[]) => tensor(Float64Array.from(values), { shape: [values.length, 1] })
  const bins = (options: ConstructorParameters<typeof Binned>[0], values: number[]) => [
    ...(new Binned(options).bins(column(values)).dataSync() as Float64Array),
  ]
  t.deepEqual(bins({}, [-1, -0.94, 0, 0.999, 1, 7, -7]), [0, 0, 15, 29, 29, 29, 0])
  t.deepEqual(bins({ binSize: 0.5 }, [-0.1, 0, 0.49, 0.5, 3]), [-1, 0, 0, 1, 6])
  t.deepEqual(bins({ bins: 2, range: 'data' }, [3, 4, 5]), [0, 1, 1])
  t.deepEqual(bins({ bins: 2, range: 'data' }, [3, 3]), [0, 0])
  const wide = normal(key(3), [40, 1000], { dtype: 'float64' })
  const inputs = column(Array.from({ length: 40 }, (_, i) => i))
  close(t, new Binned().criterion(wide, inputs), [Math.log(40)], 1e-12)
  close(t, new Binned().criterion(wide.mul(0), inputs), [0], 1e-12)
})

test('KDE bounds: lower <= upper <= ln n, and the entropy of one point', (t) => {
  const { x, y } = normalPairs(40, 0.3, 2)
  const [upper, lower] = (['upper', 'lower'] as const).map((bound) =>
    value(new KDE({ variance: 0.1, bound }), x, y),
  ) as [number, number]
  t.true(0 < lower && lower < upper && upper < Math.log(40))
  const noise = Math.log(2 * Math.PI * 0.1) + 1
  close(t, kdeEntropy(x.mul(0), { variance: 0.1 }), [noise], 1e-12)
  close(t, new KDE().criterion(x.mul(0), y), [0], 1e-12)
})

test('CKA: features and kernels agree, batches average before the division', async (t) => {
  const { x, y } = normalPairs(30, 0.4, 3)
  const wide = normal(key(9), [30, 40], { dtype: 'float64' })
  const kernels = new CKA({ kernel: linearKernel() })
  close(t, new CKA().criterion(x, y), [value(kernels, x, y)], 1e-12)
  close(t, new CKA().criterion(x, wide), [value(kernels, x, wide)], 1e-12)
  const unbiased = new CKA({ unbiased: true })
  close(t, [await unbiased.estimateBatches([[x, y]])], [value(unbiased, x, y)], 1e-12)
  const twice = await unbiased.estimateBatches([
    [x, y],
    [x, y],
  ])
  close(t, [twice], [value(unbiased, x, y)], 1e-12)
  close(t, new CKA({ kernel: 'rbf' }).criterion(x, x.mul(0)), [0])
})

test('CKA: gradients agree with finite differences, and a segment with separate calls', (t) => {
  const { x, y } = normalPairs(12, 0.4, 3)
  const hidden = [normal(key(4), [12, 2, 5], { dtype: 'float64' }), x.square()]
  for (const options of [
    {},
    { unbiased: true },
    { kernel: 'rbf', sigma: 1.3 },
    { kernel: 'rbf', sigma: 2, unbiased: true },
    { kernel: laplacianKernel({ sigma: 3 }) },
  ] as CKAOptions[]) {
    const cka = new CKA(options)
    const inX = (v: Tensor) => cka.criterion(v, y)
    close(t, grad(inX)(x), numericalGradient(inX, x), 1e-6)
    const pairs = cka.evaluateSegment([x, ...hidden, y])
    pairs.forEach(([hx, hy], layer) => {
      const h = (hidden[layer] as Tensor).reshape([12, -1])
      close(t, hx as Tensor, [value(cka, h, x)], 1e-9)
      close(t, hy as Tensor, [value(cka, h, y)], 1e-9)
    })
  }
})

test('Renyi information: entropies within [0, ln n], channels, labels', (t) => {
  const { x, y } = normalPairs(12, 0.5, 4)
  for (const alpha of [1.01, 2]) {
    const mi = new RenyiMI({ alpha, sigma: 'neighbors' })
    const got = value(mi, x, y)
    t.true(got > 0 && got < Math.log(12))
    close(t, mi.criterion(x.mul(0), y), [0], 1e-9)
  }
  const channels = new RenyiMI({ sigma: 1, channels: true })
  close(t, channels.criterion(x.reshape([12, 1, 4]), y), [value(new RenyiMI({ sigma: 1 }), x, y)], 1e-9)
  const labels = labelsOf([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
  t.true(Math.abs(value(new RenyiMI({ alpha: 2 }), labels, labels) - Math.LN2) < 1e-9)
})

test('the discriminant bound: classes with a common covariance, and classes that no line tells apart', async (t) => {
  const n = 1000
  const z = normal(key(5), [n, 3], { dtype: 'float64' })
  const labels = Int32Array.from({ length: n }, (_, i) => i % 2)
  const shift = tensor(
    Float64Array.from({ length: n * 3 }, (_, i) => (i % 3 === 0 ? 2 * (labels[i / 3] as number) : 0)),
    {
      shape: [n, 3],
    },
  )
  const got = await new DiscriminantMI().estimate(z.add(shift), labels)
  t.true(Math.abs(got - 0.3368) < 0.06, `${got}`)
  t.true((await new DiscriminantMI().estimate(z, labels)) < 0.01)
})

test('mutualInformation looks at the kind of data', async (t) => {
  const { x, y } = normalPairs(1000, 0.9, 1)
  const near = (got: number, want: number, error: number) =>
    t.true(Math.abs(got - want) < error, `${got}, expected ${want}`)
  near(await mutualInformation(x, y), truth(0.9), 0.06)
  near(await mutualInformation(x, y, { base: 2 }), truth(0.9) / Math.LN2, 0.09)
  const sign = Int32Array.from(x.dataSync() as Float64Array, (v) => Number(v > 0))
  near(await mutualInformation(sign, x), Math.LN2, 0.02)
  near(await mutualInformation([...sign], [...sign]), Math.LN2, 0.01)
  const swapped = Int32Array.from(sign, (v) => (v === 0 ? 9 : 1))
  near(await mutualInformation(sign, swapped), Math.LN2, 0.01)
  // Half of the samples of both sides are at an atom, the rest is independent: only the atom has information, H(1/2).
  const rows = x.dataSync() as Float64Array
  const mixedX = rows.map((v, i) => (i % 2 === 0 ? 0 : v))
  const mixedY = (normal(key(77), [1000], { dtype: 'float64' }).dataSync() as Float64Array).map((v, i) =>
    i % 2 === 0 ? 0 : v,
  )
  near(await mutualInformation(mixedX, mixedY), Math.LN2, 0.06)
})

test('a constant tells nothing, for every estimator', async (t) => {
  const { x } = normalPairs(60, 0)
  const constant = tensor(new Float64Array(60).fill(0.3), { shape: [60, 1] })
  const classes = Int32Array.from({ length: 60 }, (_, i) => i % 3)
  const alike = new Int32Array(60)
  const trained = ['mine', 'nwj', 'infoNCE', 'smile', 'club']
  for (const name of estimatorNames) {
    if (trained.includes(name)) continue
    const estimator = name === 'hsic' ? createEstimator(name, { sigma: 1 }) : createEstimator(name)
    const { takes } = estimator
    const got =
      takes.x === 'classes'
        ? await estimator.estimate(classes, alike)
        : await estimator.estimate(x, takes.y === 'classes' ? alike : constant)
    t.true(Math.abs(got) < 1e-9, `${name}: ${got}`)
  }
})

/** Random samples, small enough to try many. */
const seeds = fc.integer({ min: 1, max: 1e6 })
const general: readonly Estimator[] = [
  new GaussianMI(),
  new GaussianCopulaMI(),
  new StudentCopulaMI(),
  new DistanceCorrelation(),
  new CKA(),
  new RenyiMI({ alpha: 2, sigma: 1 }),
]

test('the order of the samples changes nothing, nor does swapping x and y or shifting', (t) => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const { x, y } = normalPairs(24, 0.4, 2, seed)
      const order = tensor(Int32Array.from({ length: 24 }, (_, i) => (i * 7 + seed) % 24))
      for (const estimator of general) {
        const own = value(estimator, x, y)
        close(t, [value(estimator, x.take(order), y.take(order))], [own], 1e-10)
        close(t, [value(estimator, y, x)], [own], 1e-10)
        close(t, [value(estimator, x.add(3), y.sub(5))], [own], 1e-9)
      }
    }),
    { numRuns: 8 },
  )
})

test('increasing maps of a column leave rank-based estimators alone', (t) => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const { x, y } = normalPairs(40, 0.5, 2, seed)
      for (const estimator of [new GaussianCopulaMI(), new StudentCopulaMI(), new EDGE({ seed: 3 })]) {
        close(t, [value(estimator, x.exp(), y.mul(y).mul(y))], [value(estimator, x, y)], 1e-10)
      }
    }),
    { numRuns: 8 },
  )
})

test('InfoNCE stays below ln n, and bounds refuse scores that are not square', (t) => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const scores = normal(key(seed), [6, 6], { dtype: 'float64' }).mul(20)
      t.true(infoNCE(scores).itemSync() <= Math.log(6) + 1e-12)
    }),
    { numRuns: 20 },
  )
  t.throws(() => infoNCE(normal(key(1), [3, 4])), { code: 'SHAPE' })
})

test('tests of independence tell dependence from none', async (t) => {
  const { x, y } = normalPairs(100, 0.6, 1, 2)
  const apart = normalPairs(100, 0, 1, 3)
  const found = await independenceTest(x, y)
  t.true(found.pValue <= 0.01, String(found.pValue))
  const none = await independenceTest(apart.x, apart.y)
  t.true(none.pValue > 0.05, String(none.pValue))
  close(t, [found.statistic], [value(new HSIC({ sigma: 'median', estimator: 'biasedN2' }), x, y)], 1e-12)
  const few = normalPairs(19, 0.6, 1, 2)
  await t.throwsAsync(independenceTest(few.x, few.y), {
    code: 'DATA',
    message: /at least 20 samples.*permutationTest/,
  })
  await t.throwsAsync(independenceTest(x, y, { permutations: 20 } as object), { message: /permutations/ })
})
