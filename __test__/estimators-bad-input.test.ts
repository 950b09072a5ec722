/** What estimators do with data and options that they cannot use. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import * as hg from '../ts/index.js'
import { type Estimator, type SampleData, tensor } from '../ts/index.js'
import { close } from './close.js'
import { sample } from './helpers.js'
import { warningsOf } from './warnings.js'

const x = sample([40, 2])
const y = sample([40, 2], -1, 1, 5)
const labels = Int32Array.from({ length: 40 }, (_, i) => i % 4)

/** The error of an estimate. */
const refused = (
  t: import('ava').ExecutionContext,
  e: Estimator,
  a: SampleData,
  b: SampleData,
  code: string,
  says: RegExp,
) => t.throwsAsync(e.estimate(a, b), { code, message: says })

test('NaN and infinite values are named with their sample', async (t) => {
  const rows = (await x.array()) as number[][]
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const broken = rows.map((row, i) => (i === 7 ? [value, 0] : row))
    for (const estimator of [new hg.GaussianMI(), new hg.HSIC({ sigma: 1 }), new hg.MutualInformation()]) {
      await refused(t, estimator, broken, y, 'DATA', /x has a NaN or an infinite value in sample 7/)
    }
  }
})

test('too few samples, different numbers of samples, no samples', async (t) => {
  for (const estimator of [
    new hg.GaussianMI(),
    new hg.EDGE(),
    new hg.DistanceCorrelation({ estimator: 'unbiased' }),
  ]) {
    await refused(t, estimator, [1], [2], 'DATA', /at least|needs/)
    await refused(t, estimator, x, sample([39, 2]), 'SHAPE', /same number of samples/)
  }
  await refused(t, new hg.GaussianMI(), sample([4, 2]), sample([4, 2]), 'DATA', /at least 6.*fewer columns/)
  await refused(t, new hg.MutualInformation(), [1, 2, 3], [1, 2, 3], 'DATA', /at least 6/)
  await refused(t, new hg.GaussianMI(), [], [], 'DATA', /no samples/)
  await t.throwsAsync(hg.independenceTest([1, 2, 3], [1, 2, 3]), { code: 'DATA' })
})

test('labels are not numbers, and numbers are not labels', async (t) => {
  class Numeric extends hg.InformationEstimator {
    protected nats(a: hg.Tensor): hg.Tensor {
      return a.sum()
    }
  }
  await refused(t, new Numeric({}, {}, {}), x, labels, 'DTYPE', /class labels, which have no distances/)
  // Index 1 is not nearer to 2 than to 9: other numbers for the classes change nothing.
  const renamed = labels.map((label) => [0, 9, 1, 5][label] as number)
  for (const estimator of [
    new hg.HSIC({ sigma: 1 }),
    new hg.CKA(),
    new hg.DistanceCorrelation(),
    new hg.Binned(),
    new hg.KDE(),
    new hg.EDGE(),
    new hg.RenyiMI(),
    new hg.DiscriminantMI(),
    new hg.KSG(),
    new hg.GaussianCopulaMI(),
    new hg.MutualInformation(),
  ]) {
    close(t, [await estimator.estimate(x, renamed)], [await estimator.estimate(x, labels)], 1e-9)
  }
})

test('one-hot rows and labels are the same classes, in batches that miss some too', async (t) => {
  const hot = tensor(labels).oneHot(7)
  for (const estimator of [new hg.DiscriminantMI(), new hg.Binned(), new hg.KDE(), new hg.Ross()]) {
    close(t, [await estimator.estimate(x, hot)], [await estimator.estimate(x, labels)], 1e-12)
  }
})

test('one class, a class with one sample', async (t) => {
  const one = new Int32Array(40)
  const lonely = labels.map((label, i) => (i === 0 ? 9 : label))
  for (const estimator of [
    new hg.DiscriminantMI(),
    new hg.Ross(),
    new hg.Binned(),
    new hg.KDE(),
    new hg.MutualInformation(),
  ]) {
    close(t, [await estimator.estimate(x, one)], [0], 1e-9)
    t.true(Number.isFinite(await estimator.estimate(x, lonely)))
  }
})

