/** Similarities of layers: invariances and known values. */
import test from 'ava'
import * as hg from '../ts/index.js'
import {
  ArgumentError,
  DataError,
  DTypeError,
  ShapeError,
  type Tensor,
  UnknownNameError,
} from '../ts/index.js'

const noise = (shape: number[], salt: number) => hg.normal(hg.key(salt), shape, { dtype: 'float64' })
const near = (value: number, truth: number, error = 1e-9) => Math.abs(value - truth) <= error

/** An orthogonal matrix: the eigenvectors of a symmetric one. */
function rotation(d: number, salt: number): Tensor {
  const a = noise([d, d], salt)
  return a.add(a.transpose()).eigh().vectors
}

const n = 80
const x = noise([n, 5], 1)
const turned = x.matmul(rotation(5, 2)).mul(3).add(7)
const bent = x.matmul(noise([5, 5], 3))
const other = noise([n, 4], 4)

test('rotation, scale and shift change none of the similarities but pwcca, which knows units', async (t) => {
  const measures = ['cca', 'svcca', 'procrustes', 'rv', 'rv2', 'rsa', 'linearProbe'] as const
  for (const measure of [...measures, new hg.CKA(), new hg.CKA({ unbiased: true })]) {
    const plain = await hg.layerSimilarity(measure, [x, other], { others: [other] })
    const moved = await hg.layerSimilarity(measure, [turned, other], { others: [other] })
    const name = typeof measure === 'string' ? measure : measure.name
    t.true(near(plain[0]?.[0] as number, moved[0]?.[0] as number, 1e-8), name)
    const own = (await hg.layerSimilarity(measure, [x], { others: [turned] }))[0]?.[0] as number
    t.true(near(own, measure === 'procrustes' ? 0 : 1, 1e-7), `${name} ${own}`)
  }
  const weighted = await hg.layerSimilarity('pwcca', [other], { others: [x, turned] })
  t.true(
    near(weighted[0]?.[0] as number, weighted[0]?.[1] as number, 1e-8),
    'the layer of the column may turn',
  )
})

test('canonical correlations and the linear probe do not see invertible maps, the others do', async (t) => {
  const of = async (measure: hg.SimilarityName) =>
    (await hg.layerSimilarity(measure, [x], { others: [bent] }))[0]?.[0] as number
  for (const measure of ['cca', 'pwcca', 'linearProbe'] as const)
    t.true(near(await of(measure), 1, 1e-8), measure)
  t.true((await of('rv')) < 0.99)
  t.true((await of('procrustes')) > 0.05)
})

test('canonical correlations of shared and of own directions', async (t) => {
  const shared = noise([4000, 2], 5)
  const [a, b] = [6, 7].map((salt) => hg.concat([shared, noise([4000, 2], salt)], 1)) as [Tensor, Tensor]
  const { correlations, mean, meanSquare } = await hg.canonicalCorrelations(a, b)
  t.is(correlations.length, 4)
  t.true(near(correlations[0] as number, 1) && near(correlations[1] as number, 1))
  t.true((correlations[2] as number) < 0.06)
  t.true(near(mean, 0.5, 0.03) && near(meanSquare, 0.5, 0.02))
  // A direction of no weight to speak of is left out by SVCCA.
  const weak = hg.concat([shared, noise([4000, 1], 8).mul(1e-3)], 1)
  t.deepEqual((await hg.canonicalCorrelations(weak, shared)).svccaDirections, [2, 2])
})

test('layers wider than their samples, constant ones, and matrices of two networks', async (t) => {
  const wide = noise([12, 60], 9)
  const rotated = wide.matmul(rotation(60, 10))
  const { distance, similarity } = await hg.procrustes(wide, rotated)
  t.true(distance < 1e-6 && near(similarity, 1, 1e-12))
  const constant = hg.ones([n, 3], { dtype: 'float64' })
  for (const measure of ['cca', 'svcca', 'pwcca', 'rv', 'rv2', 'linearProbe'] as const) {
    t.deepEqual(await hg.layerSimilarity(measure, [constant, x], { others: [constant] }), [[0], [0]], measure)
  }
  const two = await hg.layerSimilarity('rv', [x, other], { others: [bent, turned, constant] })
  t.is(two.length, 2)
  t.is(two[0]?.length, 3)
  const own = await hg.layerSimilarity(new hg.HSIC({ sigma: 'median' }), [x, other])
  t.true(near(own[0]?.[1] as number, own[1]?.[0] as number, 1e-12))
})

