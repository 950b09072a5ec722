import test from 'ava'
import {
  ArgumentError,
  bernoulli,
  DisposedError,
  DTypeError,
  evaluate,
  explain,
  foldIn,
  grad,
  HostRandom,
  jit,
  key,
  memory,
  NumericalError,
  normal,
  permutation,
  plans,
  ShapeError,
  StateError,
  scope,
  splitKey,
  type Tensor,
  tensor,
  treeFlatten,
  treeMap,
  uniform,
  Variable,
  valueAndGrad,
  vjp,
  zeros,
} from '../ts/index.js'
import { close, equals, sample } from './helpers.js'

test('grad differentiates by the first argument, or the one named', async (t) => {
  const f = (x: Tensor, y: Tensor) => x.mul(y).mul(y).sum()
  await equals(t, grad(f)(tensor([1, 2]), tensor([3, 4])), [9, 16])
  await equals(t, grad(f, 1)(tensor([1, 2]), tensor([3, 4])), [6, 16])
  t.throws(() => grad(f, 2 as 1)(tensor([1]), tensor([1])), { instanceOf: ArgumentError })
})

test('gradients have the structure of the argument, and zeros where nothing depends', async (t) => {
  const at = { w: tensor([1, 2]), layers: [tensor(3), tensor([4, 5])] as const }
  const { value, grads } = valueAndGrad((p) => p.w.mul(p.layers[0]).sum(), at)
  t.is(await value.item(), 9)
  await equals(t, grads.w, [3, 3])
  await equals(t, grads.layers[0], 3)
  await equals(t, grads.layers[1], [0, 0])
})

test('grad of grad of grad', async (t) => {
  const d1 = grad((x: Tensor) => x.pow(4).sum())
  const d2 = grad((x: Tensor) => d1(x).sum())
  const d3 = grad((x: Tensor) => d2(x).sum())
  await equals(t, d3(tensor(Float64Array.of(2, -1))), [48, -24])
})

test('a gradient inside a function that is differentiated: a look-ahead step', async (t) => {
  const loss = (w: Tensor) => w.square().sum()
  const lookAhead = (w: Tensor) => loss(w.sub(grad(loss)(w).mul(0.1)))
  // w - 0.1 * 2w = 0.8 w, squared and differentiated: 2 * 0.64 w
  await equals(t, grad(lookAhead)(tensor(Float64Array.of(1, 3))), [1.28, 3.84])
})

test('values computed while a function is differentiated keep their history', async (t) => {
  const f = (x: Tensor) => {
    const y = x.mul(x)
    const big = y.sum().itemSync() > 1
    return (big ? y.mul(2) : y).sum()
  }
  await equals(t, grad(f)(tensor([1, 2])), [4, 8])
})

test('Variables can be differentiated by', async (t) => {
  const weights = { kernel: new Variable(tensor([1, 2])), bias: new Variable(tensor(1)) }
  const { grads } = valueAndGrad((w) => w.kernel.mul(w.bias).sum(), weights)
  await equals(t, grads.kernel, [1, 1])
  await equals(t, grads.bias, 3)
  const read = valueAndGrad(() => weights.kernel.value.square().sum(), weights)
  await equals(t, read.grads.kernel, [2, 4])
})

test('aux values are passed on', async (t) => {
  const { value, grads, aux } = valueAndGrad(
    (x: Tensor) => {
      const y = x.mul(2)
      return [y.sum(), { y }] as const
    },
    tensor([1, 2]),
    { hasAux: true },
  )
  t.is(await value.item(), 6)
  await equals(t, grads, [2, 2])
  await equals(t, aux.y, [2, 4])
})

test('a function that cannot be differentiated is refused', (t) => {
  const x = tensor([1, 2])
  t.throws(() => grad((y: Tensor) => y.mul(2))(x), { instanceOf: ShapeError, message: /sum\(\) or mean\(\)/ })
  t.throws(() => grad((y: Tensor) => y.argMax(0))(x), { instanceOf: DTypeError })
  t.throws(() => grad((_: Tensor) => 1 as never)(x), { instanceOf: ArgumentError })
  t.throws(() => grad((y: Tensor) => y.sum())(tensor([1], { dtype: 'int32' })), { instanceOf: DTypeError })
  t.throws(() => valueAndGrad((y: Tensor) => y.sum() as never, x, { hasAux: true }), {
    instanceOf: ArgumentError,
  })
})

