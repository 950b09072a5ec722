/** PyGlow's promises about its models that no other test covers. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import {
  Adam,
  ArgumentError,
  accuracy,
  type Batch,
  type Context,
  Conv2d,
  Dense,
  Dropout,
  EDGE,
  Estimator,
  evaluate,
  Flatten,
  HSIC,
  HSICOutput,
  HSICSequential,
  HSICSigma,
  IBSequential,
  key as keyOf,
  Layer,
  loadSegment,
  mnist,
  Network,
  normal,
  oneHot,
  Sequential,
  type Shape,
  ShapeError,
  StateError,
  type Tensor,
  tensor,
  UnknownNameError,
  VIB,
} from '../ts/index.js'
import { close } from './helpers.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'

const run = promisify(execFile)
const quiet = { verbose: false }
const minutes = 60_000
const hsic = () => new HSIC({ kernel: 'gaussian', sigma: 2 })
const small = () => new Sequential({ inputShape: [4] }).add(new Dense(3))

// ---- before and after compile

test('a model says what it is before it is compiled', (t) => {
  const shape = [1, 28, 28]
  const model = new Sequential({ inputShape: shape })
  shape[0] = 3
  t.deepEqual(model.inputShape, [1, 28, 28], 'the shape is a copy')
  t.throws(() => (model.inputShape as number[]).push(1), { instanceOf: TypeError })
  t.deepEqual([model.numLayers, model.layers.length], [0, 0])
  t.deepEqual([model.lossFn, model.lossName, model.optimizer], [undefined, undefined, undefined])
  t.deepEqual(model.metrics, [])
  t.is(model.add(new Flatten()), model)
  model.add(new Dropout(0.4)).add(new Dense(10))
  t.is(model.numLayers, 3)
  t.deepEqual(
    model.layers.map(({ outputShape }) => outputShape),
    [[784], [784], [10]],
  )
  ;(model.layers as Layer[]).pop()
  t.is(model.numLayers, 3, 'the list is a copy')
  t.is(model.parameters().length, 2)
  model.compile({ metrics: ['acc', accuracy] })
  t.deepEqual(model.metrics, ['acc', 'accuracy'])
  t.is(typeof model.lossFn, 'function')
})

test('a layer of a stack that gives no output shape is refused when it is added', (t) => {
  class Shapeless extends Layer {
    build(): Shape {
      return undefined as unknown as Shape
    }
    apply(_: object, x: Tensor) {
      return x
    }
  }
  t.throws(() => new Sequential({ inputShape: [4] }).add(new Shapeless()), { instanceOf: ShapeError })
})

test('optimizers are told by name in any case, with the defaults of their papers, or given', (t) => {
  const of = (optimizer: string | Adam, more: object = {}) =>
    small().compile({ optimizer, ...more }).optimizer
  for (const name of ['SGD', 'sgd', 'adam', 'Adam', 'RMSprop', 'Adadelta', 'Adagrad']) {
    t.is(of(name)?.name, name.toLowerCase())
    t.is(of(name)?.options.learningRate, 0.001)
  }
  t.deepEqual(of('adam')?.options, {
    learningRate: 0.001,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0,
    amsgrad: false,
  })
  // Momentum is that of SGD: Adam does without it.
  t.throws(() => of('adam', { momentum: 0.5 }), { instanceOf: ArgumentError, message: /momentum: given 0.5/ })
  const own = new Adam({ learningRate: 0.1 })
  t.is(of(own), own)
})

test('names of PyGlow are answered with those here', (t) => {
  for (const [call, meant] of [
    [() => new IBSequential({ input_shape: [4] } as never), 'inputShape'],
    [() => new IBSequential({ inputShape: [4], track_dynamics: true } as never), 'trackDynamics'],
    [() => new Sequential({ inputShape: [4], gpu: true } as never), 'device'],
    [() => small().compile({ learning_rate: 0.1 } as never), 'learningRate'],
    [() => new EDGE({ hash_function: 'floor' } as never), 'hash'],
  ] as const) {
    t.throws(call, { instanceOf: UnknownNameError, message: new RegExp(`did you mean "${meant}"`) })
  }
})

test('the loss may be a measure of dependence', async (t) => {
  const measure = new HSIC({ sigma: 0.5 })
  const model = new Sequential({ inputShape: [4], seed: 3 })
  model.add(new Dense(8, { activation: 'tanh' })).add(new Dense(3, { activation: 'softmax' }))
  // The target comes as the loss takes it: here as one-hot rows.
  model.compile({
    loss: (prediction, target) => measure.criterion(prediction, target).neg(),
    optimizer: 'adam',
    learningRate: 0.02,
  })
  const { x, y } = points(120)
  const { loss } = await model.fit(tensor(x, { shape: [120, 4] }), oneHot(tensor(y), 3).cast('float32'), {
    epochs: 20,
    ...quiet,
  })
  t.true((loss.at(-1) as number) < 2 * (loss[0] as number), `${loss[0]}, then ${loss.at(-1)}`)
})

// ---- training

test('layers are told of training in steps, and of evaluation in validation', async (t) => {
  const modes: boolean[] = []
  class Watch extends Layer {
    build(inputShape: Shape) {
      return inputShape
    }
    apply(_: object, x: Tensor, { training }: Context) {
      modes.push(training)
      return x
    }
  }
  const model = new Sequential({ inputShape: [4] })
  model.add(new Watch()).add(new Dropout(0.9)).add(new Dense(3)).compile()
  const validation = dataset(20, 20)
  const { validationLoss } = await model.fitDataset(dataset(32, 16), { epochs: 1, validation, ...quiet })
  // The two are traced in this order: first the step, then the measurement.
  t.deepEqual([modes.indexOf(true) >= 0, modes.at(-1)], [true, false])
  // With nine of ten inputs dropped the two could not agree.
  t.is((await model.evaluate(validation)).loss, validationLoss?.[0] as number)
  t.false(model.training)
})

test('nothing is printed where standard error is no terminal', async (t) => {
  const library = JSON.stringify(new URL('../ts/index.js', import.meta.url).href)
  const script = `const { Dense, Sequential } = await import(${library})
    const model = new Sequential({ inputShape: [1] }).add(new Dense(2)).compile({ metrics: ['accuracy'] })
    const x = [[0], [1], [2], [3], [4]]
    await model.fit(x, [0, 1, 0, 1, 0], { epochs: 2 })
    if (process.argv[1] === 'tell') await model.fit(x, [0, 1, 0, 1, 0], { epochs: 2, verbose: true })`
  const silent = await run(process.execPath, ['--input-type=module', '-e', script])
  t.deepEqual(silent, { stdout: '', stderr: '' })
  const told = await run(process.execPath, ['--input-type=module', '-e', script, 'tell'])
  t.is(told.stdout, '')
  t.regex(told.stderr, /Epoch 1\/2\nTraining loop:\nloss: \d\.\d\d - acc: \d\.\d\d\nValidation loop:\nloss: /)
})

test('softmax twice: the loss begins at ln 10 and cannot pass below the floor of that', async (t) => {
  const { train } = await mnist.load({ limit: 1000, validationSplit: 0, seed: 1 })
  const losses = async (compat: 'doubleSoftmax' | undefined) => {
    const model = new Sequential({ inputShape: [1, 28, 28], seed: 1, ...(compat && { compat }) })
    model
      .add(new Flatten())
      .add(new Dense(64, { activation: 'relu' }))
      .add(new Dense(10, { activation: 'softmax' }))
    model.compile({ learningRate: 0.05 })
    return (await model.fitDataset(train, { epochs: 8, ...quiet })).loss
  }
  // -ln(e / (e + 9)): all of the softmax on the right class, taken for logits.
  const floor = Math.log(Math.E + 9) - 1
  const twice = await losses('doubleSoftmax')
  close(t, twice[0] as number, Math.log(10), 0.15)
  t.true(twice.every((loss) => loss > floor))
  t.true((twice.at(-1) as number) < floor + 0.35, `${twice.at(-1)}`)
  t.true(((await losses(undefined)).at(-1) as number) < floor, 'once, it passes below')
  train.dispose()
})

test('the main example of the documents runs as it stands there', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'hyperglow-main-example-'))
  t.teardown(() => rm(out, { recursive: true, force: true }))
  const program = join(packageRoot, 'build', 'examples', 'main-example.js')
  const { stdout } = await run(process.execPath, [program, '--epochs', '2', '--limit', '320', '--out', out])
  t.regex(stdout, /evaluatedDynamics: \[2,1,3,2\]; test accuracy: 0\.\d+/)
  t.regex(stdout, /conv2d_1 +dense_1 +dense_2/)
})

// ---- dynamics

/** Keeps the shapes and values that an evaluator is given. */
class Looking extends Estimator {
  readonly seen: number[][] = []
  readonly targets: Tensor[] = []
  criterion(x: Tensor, y: Tensor) {
    this.seen.push([...x.shape], [...y.shape])
    return y.cast('float32').mean()
  }
}

