import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import {
  Activation,
  ArgumentError,
  BatchNorm1d,
  Conv2d,
  crossEntropy,
  DataError,
  Dense,
  DeviceError,
  Dropout,
  Flatten,
  type ForwardContext,
  grad,
  HSIC,
  IBSequential,
  IOError,
  mse,
  Network,
  readSafetensors,
  Sequential,
  ShapeError,
  StateError,
  type Tensor,
  tensor,
  UnknownNameError,
  valueAndGrad,
  writeSafetensors,
} from '../ts/index.js'
import { close } from './helpers.js'
import { inFolder } from './in-folder.js'
import { Scale } from './scale.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'

/** A network with a shortcut, its own forward pass. */
class Shortcut extends Network {
  readonly inner = this.register(new Dense(4, { activation: 'tanh' }))
  readonly head = this.register(new Dense(3, { activation: 'softmax' }), [4])

  forward(x: Tensor, ctx: ForwardContext = this.context()) {
    const h = ctx.run(this.inner, x).add(x)
    const output = ctx.run(this.head, h)
    return { output, hidden: [h, output] }
  }
}

test('layers are numbered by kind, weights are named by path', (t) => {
  const model = new Sequential({ inputShape: [1, 8, 8] })
  model.add(new Conv2d(2, 3, { padding: 1, activation: 'relu' })).add(new Flatten())
  model
    .add(new Dense(5))
    .add(new Dropout(0.5))
    .add(new Dense(3, { name: 'head' }))
  t.deepEqual(
    model.layers.map(({ name }) => name),
    ['conv2d_1', 'flatten_1', 'dense_1', 'dropout_1', 'head'],
  )
  t.deepEqual(Object.keys(model.weights), [
    'layers.0.kernel',
    'layers.0.bias',
    'layers.2.kernel',
    'layers.2.bias',
    'layers.4.kernel',
    'layers.4.bias',
  ])
  t.deepEqual(model.outputShape, [3])
  t.is(model.numLayers, 5)
  t.is(model.countParams(), 2 * 9 + 2 + 128 * 5 + 5 + 15 + 3)
  t.regex(model.summary(), /dense_1 +dense +\[5\] +645/)
  t.false(model.isGpu)
  t.is(model.device, 'cpu')
})

test('a stack refuses what cannot work', (t) => {
  t.throws(() => new Sequential({ inputShape: [3, 0] }), {
    instanceOf: ShapeError,
    message: /extent 0 on axis 1/,
  })
  t.throws(() => new Sequential({ inputShape: 4 as never }), { instanceOf: ShapeError })
  t.throws(() => new Sequential({ inputShape: [4], device: 'cuda' }), { instanceOf: DeviceError })
  t.throws(() => new IBSequential({ inputShape: [4], segment: 'labels' as never }), {
    instanceOf: UnknownNameError,
  })
  t.throws(() => new IBSequential({ inputShape: [4], saveDynamics: 'x' }), { instanceOf: ArgumentError })
  const model = new Sequential({ inputShape: [1, 8, 8] })
  t.throws(() => model.add(new Dense(3)), { instanceOf: ShapeError, message: /layers\.0.*Flatten/ })
  t.throws(() => model.compile(), { instanceOf: StateError })
  const layer = new Flatten()
  model.add(layer)
  t.throws(() => model.add(layer), { instanceOf: StateError })
  model.add(new Dense(3, { name: 'a' }))
  t.throws(() => model.add(new Dense(3, { name: 'a' })), { instanceOf: ArgumentError, message: /two layers/ })
  model.compile()
  t.throws(() => model.add(new Dense(3)), { instanceOf: StateError, message: /after compile/ })
  t.throws(() => model.attachEvaluator(new HSIC({ sigma: 5 })), { instanceOf: StateError })
  t.throws(() => classifier({ trackDynamics: true }).attachEvaluator({} as never), {
    instanceOf: ArgumentError,
  })
})

