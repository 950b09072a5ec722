/**
 * What people report in public of estimators of information and dependence, tried here. A test is named after the report:
 * repository#number.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import * as hg from '../ts/index.js'
import { concat, key, normal, type Tensor, tensor, uniform } from '../ts/index.js'
import { warningsOf } from './warnings.js'

const f64 = { dtype: 'float64' } as const
const noise = (shape: number[], seed: number) => normal(key(seed), shape, f64)
const even = (shape: number[], seed: number) => uniform(key(seed), shape, f64)
/** Two normal vectors, each coordinate of one correlated with that of the other. */
function pairs(n: number, d: number, rho: number, seed: number): { x: Tensor; y: Tensor; truth: number } {
  const x = noise([n, d], seed)
  const y = x.mul(rho).add(noise([n, d], seed + 1000).mul(Math.sqrt(1 - rho * rho)))
  return { x, y, truth: (-d / 2) * Math.log(1 - rho * rho) }
}
const labelsOf = (n: number, classes: number) => Int32Array.from({ length: n }, (_, i) => i % classes)
const codesOf = async (work: () => unknown) => (await warningsOf(work)).map(({ code }) => code)
const dataError = { instanceOf: hg.DataError }

test.serial('ravidziv/IDNNs#12: bins for tanh, given relu units up to 50, are told not to fit', async (t) => {
  const y = labelsOf(1000, 4)
  const x = noise([1000, 3], 1).mul(20).relu().add(tensor(y).cast('float64').expandDims(1))
  const binned = new hg.Binned()
  t.true((await codesOf(() => binned.estimate(x, y))).includes('HYPERGLOW_OUT_OF_RANGE'))
  const { value, warnings } = await binned.estimate(x, y, { details: true })
  t.regex(warnings.join(), /outside the bins on \[-1,1\].*compression that does not exist.*binSize/)
  const wide = await new hg.Binned({ binSize: 0.07 }).estimate(x, y, { details: true })
  t.deepEqual(
    wide.warnings.filter((one) => /outside/.test(one)),
    [],
  )
  t.true(wide.value > value)
})

test('gregversteeg/NPEET#6: entropies below 0 are explained, and of x with x it is told to be -infinity', async (t) => {
  const x = even([500, 1], 2)
  const found = await new hg.KLEntropy().estimate(x.mul(0.01), { details: true })
  t.true(Math.abs(found.value - Math.log(0.01)) < 0.1)
  t.regex(String(found), /nats.*may be negative: it is relative to the units/s)
  for (const twice of [concat([x, x], 1), concat([x, x.mul(-3).add(1)], 1), concat([x, x.mul(0)], 1)]) {
    await t.throwsAsync(new hg.KLEntropy().estimate(twice), {
      ...dataError,
      message: /1 dimensions.*-infinity/,
    })
  }
  t.true(Number.isFinite(await new hg.KLEntropy().estimate(concat([x, x.square()], 1))))
})

const unitFree: (new () => hg.Estimator)[] = [
  hg.KSG,
  hg.KNN,
  hg.ResidualMI,
  hg.GaussianMI,
  hg.GaussianCopulaMI,
  hg.StudentCopulaMI,
  hg.EDGE,
]

test.serial(
  'gregversteeg/NPEET#19: information does not depend on units, or a warning says that it does',
  async (t) => {
    const [x, y] = [even([1000, 1], 3), even([1000, 1], 4)]
    const z = x.add(y).mul(0.5)
    const ofAll = (a: number) => [
      ...unitFree.map((Type) => new Type().estimate(x.mul(a), z)),
      hg.mutualInformation(x.mul(a), z),
      new hg.MixedKSG({ standardize: true }).estimate(x.mul(a), z),
    ]
    const own = await Promise.all(ofAll(1))
    for (const a of [10, 100]) {
      for (const [i, value] of (await Promise.all(ofAll(a))).entries()) {
        t.true(
          Math.abs(value - (own[i] as number)) < 1e-6,
          `${unitFree[i]?.name} at ${a}: ${value}, ${own[i]}`,
        )
      }
    }
    const mixed = new hg.MixedKSG()
    t.deepEqual(await codesOf(() => mixed.estimate(x, z)), [])
    t.true((await codesOf(() => mixed.estimate(x.mul(100), z))).includes('HYPERGLOW_SCALES'))
    const labels = Int32Array.from((await x.data()) as Float64Array, (value) => Math.floor(2 * value))
    const told = await new hg.Ross().estimate(concat([x, y.mul(100)], 1), labels, { details: true })
    t.regex(told.warnings.join(), /varies .* times as much.*standardize: true/)
  },
)