test('evaluators are attached before or after compile, and keep their order', async (t) => {
  const model = new IBSequential({ inputShape: [4], trackDynamics: true })
  model
    .add(new Dense(8))
    .add(new Dropout(0.2))
    .add(new Dense(3, { activation: 'softmax' }))
  const [first, second] = [hsic(), new HSIC({ kernel: 'linear' })]
  t.is(model.attachEvaluator(first), model)
  model.compile().attachEvaluator(second)
  t.deepEqual(model.evaluators, [first, second])
  await model.fitDataset(dataset(32, 16), { epochs: 1, ...quiet })
  t.deepEqual(model.evaluatedDynamics.shape, [1, 2, 2, 2])
  t.is(model.evaluatedDynamics.dtype, 'float32')
  t.deepEqual(model.dynamics().evaluators, ['HSIC', 'HSIC_2'])
})

test('the target of a segment is one-hot of all classes, or the numbers themselves', async (t) => {
  const classes = new Looking()
  const model = classifier({ trackDynamics: true }).attachEvaluator(classes)
  const x = tensor(points(8).x, { shape: [8, 4] })
  // The third class is in no sample.
  const batches: Batch[] = [{ x, y: tensor(Int32Array.of(0, 1, 0, 1, 0, 1, 0, 1)) }]
  await model.fitDataset(batches, { epochs: 1, ...quiet })
  t.deepEqual(classes.seen[3], [8, 3])
  close(t, model.dynamics().values[0]?.[0]?.[0]?.[1] as number, 1 / 3, 1e-6)

  const numbers = new Looking()
  const regression = new IBSequential({ inputShape: [4], trackDynamics: true }).add(new Dense(2))
  regression.compile({ loss: 'mse' }).attachEvaluator(numbers)
  const y = tensor(
    Float32Array.from({ length: 16 }, (_, i) => i / 2),
    { shape: [8, 2] },
  )
  await regression.fitDataset([{ x, y }], { epochs: 1, ...quiet })
  t.deepEqual(numbers.seen[3], [8, 2])
  close(t, regression.dynamics().values[0]?.[0]?.[0]?.[1] as number, 3.75, 1e-6)
})

