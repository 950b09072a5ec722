/** Modules: declaration, initialization and application; nested modules; weights from other networks. */
import test from 'ava'
import {
  ArgumentError,
  BatchNorm1d,
  Chain,
  Concatenate,
  type Context,
  Conv2d,
  Dense,
  Dropout,
  evalContext,
  type ForwardContext,
  grad,
  jit,
  key,
  Layer,
  LayerNorm,
  mse,
  Network,
  ones,
  Parallel,
  Residual,
  Sequential,
  SGD,
  type Shape,
  ShapeError,
  StateError,
  stack,
  type Tensor,
  tensor,
  UnknownNameError,
  valueAndGrad,
  type Weights,
} from '../ts/index.js'
import { close, numericalGradient, sample } from './close.js'
import { Block, Tower } from './tower.js'

const f64 = { dtype: 'float64' as const }

const towerPaths = [
  'gain',
  'blocks.0.inner.kernel',
  'blocks.0.inner.bias',
  'blocks.0.outer.kernel',
  'blocks.0.outer.bias',
  'blocks.1.inner.kernel',
  'blocks.1.inner.bias',
  'blocks.1.outer.kernel',
  'blocks.1.outer.bias',
  'head.kernel',
  'head.bias',
]

test('shapes are known before any weight is there', (t) => {
  const tower = new Tower()
  t.deepEqual(tower.paramShapes, {})
  t.deepEqual(tower.declare([3]), [2])
  t.deepEqual(Object.keys(tower.paramShapes), towerPaths)
  t.deepEqual(tower.paramShapes['blocks.1.inner.kernel'], [3, 3])
  t.is(tower.countParams(), 3 + 4 * 12 + 8)
  t.is(tower.params.size, 0)
  t.false(tower.initialized)
  t.true(tower.declared)
  const made = tower.initialize({ key: key(1) })
  t.deepEqual(Object.keys(made), towerPaths)
  t.is(made.gain?.name, 'tower.gain')
  t.is(made['blocks.1.outer.bias']?.name, 'tower.blocks.1.outer.bias')
  t.throws(() => tower.initialize(), { instanceOf: StateError, message: /initialized already/ })
  t.throws(() => new Tower().initialize(), { instanceOf: StateError, message: /declare\(inputShape\)/ })
  t.throws(() => tower.declare([3]), { instanceOf: StateError, message: /already part of/ })
})

test('the same key gives the same weights, each parameter others', (t) => {
  const make = (seed: number) => {
    const tower = new Tower()
    tower.declare([3])
    const values = Object.values(tower.initialize({ key: key(seed) }))
    return values.map((variable) => [...(variable.value.dataSync() as Float32Array)])
  }
  t.deepEqual(make(1), make(1))
  t.notDeepEqual(make(1), make(2))
  const kernels = make(1).filter((values) => values.length === 9)
  t.is(new Set(kernels.map(String)).size, 4)
})

test('a nested module computes what its parts do, with derivatives', async (t) => {
  const tower = new Tower()
  tower.declare([3])
  tower.initialize({ key: key(2), ...f64 })
  const x = sample([4, 3])
  const w = tower.weights()
  const dense = (h: Tensor, path: string) =>
    h.matmul((w[`${path}.kernel`] as Tensor).transpose()).add(w[`${path}.bias`] as Tensor)
  const block = (h: Tensor, path: string) => h.add(dense(dense(h, `${path}.inner`).tanh(), `${path}.outer`))
  const expected = dense(block(block(x, 'blocks.0'), 'blocks.1').mul(w.gain as Tensor), 'head')
  close(t, tower.apply(w, x, evalContext()), (await expected.data()) as Float64Array)
  const path = 'blocks.0.inner.kernel'
  const loss = (k: Tensor) =>
    tower
      .apply({ ...w, [path]: k }, x, evalContext())
      .square()
      .sum()
  const numeric = numericalGradient(loss, w[path] as Tensor)
  close(t, grad(loss)(w[path] as Tensor), numeric, 1e-6)
})

test('weights may be partly given, and those of another module', async (t) => {
  const model = new Sequential({ inputShape: [3], seed: 1 }).add(new Tower())
  const other = new Sequential({ inputShape: [3], seed: 2 }).add(new Tower())
  const x = tensor([[1, -1, 0.5]])
  t.notDeepEqual(await model.call(x).array(), await other.call(x).array())
  const all = Object.fromEntries(Object.entries(other.weights).map(([path, v]) => [path, v.value]))
  t.deepEqual(await model.apply(all, x).array(), await other.call(x).array())
  const zero = { 'layers.0.head.kernel': all['layers.0.head.kernel']?.mul(0) as Tensor }
  const bias = (await model.weights['layers.0.head.bias']?.value.array()) as number[]
  t.deepEqual(await model.apply(zero, x).array(), [bias])
  t.throws(() => model.apply({ 'layers.0.hed.kernel': x }, x), {
    instanceOf: UnknownNameError,
    message: /layers\.0\.head\.kernel/,
  })
})