const informed = [...unitFree, hg.MixedKSG].map((Type) => new Type())

for (const [name, d] of [
  ['x', 1],
  ['xy', 2],
] as const) {
  test(`gregversteeg/NPEET#26: information of ${name} with itself is told to be infinite`, async (t) => {
    const x = noise([1000, d], 5)
    for (const estimator of informed) {
      const { value, warnings } = await estimator.estimate(x, x, { details: true })
      t.true(value > 3, estimator.name)
      t.regex(warnings.join(), /infinite/, estimator.name)
    }
    const { value, warnings } = await hg.mutualInformation(x, x, { details: true })
    t.true(value > 5 * d)
    t.regex(warnings.join(), /infinite/)
    // Pure noise has no information.
    const clean = pairs(1000, d, 0.7, 6)
    for (const estimator of informed) {
      const { warnings } = await estimator.estimate(clean.x, clean.y, { details: true })
      t.deepEqual(warnings, [], estimator.name)
    }
  })
}

test('wgao9/knnie#3: 16 and 16 correlated columns: the truth, or a word on dimension', async (t) => {
  const { x, y, truth } = pairs(5000, 16, 0.5, 7)
  t.true(Math.abs((await hg.mutualInformation(x, y)) - truth) < 0.1)
  const ksg = await new hg.KSG().estimate(x, y, { details: true })
  t.true(ksg.value < truth / 2)
  t.regex(ksg.warnings.join(), /in 32 dimensions .* biased downward; use mutualInformation/)
})

test('mutualinfo/mutual_info#1: an entropy prints with its unit and its kind', async (t) => {
  const found = String(
    await new hg.KLEntropy({ base: 2 }).estimate(noise([200, 1], 8).mul(0.01), { details: true }),
  )
  t.regex(found, /^-\d\.\d+ bits\n.*KLEntropy.*entropy of a density may be negative/s)
})

test('dit/dit#161: bounds from below and above of activations and labels, by one call', async (t) => {
  const y = labelsOf(400, 3)
  const x = noise([400, 20], 9).mul(0.05).add(tensor(y).cast('float64').expandDims(1).mul(0.02))
  const found = await new hg.KDE({ variance: 1e-3 }).estimate(x, y, { details: true })
  const [lower, upper] = [found.lower as number, found.upper as number]
  t.true(0 < lower && lower <= upper && upper <= Math.log(3) + 1e-12)
  t.true(found.value === upper)
})

test('artemyk/nonlinearIB#7: the bounds of densities are those of the paper, with the noise where it says', async (t) => {
  const y = labelsOf(60, 3)
  const x = noise([60, 2], 10).mul(0.1).add(tensor(y).cast('float64').expandDims(1).mul(0.1))
  const rows = (await x.array()) as number[][]
  const variance = 0.01
  // -mean_i ln mean_j exp(-|t_i - t_j|^2 / width): width 2 v from above (Kullback-Leibler), 8 v from below (Bhattacharyya).
  const entropy = (part: number[][], width: number) => {
    const density = (a: number[]) =>
      part.reduce(
        (sum, b) => sum + Math.exp(-a.reduce((s, v, k) => s + (v - (b[k] as number)) ** 2, 0) / width),
        0,
      )
    return -part.reduce((sum, a) => sum + Math.log(density(a) / part.length), 0) / part.length
  }
  const bound = (width: number) => {
    const parts = [0, 1, 2].map((c) => rows.filter((_, i) => y[i] === c))
    return entropy(rows, width) - parts.reduce((sum, part) => sum + entropy(part, width) / 3, 0)
  }
  const found = await new hg.KDE({ variance }).estimate(x, y, { details: true })
  t.true(
    Math.abs((found.upper as number) - bound(2 * variance)) < 1e-9,
    `${found.upper}, ${bound(2 * variance)}`,
  )
  t.true(
    Math.abs((found.lower as number) - bound(8 * variance)) < 1e-9,
    `${found.lower}, ${bound(8 * variance)}`,
  )
  t.is((found.settings as { variance: number }).variance, variance)
  t.regex(readFileSync(join(packageRoot, 'docs', 'estimators.md'), 'utf8'), /`KDE`.*noise of variance v/)
})