test('rv: the expected value is the mean over permutations', async (t) => {
  const [a, b] = [noise([30, 6], 11), noise([30, 4], 12)]
  const { expected, adjustedGhaziri, rv, rv2 } = await hg.rvCoefficients(a, b)
  const random = new hg.HostRandom(5)
  let mean = 0
  for (let i = 0; i < 300; i++)
    mean += (await hg.rvCoefficients(a, b.take(hg.tensor(random.permutation(30))))).rv / 300
  t.true(near(mean, expected, 0.01), `${mean} ${expected}`)
  t.true(Math.abs(adjustedGhaziri) < 0.2 && rv > 0.1)
  t.true(Math.abs(rv2) < rv)
})

test('the linear probe is R^2 of least squares', async (t) => {
  const y = x.matmul(noise([5, 2], 13)).add(noise([n, 2], 14))
  const told = (await hg.layerSimilarity('linearProbe', [x], { others: [y] }))[0]?.[0] as number
  const probe = await hg.ridgeProbe(x, y, { penalty: 1e-9 })
  t.true(near(told, probe.train.weighted, 1e-7), `${told} ${probe.train.weighted}`)
})

test('probes: the minimum has no slope, and what is linear is found', async (t) => {
  const labels = Int32Array.from({ length: n }, (_, i) => [3, 5, 9][i % 3] as number)
  const found = await hg.logisticProbe(x, labels, { strength: 0.7 })
  t.deepEqual(found.classes, [3, 5, 9])
  const weights = hg.tensor(found.weights as number[][], { dtype: 'float64' })
  const codes = hg.tensor(Int32Array.from(labels, (label) => [3, 5, 9].indexOf(label)))
  const slope = hg.grad((w: Tensor) => {
    const scores = x
      .matmulT(w, { transposeB: true })
      .add(hg.tensor(found.intercept as number[], { dtype: 'float64' }))
    return hg.crossEntropy(scores, codes, { reduction: 'sum' }).mul(0.7).add(w.square().sum().div(2))
  })(weights)
  t.true((await slope.abs().max().item()) < 1e-5)
  t.true(
    near(
      found.intercept.reduce((a, b) => a + b, 0),
      0,
      1e-6,
    ),
  )
  const split = Int32Array.from((await x.slice([0, 0], [null, 1]).data()) as Float64Array, (v) =>
    Number(v > 0),
  )
  const binary = await hg.logisticProbe(x, split, {
    strength: 100,
    test: { x: turned.sub(7).div(3).matmul(rotation(5, 2).transpose()), y: split },
  })
  t.is(binary.weights.length, 1)
  t.true(binary.train.accuracy > 0.97)
  t.true(near(binary.test?.accuracy as number, binary.train.accuracy))
  t.true(binary.train.informationBound <= binary.train.targetEntropy)
  const wide = await hg.ridgeProbe(noise([10, 40], 15), noise([10, 1], 16), { penalty: 1e-6 })
  t.true(wide.train.mean > 0.999)
})

test('what does not fit is refused', async (t) => {
  const labels = new Int32Array(n)
  await t.throwsAsync(hg.layerSimilarity('ckka' as never, [x]), { instanceOf: UnknownNameError })
  await t.throwsAsync(hg.layerSimilarity('rv', []), { instanceOf: ArgumentError })
  await t.throwsAsync(hg.layerSimilarity('rv', [x, noise([9, 2], 1)]), { instanceOf: ShapeError })
  await t.throwsAsync(hg.procrustes(x, labels), { instanceOf: DTypeError })
  await t.throwsAsync(hg.logisticProbe(x, labels), { instanceOf: DataError, message: /one class/ })
  const two = Int32Array.from(labels, (_, i) => i % 2)
  await t.throwsAsync(hg.logisticProbe(x, two, { test: { x, y: labels.map(() => 4) } }), {
    message: /class 4/,
  })
  await t.throwsAsync(hg.ridgeProbe(x, other, { test: { x: other, y: other } }), { message: /4 columns/ })
})
