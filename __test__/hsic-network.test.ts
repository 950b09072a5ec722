/** Training without back-propagation: layer by layer, and a readout on top. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  Activation,
  ArgumentError,
  ArrayDataset,
  BatchNorm1d,
  BatchNorm2d,
  Binned,
  Chain,
  Checkpoint,
  CKA,
  Conv2d,
  DataError,
  Dense,
  Dropout,
  Estimator,
  evaluate,
  Flatten,
  type ForwardContext,
  HSIC,
  HSICNetwork,
  HSICOutput,
  HSICSequential,
  HSICSigma,
  KSG,
  key,
  type Layer,
  load,
  MaxPool2d,
  MINE,
  type Network,
  normal,
  ones,
  plans,
  Residual,
  Sequential,
  StateError,
  type Tensor,
  tensor,
  valueAndGrad,
} from '../ts/index.js'
import { classesOfUnits } from '../ts/models/unit-matching.js'

const quiet = { verbose: false }
const criterion = new HSIC({ sigma: 2 })

/** Three clusters in the plane, 90 points. */
function clusters(batchSize = 30): ArrayDataset {
  const x = Float32Array.from({ length: 180 }, (_, i) => {
    const angle = (2 * Math.PI * ((i >> 1) % 3)) / 3
    return (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) + 0.2 * Math.sin(7.3 * i)
  })
  return new ArrayDataset(
    x,
    Int32Array.from({ length: 90 }, (_, i) => i % 3),
    {
      inputShape: [2],
      batchSize,
      shuffle: true,
      seed: 3,
      classes: 3,
    },
  )
}

function stack(layers: readonly Layer[], seed = 1): HSICSequential {
  const model = new HSICSequential({ inputShape: [2], seed })
  for (const layer of layers) model.add(layer)
  return model
}

const dense = (units = 8) => new Dense(units, { activation: 'tanh' })
const plain = (seed?: number) => stack([dense(), dense(), new HSICOutput(3)], seed)

async function numbers(model: Network): Promise<Record<string, number[]>> {
  const all = { ...model.weights, ...model.stateVariables }
  const values = Object.entries(all).map(async ([path, variable]) => [
    path,
    [...(await variable.value.data())],
  ])
  return Object.fromEntries(await Promise.all(values))
}

test('the objective of a layer has no gradient in another layer, by forward too, and the plain composition has', (t) => {
  const model = plain().compile({ criterion })
  const x = normal(key(1), [12, 2])
  const y = tensor(Int32Array.from({ length: 12 }, (_, i) => i % 3))
  const norms = (f: (w: Record<string, Tensor>) => Tensor) => {
    const { grads } = valueAndGrad(f, model.weights)
    return Object.values(grads).map((g) => g.abs().sum().dataSync()[0] !== 0)
  }
  const [first, second, none] = [
    [true, true, false, false, false, false],
    [false, false, true, true, false, false],
    [false, false, false, false, true, true],
  ]
  t.deepEqual(
    norms((w) => model.objectives(w, x, y)[0]?.value as Tensor),
    first,
  )
  t.deepEqual(
    norms((w) => model.objectives(w, x, y)[1]?.value as Tensor),
    second,
  )
  t.is(model.objectives({}, x, y).length, 2)
  t.deepEqual(
    norms(() => model.forward(x).output.square().sum()),
    none,
  )
  t.deepEqual(
    norms(() => model.sequentialForward(x).square().sum()),
    [true, true, true, true, true, true],
  )
  t.deepEqual(model.forward(x).output.arraySync(), model.sequentialForward(x).arraySync())
})

test('what a layer learns does not depend on the layers behind it', async (t) => {
  const shallow = stack([dense()]).compile({ criterion, learningRate: 0.1 })
  const deep = plain().compile({ criterion, learningRate: 0.1 })
  for (const model of [shallow, deep]) await model.preTrainingLoop(3, clusters(), undefined, quiet)
  const [a, b] = [await numbers(shallow), await numbers(deep)]
  t.deepEqual(a['layers.0.kernel'], b['layers.0.kernel'])
  t.deepEqual(a['layers.0.bias'], b['layers.0.bias'])
})