test('vjp multiplies cotangents with the Jacobian', async (t) => {
  const x = tensor([1, 2])
  const { value, grads } = vjp((at: Tensor) => ({ a: at.mul(3), b: at.square() }), x, {
    a: tensor([1, 10]),
    b: tensor([0, 1]),
  })
  await equals(t, value.b, [1, 4])
  await equals(t, grads, [3, 34])
  await equals(t, vjp((at: Tensor) => at.square(), x).grads, [2, 4])
  await equals(
    t,
    vjp(
      (at: Tensor) => at.square(),
      x,
      (y) => y,
    ).grads,
    [2, 16],
  )
})

test('stopGradient is a constant', async (t) => {
  await equals(t, grad((x: Tensor) => x.mul(x.stopGradient()).sum())(tensor([2, 3])), [2, 3])
})

test('jit gives what the function gives, and traces once per shape', async (t) => {
  let traces = 0
  const f = jit((x: Tensor, rate: Tensor) => {
    traces++
    return { y: x.mul(rate), parts: [x.sum()] }
  })
  const first = await f(tensor([1, 2]), 3)
  await equals(t, first.y, [3, 6])
  await equals(t, first.parts[0] as Tensor, 3)
  await equals(t, (await f(tensor([5, 6]), 2)).y, [10, 12])
  t.is(traces, 1)
  await equals(t, (await f(tensor([1, 2, 3]), 2)).y, [2, 4, 6])
  t.is(traces, 2)
  t.is(f.programs, 2)
})

test('jit replays assignments to Variables, several runs under way', async (t) => {
  const w = new Variable(tensor([1, 2]), { name: 'w' })
  const step = jit((x: Tensor, rate: Tensor) => {
    const { value, grads } = valueAndGrad((at) => at.mul(x).sum(), w)
    w.assign(w.value.sub(grads.mul(rate)))
    return value
  })
  const losses = await Promise.all([
    step(tensor([1, 1]), 1),
    step(tensor([1, 1]), 1),
    step(tensor([2, 0]), 0.5),
  ])
  close(t, await Promise.all(losses.map((x) => x.item())), [3, 1, -2])
  t.deepEqual([...(await w.data())], [-2, 0])
})

test('jit sees assignments made outside between runs', async (t) => {
  const w = new Variable(tensor(1))
  const read = jit((x: Tensor) => w.value.add(x))
  t.is(await (await read(1)).item(), 2)
  w.assign(tensor(10))
  t.is(await (await read(1)).item(), 11)
})

test('jit takes trees, Variables and lazy tensors as arguments', async (t) => {
  const f = jit((tree: { a: Tensor; b: readonly Tensor[] }) => tree.a.add(tree.b[0] as Tensor))
  const lazy = tensor([1, 2]).mul(2)
  await equals(t, await f({ a: new Variable(tensor([1, 1])), b: [lazy] }), [3, 5])
})

test('tensors used inside jit are constants of the program', async (t) => {
  const c = tensor([1, 2])
  const f = jit((x: Tensor) => x.add(c))
  await equals(t, await f(tensor([1, 1])), [2, 3])
  c.dispose()
  await equals(t, await f(tensor([2, 2])), [3, 4])
})

test('reading a value while tracing says what to do', (t) => {
  const read = jit((x: Tensor) => {
    x.sum().dataSync()
    return x
  })
  t.throws(() => read(tensor([1])), { instanceOf: StateError, message: /return the tensor/ })
  t.throws(() => jit((x: Tensor) => x.mul(x.sum().itemSync()))(tensor([1])), { instanceOf: StateError })
  t.notThrows(() => tensor([1]).add(1).dataSync())
})

test('jit refuses what it cannot trace, and recovers', async (t) => {
  t.throws(() => jit(async (x: Tensor) => x)(tensor([1])), {
    instanceOf: ArgumentError,
    message: /synchronous/,
  })
  t.throws(() => jit((x: Tensor) => x.add(tensor([1, 2, 3])))(tensor([1, 2])), { instanceOf: ShapeError })
  t.throws(() => jit((x: Tensor) => x)('x' as never), { instanceOf: ArgumentError, message: /tree/ })
  const inner = jit((x: Tensor) => x)
  t.throws(() => jit((x: Tensor) => [inner(x)] as never)(tensor([1])), { instanceOf: StateError })
  t.is(await (await jit((x: Tensor) => x.add(1))(1)).item(), 2)
})