test('every sample may have weights of its own', async (t) => {
  const make = (): Layer =>
    new Chain([
      new Residual([new Dense(3, { activation: 'tanh' }), new LayerNorm()]),
      new Concatenate([new Dense(2), new Dense(1)]),
    ])
  const layer = make()
  layer.declare([3])
  const batch = 4
  const weights = Object.fromEntries(
    Object.entries(layer.paramShapes).map(([path, shape], i) => [path, sample([batch, ...shape], i + 1)]),
  )
  const x = sample([batch, 3], 9)
  const y = layer.apply(weights, x, evalContext())
  for (let i = 0; i < batch; i++) {
    const row = (v: Tensor) => v.slice([i], [i + 1])
    const own = Object.fromEntries(Object.entries(weights).map(([path, w]) => [path, row(w).squeeze(0)]))
    close(t, row(y), (await layer.apply(own, row(x), evalContext()).data()) as Float64Array, 1e-12)
  }
})

test('a module without weights computes with those another network makes, to second order', async (t) => {
  const target = new Sequential({ inputShape: [2], dtype: 'float64', noWeights: true })
  target.add(new Residual([new Dense(2, { activation: 'tanh' })])).add(new Dense(1))
  t.deepEqual(target.weights, {})
  t.is(target.countParams(), 6 + 3)
  t.deepEqual(Object.keys(target.paramShapes), [
    'layers.0.branch.0.kernel',
    'layers.0.branch.0.bias',
    'layers.1.kernel',
    'layers.1.bias',
  ])
  t.regex(target.summary(), /9 parameters, handed in/)
  const x = sample([5, 2])
  t.throws(() => target.call(x), {
    instanceOf: StateError,
    message: /layers\.0\.branch\.0\.kernel.*noWeights/,
  })
  // A hypernetwork: all weights of the target from an embedding of the task.
  const hyper = new Sequential({ inputShape: [3], dtype: 'float64', seed: 4 }).add(new Dense(9)) as Sequential
  const task = tensor([[0.3, -0.2, 0.5]], f64)
  const made = (theta: Record<string, Tensor>) => {
    const flat = hyper.apply(theta, task).reshape([-1])
    let at = 0
    return Object.fromEntries(
      Object.entries(target.paramShapes).map(([path, shape]) => {
        const size = shape.reduce((a, b) => a * b, 1)
        at += size
        return [path, flat.slice([at - size], [at]).reshape(shape)]
      }),
    )
  }
  const loss = (theta: Record<string, Tensor>) => target.apply(made(theta), x).square().mean()
  const theta = Object.fromEntries(Object.entries(hyper.weights).map(([path, v]) => [path, v.value]))
  const path = 'layers.0.kernel'
  const of = (k: Tensor) => loss({ ...theta, [path]: k })
  const at = theta[path] as Tensor
  close(t, grad(of)(at), numericalGradient(of, at), 1e-6)
  const squared = (k: Tensor) => grad(of)(k).square().sum()
  close(t, grad(squared)(at), numericalGradient(squared, at), 1e-5)
})

test('noWeights keeps the state, which training updates', async (t) => {
  const model = new Sequential({ inputShape: [2], noWeights: true }).add(new BatchNorm1d()) as Sequential
  t.deepEqual(Object.keys(model.stateVariables), [
    'layers.0.runningMean',
    'layers.0.runningVariance',
    'layers.0.batchesTracked',
  ])
  const weights = { 'layers.0.gamma': ones([2]), 'layers.0.beta': ones([2]) }
  const updates: Record<string, Tensor> = {}
  const x = tensor([
    [1, 2],
    [3, 6],
  ])
  model.apply(weights, x, {
    training: true,
    update: (path, value) => {
      updates[path] = value
    },
  })
  close(t, updates['layers.0.runningMean'] as Tensor, [0.2, 0.4], 1e-6)
  t.deepEqual(await model.stateVariables['layers.0.runningMean']?.value.array(), [0, 0])
})