test('all points equal, ties, columns that are combinations of others', async (t) => {
  const equal = Array.from({ length: 40 }, () => [0.1, 0.2])
  for (const estimator of [
    new hg.GaussianMI(),
    new hg.StudentCopulaMI(),
    new hg.KDE(),
    new hg.CKA(),
    new hg.RenyiMI(),
  ]) {
    close(t, [await estimator.estimate(equal, y)], [0], 1e-9)
  }
  const ties = x.mul(3).round()
  t.true(Number.isFinite(await hg.mutualInformation(ties, y)))
  t.true(Number.isFinite(await new hg.GaussianCopulaMI().estimate(ties, y)))
  const twice = hg.concat([x, x.mul(2)], 1)
  close(t, [await new hg.GaussianMI().estimate(twice, y)], [await new hg.GaussianMI().estimate(x, y)], 1e-4)
  t.true((await new hg.GaussianMI().estimate(x, x)) > 20)
  close(t, [await hg.mutualInformation(twice, y)], [await hg.mutualInformation(x, y)], 1e-9)
  t.true((await hg.mutualInformation(x, x)) > 1)
})

test('a kernel whose matrix is not positive definite, and repeated samples, are named', async (t) => {
  const linear = hg.linearKernel()
  const kernel: hg.Kernel = {
    name: 'negative',
    params: {},
    matrix: (samples) => linear.matrix(samples).neg(),
    shifted: (samples) => linear.shifted(samples).neg(),
  }
  const nhsic = new hg.HSIC({ kernel, variant: 'nHSIC' })
  await refused(t, nhsic, x, y, 'NUMERICAL', /HSIC\/x.*not positive definite: pivot 0.*add a small multiple/)
  const coins = Float64Array.from({ length: 40 }, (_, i) => i % 2)
  await refused(t, new hg.KNN(), coins, y, 'DATA', /sample 0 occurs 20 times.*use MixedKSG.*jitter/)
  await refused(t, new hg.MixedKSG({ k: 40 }), x, y, 'DATA', /at least 41 samples, received 40/)
})

test('one-hot labels of another width in every batch are the same classes', async (t) => {
  const halves = [0, 20].map((from) => ({
    x: x.slice([from], [from + 20]),
    labels: tensor(labels.slice(from, from + 20)),
  }))
  const cka = new hg.CKA({ unbiased: true })
  const widths = (first: number, second: number) =>
    halves.map((half, i): [hg.Tensor, hg.Tensor] => [half.x, half.labels.oneHot(i === 0 ? first : second)])
  close(t, [await cka.estimateBatches(widths(4, 7))], [await cka.estimateBatches(widths(4, 4))], 1e-12)
})