test.serial('the memory of a step does not grow with the number of layers', async (t) => {
  const arenaOf = async (depth: number, layerwiseRefresh: boolean) => {
    const layers = Array.from({ length: depth }, () => dense(16))
    const model = stack(layers).compile({ criterion, layerwiseRefresh })
    const n = 2048 + depth + Number(layerwiseRefresh)
    const x = normal(key(1), [n, 2])
    const data = new ArrayDataset(x, new Int32Array(n).fill(1), { batchSize: n, classes: 3 })
    await model.preTrainingLoop(1, data, undefined, quiet)
    const plan = plans().find((text) => text.includes(`(${n}, 16)`)) as string
    // One plan has all layers in it.
    for (let layer = 0; layer < depth; layer++) t.true(plan.includes(`[layers.${layer}]`))
    const [, size, unit] = /arena ([\d.]+) (\w+)/.exec(plan) as RegExpExecArray
    return Number(size) * ({ KiB: 2 ** 10, MiB: 2 ** 20 }[unit as string] as number)
  }
  const activation = 2048 * 16 * 4
  for (const refresh of [false, true]) {
    const [small, large] = [await arenaOf(5, refresh), await arenaOf(50, refresh)]
    t.true(large - small < 2 * activation, `5 layers ${small} B, 50 layers ${large} B`)
  }
})

test('layers of any kind are trained, and those without weights passed through', async (t) => {
  const model = new HSICSequential({ inputShape: [1, 8, 8] })
  const inner = () => [
    new Conv2d(3, 3, { padding: 1, useBias: false }),
    new BatchNorm2d(),
    new Activation('relu'),
  ]
  model
    .add(new Conv2d(3, 3, { padding: 1, activation: 'relu' }))
    .add(new BatchNorm2d())
    .add(new MaxPool2d(2))
    .add(new Residual(inner(), { activation: 'relu' }))
    .add(new Dropout(0.2))
    .add(new Flatten())
    .add(new Chain([new Dense(6), new Activation('tanh')]))
    .add(new HSICOutput(2))
    .compile({ criterion: new HSIC({ sigma: 1, scaleSqrtD: true }), regularizeCoeff: 5, learningRate: 0.5 })
  const x = normal(key(2), [24, 1, 8, 8])
  const data = new ArrayDataset(
    x,
    Int32Array.from({ length: 24 }, (_, i) => i % 2),
    { batchSize: 12, classes: 2 },
  )
  const before = await numbers(model)
  const { loss, metrics } = await model.preTrainingLoop(2, data, data, quiet)
  const after = await numbers(model)
  t.true(loss.every(Number.isFinite))
  const trained = ['conv2d_1', 'batch_norm2d_1', 'residual_1', 'chain_1']
  t.deepEqual(Object.keys(metrics).sort(), trained.flatMap((n) => [n, `${n}.input`, `${n}.target`]).sort())
  for (const path of Object.keys(before)) {
    const changed = String(before[path]) !== String(after[path])
    t.is(changed, !path.startsWith('layers.7'), path)
  }
})

/** A measure of one's own. */
class Covariance extends Estimator {
  criterion(z: Tensor, y: Tensor) {
    const centered = (a: Tensor) => a.sub(a.mean(0))
    return centered(z).transpose().matmul(centered(y)).square().mean()
  }
}

test('any estimator that can be differentiated is a criterion, also for one layer', async (t) => {
  for (const own of [new Covariance(), new CKA(), new HSIC({ sigma: 1, variant: 'nHSIC' })]) {
    const model = plain().compile({ criterion: own, regularizeCoeff: 1, learningRate: 0.01 })
    const before = await numbers(model)
    const { loss } = await model.preTrainingLoop(1, clusters(), undefined, quiet)
    t.true(Number.isFinite(loss[0]), own.name)
    t.notDeepEqual((await numbers(model))['layers.1.kernel'], before['layers.1.kernel'])
  }
  const model = new HSICSequential({ inputShape: [2] })
  model.add(dense(), { criterion: new Covariance() }).add(dense(), { regularizeCoeff: 7 })
  model.compile({ criterion, learningRate: 0 })
  const { metrics } = await model.preTrainingLoop(1, clusters(90), undefined, quiet)
  const at = (name: string) => metrics[name]?.[0] as number
  // With its own criterion a layer has compression only, by default.
  t.is(at('dense_1'), at('dense_1.input'))
  t.true(Math.abs(at('dense_2') - (at('dense_2.input') - 7 * at('dense_2.target'))) < 1e-6)
})