test('mrtnoshad/EDGE#5: collisions of hashing are counted', async (t) => {
  const { x, y } = pairs(500, 1, 0.5, 11)
  const { collisions } = await new hg.EDGE().estimate(x, y, { details: true })
  t.true((collisions?.x as number) > 0 && (collisions?.x as number) < 500)
  const symbols = tensor(Float64Array.from(labelsOf(500, 4)))
  const { collisions: none } = await new hg.EDGE().estimate(symbols, symbols, { details: true })
  t.is(none?.x, 0)
})

test('spino17/PyGlow!28: EDGE is near the truth of normal pairs', async (t) => {
  const { x, y, truth } = pairs(2000, 1, 0.8, 12)
  t.true(Math.abs((await new hg.EDGE().estimate(x, y)) - truth) < 0.06)
})

test('choasma/HSIC-bottleneck#9: CKA and the normalized HSIC of the bottleneck are two measures, each by its formula', async (t) => {
  const n = 30
  const { x, y } = pairs(n, 2, 0.7, 13)
  const epsilon = 1e-3
  const centering = hg.eye(n, n, f64).sub(1 / n)
  const centered = (v: Tensor) => centering.matmul(v.gaussianGram(1.5)).matmul(centering)
  const [k, l] = [centered(x), centered(y)]
  const product = (a: Tensor, b: Tensor) => a.mul(b).sum().itemSync()
  const cka = await new hg.CKA({ kernel: 'rbf', sigma: 1.5 }).estimate(x, y)
  t.true(Math.abs(cka - product(k, l) / Math.sqrt(product(k, k) * product(l, l))) < 1e-9)
  const regular = (m: Tensor) => m.matmul(m.add(hg.eye(n, n, f64).mul(epsilon * n)).inv())
  const nHsic = await new hg.HSIC({ sigma: 1.5, variant: 'nHSIC', epsilon }).estimate(x, y)
  t.true(Math.abs(nHsic - product(regular(k), regular(l))) < 1e-8)
  t.true(Math.abs(cka - nHsic) > 0.1)
})

test('choasma/HSIC-bottleneck#7: classes of unformatted training are found on training data, and asked for before', async (t) => {
  const y = labelsOf(90, 3)
  const centers = [
    [2, 0],
    [-1, 1.7],
    [-1, -1.7],
  ] as const
  const x = tensor(
    Float32Array.from({ length: 180 }, (_, i) => centers[(i >> 1) % 3]?.[i % 2] as number),
    {
      shape: [90, 2],
    },
  ).add(normal(key(14), [90, 2]).mul(0.3))
  const data = new hg.ArrayDataset(x, y, { batchSize: 30, seed: 1 })
  const model = new hg.HSICSequential({ inputShape: [2], seed: 3 })
  model.add(new hg.Dense(8, { activation: 'tanh' })).add(new hg.Dense(3, { activation: 'relu' }))
  const hsic = new hg.HSIC({ kernel: 'gaussian', sigma: 1 })
  model.compile({ criterion: hsic, regularizeCoeff: 20, learningRate: 0.2 })
  await t.throwsAsync(async () => model.predictClasses(x), { message: /matchUnits/ })
  await model.preTrainingLoop(20, data, undefined, { verbose: false })
  t.deepEqual([...(await model.matchUnits(data))].sort(), [0, 1, 2])
  const right = (await model.predictClasses(x)).filter((label, i) => label === y[i]).length
  t.true(right > 80, `${right} of 90`)
})

