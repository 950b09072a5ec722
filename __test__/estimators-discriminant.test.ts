/** The discriminant bound on layers as networks have them. */
import test from 'ava'
import { DiscriminantMI, key, normal, type Tensor, tensor, uniform } from '../ts/index.js'

const n = 1000
const classes = 10
const labels = Int32Array.from({ length: n }, (_, i) => (i * 7) % classes)
const estimate = (x: Tensor, y: Int32Array = labels) => new DiscriminantMI().estimate(x, y)
const noise = (seed: number, d: number, rows = n) => normal(key(seed), [rows, d], { dtype: 'float64' })

/** Scores whose largest is that of the class, except for one sample in `every`. */
function scores(every: number): Tensor {
  const winners = labels.map((label, i) => (i % every === 0 ? (label + 1) % classes : label))
  const lead = uniform(key(3), [n, 1], { dtype: 'float64' }).mul(3).add(4)
  return noise(2, classes).add(tensor(winners).oneHot(classes).cast('float64').mul(lead))
}

for (const temperature of [1, 5, 50]) {
  test(`a softmax of slope ${temperature} that is right of 999 in 1,000 tells nearly H(Y)`, async (t) => {
    const value = await estimate(scores(n).mul(temperature).softmax(1))
    t.true(value > Math.log(classes) - 0.1 && value <= Math.log(classes) + 1e-9, `${value}`)
  })
}

test('a softmax that is right of 10 in 11 loses what its errors cost', async (t) => {
  // H(Y) less the entropy of being wrong; the class taken for the right one is always the next.
  const most = Math.log(classes) + (10 / 11) * Math.log(10 / 11) + Math.log(1 / 11) / 11
  const value = await estimate(scores(11).mul(20).softmax(1))
  t.true(value > most - 0.35 && value < most + 0.05, `${value}, at most ${most}`)
})

test('one-hot activations, right always and of 99 in 100', async (t) => {
  const oneHot = (every: number) =>
    tensor(labels.map((label, i) => (i % every === 0 ? (label + 1) % classes : label)))
      .oneHot(classes)
      .cast('float64')
  t.true((await estimate(oneHot(n + 1))) > Math.log(classes) - 0.03)
  t.true((await estimate(oneHot(100))) > Math.log(classes) - 0.15)
})

test('dead units, constant and collinear columns, and units change nothing that matters', async (t) => {
  const y = labels.map((label) => label % 3)
  const x = noise(4, 3).add(tensor(y).oneHot(3).cast('float64').mul(2))
  const want = await estimate(x, y)
  const parts = [0, 1, 2].map((c) => x.slice([null, c], [null, c + 1]))
  const [a, b, c] = parts as [Tensor, Tensor, Tensor]
  const { concat } = await import('../ts/index.js')
  for (const [name, given] of Object.entries({
    dead: concat([x, x.mul(0), x.mul(0)], 1),
    constant: concat([x, x.mul(0).add(0.1)], 1),
    collinear: concat([x, a.add(b), a.mul(3)], 1),
    units: concat([a.mul(1e6), b.mul(1e-9), c.add(1e4)], 1),
  })) {
    const value = await estimate(given, y)
    t.true(Math.abs(value - want) < 0.02, `${name}: ${value}, expected ${want}`)
  }
})

test('imbalanced classes, 1 to 200: nothing from noise, all from what tells them apart', async (t) => {
  const y = Int32Array.from({ length: n }, (_, i) => Number(i % 200 === 0))
  const entropy = -0.005 * Math.log(0.005) - 0.995 * Math.log(0.995)
  t.true(Math.abs(await estimate(noise(5, 4), y)) < 0.005)
  const apart = noise(6, 4).add(tensor(Float64Array.from(y), { shape: [n, 1] }).mul(30))
  t.true((await estimate(apart, y)) > 0.9 * entropy)
})

test('outliers do not end the bound, and noise stays near 0', async (t) => {
  const x = noise(7, 6).add(
    tensor(labels)
      .oneHot(classes)
      .cast('float64')
      .matmul(noise(8, 6, classes).mul(4)),
  )
  const spikes = tensor(
    Float64Array.from({ length: n }, (_, i) => (i % 97 === 0 ? 1e6 : 1)),
    { shape: [n, 1] },
  )
  const [clean, spiked] = [await estimate(x), await estimate(x.mul(spikes))]
  t.true(spiked > clean - 0.2, `${spiked} of ${clean}`)
  const nothing = await estimate(noise(9, 20))
  t.true(nothing > -0.02 && nothing < 0.02, `${nothing}`)
})

test('more columns than samples: sure where classes are apart, near 0 where they are not', async (t) => {
  const few = labels.slice(0, 100)
  const wide = (size: number) =>
    noise(10, 300, 100).add(
      tensor(few)
        .oneHot(classes)
        .cast('float64')
        .matmul(noise(11, 300, classes).mul(size)),
    )
  t.true((await estimate(wide(1), few)) > Math.log(classes) - 0.1)
  t.true(Math.abs(await estimate(wide(0), few)) < 0.15)
})