test('options that cannot work are refused at construction', (t) => {
  for (const [make, code, says] of [
    [() => new hg.HSIC({ sigma: -1 }), 'ARGUMENT', /sigma must be a finite number above 0.*received -1/],
    [() => new hg.HSIC({ sigma: 0 }), 'ARGUMENT', /sigma must be a finite number above 0.*received 0/],
    [() => new hg.CKA({ kernel: 'rbf', sigma: 0 }), 'ARGUMENT', /CKA: sigma.*received 0/],
    [() => new hg.CKA({ kernel: 'rbf', sigma: 1, fraction: 1 }), 'ARGUMENT', /give one of them/],
    [() => new hg.RenyiMI({ sigma: 0 }), 'ARGUMENT', /sigma/],
    [() => new hg.RenyiMI({ alpha: 1 }), 'ARGUMENT', /alpha/],
    [() => new hg.KDE({ variance: 0 }), 'ARGUMENT', /variance/],
    [() => new hg.Binned({ bins: 0 }), 'ARGUMENT', /bins/],
    [() => new hg.Binned({ range: [1, -1] }), 'ARGUMENT', /range/],
    [() => new hg.Binned({ binSize: 0.5, bins: 3 }), 'ARGUMENT', /one or the other/],
    [() => new hg.EDGE({ hash: 'flor' as 'floor' }), 'UNKNOWN_NAME', /floor/],
    [() => new hg.EDGE({ widths: [] }), 'ARGUMENT', /widths/],
    [() => new hg.EDGE({ epsilonn: 1 } as object), 'UNKNOWN_NAME', /option of EDGE/],
    [() => new hg.GaussianMI({ base: 1 }), 'ARGUMENT', /base/],
    [() => new hg.MINE({ heldOut: 1 }), 'ARGUMENT', /heldOut/],
    [() => new hg.SMILE({ tau: 0 }), 'ARGUMENT', /tau/],
    [() => new hg.CKA({ kernel: 'gaussian' as 'rbf' }), 'UNKNOWN_NAME', /rbf/],
    [() => new hg.MutualInformation({ x: 'number' as 'numbers' }), 'UNKNOWN_NAME', /did you mean "numbers"/],
    [
      () => new hg.KSG({ k: null as unknown as number }),
      'ARGUMENT',
      /k must be a whole number.*received null/,
    ],
    [() => new hg.MINE({ rate: 2 }), 'ARGUMENT', /rate must be a number in .0, 1., received 2/],
    [() => new hg.HSIC({ sigma: 1, scaleSqrtD: 'yes' as never }), 'ARGUMENT', /scaleSqrtD.*"yes"/],
    [() => new hg.HSIC({ kernel: 'linear', sigma: -3 }), 'ARGUMENT', /sigma.*-3/],
    [() => new hg.HSIC({ sigma: 1, epsilon: null as never }), 'ARGUMENT', /epsilon.*null/],
    [() => new hg.CKA({ sigma: 2 }), 'ARGUMENT', /sigma is the bandwidth of kernel 'rbf'/],
    [() => new hg.CKA({ fraction: 2 }), 'ARGUMENT', /fraction is the bandwidth/],
    [() => new hg.CKA({ clip: 1 as never }), 'ARGUMENT', /clip must be true or false/],
    [() => new hg.KLEntropy({ jitter: -1 }), 'ARGUMENT', /jitter/],
    [() => new hg.KLEntropy({ device: 'tpu' as 'cpu' }), 'DEVICE', /tpu/],
    [() => hg.createEstimator('kgs' as 'ksg'), 'UNKNOWN_NAME', /did you mean "ksg"/],
  ] as const) {
    t.throws<hg.HyperglowError>(make, { code, message: says })
  }
})

test('no data at all are named', async (t) => {
  for (const nothing of [null, undefined, 3] as unknown as SampleData[]) {
    await refused(t, new hg.KSG(), x, nothing, 'ARGUMENT', /KSG: y is (null|undefined|3), expected samples/)
    await refused(t, new hg.HSIC({ sigma: 1 }), nothing, y, 'ARGUMENT', /HSIC: x is/)
  }
})

test('classes that hardly hold two samples are numbers, and refused by estimators of classes', async (t) => {
  const own = Int32Array.from({ length: 40 }, (_, i) => i)
  const one = /40 of 40 samples have a class of their own.*class labels \(Int32Array\)/
  for (const estimator of [
    new hg.DiscriminantMI(),
    new hg.Ross(),
    new hg.KSG(),
    new hg.KNN(),
    new hg.MixedKSG(),
    new hg.GaussianMI(),
    new hg.GaussianCopulaMI(),
    new hg.StudentCopulaMI(),
    new hg.ResidualMI(),
  ]) {
    await refused(t, estimator, x, own, 'DATA', one)
  }
  await refused(t, new hg.DiscriminantMI(), x, y, 'DATA', one)
  await refused(t, new hg.Ross(), x, y, 'DATA', one)
  const value = new hg.DiscriminantMI().criterion(x, y)
  t.true(Number.isNaN(value.itemSync()))
  t.true(Number.isNaN(new hg.Ross().criterion(x, y).itemSync()))
  await refused(t, new hg.DiscriminantMI(), labels, y, 'DTYPE', /give the numbers as x and the classes as y/)
  await refused(t, new hg.Ross(), labels, y, 'DTYPE', /give the numbers as x and the classes as y/)
  await refused(
    t,
    new hg.MutualInformation(),
    x,
    own,
    'DATA',
    /y holds numbers in an integer array.*Float64Array\.from\(y\)/,
  )
  const few = Int32Array.from([0, 1, 2, 3, 4, 5])
  await t.throwsAsync(hg.mutualInformation(x.slice([0], [6]), few), {
    code: 'DATA',
    message: /y holds numbers in an integer array/,
  })
})