test('a stored segment is measured again, to the values of the run', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hyperglow-segments-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const model = classifier({ trackDynamics: true, saveDynamics: { dir: folder, raw: true } })
  model.attachEvaluator(hsic())
  await model.fitDataset(dataset(40, 16), { epochs: 2, ...quiet })
  const segment = (await loadSegment(folder, 1, 1)) ?? []
  const values = await hsic().measureSegment(segment.map(({ data, shape }) => tensor(data, { shape })))
  close(t, values, ((await model.batchDynamics.array()) as number[][][][][])[1]?.[1]?.[0] as number[][], 1e-5)
})

// ---- training without back-propagation

test('layers trained by HSIC have the defaults of the documents', async (t) => {
  const make = (more: object) => {
    const model = new HSICSequential({ inputShape: [4], seed: 2 })
    model
      .add(new Dense(6, { activation: 'relu' }))
      .add(new Flatten())
      .add(new Dense(5))
      .add(new HSICOutput(3))
    return model.compile({ criterion: hsic(), ...more })
  }
  const trained = async (more: object) => {
    const model = make(more)
    const { metrics } = await model.preTrainingLoop(3, dataset(48, 16), undefined, quiet)
    return { weights: await weightsOf(model), metrics }
  }
  const spelled = { regularizeCoeff: 100, optimizer: 'SGD', learningRate: 0.001, momentum: 0.95 }
  const plain = await trained({})
  t.deepEqual(plain, await trained(spelled))
  for (const other of [{ regularizeCoeff: 99 }, { learningRate: 0.002 }, { momentum: 0.9 }]) {
    t.notDeepEqual(plain.weights, (await trained({ ...spelled, ...other })).weights)
  }
  const at = (name: string) => plain.metrics[name]?.[0] as number
  close(t, at('dense_1'), at('dense_1.input') - 100 * at('dense_1.target'), 1e-4)
  const { activationName } = new HSICOutput(3)
  t.is(activationName, 'softmax')
})

test('hidden outputs of a network without back-propagation come in order, detached', async (t) => {
  const model = new HSICSequential({ inputShape: [4], segment: 'origin' })
  model.add(new Dense(6)).add(new Dropout(0.5)).add(new HSICOutput(3))
  const x = normal(keyOf(1), [5, 4])
  const { output, hidden } = model.forward(x)
  await evaluate([output, hidden])
  t.deepEqual(
    hidden.map(({ shape }) => shape),
    [
      [5, 6],
      [5, 6],
      [5, 3],
    ],
  )
  t.deepEqual(await hidden[2]?.array(), await output.array())
})