test('compile has the defaults of the specification and names what it does not know', (t) => {
  const make = () => new Sequential({ inputShape: [4] }).add(new Dense(3))
  const model = make().compile()
  t.is(model.optimizer?.name, 'sgd')
  t.like(model.optimizer?.options, { learningRate: 0.001, momentum: 0.95, nesterov: false })
  t.is(model.lossName, 'crossEntropy')
  t.deepEqual(model.metrics, [])
  t.throws(() => make().compile({ optimizer: 'Adam', momentum: 0.5 }), {
    instanceOf: ArgumentError,
    message: /momentum: given 0.5, which Adam does not have/,
  })
  for (const [option, value] of [
    ['learningRate', 0.1],
    ['momentum', 0.5],
  ] as const) {
    t.throws(() => make().compile({ [option]: value, optimizerOptions: { [option]: 0.2 } }), {
      instanceOf: ArgumentError,
      message: new RegExp(`${option}: given ${value}, and 0.2 in optimizerOptions`),
    })
  }
  const nesterov = make().compile({
    optimizer: 'SGD',
    optimizerOptions: { nesterov: true, weightDecay: 0.1 },
  })
  t.like(nesterov.optimizer?.options, { nesterov: true, weightDecay: 0.1, momentum: 0.95 })
  t.throws(() => make().compile({ optimizer: 'sdg' }), {
    instanceOf: UnknownNameError,
    message: /did you mean "sgd"/,
  })
  t.throws(() => make().compile({ loss: 'crossEntropie' }), { instanceOf: UnknownNameError })
  t.throws(() => make().compile({ metrics: ['acuracy'] }), { instanceOf: UnknownNameError })
  t.throws(() => make().compile({ rate: 1 } as never), { instanceOf: UnknownNameError })
  t.throws(() => make().compile({ optimizerOptions: { betas: [0, 1] } }), { instanceOf: UnknownNameError })
})

test('the same seed gives the same weights, another seed others', async (t) => {
  const [a, b, c] = await Promise.all([1, 1, 2].map((seed) => weightsOf(classifier({ seed }))))
  t.deepEqual(a, b)
  t.notDeepEqual(a, c)
})

test('forward gives the hidden outputs, tracked or not', async (t) => {
  const x = tensor(points(5).x, { shape: [5, 4] })
  t.is(classifier().forward(x).hidden.length, 2)
  const model = new IBSequential({ inputShape: [4], trackDynamics: true })
  model
    .add(new Dense(8))
    .add(new Dropout(0.5))
    .add(new Dense(3, { activation: 'softmax' }))
  const { output, hidden } = model.forward(x)
  t.deepEqual(
    hidden.map(({ shape }) => shape),
    [
      [5, 8],
      [5, 3],
    ],
  )
  t.deepEqual(await hidden[1]?.array(), await output.array())
  const origin = new IBSequential({ inputShape: [4], trackDynamics: true, segment: 'origin' })
  origin.add(new Dense(8)).add(new Dropout(0.5)).add(new Dense(3))
  t.is(origin.forward(x).hidden.length, 3)
})

test('apply is pure: other weights, gradients through them, own weights untouched', async (t) => {
  const model = new Sequential({ inputShape: [4], dtype: 'float64' }).add(new Dense(3)) as Sequential
  const x = tensor([[1, 2, 3, 4]], { dtype: 'float64' })
  const zero = Object.fromEntries(Object.entries(model.weights).map(([path, w]) => [path, w.value.mul(0)]))
  t.deepEqual(await model.apply(zero, x).array(), [[0, 0, 0]])
  // Partly given: the bias is the network's own.
  const bias = await (model.weights['layers.0.bias'] as { value: Tensor }).value.array()
  t.deepEqual(await model.apply({ 'layers.0.kernel': zero['layers.0.kernel'] as Tensor }, x).array(), [
    bias as number[],
  ])
  const { grads } = valueAndGrad((w) => model.apply(w, x).sum(), model.weights)
  t.deepEqual(
    await grads['layers.0.kernel']?.array(),
    [1, 2, 3].map(() => [1, 2, 3, 4]),
  )
  const slope = grad((s: Tensor) => model.apply({ 'layers.0.bias': s.mul(s).broadcastTo([3]) }, x).sum())
  t.is(await grad((s: Tensor) => slope(s))(tensor(2, { dtype: 'float64' })).item(), 6)
  t.throws(() => model.apply({ kernel: x }, x), { instanceOf: UnknownNameError })
})

