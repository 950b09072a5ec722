/** Gradients if a choice hides an undefined derivative, and if arguments tie. */
import test from 'ava'
import { clip, det, grad, jit, maximum, minimum, norm, type Tensor, tensor, where } from '../ts/index.js'
import { checkGradient, close, equals, sample } from './helpers.js'

const f64 = (...values: number[]) => tensor(Float64Array.from(values))

/** The gradient of the sum of `f` at `at`, uncompiled and compiled. */
function slopes(f: (x: Tensor) => Tensor): ((x: Tensor) => Tensor | Promise<Tensor>)[] {
  const slope = grad((x: Tensor) => f(x).sum())
  return [slope, jit(slope)]
}

const cases: [string, (x: Tensor) => Tensor, number[], number[]][] = [
  ['sqrt', (x) => where(x.greater(0), x.sqrt(), 0), [0, 4, -1], [0, 0.25, 0]],
  ['exp beyond all numbers', (x) => where(x.less(10), x.exp(), x), [1, 1000], [Math.E, 1]],
  ['log', (x) => where(x.greater(0), x.log(), -1), [0, 2, -3], [0, 0.5, 0]],
  ['log1p', (x) => where(x.greater(-1), x.log1p(), 0), [-1, 1, -3], [0, 0.5, 0]],
  ['division by 0', (x) => where(x.equal(0), 1, x.sin().div(x)), [0, Math.PI / 2], [0, -4 / Math.PI ** 2]],
  ['reciprocal', (x) => where(x.equal(0), x, x.reciprocal()), [0, 2], [1, -0.25]],
  ['rsqrt', (x) => where(x.greater(0), x.rsqrt(), x), [0, 4], [1, -1 / 16]],
  ['a power', (x) => where(x.greater(0), x.pow(0.5), 0), [0, 4], [0, 0.25]],
  ['a negative power', (x) => where(x.greater(0), x.pow(-1.5), 0), [0, 4, -1], [0, -1.5 / 32, 0]],
  ['x^x', (x) => where(x.greater(0), x.pow(x), 1), [0, 1], [0, 1]],
  ['lgamma', (x) => where(x.greater(0.5), x.lgamma(), 0), [0, 1], [0, -0.5772156649015329]],
  ['products with infinity', (x) => where(x.less(10), x.exp().mul(x), x), [0, 1000], [1, 1]],
  ['missing numbers', (x) => where(x.isNaN(), 0, x.tanh()), [Number.NaN, 0], [0, 1]],
  ['infinite numbers', (x) => where(x.isFinite(), x.sin(), 0), [Number.POSITIVE_INFINITY, 0], [0, 1]],
  ['a remainder', (x) => where(x.equal(0), 0, x.mul(0).add(7).rem(x)), [0, 2], [0, -3]],
  ['clip', (x) => clip(x.sqrt(), 1, null), [0, 4], [0, 0.25]],
  [
    'nested choices',
    (x) => where(x.greater(1), where(x.greater(0), x.sqrt(), 5), x.log().mul(0)),
    [4, 0.5],
    [0.25, 0],
  ],
  ['maximum', (x) => maximum(x.sqrt(), 1), [0, 4], [0, 0.25]],
]

for (const [name, f, at, right] of cases) {
  test(`a branch not taken has no gradient: ${name}`, async (t) => {
    for (const dtype of ['float64', 'float32'] as const) {
      const tolerance = dtype === 'float64' ? 1e-9 : 1e-5
      for (const slope of slopes(f)) await equals(t, await slope(tensor(at, { dtype })), right, tolerance)
    }
  })
}

test('no gradient passes through sums, broadcasts and norms behind a choice', async (t) => {
  const rows = tensor(Float64Array.of(0, 0, 3, 4), { shape: [2, 2] })
  const length = (x: Tensor) => x.square().sum(1).sqrt()
  for (const slope of slopes((x) => where(length(x).greater(0), length(x), 0))) {
    await equals(t, await slope(rows), [
      [0, 0],
      [0.6, 0.8],
    ])
  }
  // The condition and the branches broadcast to (2, 2).
  for (const slope of slopes((x) =>
    where(tensor([[true], [false]]), x.expandDims(0), x.log().expandDims(0)),
  )) {
    await equals(t, await slope(f64(1, 2)), [2, 1.5])
  }
  for (const slope of slopes((x) =>
    where(tensor([[true], [true]]), x.expandDims(0), x.log().expandDims(0)),
  )) {
    await equals(t, await slope(f64(0, 2)), [2, 2])
  }
  await equals(t, grad((x: Tensor) => norm(x))(f64(0, 0)), [0, 0])
})

