/** EDGE on repeated rows, atoms among numbers, and changes of units and constants. */
import test from 'ava'
import { concat, EDGE, type EDGEOptions, key, normal, type Tensor, tensor, uniform } from '../ts/index.js'

const bits = (seed: number, n: number, d: number) =>
  uniform(key(seed), [n, d], { dtype: 'float64' }).greater(0.5).cast('float64')
const numbers = (seed: number, n: number, d = 1) => normal(key(seed), [n, d], { dtype: 'float64' })
const estimate = (x: Tensor, y: Tensor, options: EDGEOptions & { base?: number } = {}) =>
  new EDGE(options).estimate(x, y)

for (const options of [
  {},
  { ensemble: 'median' },
  { ensemble: 'weights' },
  { hash: 'pstable' },
  { authors: true },
] as const) {
  test(`four fair bits tell 4 bits of themselves: ${JSON.stringify(options)}`, async (t) => {
    const x = bits(1, 5000, 4)
    const value = await estimate(x, x, { ...options, base: 2 })
    t.true(Math.abs(value - 4) < 0.05, `${value}`)
  })
}

test('repeated rows that know nothing of each other, in few and in many samples', async (t) => {
  for (const [n, error] of [
    [100, 0.15],
    [2000, 0.02],
  ] as const) {
    const value = await estimate(bits(1, n, 4), bits(2, n, 4))
    t.true(Math.abs(value) < error, `${n}: ${value}`)
  }
})

test('zeros of relu units are one symbol among numbers', async (t) => {
  const [a, b] = [numbers(3, 2000), numbers(4, 2000)]
  t.true(Math.abs(await estimate(a.relu(), b.relu())) < 0.03)
  // The sign alone has information H; the density has the rest.
  const value = await estimate(a.relu(), a.greater(0).cast('float64'))
  t.true(Math.abs(value - Math.LN2) < 0.02, `${value}`)
})

test('rounded numbers keep their information', async (t) => {
  const x = numbers(5, 2000)
  const y = x.mul(0.8).add(numbers(6, 2000).mul(0.6))
  const rounded = (given: Tensor) => given.mul(10).round().div(10)
  const value = await estimate(rounded(x), rounded(y))
  t.true(Math.abs(value - 0.51) < 0.06, `${value}`)
})

test('units, constant columns and one-hot rows change nothing', async (t) => {
  const x = numbers(7, 1000, 2)
  const y = x.slice([null, 0], [null, 1]).add(numbers(8, 1000))
  const want = await estimate(x, y)
  const columns = [0, 1].map((c) => x.slice([null, c], [null, c + 1])) as [Tensor, Tensor]
  const scaled = concat([columns[0].mul(1e-6), columns[1].mul(1e6)], 1)
  t.true(Math.abs((await estimate(scaled, y)) - want) < 1e-9)
  t.is(await estimate(x.mul(0).add(3), y), 0)
  const labels = tensor(Int32Array.from({ length: 1000 }, (_, i) => i % 6))
  const oneHot = labels.oneHot(6).cast('float64')
  t.true(Math.abs((await estimate(oneHot, labels)) - Math.log(6)) < 0.01)
  t.true(Math.abs((await estimate(oneHot, y)) - (await estimate(labels, y))) < 1e-9)
})

test('the weighted ensemble stays within what its partitions can give', async (t) => {
  const [a, b] = [numbers(9, 500, 3), numbers(10, 500, 3)]
  const value = await estimate(a, b, { ensemble: 'weights', correction: 'none' })
  t.true(value >= 0 && value <= Math.log(500), `${value}`)
})
