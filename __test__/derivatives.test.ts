/** Forward derivatives, Jacobians and Hessians. */
import test from 'ava'
import {
  DTypeError,
  grad,
  hessian,
  hvp,
  jacobian,
  jit,
  jvp,
  ShapeError,
  type Tensor,
  tensor,
  Variable,
  vmap,
  where,
} from '../ts/index.js'
import { close, sample } from './close.js'

const numbersOf = (x: Tensor) => Float64Array.from(x.dataSync() as ArrayLike<number>)

/** (f(x + h v) - f(x - h v)) / 2h */
function slopeAlong(f: (x: Tensor) => Tensor, x: Tensor, v: Tensor, h = 1e-6): Float64Array {
  const [up, down] = [1, -1].map((sign) => numbersOf(f(x.add(v.mul(sign * h))))) as [
    Float64Array,
    Float64Array,
  ]
  return up.map((value, i) => (value - (down[i] as number)) / (2 * h))
}

const w = sample([3, 4], 2)
const layer = (x: Tensor) => x.expandDims(0).matmul(w).squeeze([0]).tanh()

test('jvp is the derivative along a direction', (t) => {
  const [x, v] = [sample([3], 1), sample([3], 5)]
  const { value, tangents } = jvp(layer, x, v)
  close(t, value, numbersOf(layer(x)))
  close(t, tangents, slopeAlong(layer, x, v), 1e-8)
  const trees = jvp(
    ({ a, b }: { a: Tensor; b: readonly Tensor[] }) => [a.mul(b[0] as Tensor).sum(), a.exp()] as const,
    { a: x, b: [v] },
    { a: v, b: [x] },
  )
  close(t, trees.tangents[0], numbersOf(x.square().add(v.square()).sum()))
  close(t, trees.tangents[1], numbersOf(x.exp().mul(v)))
  const constant = jvp((_: Tensor) => tensor([1, 2], { dtype: 'float64' }), x, v)
  t.deepEqual([...constant.tangents.dataSync()], [0, 0])
  const slope = (x: Tensor) => jvp(layer, x, v).tangents
  close(t, jvp(slope, x, v).tangents, slopeAlong(slope, x, v), 1e-7)
  const mapped = vmap((v: Tensor) => jvp(layer, x, v).tangents)(sample([5, 3], 7))
  t.deepEqual(mapped.shape, [5, 4])
})

test('jvp takes Variables, and refuses directions that do not fit', (t) => {
  const variable = new Variable(sample([3], 1))
  const { tangents } = jvp((at: readonly Tensor[]) => layer(at[0] as Tensor), [variable], [sample([3], 5)])
  close(t, tangents, slopeAlong(layer, variable.value, sample([3], 5)), 1e-8)
  const x = sample([3], 1)
  t.throws(() => jvp(layer, x, sample([2], 1)), {
    instanceOf: ShapeError,
    message: /\(2\) for float64 \(3\)/,
  })
  t.throws(() => jvp(layer, x, sample([3], 1).cast('float32')), { instanceOf: DTypeError })
  t.throws(() => jvp(layer, x, [x] as never), { instanceOf: ShapeError, message: /a tree like the point/ })
  t.throws(() => jvp((x: Tensor) => x.cast('int32'), x, x), { instanceOf: DTypeError })
  t.throws(() => hvp((x: Tensor) => x, x, x), { message: /hvp|grad/ })
})

test('both ways give one Jacobian', async (t) => {
  const x = sample([3], 1)
  const [back, ahead] = (['reverse', 'forward'] as const).map((mode) => jacobian(layer, { mode })(x)) as [
    Tensor,
    Tensor,
  ]
  t.deepEqual(back.shape, [4, 3])
  close(t, back, numbersOf(ahead))
  const columns = [0, 1, 2].map((i) =>
    slopeAlong(layer, x, tensor([0, 1, 2].map((j) => Number(i === j))).cast('float64')),
  )
  close(
    t,
    back.transpose(),
    columns.flatMap((column) => [...column]),
    1e-8,
  )
  const compiled = jit((x: Tensor) => jacobian(layer)(x))
  close(t, await compiled(x), numbersOf(back))
  compiled.dispose()
})