test('training lowers the objectives, and the readout then tells the classes', async (t) => {
  const model = plain()
  model.compile({
    criterion,
    regularizeCoeff: 10,
    learningRate: 0.2,
    post: { learningRate: 0.1, metrics: ['accuracy'] },
  })
  const history = await model.fitDataset(clusters(), {
    preEpochs: 10,
    postEpochs: 10,
    validation: clusters(),
    ...quiet,
  })
  const { pre, post } = history
  t.true((pre?.loss.at(-1) as number) < (pre?.loss[0] as number))
  t.is(pre?.loss.length, 10)
  t.true((post?.validationMetrics?.accuracy?.at(-1) as number) > 0.9)
  t.deepEqual(history.loss, post?.loss)
  const { metrics } = await model.evaluate(clusters())
  t.is(metrics.accuracy, post?.validationMetrics?.accuracy?.at(-1))
  const arrays = plain().compile({ criterion })
  const x = Array.from({ length: 20 }, (_, i) => [Math.sin(i), Math.cos(i)])
  const y = Array.from({ length: 20 }, (_, i) => i % 3)
  const short = await arrays.fit(x, y, { preEpochs: 2, postEpochs: 0, batchSize: 8, ...quiet })
  t.is(short.post, undefined)
  t.is(short.pre?.validationLoss?.length, 2)
})

test('a last batch that is too small for the criterion counts for nothing in validation, and is refused in training', async (t) => {
  const { x, y } = clusters().source
  const part = (from: number, to: number) => ({ x: x.slice([from], [to]), y: y.slice([from], [to]) })
  const losses: (number | undefined)[] = []
  for (const validation of [[part(0, 89), part(89, 90)], [part(0, 89)]]) {
    const model = plain().compile({ criterion, learningRate: 0.1 })
    const history = await model.preTrainingLoop(1, clusters(), validation, quiet)
    losses.push(history.validationLoss?.[0])
  }
  t.true(Number.isFinite(losses[0]))
  t.is(losses[0], losses[1])
  const model = plain().compile({ criterion })
  await t.throwsAsync(model.preTrainingLoop(1, clusters(89), undefined, quiet), { instanceOf: DataError })
})

test('format training leaves the other layers as they are, in evaluation mode', async (t) => {
  const model = stack([
    new Chain([new Dense(6), new BatchNorm1d(), new Activation('relu'), new Dropout(0.5)]),
    new HSICOutput(3),
  ])
  model.compile({ criterion, post: { learningRate: 0.1, momentum: 0.9 } })
  await model.preTrainingLoop(2, clusters(), undefined, quiet)
  const before = await numbers(model)
  const head = new Sequential({ inputShape: [6] }).add(new Dense(3, { activation: 'softmax' }))
  head.compile({ optimizer: 'sgd', learningRate: 0.1, momentum: 0.9 })
  for (const name of ['kernel', 'bias']) {
    head.weights[`layers.0.${name}`]?.assign(model.weights[`layers.1.${name}`]?.value as Tensor)
  }
  await model.postTrain(3, clusters(), undefined, quiet)
  const after = await numbers(model)
  for (const path of Object.keys(before)) {
    if (path.startsWith('layers.0')) t.deepEqual(after[path], before[path], path)
    else t.notDeepEqual(after[path], before[path], path)
  }
  // The same readout, trained on the features as a separate network.
  const { source, indices } = clusters()
  const features = (model.layers[0] as Layer).call(source.x)
  await evaluate(features)
  const other = new ArrayDataset(features, source.y, { batchSize: 30, shuffle: true, seed: 3, classes: 3 })
  t.is(other.samples, indices.length)
  const offset = 2
  for (let epoch = 0; epoch < offset; epoch++) head.trainingState.record.epochs++
  await head.fitDataset(other, { epochs: 3, ...quiet })
  const alone = await numbers(head)
  const near = (a: number[], b: number[]) => a.every((v, i) => Math.abs(v - (b[i] as number)) < 1e-5)
  t.true(near(after['layers.1.kernel'] as number[], alone['layers.0.kernel'] as number[]))
  t.true(model.weights['layers.0.0.kernel']?.trainable)
})

test('units are matched with classes on training data', async (t) => {
  const counts = Array.from({ length: 7 }, (_, i) =>
    Array.from({ length: 7 }, (_, j) => Math.floor(50 * Math.abs(Math.sin(3 * i + 11 * j * j + 1)))),
  )
  const permutations = (left: number[]): number[][] =>
    left.length === 0
      ? [[]]
      : left.flatMap((one) =>
          permutations(left.filter((other) => other !== one)).map((rest) => [one, ...rest]),
        )
  const total = (classes: ArrayLike<number>) =>
    counts.reduce((sum, row, i) => sum + (row[classes[i] as number] as number), 0)
  const best = Math.max(...permutations([0, 1, 2, 3, 4, 5, 6]).map(total))
  const found = classesOfUnits(counts)
  t.is(total(found), best)
  t.deepEqual([...found].sort(), [0, 1, 2, 3, 4, 5, 6])

  const model = stack([dense(), new Dense(3, { activation: 'relu' })])
  model.compile({ criterion, regularizeCoeff: 20, learningRate: 0.2 })
  const data = clusters()
  await t.throwsAsync(() => model.predictClasses(data.source.x), {
    instanceOf: StateError,
    message: /matchUnits/,
  })
  await model.preTrainingLoop(30, data, undefined, quiet)
  const classes = await model.matchUnits(data)
  t.deepEqual([...classes].sort(), [0, 1, 2])
  const predicted = await model.predictClasses(data.source.x)
  const right = predicted.filter((label, i) => label === (data.labels as Int32Array)[i]).length
  t.true(right / 90 > 0.9, `${right} of 90`)
  await model.preTrainingLoop(1, data, undefined, quiet)
  await t.throwsAsync(() => model.predictClasses(data.source.x), { instanceOf: StateError })
})