test('softmax and cross-entropy meet once; doubleSoftmax is the origin', async (t) => {
  const { x, y } = points(12)
  const build = (compat?: 'doubleSoftmax') => classifier(compat ? { compat, seed: 5 } : { seed: 5 })
  const model = build()
  const out = model.call(tensor(x, { shape: [12, 4] }))
  const once = await crossEntropy(out.log(), tensor(y)).item()
  const twice = await crossEntropy(out, tensor(y)).item()
  close(t, (await model.evaluate(x, y)).loss, once, 1e-5)
  close(t, (await build('doubleSoftmax').evaluate(x, y)).loss, twice, 1e-5)
  const apart = new Sequential({ inputShape: [4], seed: 5 })
  apart
    .add(new Dense(8, { activation: 'relu' }))
    .add(new Dense(3))
    .add(new Activation('softmax'))
    .compile()
  close(t, (await apart.evaluate(x, y)).loss, once, 1e-5)
})

test('predict and evaluate do not depend on the batch size, and leave the mode', async (t) => {
  const { x, y } = points(53)
  const model = classifier({ seed: 2 })
  model.train()
  const all = await model.predict(x, { batchSize: 53 })
  const parts = await model.predict(x, { batchSize: 8 })
  t.deepEqual(all.shape, [53, 3])
  close(t, await parts.array(), await all.array(), 1e-6)
  const direct = model.call(tensor(x, { shape: [53, 4] }))
  close(t, await all.array(), await direct.array(), 1e-6)
  const [one, many] = [
    await model.evaluate(x, y, { batchSize: 53 }),
    await model.evaluate(x, y, { batchSize: 7 }),
  ]
  close(t, many.loss, one.loss, 1e-6)
  close(t, many.metrics.accuracy as number, one.metrics.accuracy as number, 1e-6)
  const labels = (await all.argMax(1).array()) as number[]
  const right = labels.filter((label, i) => label === y[i]).length
  close(t, one.metrics.accuracy as number, right / 53, 1e-6)
  t.true(model.training)
  await t.throwsAsync(model.evaluate([]), { instanceOf: DataError })
})

test('dropout is off in predict, batch normalization uses running statistics', async (t) => {
  const model = new Sequential({ inputShape: [4] })
  model
    .add(new Dense(6))
    .add(new BatchNorm1d())
    .add(new Dropout(0.5))
    .add(new Dense(3, { activation: 'softmax' }))
  model.compile({ learningRate: 0.05 })
  const { x, y } = points(64)
  const before = await model.predict(x)
  t.deepEqual(await before.array(), await (await model.predict(x)).array())
  await model.fit(x, y, { batchSize: 16, epochs: 2, validationSplit: 0 })
  const statistics = await (
    model.stateVariables['layers.1.runningMean'] as { data(): Promise<ArrayLike<unknown>> }
  ).data()
  t.true(Array.from(statistics).some((value) => value !== 0))
  t.is((await model.stateVariables['layers.1.batchesTracked']?.data())?.[0], 8)
})

test('a network with its own forward pass trains, is tracked and predicts', async (t) => {
  const model = new Shortcut({ inputShape: [4], trackDynamics: true, seed: 1 })
  model.compile({ metrics: ['accuracy'], learningRate: 0.1 }).attachEvaluator(new HSIC({ sigma: 1 }))
  const { x, y } = points(128)
  const { loss } = await model.fit(x, y, { batchSize: 16, epochs: 6 })
  t.true((loss.at(-1) as number) < (loss[0] as number) * 0.8)
  t.deepEqual(model.evaluatedDynamics.shape, [6, 1, 2, 2])
  t.deepEqual(model.dynamics().layers, ['hidden_1', 'dense_2'])
  t.deepEqual((await model.predict(x)).shape, [128, 3])
  t.throws(() => model.forward(tensor([[1, 2, 3]])), { instanceOf: ShapeError })
})

test('a custom layer, loss and metric train', async (t) => {
  const model = new Sequential({ inputShape: [4], seed: 3 })
  model.add(new Scale()).add(new Dense(1))
  const off = (pred: Tensor, target: Tensor) => pred.sub(target).abs().mean()
  model.compile({
    optimizer: 'adam',
    learningRate: 0.05,
    loss: (pred, y) => mse(pred, y).mul(2),
    metrics: [off],
  })
  const { x } = points(64)
  const y = Float32Array.from({ length: 64 }, (_, i) => 2 * (x[i * 4] as number) - (x[i * 4 + 1] as number))
  const target = tensor(y, { shape: [64, 1] })
  const { loss, metrics } = await model.fit(tensor(x, { shape: [64, 4] }), target, {
    batchSize: 16,
    epochs: 30,
  })
  t.true((loss.at(-1) as number) < 0.05, `loss ${loss.at(-1)}`)
  t.true((metrics.off?.at(-1) as number) < 0.2)
  const gain = (await model.weights['layers.0.gain']?.data()) as Float32Array
  t.true(gain.some((value) => Math.abs(value - 1) > 0.05))
  // A regression on a plain list of numbers: [n] against [n, 1].
  const plain = new Sequential({ inputShape: [4] }).add(new Dense(1)) as Sequential
  plain.compile({ loss: 'mse', learningRate: 0.05 })
  t.true(((await plain.fit(x, y, { epochs: 5 })).loss.at(-1) as number) < 1)
})

