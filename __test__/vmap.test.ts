/** Functions of one sample, mapped over all samples. */
import test from 'ava'
import {
  type Context,
  type DType,
  DTypeError,
  evalContext,
  explain,
  foldIn,
  grad,
  jit,
  key,
  memory,
  normal,
  perSampleGrads,
  type Shape,
  ShapeError,
  StateError,
  splitKey,
  stack,
  type Tensor,
  tensor,
  uniform,
  Variable,
  valueAndGrad,
  vmap,
} from '../ts/index.js'
import { close } from './close.js'
import { inputOf, layerClasses, layerSamples } from './layer-samples.js'

/** Numbers that look random, from -1 to 1. */
function noise(shape: Shape, salt = 0, dtype: DType = 'float64'): Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1)
  const values = Float64Array.from({ length: size }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * salt))
  return tensor(values, { shape: [...shape] }).cast(dtype)
}

const rowsOf = (x: Tensor): Tensor[] =>
  Array.from({ length: x.shape[0] as number }, (_, i) => x.slice([i], [i + 1]).squeeze([0]))

/** Compares tensors of any float type. */
function same(t: Parameters<typeof close>[0], found: Tensor, expected: Tensor, message?: string) {
  t.deepEqual(found.shape, expected.shape, message)
  t.is(found.dtype, expected.dtype, message)
  close(t, found, Float64Array.from(expected.dataSync() as ArrayLike<number>), 1e-10)
}

test('a function of one sample is a function of all samples', (t) => {
  const distance = (a: Tensor, b: Tensor) => a.sub(b).square().sum().sqrt()
  const [one, all, others] = [noise([3], 1), noise([5, 3], 2), noise([4, 3], 3)]
  const toEach = vmap(distance, { inAxes: [null, 0] })
  same(t, toEach(one, all), stack(rowsOf(all).map((row) => distance(one, row))))
  const ofAllPairs = vmap(toEach, { inAxes: [0, null] })
  const expected = stack(rowsOf(others).map((a) => stack(rowsOf(all).map((b) => distance(a, b)))))
  same(t, ofAllPairs(others, all), expected)
  t.is(vmap((x: Tensor) => x.argMax(0))(all).dtype, 'int32')
})

test('axes of arguments and results are trees', (t) => {
  const f = ({ x, w }: { x: Tensor; w: readonly [Tensor, Tensor] }, scale: number) => ({
    y: x.matmul(w[0]).add(w[1]).mul(scale),
    bias: w[1],
  })
  const [x, first, second] = [noise([2, 3, 5], 1), noise([3, 4], 2), noise([4, 5], 3)]
  const mapped = vmap(f, {
    inAxes: [{ x: 2, w: [null, -1] }, null],
    outAxes: { y: -1, bias: 0 },
  })
  const { y, bias } = mapped({ x, w: [first, second] }, 3)
  const one = (i: number) =>
    f(
      {
        x: x.slice([0, 0, i], [2, 3, i + 1]).squeeze([2]),
        w: [
          first,
          second
            .transpose()
            .slice([i], [i + 1])
            .squeeze([0]),
        ],
      },
      3,
    )
  same(
    t,
    y,
    stack(
      [0, 1, 2, 3, 4].map((i) => one(i).y),
      -1,
    ),
  )
  same(t, bias, second.transpose())
  const shared = vmap((x: Tensor) => ({ x, w: first }), { outAxes: { x: 1, w: null } })
  same(t, shared(second).x, second.transpose())
  same(t, shared(second).w, first)
  t.deepEqual(vmap((x: Tensor) => [x, first] as const)(second)[1].shape, [4, 3, 4])
})

test('derivatives of maps and maps of derivatives', (t) => {
  const [w, xs, ys] = [noise([3, 2], 1), noise([6, 3], 2), noise([6, 2], 3)]
  const loss = (w: Tensor, x: Tensor, y: Tensor) =>
    x.expandDims(0).matmul(w).squeeze([0]).tanh().sub(y).square().sum()
  const each = perSampleGrads(loss, w, xs, ys)
  const loop = stack(rowsOf(xs).map((x, i) => grad(loss)(w, x, rowsOf(ys)[i] as Tensor)))
  same(t, each, loop)
  const total = (w: Tensor) => vmap(loss, { inAxes: [null, 0, 0] })(w, xs, ys).sum()
  same(t, grad(total)(w), loop.sum([0]))
  const second = grad((w: Tensor) => grad(total)(w).square().sum())(w)
  const plain = (w: Tensor) => xs.matmul(w).tanh().sub(ys).square().sum()
  same(t, second, grad((w: Tensor) => grad(plain)(w).square().sum())(w))
  const variable = new Variable(w)
  const squares = perSampleGrads(
    ({ w }: { w: Tensor }, x: Tensor) => x.dot(w.sum([1])).square(),
    { w: variable },
    xs,
  )
  t.deepEqual(squares.w.shape, [6, 3, 2])
  const readInside = perSampleGrads(
    (_: readonly Tensor[], x: Tensor) => x.dot(variable.value.sum([1])),
    [variable],
    xs,
  )
  same(t, readInside[0] as Tensor, stack(rowsOf(xs).map((x) => stack([x, x], 1))))
})