test('clovaai/rebias#8: an unbiased HSIC below 0 is explained, or 0 where that is asked for', async (t) => {
  const [x, y] = [noise([60, 1], 15), noise([60, 1], 17)]
  const found = await new hg.HSIC({ sigma: 1, estimator: 'unbiased' }).estimate(x, y, { details: true })
  t.true(found.value < 0)
  t.regex(found.warnings.join(), /as often below 0 as above/)
  t.is(await new hg.HSIC({ sigma: 1, estimator: 'unbiased', clip: true }).estimate(x, y), 0)
})

test('graspologic-org/graspologic#363: a distance in place of a kernel is refused', async (t) => {
  const { x, y } = pairs(100, 1, 0.8, 18)
  const distances = (samples: { squaredDistances(): Tensor }) => samples.squaredDistances().sqrt()
  const distance = { name: 'distance', params: {}, matrix: distances, shifted: distances }
  const kernel = hg.gaussianKernel({ sigma: 1 })
  const refused = { instanceOf: hg.ArgumentError, message: /'distance'.*large for near samples/ }
  for (const clip of [false, true]) {
    await t.throwsAsync(new hg.HSIC({ kernel: distance, kernelY: kernel, clip }).estimate(x, y), refused)
    await t.throwsAsync(new hg.CKA({ kernel: distance, clip }).estimate(x, labelsBySign(x)), refused)
  }
  // Of two distances it is the covariance of distances, and positive.
  t.true((await new hg.HSIC({ kernel: distance }).estimate(x, y)) > 0)
  t.throws(() => new hg.HSIC({ kernel: (() => 0) as never }), { message: /kernel/ })
})

function labelsBySign(x: Tensor): Int32Array {
  return Int32Array.from(x.dataSync() as Float64Array, (value) => Number(value > 0))
}

for (const report of ['neurodata/hyppo#429', 'neurodata/hyppo!430']) {
  test(`${report}: p-values are uniform for independent samples, of measures that may be negative, too`, async (t) => {
    const measures = [
      new hg.HSIC({ sigma: 1, estimator: 'unbiased' }),
      new hg.DistanceCorrelation({ estimator: 'unbiased' }),
    ]
    const [runs, n, permutations] = [500, 12, 39]
    const measure = measures[report.endsWith('429') ? 0 : 1] as hg.HSIC
    const p: number[] = []
    for (let run = 0; run < runs; run++) {
      const [x, y] = [noise([n, 1], 2 * run), noise([n, 1], 2 * run + 1)]
      p.push((await hg.permutationTest(x, y, measure, { permutations, seed: run })).pValue)
    }
    // p is one of 1/40 .. 40/40. 1.63 / sqrt(500) is exceeded by chance once in a hundred times.
    const farthest = Array.from({ length: 40 }, (_, i) => {
      const below = p.filter((one) => one <= (i + 1) / 40 + 1e-9).length / runs
      return Math.abs(below - (i + 1) / 40)
    }).reduce((a, b) => Math.max(a, b))
    t.true(farthest < 1.63 / Math.sqrt(runs), String(farthest))
  })
}

test('SeldonIO/alibi-detect#960: the samples as they are count among the shuffles, so that p is never 0', async (t) => {
  const { x } = pairs(30, 1, 0.5, 19)
  const found = await hg.permutationTest(x, x, new hg.CKA(), { permutations: 19 })
  t.is(found.pValue, 1 / 20)
  t.is(found.count, 0)
})

test('shogun-toolbox/shogun#1906: a test of independence shuffles one side, and keeps the samples of both', async (t) => {
  const { x, y } = pairs(20, 1, 0.9, 20)
  const sums = (a: Tensor, b: Tensor) => a.sum().add(b.sum().mul(1000))
  const { value, nullDeviation } = await hg.permutationTest(x, y, sums, { permutations: 19 })
  t.true(nullDeviation < 1e-9 * Math.abs(value))
})

