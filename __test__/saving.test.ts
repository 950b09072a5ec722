/** Models built from files: every layer, classes of one's own, and files of older layouts. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import {
  Activation,
  ArgumentError,
  accuracy,
  BatchNorm1d,
  Binned,
  buildModule,
  cohenKappa,
  crossEntropy,
  DataError,
  Dense,
  Dropout,
  Estimator,
  evalContext,
  type ForwardContext,
  fBeta,
  gaussianKernel,
  type History,
  HSIC,
  HSICOutput,
  HSICSequential,
  IBSequential,
  initializers,
  KSG,
  Layer,
  type Loss,
  load,
  Network,
  Residual,
  readSafetensors,
  register,
  Sequential,
  SGD,
  type Shape,
  type Stack,
  type Tensor,
  tensor,
  type Weights,
  writeSafetensors,
} from '../ts/index.js'
import { inFolder } from './in-folder.js'
import { inputOf, layerClasses, layerSamples } from './layer-samples.js'
import { Scale } from './scale.js'
import { points } from './toy-task.js'

/** The layer that plain data describe, after a way through text. */
function rebuilt(layer: Layer): Layer {
  return buildModule(JSON.parse(JSON.stringify(layer))) as Layer
}

test('there is a sample of every layer, and no other', (t) => {
  t.deepEqual(
    Object.keys(layerSamples).sort(),
    layerClasses()
      .map(([name]) => name)
      .sort(),
  )
})

for (const [name, Class] of layerClasses()) {
  test(`${name} is built again from its description, and copied`, async (t) => {
    const sample = layerSamples[name]
    if (sample === undefined) return t.fail('there is no sample')
    const layer = new Class(...sample.args())
    layer.declare(sample.input)
    layer.initialize()
    const x = inputOf(sample)
    const weights = layer.weights()
    const ctx = evalContext(layer.stateValues())
    const expected = await layer.apply(weights, x, ctx).array()
    for (const other of [rebuilt(layer), layer.clone()]) {
      t.is(other.constructor, Class)
      t.is(other.name, layer.name)
      t.deepEqual(JSON.parse(JSON.stringify(other)), JSON.parse(JSON.stringify(layer)))
      t.deepEqual(other.declare(sample.input), layer.outputShape)
      t.deepEqual(other.paramShapes, layer.paramShapes)
      t.deepEqual(other.stateShapes, layer.stateShapes)
      t.deepEqual(await other.apply(weights, x, ctx).array(), expected)
    }
    // The options count: a layer made without them is another one.
    const shape = layer.apply(weights, x, ctx).shape
    t.deepEqual(shape.slice(1), layer.outputShape)
  })

  test(`${name} is saved and loaded within a model`, async (t) => {
    const sample = layerSamples[name]
    if (sample === undefined) return t.fail('there is no sample')
    await inFolder(async (folder) => {
      const model = new Sequential({ inputShape: sample.input, seed: 3 })
      model.add(new Class(...sample.args()))
      await model.save(join(folder, 'model'))
      const loaded = await load(join(folder, 'model'))
      t.true(loaded instanceof Sequential)
      t.is(loaded.summary(), model.summary())
      const x = inputOf(sample)
      t.deepEqual(await loaded.call(x).array(), await model.call(x).array())
    })
  })
}

/** A layer whose constructor takes an argument that `settings` does not return. */
class Silent extends Layer {
  readonly factor: number
  constructor(factor = 2) {
    super()
    this.factor = factor
  }
  build(inputShape: Shape) {
    return inputShape
  }
  apply(_: Weights, x: Tensor) {
    return x.mul(this.factor)
  }
}

/** A layer whose `settings` returns the argument of its constructor. */
class Times extends Silent {
  protected override settings() {
    return [this.factor]
  }
}

/** A network with its own forward pass. */
class Shortcut extends Network {
  readonly inner = this.register(new Dense(4, { activation: 'tanh' }))
  readonly head = this.register(new Dense(3, { activation: 'softmax' }))

  forward(x: Tensor, ctx: ForwardContext = this.context()) {
    const output = ctx.run(this.head, ctx.run(this.inner, x).add(x))
    return { output, hidden: [output] }
  }
}