test('a network of another topology is trained layer by layer', async (t) => {
  class Branched extends HSICNetwork {
    readonly left = this.register(dense(), [2], 'left')
    readonly right = this.register(dense(), [2], 'right')
    readonly top = this.register(new HSICOutput(3), [8], 'top')
    protected override compose(x: Tensor, ctx: ForwardContext) {
      const h = ctx.run(this.left, x).add(ctx.run(this.right, x))
      return { output: ctx.run(this.top, h), hidden: [] }
    }
  }
  const model = new Branched({ inputShape: [2] })
  model
    .trainBy(model.right, { criterion: new Covariance() })
    .compile({ criterion, learningRate: 0.1, post: { metrics: ['accuracy'] } })
  const before = await numbers(model)
  await model.fitDataset(clusters(), { preEpochs: 1, postEpochs: 1, ...quiet })
  const after = await numbers(model)
  for (const path of Object.keys(before)) t.notDeepEqual(after[path], before[path], path)
})

test('an interrupted run goes on with the same bits', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperglow-hsic-'))
  try {
    const make = () =>
      stack([dense(), new Dropout(0.3), dense(), new HSICOutput(3)]).compile({ criterion, learningRate: 0.1 })
    const whole = make()
    await whole.preTrainingLoop(4, clusters(), undefined, quiet)
    const callbacks = () => [new Checkpoint(folder)]
    await make().preTrainingLoop(2, clusters(), undefined, { ...quiet, callbacks: callbacks() })
    const resumed = make()
    await resumed.preTrainingLoop(4, clusters(), undefined, {
      ...quiet,
      callbacks: callbacks(),
      resume: folder,
    })
    t.deepEqual(await numbers(resumed), await numbers(whole))
    const path = join(folder, 'model')
    for (const model of [whole, sigmas()]) {
      await model.save(path)
      const again = await load(path)
      t.is(again.constructor, model.constructor)
      t.deepEqual(await numbers(again), await numbers(model))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

function sigmas(options: object = {}): HSICSigma {
  return new HSICSigma({ inputShape: [2], sigmas: [0.5, 2, 5], seed: 1, ...options }, [
    dense(),
    dense(4),
    new HSICOutput(3),
  ])
}

const compiledSigmas = (options?: object) =>
  sigmas(options).compile({
    pre: { criterion: (sigma) => new HSIC({ sigma }), regularizeCoeff: 10, learningRate: 0.1 },
    post: { learningRate: 0.1, metrics: ['accuracy'] },
  })

test('a compiled sigma network is loaded with its criteria, and trains on alike', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperglow-sigma-'))
  try {
    const model = compiledSigmas()
    const path = join(folder, 'model')
    await model.save(path)
    const again = (await load(path)) as HSICSigma
    const stages = { ...quiet, preEpochs: 1, postEpochs: 1 }
    for (const one of [model, again]) await one.fitDataset(clusters(), stages)
    t.deepEqual(await numbers(again), await numbers(model))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const listed = sigmas().compile({ pre: { criterion: [0.5, 2, 5].map((sigma) => new HSIC({ sigma })) } })
  t.is(listed.optimizer?.name, 'sgd')
  t.throws(() => sigmas().compile({ pre: { criterion: [criterion] } }), {
    message: /lists 1 criteria, expected one for each of the 3 sigmas \[0.5,2,5\]/,
  })
})

test('copies of a sigma network learn what each would alone, and begin differently', async (t) => {
  const model = compiledSigmas()
  const start = await numbers(model)
  t.notDeepEqual(start['copies.0.0.kernel'], start['copies.1.0.kernel'])
  const alone = [0.5, 2, 5].map((sigma) =>
    stack([dense(), dense(4)]).compile({
      criterion: new HSIC({ sigma }),
      regularizeCoeff: 10,
      learningRate: 0.1,
    }),
  )
  for (const [copy, one] of alone.entries()) {
    for (const [path, variable] of Object.entries(one.weights)) {
      variable.assign(model.weights[path.replace('layers', `copies.${copy}`)]?.value as Tensor)
    }
    await one.preTrainingLoop(3, clusters(), undefined, quiet)
  }
  await model.preTrainingLoop(3, clusters(), undefined, quiet)
  const trained = await numbers(model)
  for (const [copy, one] of alone.entries()) {
    for (const [path, values] of Object.entries(await numbers(one))) {
      t.deepEqual(trained[path.replace('layers', `copies.${copy}`)], values)
    }
  }
  t.deepEqual(trained['readout.kernel'], start['readout.kernel'])
  await model.postTrain(2, clusters(), undefined, quiet)
  const formatted = await numbers(model)
  for (const path of Object.keys(trained)) {
    if (path.startsWith('copies')) t.deepEqual(formatted[path], trained[path])
    else t.notDeepEqual(formatted[path], trained[path], path)
  }
})

test('a sigma network takes the mean or the sum, normalized or not', async (t) => {
  for (const aggregate of ['mean', 'sum'] as const) {
    for (const aggregateBatchNorm of [true, false, { affine: true }]) {
      const model = compiledSigmas({ aggregate, aggregateBatchNorm })
      const history = await model.fitDataset(clusters(), { preEpochs: 5, postEpochs: 12, ...quiet })
      t.true(
        (history.metrics.accuracy?.at(-1) as number) > 0.85,
        `${aggregate} ${String(aggregateBatchNorm)}`,
      )
    }
  }
})

test('faults are said before anything is trained', async (t) => {
  const fails = (f: () => unknown, message: RegExp, type: new (...given: never[]) => Error = ArgumentError) =>
    t.throws(f, { instanceOf: type as never, message })
  fails(() => plain().compile({}), /layer 'dense_1' has no criterion/)
  fails(() => plain().compile({ criterion: 5 as never }), /expected an Estimator/)
  for (const measurement of [new MINE(), new KSG(), new Binned()]) {
    fails(() => plain().compile({ criterion: measurement }), /has no gradient, so no layer can be trained/)
    fails(() => plain().add(dense(), { criterion: measurement }), /has no gradient/)
  }
  fails(() => plain().compile({ criterion, regularizeCoeff: -1 }), /regularizeCoeff.*at least 0/)
  fails(() => plain().add(dense(), { criterion, regularizeCoeff: -1 }), /regularizeCoeff.*at least 0/)
  fails(() => plain().add(dense(), { criterion: {} as never }), /expected an Estimator/)
  fails(
    () => plain().compile({ criterion, optimizer: (() => {}) as never }),
    /each layer gets a separate optimizer/,
  )
  fails(() => plain().trainBy(dense(), {}), /a layer of this network/)
  fails(() => plain().compile({ criterion }).trainBy(dense(), {}), /compiled already/, StateError)
  fails(() => new HSICSigma({ inputShape: [2], sigmas: [] }), /at least one/)
  const x = ones([4, 2])
  fails(() => compiledSigmas({}).forward(x, Promise.resolve() as never), /as context/)
  fails(
    () =>
      plain()
        .compile({ criterion })
        .sequentialForward(x, {} as never),
    /as context/,
  )
  fails(() => sigmas().add(dense()), /readout already/, StateError)
  fails(() => sigmas().compile(), /pre is missing/)
  const rejects = (
    promise: Promise<unknown>,
    message: RegExp,
    type: new (...given: never[]) => Error = StateError,
  ) => t.throwsAsync(promise, { instanceOf: type as never, message })
  await rejects(plain().preTrainingLoop(1, clusters()), /not compiled/)
  const bare = stack([dense()]).compile({ criterion })
  await rejects(bare.postTrain(1, clusters()), /does not end with a readout/)
  await rejects(
    stack([new HSICOutput(3)])
      .compile({})
      .preTrainingLoop(1, clusters()),
    /nothing to train/,
  )
  await rejects(plain().compile({ criterion }).matchUnits(clusters()), /ends with a readout/)
  await rejects(bare.fitDataset(clusters(), { preEpochs: 0 }), /both 0/, ArgumentError)
  await rejects(
    plain()
      .compile({ criterion })
      .preTrainingLoop(1, clusters(), undefined, { ...quiet, numClasses: 2 }),
    /2/,
    DataError,
  )
  const busy = plain().compile({ criterion })
  const running = busy.preTrainingLoop(1, clusters(), undefined, quiet)
  await rejects(busy.postTrain(1, clusters()), /in the middle of fit/)
  await running
})