test('Jacobians of trees, and with respect to another argument', (t) => {
  const f = (scale: Tensor, at: { a: Tensor; b: Tensor }) => ({
    y: at.a.expandDims(1).mul(at.b).mul(scale),
    s: at.b.sum().mul(at.a.sum()),
  })
  const [scale, a, b] = [tensor(2, { dtype: 'float64' }), sample([3], 1), sample([2], 2)]
  for (const mode of ['reverse', 'forward'] as const) {
    const j = jacobian(f, { wrt: 1, mode })(scale, { a, b })
    t.deepEqual([j.y.a.shape, j.y.b.shape, j.s.a.shape, j.s.b.shape], [[3, 2, 3], [3, 2, 2], [3], [2]])
    const expected = Array.from({ length: 18 }, (_, i) => {
      const [row, column, of] = [Math.floor(i / 6), Math.floor(i / 3) % 2, i % 3]
      return row === of ? 2 * (numbersOf(b)[column] as number) : 0
    })
    close(t, j.y.a, expected)
    close(
      t,
      j.s.b,
      [0, 0].map(() => numbersOf(a).reduce((sum, x) => sum + x, 0)),
    )
  }
})

test('Hessians and their products', (t) => {
  const f = (x: Tensor) => layer(x).square().sum()
  const [x, v] = [sample([3], 1), sample([3], 5)]
  const h = hessian(f)(x)
  t.deepEqual(h.shape, [3, 3])
  close(t, h, numbersOf(h.transpose()), 1e-12)
  close(t, hvp(f, x, v), numbersOf(h.matmul(v.expandDims(1))), 1e-10)
  close(t, hvp(f, x, v), slopeAlong(grad(f), x, v), 1e-7)
  const trees = hessian(({ a, b }: { a: Tensor; b: Tensor }) => a.square().mul(b).sum())({ a: x, b: v })
  t.deepEqual(
    [trees.a.a.shape, trees.a.b.shape, trees.b.b.shape],
    [
      [3, 3],
      [3, 3],
      [3, 3],
    ],
  )
  close(t, trees.b.b, new Float64Array(9))
  t.throws(() => jacobian(f, { wrt: 1 })(x), { message: /wrt is 1.*1 arguments/ })
  t.throws(() => jacobian((x: Tensor) => x.cast('int32'))(x), { instanceOf: DTypeError })
  t.throws(() => jacobian(f, { mode: 'back' as never }), { message: /reverse/ })
})

const f64 = { dtype: 'float64' } as const

test('public reports: a NaN stays where it belongs (jax-ml/jax 29152, 4900)', (t) => {
  for (const mode of ['reverse', 'forward'] as const) {
    const j = jacobian((x: Tensor) => x.mul(x.cos().log()), { mode })(tensor([6, 7, 8], f64))
    const [first, second, third] = [0, 1, 2].map((i) => [...numbersOf(j).slice(3 * i, 3 * i + 3)])
    close(t, first as number[], [1.7053925199853903, 0, 0])
    close(t, second as number[], [0, -6.382628434597368, 0])
    t.deepEqual(third, [0, 0, Number.NaN])
    const y = tensor([1, 2, Number.NaN], f64)
    const curvature = jacobian(
      jacobian((p: Tensor) => y.pow(p), { mode }),
      { mode },
    )(tensor(1, f64))
    close(t, [...numbersOf(curvature)].slice(0, 2), [0, 2 * Math.LN2 ** 2])
    t.true(Number.isNaN(numbersOf(curvature)[2]))
  }
})

test('public reports: masked pairs have derivatives of second order (jax-ml/jax 654, 18562)', (t) => {
  const points = tensor(
    [
      [0, 0],
      [1, 0],
      [0, 2],
    ],
    f64,
  )
  const same = tensor([
    [true, false, false],
    [false, true, false],
    [false, false, true],
  ])
  const energy = (p: Tensor) => {
    const squares = p.expandDims(1).sub(p.expandDims(0)).square().sum([2])
    return where(same, 0, where(same, 1, squares).sqrt().pow(-1)).sum()
  }
  const h = hessian(energy)(points)
  t.true(numbersOf(h).every(Number.isFinite))
  const direction = sample([3, 2], 4)
  close(t, hvp(energy, points, direction), slopeAlong(grad(energy), points, direction), 1e-7)
})