test.serial('classes of one’s own are built after they were registered', async (t) => {
  await inFolder(async (folder) => {
    const model = new Sequential({ inputShape: [4] }).add(new Residual([new Scale(), new Times(3)]))
    await model.save(join(folder, 'own'))
    const error = await t.throwsAsync(load(join(folder, 'own')), { instanceOf: DataError })
    t.regex(error?.message ?? '', /class Scale, which is not known; call register\(Scale\)/)
    register(Scale)
    register(Times)
    const loaded = await load(join(folder, 'own'))
    const x = tensor([[1, 2, 3, 4]])
    t.deepEqual(await loaded.call(x).array(), [[4, 8, 12, 16]])
    const network = new Shortcut({ inputShape: [4], seed: 4 })
    await network.save(join(folder, 'network'))
    await t.throwsAsync(load(join(folder, 'network')), { message: /register\(Shortcut\)/ })
    register(Shortcut)
    const back = await load(join(folder, 'network'))
    t.true(back instanceof Shortcut)
    t.deepEqual(await back.call(x).array(), await network.call(x).array())
  })
})

test('what cannot be built is saved all the same, and says why', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'silent')
    const make = () => new Sequential({ inputShape: [2] }).add(new Silent(3)) as Sequential
    await make().save(path)
    const error = await t.throwsAsync(load(path), { instanceOf: DataError })
    t.regex(error?.message ?? '', /silent_1.*Silent has a constructor of its own.*settings\(\)/)
    const Namesake = { Dropout: class extends Silent {} }.Dropout
    const nested = new Sequential({ inputShape: [2] }).add(new Residual(new Namesake(3)))
    await nested.save(join(folder, 'namesake'))
    await t.throwsAsync(load(join(folder, 'namesake')), {
      instanceOf: DataError,
      message: /residual_1\.branch is of a class of your own that is called Dropout.*another name/,
    })
    await make().load(path)
    await new Sequential({ inputShape: [2] }).add(new Activation((x) => x.square())).save(path)
    await t.throwsAsync(load(path), { message: /activation.*the function.*cannot be written to a file/ })
  })
})

test('a class that extends one with a constructor does not guess its arguments', (t) => {
  class Heir extends Silent {}
  t.throws(() => new Heir(5).clone(), {
    instanceOf: ArgumentError,
    message: /Heir extends Silent, which has/,
  })
  class TimesTwo extends Times {}
  t.is(new TimesTwo(2).clone().factor, 2)
  class Named extends Scale {}
  t.is(new Named({ name: 'mine' }).clone().name, 'mine')
  t.false(new Named().clone().named)
})

test('a blueprint of something else is refused', (t) => {
  for (const wrong of [undefined, null, 5, {}, { class: 'Dense' }, { class: 5, arguments: [] }]) {
    t.throws(() => buildModule(wrong as never), { instanceOf: ArgumentError })
  }
  for (const wrong of [
    { class: 'Nothing', arguments: [] },
    { class: 'Dense', arguments: [] },
    { class: 'Sequential', arguments: [{ inputShape: [2] }] },
    { class: 'Chain', arguments: [[{ $module: { class: 'Dense', arguments: ['x'] } }]] },
    { class: 'toString', arguments: [] },
  ]) {
    t.throws(() => buildModule(wrong as never), { instanceOf: DataError })
  }
})

test('register takes classes of layers and networks, with names of their own', (t) => {
  for (const wrong of [undefined, {}, () => {}, Array, new Scale(), 'Scale']) {
    t.throws(() => register(wrong as never), { instanceOf: ArgumentError })
  }
  const taken = { Dense: class Dense extends Scale {} }
  t.throws(() => register(taken.Dense), { instanceOf: ArgumentError, message: /name of its own/ })
  t.notThrows(() => register(Dense))
})