test('jlizier/jidt#26: half of the values are 0: right, or refused', async (t) => {
  const { x, y } = pairs(2000, 1, 0.8, 21)
  const [a, b] = [x.relu(), y.relu()]
  // Atoms and density of the two half normal variables with correlation 0.8, summed on a grid.
  const truth = 0.3464
  for (const [name, value] of [
    ['mutualInformation', await hg.mutualInformation(a, b)],
    ['MixedKSG', await new hg.MixedKSG().estimate(a, b)],
    ['EDGE', await new hg.EDGE().estimate(a, b)],
    ['KSG', await new hg.KSG().estimate(a, b)],
  ] as const) {
    t.true(Math.abs(value - truth) < 0.07, `${name}: ${value}`)
  }
  t.true((await hg.mutualInformation(a, noise([2000, 1], 23).relu())) < 0.05)
  for (const estimator of [new hg.KNN(), new hg.ResidualMI()]) {
    await t.throwsAsync(estimator.estimate(a, b), { ...dataError, message: /occurs \d+ times/ })
  }
  await t.throwsAsync(new hg.KLEntropy().estimate(a), { ...dataError, message: /occurs \d+ times/ })
  t.true(Number.isNaN(new hg.ResidualMI().criterion(a, b).itemSync()))
})

test('jlizier/jidt#92: numbers with classes that they know nothing of: 0 on average, by every k', async (t) => {
  const y = labelsOf(300, 3)
  for (const k of [1, 3, 8]) {
    const values: number[] = []
    for (let run = 0; run < 40; run++)
      values.push(await new hg.Ross({ k }).estimate(noise([300, 1], 100 + run), y))
    const mean = values.reduce((a, b) => a + b) / values.length
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1))
    t.true(Math.abs(mean) < (3 * deviation) / Math.sqrt(values.length), `${k}: ${mean} +- ${deviation}`)
  }
})

const brief = { seed: 1, steps: 300 }

test('gtegner/mine-pytorch#3: MINE is a number, near 0 of nothing and above it of something', async (t) => {
  const { x, y } = pairs(600, 1, 0.9, 24)
  const something = await new hg.MINE(brief).estimate(x, y)
  t.true(Number.isFinite(something) && something > 0.3, String(something))
  const nothing = await new hg.MINE(brief).estimate(x, noise([600, 1], 25))
  t.true(Math.abs(nothing) < 0.15, String(nothing))
  t.is(await new hg.MINE(brief).estimate(x, y.mul(0)), 0)
})

test('MasanoriYamada/Mine_pytorch#2: what MINE gives of many columns is told to be a bound, and the rule is near the truth', async (t) => {
  const { x, y, truth } = pairs(2000, 10, 0.5, 26)
  const found = await new hg.MINE(brief).estimate(x, y, { details: true })
  t.is(found.lower, found.value)
  t.true(found.value < truth + 0.1)
  t.regex(String(found), /at least/)
  t.true(Math.abs((await hg.mutualInformation(x, y)) - truth) < 0.12)
})

test('Linear95/CLUB#27: CLUB stays a number, however narrow the relation and large the numbers', async (t) => {
  const x = noise([400, 1], 27)
  for (const y of [x, x.mul(1e6), x.mul(1e-6), x.add(noise([400, 1], 28).mul(1e-8))]) {
    const found = await new hg.CLUB(brief).estimate(x, y)
    t.true(Number.isFinite(found), String(found))
  }
  t.is(await new hg.CLUB(brief).estimate(x, x.mul(0)), 0)
})

test('scikit-learn/scikit-learn#30772: a constant column tells nothing, of rare classes, too', async (t) => {
  const n = 20_000
  const y = Int32Array.from({ length: n }, (_, i) => Number(i < 20))
  const entropy = -(0.001 * Math.log(0.001) + 0.999 * Math.log(0.999))
  const constant = tensor(new Float64Array(n).fill(1), { shape: [n, 1] })
  for (const estimator of [new hg.Ross(), new hg.DiscriminantMI()]) {
    t.is(await estimator.estimate(constant, y), 0, estimator.name)
    t.true((await estimator.estimate(noise([n, 1], 29), y)) <= entropy, estimator.name)
  }
  t.is(await hg.mutualInformation(constant, y), 0)
  t.true((await hg.mutualInformation(noise([n, 1], 29), y)) <= entropy)
})