test('state and random keys are those of each child', async (t) => {
  const layer = new Parallel([
    new Chain([new Dropout(0.5), new BatchNorm1d()]),
    new Chain([new Dropout(0.5), new BatchNorm1d()]),
  ])
  const x = ones([200, 3])
  const y = layer.call(x, { training: true, key: key(1) })
  t.deepEqual([...layer.state.keys()].slice(0, 2), ['0.1.runningMean', '0.1.runningVariance'])
  const means = await Promise.all(
    ['0', '1'].map((branch) => layer.state.get(`${branch}.1.runningMean`)?.value.array()),
  )
  t.notDeepEqual(means[0], means[1], 'each child draws numbers of its own')
  t.deepEqual(await layer.call(x, { training: true, key: key(1) }).array(), await y.array())
  t.is(await layer.state.get('1.1.batchesTracked')?.value.item(), 2)
  t.throws(() => layer.call(x, { training: true }), { instanceOf: StateError, message: /key/ })
})

test('a child that runs twice in a call draws other numbers', async (t) => {
  class Twice extends Layer {
    readonly drop = this.child('drop', new Dropout(0.5))
    build(inputShape: Shape) {
      return this.drop.declare(inputShape)
    }
    apply(weights: Weights, x: Tensor, ctx: Context) {
      return stack([this.runChild(this.drop, weights, x, ctx), this.runChild(this.drop, weights, x, ctx)], 1)
    }
  }
  const both = new Twice().call(ones([1, 64]), { training: true, key: key(3) })
  const [first, second] = both.split(2, 1) as [Tensor, Tensor]
  t.notDeepEqual(await first.array(), await second.array())
})

test('messages say where a layer stands', (t) => {
  const model = new Sequential({ inputShape: [3] })
  model.add(new Residual([new Dense(3), new Dense(3, { name: 'second' })]))
  const x = ones([2, 3])
  const bad = { 'layers.0.branch.0.kernel': ones([3, 4]) }
  t.throws(() => model.apply(bad, x), { instanceOf: ShapeError, message: /^residual_1\.branch\.0: expected/ })
  const named = { 'layers.0.branch.1.kernel': ones([3, 4]) }
  t.throws(() => model.apply(named, x), { instanceOf: ShapeError, message: /^second: expected/ })
})

test('a module is part of one other, and of itself never', (t) => {
  class Holder extends Layer {
    constructor(...inner: Layer[]) {
      super()
      for (const [index, layer] of inner.entries()) this.child(`layer${index}`, layer)
    }
    hold(name: string, inner: Layer) {
      return this.child(name, inner)
    }
    build(inputShape: Shape) {
      return inputShape
    }
    apply(_: Weights, x: Tensor) {
      return x
    }
  }
  const shared = new Dense(2)
  t.throws(() => new Holder(shared, shared), { instanceOf: StateError, message: /already part of/ })
  const twice = new Dense(2)
  t.throws(() => new Chain([twice, twice]), { instanceOf: StateError })
  // The refusal came first, so the layer is free.
  t.notThrows(() => new Chain([twice]))
  const holder = new Holder(new Dense(2))
  t.throws(() => holder.hold('self', holder), { instanceOf: StateError, message: /itself/ })
  t.throws(() => holder.hold('layer0', new Dense(2)), { instanceOf: ArgumentError, message: /twice/ })
  t.throws(() => holder.hold('a b', new Dense(2)), { instanceOf: ArgumentError, message: /'encoder'/ })
  t.throws(() => holder.hold('a', {} as never), { instanceOf: ArgumentError, message: /expected a Module/ })
  t.throws(() => holder.declare([2]), { instanceOf: StateError, message: /did not declare.*layer0/ })
  const used = new Dense(2)
  new Sequential({ inputShape: [2] }).add(used)
  t.throws(() => new Residual(used), { instanceOf: StateError })
})

test('what fails while it is declared leaves nothing behind', (t) => {
  const chain = new Chain([new Dense(3), new Conv2d(2, 3)])
  const error = t.throws(() => chain.declare([4]), { instanceOf: ShapeError })
  t.regex(error.message, /^chain\.1: expected an input \[channels, height, width\]/)
  t.false(chain.declared)
  t.deepEqual(chain.paramShapes, {})
  t.false((chain.layers[0] as Layer).declared)
  const model = new Sequential({ inputShape: [4] })
  const nested = t.throws(() => model.add(chain), { instanceOf: ShapeError })
  t.regex(nested.message, /^layers\.0: chain_1\.1: expected/)
  t.is(model.numLayers, 0)
  model.add(new Dense(2))
  t.deepEqual(Object.keys(model.weights), ['layers.0.kernel', 'layers.0.bias'])
  t.throws(() => model.add(new Residual(new Dense(3))), { instanceOf: ShapeError, message: /shortcut/ })
})