test('a loaded model is what was saved: options, state, frozen weights', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'trained')
    const model = new IBSequential({ inputShape: [4], seed: 7, dtype: 'float64', trackDynamics: true })
    model
      .add(new Dense(6, { kernelInitializer: initializers.normal(0, 0.3), name: 'first' }))
      .add(new BatchNorm1d())
      .add(new Dropout(0.3))
      .add(new Dense(3, { activation: 'softmax' }))
    model.freeze('layers.0.kernel')
    model.compile({ optimizer: 'adam', learningRate: 0.01 })
    const { x, y } = points(32)
    await model.fit(x, y, { epochs: 2, verbose: false })
    await model.save(path)
    const loaded = await load(path)
    t.true(loaded instanceof IBSequential)
    t.like(loaded, { seed: 7, dtype: 'float64', trackDynamics: true })
    t.deepEqual(
      loaded.layers.map(({ name }) => name),
      model.layers.map(({ name }) => name),
    )
    t.deepEqual(Object.keys(loaded.trainableWeights), Object.keys(model.trainableWeights))
    t.deepEqual(await (await loaded.predict(x)).array(), await (await model.predict(x)).array())
    const bare = await load(path, { compile: false })
    t.is(bare.optimizer, undefined)
    // Compiled and loaded again, training continues without a difference.
    bare.compile({ optimizer: 'adam', learningRate: 0.01 })
    await bare.load(path)
    for (const one of [loaded, bare, model]) await one.fit(x, y, { epochs: 1, verbose: false })
    for (const one of [loaded, bare]) {
      t.deepEqual(await (await one.predict(x)).array(), await (await model.predict(x)).array())
    }
  })
})

test('layers without weights are frozen in a loaded model if they were', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'frozen')
    const plain = () => new BatchNorm1d({ affine: false })
    const model = new Sequential({ inputShape: [4] })
      .add(plain())
      .add(new Residual([new Dense(4), plain(), plain()]))
      .add(new Dense(3, { activation: 'softmax' }))
    const flags = (of: Network) => {
      const [first, block] = of.layers as [Layer, Layer]
      const [, second, third] = [
        ...((block.children.get('branch') as Layer).children.values() as Iterable<Layer>),
      ]
      return [first, second, third].map((layer) => layer?.trainable)
    }
    t.deepEqual(flags(model), [true, true, true])
    ;(model.layers[0] as Layer).trainable = false
    const inner = [...((model.layers[1] as Layer).children.get('branch') as Layer).children.values()]
    ;(inner[2] as Layer).trainable = false
    await model.save(path)
    const loaded = await load(path)
    t.deepEqual(flags(loaded), [false, true, false])
    // Frozen statistics stay as they are in training.
    const { x, y } = points(32)
    const before = await loaded.stateVariables['layers.0.mean']?.data()
    await loaded.compile().fit(x, y, { verbose: false })
    t.deepEqual(await loaded.stateVariables['layers.0.mean']?.data(), before)
  })
})

/** Trains for some epochs, each stage of a model that has several. */
function fitted(model: Network, x: Float32Array, y: Int32Array, epochs: number): Promise<History> {
  const options = { batchSize: 8, verbose: false }
  return model instanceof HSICSequential
    ? model.fit(x, y, { ...options, preEpochs: epochs, postEpochs: epochs })
    : model.fit(x, y, { ...options, epochs })
}

/** Everything that further training decides: results, weights, state, optimizer, dynamics. */
async function trainedOn(model: Network): Promise<unknown[]> {
  const { x, y } = points(48, 3)
  const history = JSON.stringify(await fitted(model, x, y, 2), (key, value) =>
    key === 'seconds' ? null : value,
  )
  const variables = {
    ...model.weights,
    ...model.stateVariables,
    ...Object.fromEntries(model.optimizer?.stateVariables() ?? []),
  }
  const values = await Promise.all(
    Object.entries(variables).map(async ([name, variable]) => [name, [...(await variable.data())]]),
  )
  return [history, values, await model.evaluatedDynamics?.array(), model.optimizer?.learningRate]
}

const dense = (model: Stack) =>
  model
    .add(new Dense(6, { activation: 'tanh' }))
    .add(new BatchNorm1d())
    .add(new Dropout(0.3))
    .add(new Dense(3, { activation: 'softmax' }))