test('second derivatives pass by the branch not taken, too', async (t) => {
  const second = (f: (x: Tensor) => Tensor) => grad((x: Tensor) => grad((y: Tensor) => f(y).sum())(x).sum())
  await equals(t, second((x) => where(x.greater(0), x.sqrt(), 0))(f64(0, 4)), [0, -1 / 32])
  await equals(t, second((x) => where(x.less(10), x.exp(), x))(f64(0, 1000)), [1, 0])
  await equals(t, second((x) => where(x.greater(0), x.log(), x.square()))(f64(0, 2)), [2, -0.25])
  // A choice among gradients: the derivative of the root at 0 is infinite.
  const chosen = (x: Tensor) => where(x.greater(0), grad((y: Tensor) => y.sqrt().sum())(x), 0).sum()
  await equals(t, grad(chosen)(f64(0, 4)), [0, -1 / 32])
})

test('a gradient that is 0 has derivatives of its own', async (t) => {
  const f = (x: Tensor) => x.exp().sub(1).square().div(2).sum()
  await equals(t, grad(f)(f64(0)), [0])
  await equals(t, grad((x: Tensor) => grad(f)(x).sum())(f64(0)), [1])
  checkGradient(t, (x) => x.sin().mul(x.cos()).tanh(), [f64(0, Math.PI / 4)], { tolerance: 1e-6 })
})

test('elements that tie share the gradient', async (t) => {
  for (const extremum of [maximum, minimum]) {
    const [a, b] = grad(([x, y]: [Tensor, Tensor]) => extremum(x, y.mul(3)).sum())([f64(3, 1), f64(1, 1 / 3)])
    await equals(t, a, [0.5, 0.5])
    await equals(t, b, [1.5, 1.5])
  }
  await equals(t, grad((x: Tensor) => x.max())(f64(2, 1, 2, 2)), [1 / 3, 0, 1 / 3, 1 / 3])
  await equals(
    t,
    grad((x: Tensor) => x.min(1).sum())(
      tensor([
        [1, 1, 4],
        [5, 0, 9],
      ]),
    ),
    [
      [0.5, 0.5, 0],
      [0, 1, 0],
    ],
  )
  // A bound is no argument: the gradient passes at it.
  await equals(t, grad((x: Tensor) => clip(x, 1, 2).sum())(f64(0, 1, 2, 3)), [0, 1, 1, 0])
})

test('the determinant has a gradient where there is no inverse', async (t) => {
  const at = (rows: number[][]) => tensor(rows, { dtype: 'float64' })
  // The cofactors of [[1, 2], [2, 4]].
  await equals(
    t,
    grad((a: Tensor) => det(a))(
      at([
        [1, 2],
        [2, 4],
      ]),
    ),
    [
      [4, -2],
      [-2, 1],
    ],
  )
  await equals(
    t,
    grad((a: Tensor) => det(a))(
      at([
        [0, 0],
        [0, 0],
      ]),
    ),
    [
      [0, 0],
      [0, 0],
    ],
  )
  const rankTwo = at([
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ])
  await equals(t, grad((a: Tensor) => det(a))(rankTwo), [
    [-3, 6, -3],
    [6, -12, 6],
    [-3, 6, -3],
  ])
  const rankOne = at([
    [1, 2, 3],
    [2, 4, 6],
    [3, 6, 9],
  ])
  await equals(t, grad((a: Tensor) => det(a))(rankOne), [
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ])
  for (const singular of [
    rankTwo,
    rankOne,
    at([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]),
  ]) {
    checkGradient(t, (a) => det(a), [singular], { tolerance: 1e-6 })
  }
  // A batch of a regular matrix and one of rank 3.
  const regular = sample([4, 4])
  const product = sample([4, 3]).matmul(sample([3, 4], -1, 1, 5))
  const batch = (await import('../ts/index.js')).stack([regular, product])
  checkGradient(t, (a) => det(a), [batch], { tolerance: 1e-6 })
  const single = at([
    [1, 2],
    [2, 4],
  ]).cast('float32')
  close(t, await grad((a: Tensor) => det(a))(single).array(), [
    [4, -2],
    [-2, 1],
  ])
})