test('a layer that makes its children in build can be declared again where that failed', (t) => {
  class Late extends Layer {
    build(inputShape: Shape) {
      return this.child('inner', new Dense(2)).declare(inputShape)
    }
    apply(weights: Weights, x: Tensor, ctx: Context) {
      return this.runChild(this.children.get('inner') as Dense, weights, x, ctx)
    }
  }
  const late = new Late()
  t.throws(() => late.declare([2, 2]), { instanceOf: ShapeError, message: /^late\.inner: / })
  t.is(late.children.size, 0)
  t.deepEqual(late.declare([3]), [2])
  t.deepEqual(late.call(ones([1, 3])).shape, [1, 2])
})

test('a summary shows what layers are made of', (t) => {
  const model = new Sequential({ inputShape: [3] }).add(new Tower()).add(new Dense(2)) as Sequential
  const lines = model.summary().split('\n')
  t.regex(lines[4] as string, /^tower_1 +tower +\[2\] +59$/)
  t.regex(lines[5] as string, /^ {2}blocks\.0 +block +\[3\] +24$/)
  t.regex(lines[6] as string, /^ {4}inner +dense +\[3\] +12$/)
  t.regex(lines.at(-1) as string, /65 parameters, 65 of them trained/)
})

test('a network is a module whose layers are the children', async (t) => {
  const model = new Sequential({ inputShape: [3], seed: 1 }).add(new Tower()).add(new Dense(2)) as Sequential
  t.deepEqual([...model.module.children.keys()], ['layers.0', 'layers.1'])
  t.deepEqual([...model.module.params.values()], Object.values(model.weights))
  const x = tensor([[1, 2, 3]])
  const weights = model.module.weights()
  t.deepEqual(await model.module.apply(weights, x, evalContext()).array(), await model.call(x).array())
  t.throws(() => model.module.declare([4]), { instanceOf: ShapeError, message: /made for inputs \[3\]/ })
  t.deepEqual(model.module.declare([3]), [2])
  t.throws(() => model.module.initialize(), { instanceOf: StateError })
})

test('layers of a network may have paths of their own', (t) => {
  class Autoencoder extends Network {
    readonly encoder = this.register(new Dense(2, { activation: 'tanh' }), [4], 'encoder')
    readonly decoder = this.register(new Chain([new Dense(3), new Dense(4)]), [2], 'decoder')
    readonly head = this.register(new Dense(1), [4])

    forward(x: Tensor, ctx: ForwardContext = this.context()) {
      const output = ctx.run(this.head, ctx.run(this.decoder, ctx.run(this.encoder, x)))
      return { output, hidden: [output] }
    }
  }
  const model = new Autoencoder({ inputShape: [4] })
  t.deepEqual(Object.keys(model.weights), [
    'encoder.kernel',
    'encoder.bias',
    'decoder.0.kernel',
    'decoder.0.bias',
    'decoder.1.kernel',
    'decoder.1.bias',
    'layers.2.kernel',
    'layers.2.bias',
  ])
  t.is(model.weights['decoder.1.bias']?.name, 'decoder.1.bias')
  t.deepEqual(model.freeze('encoder'), ['encoder.kernel', 'encoder.bias'])
  t.deepEqual(model.call(ones([2, 4])).shape, [2, 1])
  t.throws(() => model.register(new Dense(1), [4], 'encoder'), { instanceOf: ArgumentError })
  t.throws(() => model.register(new Dense(1), [4], 'a b'), { instanceOf: ArgumentError })
  t.is(model.numLayers, 3)
})

test('a module of one’s own trains in a step of one’s own', async (t) => {
  const block = new Block(2)
  block.declare([2])
  const variables = block.initialize({ key: key(5) })
  const optimizer = new SGD({ learningRate: 0.2, momentum: 0 })
  optimizer.prepare(variables)
  const x = tensor([
    [1, 0],
    [0, 1],
    [1, 1],
  ])
  const step = jit((input: Tensor) => {
    const { value, grads } = valueAndGrad(
      (w: Weights) => mse(block.apply(w, input, evalContext()), input.mul(3)),
      variables,
    )
    optimizer.step(variables, grads)
    return value
  })
  const first = await (await step(x)).item()
  for (let i = 0; i < 200; i++) await (await step(x)).item()
  t.true((await (await step(x)).item()) < first / 10)
})