/** Models trained for an epoch, by their compile options. */
const trainedModels: Readonly<Record<string, (folder: string) => Stack>> = {
  'loss options, metrics, clipping, evaluators and dynamics': (folder) =>
    dense(
      new IBSequential({
        inputShape: [4],
        seed: 3,
        trackDynamics: true,
        saveDynamics: { dir: join(folder, 'dynamics'), notes: { about: 'saving' } },
      }),
    )
      .compile({
        optimizer: 'adam',
        learningRate: 0.02,
        loss: 'crossEntropy',
        lossOptions: { labelSmoothing: 0.1, weight: tensor([1, 2, 0.5]) },
        metrics: ['accuracy', fBeta.streaming({ beta: 2, average: 'macro' }), cohenKappa],
        clipNorm: 1,
      })
      .attachEvaluator(new HSIC({ sigma: 2 }), { every: 2 })
      .attachEvaluator(new HSIC({ kernel: gaussianKernel({ sigma: [1, 2] }), kernelY: 'delta' }))
      .attachEvaluator(new Binned({ bins: 4 }), { evaluateOn: 'epoch', samples: 16, initial: true }),
  'an optimizer with groups of parameters': () =>
    dense(new Sequential({ inputShape: [4], seed: 4, dtype: 'float64' })).compile({
      optimizer: new SGD({ learningRate: 0.05, momentum: 0.9, nesterov: true }, [
        { params: ['layers.0'], learningRate: 0.01 },
        { params: /bias$/, weightDecay: 0.1 },
      ]),
      metrics: [accuracy],
    }),
  'a loss of the library as a function': () =>
    new Sequential({ inputShape: [4], seed: 4 }).add(new Dense(3)).compile({
      optimizer: 'rmsprop',
      loss: crossEntropy as Loss,
      metrics: ['accuracy'],
      clipValue: 0.5,
    }) as Stack,
  'layers that are trained alone': () =>
    new HSICSequential({ inputShape: [4], seed: 5 })
      .add(new Dense(5, { activation: 'tanh' }), { criterion: new HSIC({ sigma: 1 }), regularizeCoeff: 3 })
      .add(new Dense(4, { activation: 'tanh' }))
      .add(new HSICOutput(3))
      .compile({
        criterion: new HSIC({ sigma: 2, variant: 'nHSIC' }),
        regularizeCoeff: 2,
        optimizer: 'sgd',
        momentum: 0.9,
        learningRate: 0.01,
        post: { optimizer: 'adam', metrics: ['accuracy'] },
      }),
}

for (const [name, make] of Object.entries(trainedModels)) {
  test.serial(`training goes on with the same bits after load: ${name}`, async (t) => {
    await inFolder(async (folder) => {
      const { x, y } = points(48)
      const model = make(folder)
      await fitted(model, x, y, 1)
      if (model.optimizer !== undefined) model.optimizer.learningRate = 0.007
      await model.save(join(folder, 'model'))
      const loaded = await load(join(folder, 'model'))
      t.deepEqual(loaded.metrics, model.metrics)
      t.is(loaded.lossName, model.lossName)
      t.deepEqual(loaded.optimizer?.options, model.optimizer?.options)
      t.deepEqual(loaded.saveDynamics, model.saveDynamics)
      t.deepEqual(
        loaded.evaluators.map(({ name, settings }) => [name, JSON.stringify(settings)]),
        model.evaluators.map(({ name, settings }) => [name, JSON.stringify(settings)]),
      )
      const twin = await make(join(folder, 'twin')).load(join(folder, 'model'))
      const expected = await trainedOn(model)
      t.deepEqual(await trainedOn(loaded), expected)
      t.deepEqual(await trainedOn(twin), expected)
    })
  })
}

test('weights that were frozen and unfrozen keep their own state of the optimizer', async (t) => {
  await inFolder(async (folder) => {
    const { x, y } = points(48)
    const model = dense(new Sequential({ inputShape: [4], seed: 1 }))
    model.freeze('layers.0')
    model.compile({ optimizer: 'adam', learningRate: 0.05 })
    await model.fit(x, y, { epochs: 1, verbose: false })
    model.unfreeze('layers.0')
    await model.fit(x, y, { epochs: 1, verbose: false })
    model.freeze('layers.3')
    await model.save(join(folder, 'model'))
    const loaded = await load(join(folder, 'model'))
    for (const one of [model, loaded]) one.unfreeze('layers.3')
    t.deepEqual(await trainedOn(loaded), await trainedOn(model))
  })
})