test('squares of the gradients of every sample are summed without the gradients', (t) => {
  const [w, xs, ys] = [noise([7, 5], 1), noise([16, 7], 2), noise([16, 5], 3)]
  const loss = (w: Tensor, x: Tensor, y: Tensor) =>
    x.expandDims(0).matmul(w).squeeze([0]).sub(y).square().sum()
  const each = perSampleGrads(loss, w, xs, ys)
  const loop = stack(rowsOf(xs).map((x, i) => grad(loss)(w, x, rowsOf(ys)[i] as Tensor)))
  for (const [axes, shape] of [
    [[0], [7, 5]],
    [[1, 2], [16]],
  ] as const) {
    const sums = each.square().sum([...axes])
    t.deepEqual(sums.shape, shape)
    t.notRegex(explain(sums), /16, 7, 5|16, 5, 7/)
    same(t, sums, loop.square().sum([...axes]))
  }
  t.regex(explain(each.square().sum([0])), /matmul/)
  // The weights of the peers' layout, whose gradients are transposed.
  const transposed = (w: Tensor, x: Tensor, y: Tensor) => loss(w.transpose(), x, y)
  const sums = perSampleGrads(transposed, w.transpose(), xs, ys).square().sum([0])
  t.notRegex(explain(sums), /16, 7, 5|16, 5, 7/)
  same(t, sums, loop.square().sum([0]).transpose())
  same(t, each.square().sum([1]), loop.square().sum([1]))
})

test('a compiled map gives the same numbers', async (t) => {
  const f = vmap((x: Tensor, w: Tensor) => x.expandDims(0).matmul(w).squeeze([0]).relu(), {
    inAxes: [0, null],
  })
  const [x, w] = [noise([4, 3], 1), noise([3, 2], 2)]
  const compiled = jit(f)
  same(t, await compiled(x, w), x.matmul(w).relu())
  compiled.dispose()
})

test('keys with an axis of samples give each sample its own numbers', (t) => {
  const keys = stack(splitKey(key(7), 4))
  const drawn = vmap((k: Tensor) => normal(k, [3], { dtype: 'float64' }))(keys)
  same(t, drawn, stack(rowsOf(keys).map((k) => normal(k, [3], { dtype: 'float64' }))))
  const folded = vmap((k: Tensor) => uniform(foldIn(k, 5), []))(keys)
  same(t, folded, stack(rowsOf(keys).map((k) => uniform(foldIn(k, 5), []))))
  const shared = vmap((x: Tensor) => normal(key(3), [2]).add(x.cast('float32')))(tensor([0, 0]))
  same(t, rowsOf(shared)[0] as Tensor, rowsOf(shared)[1] as Tensor)
})

test('what a map made is released with its result', (t) => {
  const x = noise([8, 3], 1)
  const before = memory().nodes
  for (let i = 0; i < 10; i++) {
    using y = vmap((row: Tensor) => row.mul(2).exp().sum())(x)
    y.dataSync()
  }
  t.is(memory().nodes, before)
})

test('what cannot be mapped is refused', (t) => {
  const x = noise([4, 3], 1)
  const sum = (a: Tensor, b: Tensor) => a.add(b)
  const refused: [() => unknown, RegExp][] = [
    [() => vmap(3 as never), /given 3, expected a function/],
    [() => vmap(sum, { inaxes: 0 } as never), /unknown option of vmap "inaxes".*inAxes/],
    [() => vmap(sum, { inAxes: 0.5 as never }), /inAxes must be an axis/],
    [() => vmap(sum, { inAxes: [0] })(x, x), /2 arguments/],
    [() => vmap(sum, { inAxes: null })(x, x), /2 arguments/],
    [() => vmap(sum, { inAxes: [null, null] })(x, x), /no argument has an axis of samples/],
    [() => vmap(sum)(x, noise([5, 3])), /4 and with 5 samples/],
    [() => vmap(sum, { inAxes: [0, 2] })(x, x), /axis from -2 to 1/],
    [() => vmap(sum)(tensor(1), x), /inAxes\[0\] is 0 for a tensor \(\)/],
    [() => vmap(sum)(noise([0, 3]), noise([0, 3])), /no samples on axis 0/],
    [() => vmap(({ a }: { a: Tensor }) => a, { inAxes: [{ b: 0 }] })({ a: x }), /a tree with the same names/],
    [() => vmap((a: Tensor) => a, { outAxes: 2 })(x), /axis from -2 to 1/],
    [() => vmap((a: Tensor) => a, { outAxes: null })(x), /depends on the sample/],
    [() => vmap((a: Tensor) => a.dataSync() as never)(x), /while jit or vmap traces/],
    [() => vmap(async (a: Tensor) => a)(x), /synchronous/],
    [() => perSampleGrads((w: Tensor) => w.sum(), x), /no samples were given/],
  ]
  for (const [call, message] of refused) t.throws(call, { message })
  const counter = new Variable(tensor(0))
  t.throws(() => vmap((a: Tensor) => counter.assign(a.sum()))(x), {
    instanceOf: StateError,
    message: /one value for all samples/,
  })
  t.is(counter.value.itemSync(), 0)
  t.throws(() => vmap(sum)(x, noise([4, 2])), { instanceOf: ShapeError })
  t.throws(() => vmap((a: Tensor) => a.add(a.cast('int32').cast('float32')))(x), { instanceOf: DTypeError })
  // A failed trace leaves nothing behind.
  same(t, vmap((a: Tensor) => a.mul(2))(x), x.mul(2))
  counter.assign(5)
  t.is(counter.value.itemSync(), 5)
})