test('a convolution and dense layers with measures of their own lower their objectives on digits', async (t) => {
  const { train } = await mnist.load({ limit: 640, batchSize: 64, validationSplit: 0, seed: 1 })
  const model = new HSICSequential({ inputShape: [1, 28, 28], seed: 1 })
  model
    .add(new Conv2d(16, 3, { stride: 1, padding: 1, activation: 'relu' }))
    .add(new Flatten())
    .add(new Dense(500, { activation: 'relu' }), { criterion: new HSIC({ sigma: 5 }), regularizeCoeff: 100 })
    .add(new Dense(200, { activation: 'relu' }))
  model.compile({ criterion: new HSIC({ sigma: 10 }), regularizeCoeff: 100 })
  const { loss, metrics } = await model.preTrainingLoop(3, train, undefined, quiet)
  t.true((loss[2] as number) < (loss[0] as number), loss.join())
  for (const name of ['conv2d_1', 'dense_1', 'dense_2']) {
    t.true((metrics[name]?.[2] as number) < (metrics[name]?.[0] as number), name)
  }
  train.dispose()
})

test.serial('a sigma network is as good as its best width, without choosing it', async (t) => {
  t.timeout(5 * minutes)
  const data = await mnist.load({ limit: 3000, batchSize: 200, validationSplit: 0, seed: 1 })
  const criterion = (sigma: number) => new HSIC({ sigma, scaleSqrtD: true, variant: 'nHSIC' })
  const accuracyOf = async (sigmas: number[]) => {
    const model = new HSICSigma({ inputShape: [1, 28, 28], sigmas, seed: 1 }, [
      new Flatten(),
      new Dense(128, { activation: 'relu' }),
      new Dense(64, { activation: 'relu' }),
      new HSICOutput(10),
    ])
    const post = { learningRate: 0.01, metrics: ['accuracy'] }
    model.compile({ pre: { criterion, regularizeCoeff: 50, learningRate: 1e-3, momentum: 0.9 }, post })
    await model.fitDataset(data.train, { preEpochs: 2, postEpochs: 4, ...quiet })
    const { metrics } = await model.evaluate(data.test)
    model.dispose()
    return metrics.accuracy as number
  }
  const singles = [await accuracyOf([1]), await accuracyOf([5]), await accuracyOf([10])]
  const together = await accuracyOf([1, 5, 10])
  t.log(`widths 1, 5, 10: ${singles}; together: ${together}`)
  const best = Math.max(...singles)
  // Two standard errors of the difference of two shares of 3,000 images.
  const noise = 2 * Math.sqrt((2 * best * (1 - best)) / 3000)
  t.true(together > best - noise)
  t.true(together > Math.min(...singles))
  for (const part of [data.train, data.test]) part.dispose()
})

// ---- the variational bottleneck

test('a variational bottleneck is compiled with one optimizer for both networks', async (t) => {
  const make = () => {
    const encoder = new Sequential({ inputShape: [4], seed: 1 }).add(new Dense(4))
    const decoder = new Sequential({ inputShape: [2], seed: 2 }).add(new Dense(3))
    return new VIB({ encoder, decoder, hiddenDim: 2 })
  }
  t.throws(() => make().task, { instanceOf: StateError })
  t.throws(() => make().compile({ metrics: ['accuracy'] } as never), { instanceOf: UnknownNameError })
  const model = make()
  t.deepEqual([model.covType, model.numSamples, model.tradeOff], ['diag', 1, 0.001])
  const spelled = make().compile({ optimizer: 'SGD', learningRate: 1e-3, momentum: 0.95 })
  model.compile({ optimizer: 'SGD' })
  for (const one of [model, spelled]) await one.fitDataset(dataset(32, 16), { epochs: 2, ...quiet })
  for (const part of ['encoder', 'decoder'] as const) {
    const before = await weightsOf(make()[part])
    t.deepEqual(await weightsOf(model[part]), await weightsOf(spelled[part]))
    t.notDeepEqual(await weightsOf(model[part]), before)
  }
})

test('only a class that runs its layers is a network', (t) => {
  class Own extends Network {
    readonly inner = this.register(new Dense(2))
    forward(x: Tensor) {
      const output = this.context().run(this.inner, x)
      return { output, hidden: [] }
    }
  }
  const model = new Own({ inputShape: [4], seed: 7 })
  t.deepEqual([model.numLayers, model.parameters().length, model.trackDynamics], [1, 2, false])
  t.throws(() => model.attachEvaluator(hsic()), { instanceOf: StateError, message: /trackDynamics: true/ })
  t.throws(() => new IBSequential({ inputShape: [4], trackDynamics: true, saveDynamics: true as never }), {
    instanceOf: ArgumentError,
  })
})