test.serial('what a file cannot hold of a training is named, with what to do', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'model')
    class Spread extends Estimator {
      criterion(x: Tensor, y: Tensor) {
        return x.std().mul(y.std())
      }
    }
    class Slow extends SGD {}
    const make = () => dense(new IBSequential({ inputShape: [4], trackDynamics: true }))
    const { x, y } = points(8)
    const cases: [Stack, RegExp][] = [
      [
        make().compile({
          loss: function steep(p, q) {
            return p.sub(q.oneHot(3)).abs().mean()
          },
        }),
        /compile\.loss is the function 'steep'|compile\.loss is .*steep/,
      ],
      [
        make().compile({
          metrics: [
            'accuracy',
            function odd(p) {
              return p.mean()
            },
          ],
        }),
        /compile\.metrics\[1\] is .*odd/,
      ],
      [make().compile({ optimizer: new Slow() }), /compile\.optimizer is of the class Slow/],
      [
        make().compile({ optimizer: new SGD({}, [{ params: () => true, learningRate: 0.1 }]) }),
        /compile\.optimizer\.groups\[0\]\.params is/,
      ],
      [
        make()
          .compile()
          .attachEvaluator(new HSIC({ sigma: 1 }))
          .attachEvaluator(new KSG(), { evaluateOn: { probe: { x, y } } }),
        /evaluator 2 \(KSG\) looks at a probe/,
      ],
      [
        make().attachEvaluator(new Spread()),
        /evaluator 1\.evaluator is of the class Spread.*register\(Spread\)/,
      ],
      [
        make().attachEvaluator(
          new HSIC({ kernel: { ...gaussianKernel({ sigma: 1 }), shifted: (s) => s.equal() } }),
        ),
        /evaluator 1 \(HSIC\)\.evaluator\.options\.kernel is a kernel of your own, 'gaussian'/,
      ],
    ]
    for (const [model, message] of cases) {
      await model.save(path)
      const error = await t.throwsAsync(load(path), { instanceOf: DataError, message })
      t.regex(error?.message ?? '', /load\(path, \{ compile: false \}\)/)
      const bare = await load(path, { compile: false })
      t.is(bare.optimizer, undefined)
      t.deepEqual(
        await bare.call(tensor([[1, 2, 3, 4]])).array(),
        await model.call(tensor([[1, 2, 3, 4]])).array(),
      )
    }
    register(Spread)
    await make().attachEvaluator(new Spread()).save(path)
    t.true((await load(path)).evaluators[0] instanceof Spread)
  })
})

test('load into a model leaves what is frozen in it', async (t) => {
  await inFolder(async (folder) => {
    const make = () => new Sequential({ inputShape: [2] }).add(new Dense(3)).add(new Dense(1))
    const [saved, other] = [make(), make()]
    saved.freeze('layers.0')
    await saved.save(join(folder, 'model'))
    other.freeze('layers.1')
    await other.load(join(folder, 'model'))
    t.deepEqual(Object.keys(other.trainableWeights), ['layers.0.kernel', 'layers.0.bias'])
    const built = await load(join(folder, 'model'))
    t.deepEqual(Object.keys(built.trainableWeights), ['layers.1.kernel', 'layers.1.bias'])
  })
})

test('a network without weights is saved with its state', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'bare')
    const model = new Sequential({ inputShape: [2], noWeights: true }).add(new BatchNorm1d()) as Sequential
    model.stateVariables['layers.0.runningMean']?.assign(tensor([3, 4]))
    await model.save(path)
    const loaded = await load(path)
    t.true(loaded.noWeights)
    t.deepEqual(loaded.weights, {})
    t.deepEqual(loaded.paramShapes, model.paramShapes)
    t.deepEqual(await loaded.stateVariables['layers.0.runningMean']?.value.array(), [3, 4])
  })
})

/** A network whose constructor takes its own arguments. */
class Wide extends Network {
  readonly width: number
  readonly hidden: Dense
  constructor(width: number, options: { seed?: number } = {}) {
    super({ inputShape: [2], ...options })
    this.width = width
    this.hidden = this.register(new Dense(width), [2], 'hidden')
  }
  override settings() {
    return [this.width, { seed: this.seed }]
  }
  forward(x: Tensor, ctx: ForwardContext = this.context()) {
    const output = ctx.run(this.hidden, x)
    return { output, hidden: [output] }
  }
}