test('everything made while tracing is disposed of', async (t) => {
  let inside: Tensor | undefined
  const f = jit((x: Tensor) => {
    inside = x.add(1)
    return inside
  })
  await f(tensor([1]))
  t.true(inside?.isDisposed)
})

test('a disposed compiled function refuses to run', async (t) => {
  const f = jit((x: Tensor) => x.add(1))
  await f(1)
  f.dispose()
  f.dispose()
  t.throws(() => f(1), { instanceOf: DisposedError })
})

test('a run that fails rejects with the stack of its call, and Variables keep their values', async (t) => {
  const w = new Variable(zeros([2, 2]), { name: 'w' })
  const f = jit((x: Tensor) => {
    w.assign(x.cholesky())
  })
  const bad = tensor([
    [1, 2],
    [2, 1],
  ])
  const error = await t.throwsAsync(async () => f(bad), { instanceOf: NumericalError, code: 'NUMERICAL' })
  t.regex(error?.stack ?? '', /transforms\.test/)
  t.deepEqual([...(await w.data())], [0, 0, 0, 0])
})

test.serial('a training loop reuses its plan and holds its memory flat', async (t) => {
  const w = new Variable(sample([4, 3]).cast('float32'))
  const step = jit((x: Tensor) => {
    const { value, grads } = valueAndGrad((at) => x.matmul(at).tanh().square().mean(), w)
    w.assign(w.value.sub(grads.mul(0.1)))
    return value
  })
  const x = sample([8, 4]).cast('float32')
  await evaluate(x)
  for (let i = 0; i < 3; i++) (await step(x)).dispose()
  const before = memory()
  for (let i = 0; i < 50; i++) (await step(x)).dispose()
  const after = memory()
  t.true(after.nodes <= before.nodes)
  t.true(after.bytes <= before.bytes)
  t.is(after.allocations, before.allocations)
  t.is(after.plans, before.plans)
})

test('evaluate computes a tree; explain and plans show what runs', async (t) => {
  const a = tensor([1, 2]).add(1)
  const b = { c: [tensor([1, 2]).mul(2)] }
  t.regex(explain(a), /add/)
  await evaluate({ a, b })
  t.notRegex(String(a), /lazy/)
  t.notRegex(String(b.c[0]), /lazy/)
  t.true(plans().length > 0)
})

test('a run-time error names the scope it happened in', async (t) => {
  const x = scope('model/layers.2', () =>
    tensor([
      [1, 2],
      [2, 1],
    ]).cholesky(),
  )
  await t.throwsAsync(() => x.data(), { message: /model\/layers\.2/ })
})

test('trees are mapped, flattened and rebuilt', (t) => {
  const tree = { b: [tensor(1), tensor(2)] as const, a: tensor(3), none: undefined }
  const shapes = treeMap(tree, (leaf, path) => `${path.join('.')}:${leaf.rank}`)
  t.deepEqual(shapes, { b: ['b.0:0', 'b.1:0'], a: 'a:0', none: undefined })
  const { leaves, structure } = treeFlatten(tree)
  t.is(leaves.length, 3)
  t.deepEqual(structure.unflatten([1, 2, 3]) as unknown, { b: [1, 2], a: 3, none: undefined })
  t.not(structure.key, treeFlatten({ b: [tensor(1)], a: tensor(3) }).structure.key)
  t.throws(() => treeFlatten({ a: { b: 'x' } }), { instanceOf: ArgumentError, message: /a\.b/ })
})

test('the same key gives the same numbers, other keys others', async (t) => {
  const draw = (seed: number) => uniform(key(seed), [5]).array()
  t.deepEqual(await draw(1), await draw(1))
  t.notDeepEqual(await draw(1), await draw(2))
  const [a, b] = splitKey(key(1)) as [Tensor, Tensor]
  t.notDeepEqual(await a.array(), await b.array())
  t.notDeepEqual(await foldIn(key(1), 0).array(), await foldIn(key(0), 1).array())
  t.deepEqual(await foldIn(key(1), 7).array(), await foldIn(key(1), tensor(7, { dtype: 'int32' })).array())
})