test('frozen layers stay as they are', async (t) => {
  const model = classifier()
  const [first] = model.layers
  if (first) first.trainable = false
  const before = await weightsOf(model)
  const { x, y } = points(64)
  await model.fit(x, y, { epochs: 1 })
  const after = await weightsOf(model)
  t.deepEqual(after.slice(0, 2), before.slice(0, 2))
  t.notDeepEqual(after.slice(2), before.slice(2))
  for (const layer of model.layers) layer.trainable = false
  await t.throwsAsync(model.fit(x, y), { instanceOf: StateError, message: /nothing to train/ })
})

test('a model in float64 has float64 weights and outputs', async (t) => {
  const model = classifier({ dtype: 'float64' })
  const { x, y } = points(32)
  await model.fit(x, y, { epochs: 1 })
  t.is(model.weights['layers.0.kernel']?.dtype, 'float64')
  t.is((await model.predict(x)).dtype, 'float64')
})

test('training that was saved and loaded goes on as if it had not stopped', async (t) => {
  await inFolder(async (folder) => {
    const build = (seed: number) => {
      const model = new Sequential({ inputShape: [4], seed })
      model
        .add(new Dense(8, { activation: 'relu' }))
        .add(new BatchNorm1d())
        .add(new Dropout(0.3))
      return model
        .add(new Dense(3, { activation: 'softmax' }))
        .compile({ optimizer: 'adam', learningRate: 0.01 }) as Sequential
    }
    const data = dataset(64, 16, true, 5)
    const straight = build(1)
    await straight.fitDataset(data, { epochs: 4 })
    const halved = build(1)
    await halved.fitDataset(data, { epochs: 2 })
    await halved.save(join(folder, 'half'))
    const resumed = build(2)
    t.is(await resumed.load(join(folder, 'half')), resumed)
    t.deepEqual(await weightsOf(resumed), await weightsOf(halved))
    await resumed.fitDataset(data, { epochs: 2 })
    t.deepEqual(await weightsOf(resumed), await weightsOf(straight))
    const { x } = points(10)
    t.deepEqual(await (await resumed.predict(x)).array(), await (await straight.predict(x)).array())
  })
})

test('load refuses another model before it changes anything', async (t) => {
  await inFolder(async (folder) => {
    await classifier({ seed: 1 }).save(`${folder}/`)
    const other = new Sequential({ inputShape: [4] }).add(new Dense(7)) as Sequential
    const before = await weightsOf(other)
    await t.throwsAsync(other.load(folder), { instanceOf: DataError, message: /another model/ })
    t.deepEqual(await weightsOf(other), before)
    const adam = new IBSequential({ inputShape: [4] })
    adam.add(new Dense(8)).add(new Dense(3)).compile({ optimizer: 'adam' })
    await t.throwsAsync(adam.load(folder), { instanceOf: StateError, message: /optimizer: false/ })
    await adam.load(folder, { optimizer: false })
    t.deepEqual(await weightsOf(adam), await weightsOf(classifier({ seed: 1 })))
    await t.throwsAsync(adam.load(join(folder, 'nothing')), { instanceOf: IOError })
    t.deepEqual(await readdir(folder), ['model.safetensors'])
    const file = join(folder, 'model.safetensors')
    const { tensors, metadata } = await readSafetensors(file)
    const described = (description: string) => writeSafetensors(file, tensors, { ...metadata, description })
    await described((metadata.description as string).replace('"version":3', '"version":99'))
    await t.throwsAsync(adam.load(folder), { instanceOf: DataError, message: /layout version 99/ })
    await described('{')
    await t.throwsAsync(adam.load(folder), { instanceOf: DataError, message: /not JSON/ })
    await writeSafetensors(file, tensors)
    await t.throwsAsync(adam.load(folder), { instanceOf: DataError, message: /does not describe a model/ })
  })
})