test('a network whose constructor takes something of its own says so', async (t) => {
  await inFolder(async (folder) => {
    register(Wide)
    const model = new Wide(5, { seed: 3 })
    await model.save(join(folder, 'wide'))
    const loaded = await load(join(folder, 'wide'))
    t.like(loaded, { width: 5, seed: 3 })
    t.deepEqual(Object.keys(loaded.weights), ['hidden.kernel', 'hidden.bias'])
    const x = tensor([[1, 2]])
    t.deepEqual(await loaded.call(x).array(), await model.call(x).array())
  })
})

test('files of the layout before load into a model, and load(path) says what to do', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'model')
    const build = (seed: number) =>
      new Sequential({ inputShape: [4], seed }).add(new Dense(3, { activation: 'softmax' })) as Sequential
    const model = build(1)
    await model.save(path)
    const { tensors, metadata } = await readSafetensors(`${path}.safetensors`)
    const now = JSON.parse(metadata.description as string)
    const layers = now.layers.map(({ blueprint: _, ...rest }: { blueprint: unknown }) => rest)
    const { arguments: _, frozen: __, ...rest } = now
    const x = tensor([[1, 2, 3, 4]])
    const old = { ...rest, layers, version: 2 }
    await writeSafetensors(`${path}.safetensors`, tensors, { ...metadata, description: JSON.stringify(old) })
    const second = await build(2).load(path)
    t.deepEqual(await second.call(x).array(), await model.call(x).array())
    await t.throwsAsync(load(path), { instanceOf: DataError, message: /older hyperglow.*use its load/ })
    // Version 1: the description in a file beside the numbers.
    await writeSafetensors(`${path}.safetensors`, tensors)
    await writeFile(`${path}.json`, JSON.stringify({ ...old, version: 1 }))
    const third = await build(3).load(path)
    t.deepEqual(await third.call(x).array(), await model.call(x).array())
    await t.throwsAsync(load(path), { instanceOf: DataError, message: /older hyperglow/ })
  })
})

test('a file that was tampered with is refused, whatever it describes', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'model')
    await new Sequential({ inputShape: [4] }).add(new Dense(3)).save(path)
    const { tensors, metadata } = await readSafetensors(`${path}.safetensors`)
    const now = JSON.parse(metadata.description as string)
    const layer = (blueprint: unknown) => ({ ...now, layers: [{ ...now.layers[0], blueprint }] })
    const wrong = [
      layer({ class: 'Dense', arguments: [-1] }),
      layer({ class: 'Dense', arguments: [3, { unts: 1 }] }),
      layer({ class: 'Sequential', arguments: [{ inputShape: [4] }] }),
      layer({ class: 'constructor', arguments: [] }),
      layer({ class: 'Dense' }),
      layer(5),
      layer(null),
      layer({ class: 'Dense', arguments: [4, {}] }),
      { ...now, kind: 'Dense' },
      { ...now, arguments: 5 },
      { ...now, arguments: [{ inputShape: [0] }] },
      { ...now, training: 5 },
      { ...now, training: { compile: { $optimizer: 3 }, optimizers: {}, evaluators: [] } },
      {
        ...now,
        training: { compile: { optimizer: { $optimizer: { name: 'x' } } }, optimizers: {}, evaluators: [] },
      },
      {
        ...now,
        training: { compile: { loss: { $function: { name: 'toString' } } }, optimizers: {}, evaluators: [] },
      },
      { ...now, training: { compile: { $tensor: {} }, optimizers: {}, evaluators: [] } },
      { ...now, training: { compile: {}, optimizers: {}, evaluators: [{ options: {} }] } },
      {
        ...now,
        training: {
          compile: { metrics: [{ $metric: { function: 'constructor' } }] },
          optimizers: {},
          evaluators: [],
        },
      },
    ]
    for (const description of wrong) {
      await writeSafetensors(`${path}.safetensors`, tensors, {
        ...metadata,
        description: JSON.stringify(description),
      })
      const error = await t.throwsAsync(load(path), undefined, JSON.stringify(description))
      t.true(
        error instanceof DataError || error instanceof ArgumentError,
        `${JSON.stringify(description)}: ${error?.stack}`,
      )
    }
  })
})