test('tensors that a map made inside cannot be used outside', (t) => {
  let leaked: Tensor | undefined
  vmap((a: Tensor) => {
    leaked = a.mul(2)
    return leaked
  })(noise([2, 2]))
  t.throws(() => leaked?.dataSync(), { message: /made while jit or vmap traced/ })
})

for (const [name, Class] of layerClasses()) {
  const sample = layerSamples[name]
  if (sample === undefined) continue

  test(`${name}: mapped over inputs, weights, both, and keys`, (t) => {
    const layer = new Class(...sample.args())
    layer.declare(sample.input)
    layer.initialize({ dtype: 'float64' })
    const count = 3
    const input = inputOf(sample, 'float64')
    const xs = sample.isIndex
      ? stack(Array.from({ length: count }, (_, i) => (i === 0 ? input : input.flip([0]))))
      : noise([count, ...input.shape], 1)
    const stacked = Object.fromEntries(
      Object.entries(layer.paramShapes).map(([path, shape], i) => [path, noise([count, ...shape], i + 2)]),
    )
    const weightsOf = (i: number) =>
      Object.fromEntries(Object.entries(stacked).map(([path, w]) => [path, rowsOf(w)[i] as Tensor]))
    const state = layer.stateValues()
    const ctx = evalContext(state)
    const x = (i: number) => rowsOf(xs)[i] as Tensor
    const indices = [0, 1, 2]
    const overInputs = vmap((x: Tensor) => layer.apply(weightsOf(0), x, ctx) as Tensor)(xs)
    same(t, overInputs, stack(indices.map((i) => layer.apply(weightsOf(0), x(i), ctx) as Tensor)), 'inputs')
    if (Object.keys(stacked).length > 0) {
      const overWeights = vmap((w: Record<string, Tensor>) => layer.apply(w, x(0), ctx) as Tensor)(stacked)
      same(
        t,
        overWeights,
        stack(indices.map((i) => layer.apply(weightsOf(i), x(0), ctx) as Tensor)),
        'weights',
      )
      const overBoth = vmap((w: Record<string, Tensor>, x: Tensor) => layer.apply(w, x, ctx) as Tensor)(
        stacked,
        xs,
      )
      same(t, overBoth, stack(indices.map((i) => layer.apply(weightsOf(i), x(i), ctx) as Tensor)), 'both')
    }
    const keys = splitKey(key(5), count)
    const training = (key: Tensor): Context => ({ training: true, key, state, update: () => {} })
    const trained = (key: Tensor, x: Tensor) => layer.apply(weightsOf(0), x, training(key)) as Tensor
    const overKeys = vmap(trained)(stack(keys), xs)
    same(t, overKeys, stack(indices.map((i) => trained(keys[i] as Tensor, x(i)))), 'keys')
    if (sample.isIndex) return
    const slope = (x: Tensor) =>
      grad((x: Tensor) => (layer.apply(weightsOf(0), x, ctx) as Tensor).square().sum())(x)
    same(t, vmap(slope)(xs), stack(indices.map((i) => slope(x(i)))), 'slopes')
  })
}

test('the value beside a gradient, and auxiliary results', (t) => {
  const f = (x: Tensor) => [x.square().sum(), { norm: x.abs().sum() }] as const
  const mapped = vmap((x: Tensor) => valueAndGrad(f, x, { hasAux: true }))(noise([4, 3], 1))
  t.deepEqual([mapped.value.shape, mapped.grads.shape, mapped.aux.norm.shape], [[4], [4, 3], [4]])
})