test('scikit-learn/scikit-learn#23720: the order of the arguments does not matter', async (t) => {
  const y = labelsOf(200, 5)
  const x = noise([200, 1], 30).add(tensor(y).cast('float64').expandDims(1).mul(0.4))
  t.true(Math.abs((await hg.mutualInformation(x, y)) - (await hg.mutualInformation(y, x))) < 1e-12)
  t.is(await new hg.KSG().estimate(x, y), await new hg.KSG().estimate(y, x))
  await t.throwsAsync(new hg.Ross().estimate(y, x), { message: /give the numbers as x and the classes as y/ })
})

test('scikit-learn/scikit-learn#26696: whole numbers in an integer array have the information of numbers', async (t) => {
  const values = [...Array.from({ length: 100 }, (_, i) => i), 1000]
  const [ints, floats] = [Int32Array.from(values), Float64Array.from(values)]
  const other = tensor(floats).sqrt()
  // Where each value occurs once they are no classes, and an integer array says that they were.
  await t.throwsAsync(new hg.KSG().estimate(ints, other), {
    ...dataError,
    message: /Float64Array\.from\(x\)/,
  })
  const asTensor = await new hg.KSG().estimate(tensor(ints, { shape: [101, 1] }).cast('float64'), other)
  t.is(asTensor, await new hg.KSG().estimate(floats, other))
})

test('scikit-learn/scikit-learn#16355: one class alone tells nothing, and is not below 0', async (t) => {
  const x = [[2.2], [1.3], [1.3], [0.5], [0.3], [2.3], [0.1], [0.9]]
  const y = new Int32Array(8)
  t.is(await hg.mutualInformation(x, y), 0)
  t.is(await new hg.Ross().estimate(x, y), 0)
})

test('cbueth/infomeasure#7: numbers with a binary label stay within 0 and 1 bit', async (t) => {
  const y = labelsOf(400, 2)
  for (const lead of [0, 0.5, 8]) {
    const x = noise([400, 3], 31).add(tensor(y).cast('float64').expandDims(1).mul(lead))
    for (const estimator of [
      new hg.KSG({ base: 2, clip: true }),
      new hg.Ross({ base: 2, clip: true }),
      new hg.DiscriminantMI({ base: 2, clip: true }),
      new hg.KDE({ base: 2 }),
      new hg.Binned({ base: 2, range: 'data' }),
    ]) {
      const bits = await estimator.estimate(x, y)
      t.true(bits >= 0 && bits <= 1 + 1e-12, `${estimator.name}: ${bits}`)
    }
    const bits = await hg.mutualInformation(x, y, { base: 2 })
    t.true(bits >= 0 && bits <= 1 + 1e-12 && (lead < 8 || bits > 0.99), `${lead}: ${bits}`)
  }
})

test('paulbrodersen/entropy_estimators#11: information of symbols does not exceed their entropy', async (t) => {
  const [x, y] = [labelsOf(300, 7), Int32Array.from({ length: 300 }, (_, i) => (i * i) % 5)]
  for (const correction of ['none', 'millerMadow'] as const) {
    const own = await new hg.DiscreteMI({ correction }).estimate(x, x)
    const found = await new hg.DiscreteMI({ correction }).estimate(x, y)
    t.true(found <= own + 1e-12 && own <= Math.log(7) + 0.02, `${correction}: ${found}, ${own}`)
  }
})

test('ELIFE-ASU/PyInform#39: transfer entropy goes from the first argument to the second', async (t) => {
  const x = Int32Array.from((await even([2000], 32).data()) as Float64Array, (value) => Math.floor(2 * value))
  const y = Int32Array.from(x, (_, i) => (i === 0 ? 0 : (x[i - 1] as number)))
  const of = async (from: Int32Array, to: Int32Array) =>
    (await hg.transferEntropy(from, to, { estimator: 'discrete' })).value
  t.true((await of(x, y)) > 0.98 * Math.log(2))
  t.true((await of(y, x)) < 0.02)
})