test('uniform and normal have their moments within four standard errors', async (t) => {
  const n = 20000
  const u = uniform(key(3), [n], { low: -1, high: 3, dtype: 'float64' })
  t.true(Math.abs((await u.mean().item()) - 1) < 4 * Math.sqrt(16 / 12 / n))
  t.true((await u.min().item()) >= -1)
  t.true((await u.max().item()) < 3)
  const z = normal(key(4), [n], { mean: 2, std: 3, dtype: 'float64' })
  t.true(Math.abs((await z.mean().item()) - 2) < 4 * (3 / Math.sqrt(n)))
  t.true(Math.abs((await z.variance().item()) / 9 - 1) < 4 * Math.sqrt(2 / n))
  const p = await bernoulli(key(5), [n], 0.3).mean().item()
  t.true(Math.abs(p - 0.3) < 4 * Math.sqrt(0.21 / n))
})

test('permutations hold every number once', async (t) => {
  const expected = Array.from({ length: 100 }, (_, i) => i)
  const drawn = (await permutation(key(1), 100).array()) as number[]
  t.deepEqual(
    [...drawn].sort((a, b) => a - b),
    expected,
  )
  t.notDeepEqual(drawn, expected)
  const host = new HostRandom(1)
  t.deepEqual(
    [...host.permutation(100)].sort((a, b) => a - b),
    expected,
  )
  t.deepEqual(new HostRandom(9).permutation(50), new HostRandom(9).permutation(50))
})

test('HostRandom is uniform on its ranges', (t) => {
  const random = new HostRandom(7)
  const counts = [0, 0, 0]
  let total = 0
  for (let i = 0; i < 30000; i++) {
    const k = random.int(3)
    counts[k] = (counts[k] ?? 0) + 1
    total += random.next()
  }
  t.true(counts.every((n) => Math.abs(n - 10000) < 4 * Math.sqrt(30000 * (2 / 9))))
  t.true(Math.abs(total / 30000 - 0.5) < 4 * Math.sqrt(1 / 12 / 30000))
  t.throws(() => random.int(0), { instanceOf: ArgumentError })
  t.throws(() => key(-1), { instanceOf: ArgumentError })
})

test('only the argument counts, whatever else was made of the same tensor', async (t) => {
  const x = tensor([1, 2])
  const y = x.square()
  const slope = grad((at: Tensor) => y.mul(at).mul(x).sum())
  await equals(t, slope(x), [1, 8])
  await evaluate(y)
  await equals(t, slope(x), [1, 8])
  const both = valueAndGrad(([a, b]) => a.mul(b).sum(), [x, x] as const)
  await equals(t, both.grads[0], [1, 2])
  const chained = valueAndGrad(({ a, b }) => a.add(b).sum(), { a: x, b: y })
  await equals(t, chained.grads.a, [1, 1])
})

test('an assignment inside a differentiated function is read as it is', async (t) => {
  const w = new Variable(tensor([1, 2]))
  const { grads } = valueAndGrad(() => {
    const before = w.value.sum()
    w.assign(w.value.mul(10).stopGradient())
    return before.add(w.value.sum())
  }, w)
  await equals(t, grads, [1, 1])
  await equals(t, w.value, [10, 20])
})

test('second derivatives by Variables that are read', async (t) => {
  const w = new Variable(tensor(Float64Array.of(2)))
  const inner = () => valueAndGrad(() => w.value.pow(3).sum(), w).grads
  await equals(t, valueAndGrad(() => inner().sum(), w).grads, [12])
})

test('a graph that is never evaluated is bounded, and a warning says so once', async (t) => {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  let x = tensor([0], { dtype: 'float64' })
  let most = 0
  for (let i = 0; i < 450_000; i++) {
    const next = x.add(1)
    x.dispose()
    x = next
    if (i % 10_000 === 0) most = Math.max(most, memory().pendingNodes)
  }
  t.is(await x.item(), 450_000)
  await new Promise((resolve) => setTimeout(resolve, 10))
  process.off('warning', listen)
  t.true(most <= 400_001, `${most} nodes were pending`)
  t.is(warnings.filter((w) => (w as { code?: string }).code === 'HYPERGLOW_PENDING').length, 1)
})