test('an exact linear relation is as much as the linear formula resolves', async (t) => {
  const a = sample([200, 1])
  for (const b of [a.mul(2).add(1), a.neg(), a.div(3)]) {
    const value = await hg.mutualInformation(a, b)
    t.true(value > 10 && value < 15, `${value}`)
    const residual = await new hg.ResidualMI().estimate(a, b)
    t.true(residual > 10 && residual < 15, `${residual}`)
  }
  // Both columns of y together give x.
  const [first, other] = [sample([200, 1]), sample([200, 1], -1, 1, 5)]
  const value = await new hg.ResidualMI().estimate(first, hg.concat([other, first.sub(other)], 1))
  t.true(value > 10 && value < 30, `${value}`)
})

test('labels in an array of numbers are pointed out, once for each kind of estimator', async (t) => {
  const all = await warningsOf(async () => {
    for (const given of [[...labels], Float64Array.from(labels)]) {
      await new hg.DistanceCorrelation().estimate(x, given)
      for (const estimator of [new hg.Binned(), new hg.Ross(), new hg.MutualInformation()]) {
        await estimator.estimate(x, given)
      }
    }
    await new hg.CKA().estimate(x, tensor(Float64Array.from(labels)))
    await new hg.CKA().estimate(x, labels)
  })
  const isOwn = /DistanceCorrelation|CKA|Binned|Ross|MutualInformation/
  const warnings = all
    .filter(({ code, message }) => code === 'HYPERGLOW_LABELS_AS_NUMBERS' && isOwn.test(message))
    .map(({ message }) => message)
  t.is(warnings.length, 1)
  t.regex(warnings[0] as string, /DistanceCorrelation: y holds 4 different whole numbers.*Int32Array/)
})

test('repeated samples of an entropy: jitter separates them, and the refusal says so', async (t) => {
  const coins = Float64Array.from({ length: 40 }, (_, i) => i % 2)
  const entropy = (options: hg.KLEntropyOptions) => new hg.KLEntropy(options).estimate(coins)
  await t.throwsAsync(entropy({}), { code: 'DATA', message: /separate them with \{ jitter: 1e-10 \}$/ })
  t.true(Number.isFinite(await entropy({ jitter: 1e-10 })))
  t.is(await entropy({ jitter: 1e-10, seed: 2 }), await entropy({ jitter: 1e-10, seed: 2, device: 'cpu' }))
})

test('a floor hash of many columns says that it tells nothing', async (t) => {
  const edge = new hg.EDGE()
  const warnings = await warningsOf(async () => {
    for (let i = 0; i < 2; i++) t.is(await edge.estimate(sample([40, 200]), labels), 0)
  })
  t.is(warnings.filter(({ code }) => code === 'HYPERGLOW_LONELY_BUCKETS').length, 1)
})

test('helpers of estimators are not part of the library', (t) => {
  const names = 'varying withRidge independentColumns normalBias checkSigma withValues unknownName describe'
  for (const name of names.split(' ')) t.false(name in hg, name)
})

test('EDGE weights need more widths than columns; trained estimators have no lazy value', (t) => {
  t.throws(() => new hg.EDGE({ ensemble: 'weights', widths: [1, 2] }).criterion(x, y), { code: 'ARGUMENT' })
  t.throws(() => new hg.MINE().criterion(x, y), { code: 'STATE', message: /estimate/ })
  t.throws(() => new hg.MutualInformation().criterion(x, y), { code: 'STATE' })
})

test('an .npy file and a loaded array are samples', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'samples-'))
  try {
    const path = join(folder, 'x.npy')
    await hg.writeNpy(path, { dtype: 'float64', shape: x.shape, data: x.dataSync() })
    const mi = new hg.GaussianMI()
    const want = await mi.estimate(x, y)
    t.is(await mi.estimate(path, y), want)
    t.is(await mi.estimate(await hg.readNpy(path), y), want)
    await t.throwsAsync(mi.estimate(join(folder, 'none.npy'), y), { code: 'IO' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
