/** Factors, solutions and eigenvalues of matrices. */
import test from 'ava'
import { eye, type NestedArray, NumericalError, ones, ShapeError, type Tensor, tensor } from '../ts/index.js'
import { checkGradient, close, equals, sample } from './helpers.js'

const identity = (n: number) => eye(n, n, { dtype: 'float64' })

/** Symmetric positive definite matrices, differentiable in x (.., n, n). */
const spd = (x: Tensor) => x.matmulT(x, { transposeB: true }).add(identity(x.shape.at(-1) as number).mul(2))

async function isIdentity(t: Parameters<typeof close>[0], x: Tensor): Promise<void> {
  const n = x.shape.at(-1) as number
  await equals(
    t,
    x,
    Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => Number(i === j))),
    1e-8,
  )
}

test('cholesky, its solve and logDet', async (t) => {
  const a = spd(sample([3, 3]))
  const l = a.cholesky()
  await equals(t, l.matmulT(l, { transposeB: true }), await a.array())
  await equals(t, l.triu(1).abs().sum(), 0)
  await isIdentity(t, identity(3).choleskySolve(l).matmul(a))
  close(t, await a.logDet().item(), Math.log(await a.det().item()))
  checkGradient(t, (x) => spd(x).cholesky(), [sample([3, 3])])
  checkGradient(t, (x) => spd(x).logDet(), [sample([3, 3])])
  checkGradient(t, (x) => spd(x).cholesky(), [sample([2, 2, 2])])
})

test('solve, inv, det and triangularSolve', async (t) => {
  const a = sample([3, 3]).add(identity(3).mul(2))
  const b = sample([3, 2], -1, 1, 2)
  await equals(t, a.matmul(a.solve(b)), await b.array())
  await equals(
    t,
    a.matmul(a.solve(b.slice([0, 0], [3, 1]).squeeze(1))),
    await b.slice([0, 0], [3, 1]).squeeze(1).array(),
  )
  await isIdentity(t, a.inv().matmul(a))
  await equals(t, tensor(Float64Array.of(1, 2, 3, 4), { shape: [2, 2] }).det(), -2)
  for (const lower of [true, false]) {
    for (const transpose of [true, false]) {
      const triangle = lower ? a.tril() : a.triu()
      const x = a.triangularSolve(b, { lower, transpose })
      await equals(t, (transpose ? triangle.transpose() : triangle).matmul(x), await b.array())
      checkGradient(t, (p, q) => p.triangularSolve(q, { lower, transpose }), [a, b], { tolerance: 1e-6 })
    }
  }
  checkGradient(t, (p, q) => p.solve(q), [a, b], { tolerance: 1e-6 })
  checkGradient(t, (p) => p.inv(), [a], { tolerance: 1e-6 })
  checkGradient(t, (p) => p.det(), [a], { tolerance: 1e-6 })
  const batch = a.reshape([1, 3, 3]).broadcastTo([2, 3, 3])
  await equals(t, batch.solve(b), [await a.solve(b).array(), await a.solve(b).array()] as NestedArray)
})

test('inverses of positive definite matrices', async (t) => {
  const x = sample([2, 3, 3])
  const positive = spd(x)
  const inverse = positive.inv({ positiveDefinite: true })
  await equals(t, inverse, await positive.inv().array(), 1e-10)
  // Above the diagonal nothing is read.
  await equals(t, positive.tril().inv({ positiveDefinite: true }), await inverse.array())
  checkGradient(t, (p) => spd(p).inv({ positiveDefinite: true }), [x], { tolerance: 1e-6 })
  // What is seen of the inverse need not be symmetric for its gradient to be right.
  checkGradient(t, (p) => spd(p).inv({ positiveDefinite: true }).triu(1), [x], { tolerance: 1e-6 })
  await t.throwsAsync(() => positive.neg().inv({ positiveDefinite: true }).data(), {
    instanceOf: NumericalError,
    message: /not positive definite/,
  })
  t.throws(() => tensor([1]).inv({ positiveDefinite: true }), { instanceOf: ShapeError, message: /^inv/ })
})

test('factors, solutions and inverses of large matrices', async (t) => {
  const n = 200
  const a = spd(sample([n, n])).div(n)
  const l = a.cholesky()
  const error = (x: Tensor) => x.sub(identity(n)).abs().max().item()
  t.true((await error(a.matmul(a.inv({ positiveDefinite: true })))) < 1e-9)
  t.true((await error(a.matmul(identity(n).choleskySolve(l)))) < 1e-9)
  t.true((await l.matmulT(l, { transposeB: true }).sub(a).abs().max().item()) < 1e-12)
  t.is(await l.triu(1).abs().max().item(), 0)
  // The second block of rows fails.
  const bad = a.sub(eye(n, n, { dtype: 'float64' }).mul(indicator(n, 70)).mul(1e3))
  await t.throwsAsync(() => bad.cholesky().data(), { message: /pivot 70 is/ })
})

/** 1 at one of n positions, else 0. */
function indicator(n: number, place: number): Tensor {
  return tensor(Float64Array.from({ length: n }, (_, i) => Number(i === place)))
}

test('eigh', async (t) => {
  const x = sample([3, 3])
  const a = x.add(x.transpose())
  const { values, vectors } = a.eigh()
  await equals(t, a.matmul(vectors), await vectors.mul(values).array())
  await isIdentity(t, vectors.matmulT(vectors, { transposeA: true }))
  const sorted = (await values.array()) as number[]
  t.deepEqual(
    sorted,
    [...sorted].sort((p, q) => p - q),
  )
  checkGradient(t, (p) => p.add(p.transpose()).eigh().values, [x], { tolerance: 1e-6 })
  checkGradient(t, (p) => p.add(p.transpose()).eigh().vectors.square(), [x], { tolerance: 1e-5 })
})

test('matrices without an answer', async (t) => {
  const singular = tensor([
    [1, 2],
    [2, 4],
  ])
  await t.throwsAsync(() => singular.sub(5).cholesky().data(), {
    instanceOf: NumericalError,
    message: /cholesky/,
  })
  await t.throwsAsync(() => singular.inv().data(), { instanceOf: NumericalError, message: /solve/ })
  t.throws(() => tensor([1, 2]).cholesky(), { instanceOf: ShapeError, message: /square/ })
  t.throws(() => singular.solve(tensor([1, 2, 3])), { instanceOf: ShapeError })
  t.throws(() => tensor([1]).inv(), { instanceOf: ShapeError })
})

test('eigh of matrices with few different eigenvalues', async (t) => {
  for (const n of [10, 20, 64, 100]) {
    const values = (await ones([n, n], { dtype: 'float64' }).div(n).eigh().values.data()) as Float64Array
    close(t, [values.at(-1) as number], [1], 1e-12)
    t.true(values.slice(0, -1).every((value) => Math.abs(value) < 1e-12))
  }
})
