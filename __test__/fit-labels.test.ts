/** Targets of fit and evaluate: accepted forms, refused forms, and the samples of means. */
import test from 'ava'
import {
  ArgumentError,
  ArrayDataset,
  type ArrayInput,
  type CompileOptions,
  Conv1d,
  crossEntropy,
  DataError,
  Dense,
  HSIC,
  IBSequential,
  MutualInformation,
  NumericalError,
  Sequential,
  ShapeError,
  type Tensor,
  tensor,
} from '../ts/index.js'
import { close } from './helpers.js'
import { classifier, points, weightsOf } from './toy-task.js'
import { warningsOf } from './warnings.js'

const quiet = { verbose: false }
const { x, y } = points(23)
const labels = [...y]
const oneHot = labels.map((label) => [0, 1, 2].map((c) => Number(c === label)))

function model(options: CompileOptions = {}, activation = 'linear', units = 3): Sequential {
  const stack = new Sequential({ inputShape: [4], seed: 5 })
  return stack.add(new Dense(units, { activation: activation as 'linear' })).compile(options)
}

const inputs = () => tensor(x, { shape: [23, 4] })

async function codesOf(work: () => Promise<unknown>): Promise<string[]> {
  return (await warningsOf(work)).map(({ code }) => String(code))
}

test('labels that are none are refused with their sample, nothing is trained', async (t) => {
  for (const wrong of [null, undefined, '1', 'cat', true, Number.NaN, 0.5, -1, {}, new Number(1), [1]]) {
    const trained = model()
    const before = await weightsOf(trained)
    const given = labels.map((label, i) => (i === 7 ? wrong : label)) as ArrayInput
    await t.throwsAsync(trained.fit(x, given, quiet), {
      instanceOf: DataError,
      message: /at index 7 is not a class/,
    })
    await t.throwsAsync(trained.evaluate(x, given), { instanceOf: DataError, message: /index 7/ })
    t.throws(() => new ArrayDataset(x, given, { inputShape: [4], labels: true }), { instanceOf: DataError })
    t.deepEqual(await weightsOf(trained), before)
  }
  const sparse = [...labels]
  delete sparse[3]
  await t.throwsAsync(model().fit(x, sparse, quiet), {
    instanceOf: DataError,
    message: /undefined at index 3/,
  })
  await t.throwsAsync(model().fit(x, labels.map(String) as never, quiet), { message: /names\.indexOf/ })
  const numbers = labels.map((label, i) => (i === 7 ? null : label)) as ArrayInput
  await t.throwsAsync(model({ loss: 'mse' }, 'linear', 1).fit(x, numbers, quiet), { instanceOf: DataError })
})

test('one-hot rows train and measure as the classes do, however they come', async (t) => {
  const metrics = ['accuracy']
  const trained = model({ metrics })
  const history = await trained.fit(x, labels, quiet)
  const expected = await trained.evaluate(x, labels)
  const forms: Record<string, ArrayInput> = {
    nested: oneHot,
    float: tensor(oneHot),
    int: tensor(oneHot, { dtype: 'int32' }),
  }
  for (const [name, rows] of Object.entries(forms)) {
    const other = model({ metrics })
    close(t, (await other.fit(x, rows, quiet)).loss, history.loss, 1e-6)
    const said = await other.evaluate(x, rows)
    close(
      t,
      [said.loss, said.metrics.accuracy as number],
      [expected.loss, expected.metrics.accuracy as number],
      1e-6,
    )
    const data = new ArrayDataset(x, rows, { inputShape: [4] })
    close(t, (await other.evaluate(data)).loss, expected.loss, 1e-6)
    close(t, (await other.evaluate([{ x: inputs(), y: tensor(oneHot) }])).loss, expected.loss, 1e-6)
    t.pass(name)
  }
})

test('soft labels train; rows that are no probabilities are refused by sample', async (t) => {
  const soft = labels.map(() => [0.2, 0.3, 0.5])
  const said = await model().evaluate(x, soft)
  const expected = crossEntropy(model().call(inputs()), tensor(soft)).itemSync()
  close(t, said.loss, expected, 1e-5)
  for (const row of [
    [0.5, 0.5, 0.5],
    [-1, 1, 1],
    [0, 0, 0],
    [2, 3, 1],
  ]) {
    const rows = oneHot.map((good, i) => (i === 4 ? row : good))
    await t.throwsAsync(model().fit(x, rows, quiet), { instanceOf: DataError, message: /sample 4/ })
    await t.throwsAsync(model().fitDataset([{ x: inputs(), y: tensor(rows) }], quiet), {
      instanceOf: DataError,
      message: /batch 0: y of sample 4/,
    })
  }
  await t.throwsAsync(
    model().fit(
      x,
      labels.map(() => [1, 0]),
      quiet,
    ),
    {
      instanceOf: ShapeError,
      message: /\[23,2\].*\[23,3\]/,
    },
  )
  await t.throwsAsync(model({ loss: 'nll' }, 'logSoftmax').fit(x, oneHot, quiet), { instanceOf: ShapeError })
})

test('evaluators see the classes of one-hot rows', async (t) => {
  const run = async (targets: ArrayInput) => {
    const tracked = new IBSequential({ inputShape: [4], trackDynamics: true, seed: 1 })
    tracked.add(new Dense(3, { activation: 'softmax' })).compile()
    tracked.attachEvaluator(new MutualInformation(), { evaluateOn: 'epoch' })
    const many = points(300)
    await tracked.fit(many.x, targets, { ...quiet, validationSplit: 0 })
    return tracked.dynamics().values
  }
  const many = points(300)
  const rows = [...many.y].map((label) => [0, 1, 2].map((c) => Number(c === label)))
  t.deepEqual(await run(rows), await run([...many.y]))
})

test('ignored labels count for nothing in fit, evaluate and accuracy', async (t) => {
  for (const ignoreIndex of [-100, 255, 1]) {
    const options: CompileOptions = { lossOptions: { ignoreIndex }, metrics: ['accuracy'] }
    const given = labels.map((label, i) => (i % 3 === 0 ? ignoreIndex : label))
    const kept = given.flatMap((label, i) => (label === ignoreIndex ? [] : [i]))
    const part = Float32Array.from(kept.flatMap((i) => [...x.subarray(4 * i, 4 * i + 4)]))
    const expected = await model({ metrics: ['accuracy'] }).evaluate(
      part,
      kept.map((i) => given[i] as number),
    )
    for (const batchSize of [1, 2, 5, 23]) {
      const said = await model(options).evaluate(x, Int32Array.from(given), { batchSize })
      close(t, said.loss, expected.loss, 1e-5)
      close(t, said.metrics.accuracy as number, expected.metrics.accuracy as number, 1e-6)
    }
    const history = await model(options).fit(x, given, { ...quiet, batchSize: 2, epochs: 3 })
    t.true(history.loss.every(Number.isFinite))
  }
  await t.throwsAsync(model().fit(x, labels.with(2, -100), quiet), { message: /ignoreIndex/ })
})

test.serial(
  'evaluators after epochs do not see ignored samples; those in batches say that they do',
  async (t) => {
    const many = points(300)
    const kept = Array.from({ length: 300 }, (_, i) => i).filter((i) => i % 3 !== 0)
    const run = async (ignoreIndex: number | undefined, probe: { x: ArrayInput; y: ArrayInput }) => {
      const tracked = new IBSequential({ inputShape: [4], trackDynamics: true, seed: 1 })
      tracked
        .add(new Dense(3, { activation: 'softmax' }))
        .compile({ lossOptions: ignoreIndex === undefined ? {} : { ignoreIndex }, learningRate: 0 })
      tracked.attachEvaluator(new HSIC({ sigma: 1 }), { evaluateOn: { probe } })
      await tracked.fit(many.x, many.y, quiet)
      return tracked.dynamics().values.flat(3)
    }
    const whole = { x: many.x, y: many.y.map((label, i) => (i % 3 === 0 ? -100 : label)) }
    const part = {
      x: Float32Array.from(kept.flatMap((i) => [...many.x.subarray(4 * i, 4 * i + 4)])),
      y: many.y.filter((_, i) => i % 3 !== 0),
    }
    close(t, await run(-100, whole), await run(undefined, part), 1e-6)
    const tracked = new IBSequential({ inputShape: [4], trackDynamics: true, seed: 1 })
    tracked.add(new Dense(3, { activation: 'softmax' })).compile({ lossOptions: { ignoreIndex: -100 } })
    tracked.attachEvaluator(new HSIC({ sigma: 1 }))
    const codes = await codesOf(() => tracked.fit(whole.x, whole.y, quiet))
    t.deepEqual(codes, ['HYPERGLOW_IGNORED_LABELS'])
  },
)

test('a batch of ignored labels moves no weight, whatever the optimizer remembers', async (t) => {
  const ignored = { x: inputs(), y: tensor(new Int32Array(23).fill(-100)) }
  const sound = { x: inputs(), y: tensor(y) }
  for (const optimizer of ['sgd', 'adam', 'adamw'] as const) {
    const compile: CompileOptions = { optimizer, lossOptions: { ignoreIndex: -100 } }
    const [a, b] = [model(compile), model(compile)]
    await a.fitDataset([sound, ignored, sound, ignored], quiet)
    await b.fitDataset([sound, sound], quiet)
    t.deepEqual(await weightsOf(a), await weightsOf(b), optimizer)
    close(t, a.history?.loss ?? [], b.history?.loss ?? [], 1e-9)
    const logs: number[] = []
    const onBatchEnd = (_: number, { loss }: { loss: number }) => void logs.push(loss)
    await a.fitDataset([ignored, sound], { ...quiet, callbacks: [{ onBatchEnd }] })
    t.is(logs[0], 0)
  }
  const none = model({ lossOptions: { ignoreIndex: -100 } })
  await t.throwsAsync(none.fitDataset([ignored], quiet), { instanceOf: DataError, message: /counts/ })
  await t.throwsAsync(none.evaluate([ignored]), { instanceOf: DataError, message: /counts/ })
})

test('means do not depend on the batch size, with weights, smoothing, or sums', async (t) => {
  const weight = tensor([0.5, 2, 0])
  const posWeight = tensor([3])
  const cases: [CompileOptions, ArrayInput, number][] = [
    [{ lossOptions: { weight } }, labels, 3],
    [{ lossOptions: { weight, labelSmoothing: 0.2, ignoreIndex: 1 } }, labels, 3],
    [{ lossOptions: { weight } }, oneHot, 3],
    [{ lossOptions: { reduction: 'sum', weight } }, labels, 3],
    [{ loss: 'bceWithLogits', lossOptions: { posWeight } }, labels.map((label) => [Math.min(label, 1)]), 1],
    [{ loss: 'mse', lossOptions: { reduction: 'sum' } }, labels.map((label) => [label]), 1],
  ]
  for (const [options, targets, units] of cases) {
    const whole = await model(options, 'linear', units).evaluate(x, targets, { batchSize: 23 })
    for (const batchSize of [1, 4, 22]) {
      const parts = await model(options, 'linear', units).evaluate(x, targets, { batchSize })
      close(t, parts.loss, whole.loss, 1e-5)
    }
    const still = model({ ...options, learningRate: 0 }, 'linear', units)
    const history = await still.fit(x, targets, { ...quiet, validationSplit: 0, batchSize: 4 })
    close(t, history.loss[0] as number, whole.loss, 1e-5)
  }
  const direct = crossEntropy(model().call(inputs()), tensor(y), { weight }).itemSync()
  close(
    t,
    (await model({ lossOptions: { weight } }).evaluate(x, labels, { batchSize: 5 })).loss,
    direct,
    1e-5,
  )
})

test('targets outside of what a loss takes are refused by sample', async (t) => {
  const binary = labels.map((label) => [Math.min(label, 1)])
  for (const loss of ['bce', 'bceWithLogits'] as const) {
    const activation = loss === 'bce' ? 'sigmoid' : 'linear'
    for (const wrong of [2, -1]) {
      const given = binary.map((row, i) => (i === 6 ? [wrong] : row))
      await t.throwsAsync(model({ loss }, activation, 1).fit(x, given, quiet), {
        instanceOf: DataError,
        message: new RegExp(`sample 6 holds ${wrong}`),
      })
      await t.throwsAsync(model({ loss }, activation, 1).evaluate([{ x: inputs(), y: tensor(given) }]), {
        instanceOf: DataError,
        message: /batch 0: y of sample 6/,
      })
    }
  }
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const given = binary.map((row, i) => (i === 6 ? [wrong] : row))
    const regression = model({ loss: 'mse' }, 'linear', 1)
    const before = await weightsOf(regression)
    await t.throwsAsync(regression.fitDataset([{ x: inputs(), y: tensor(given) }], quiet), {
      instanceOf: DataError,
      message: /batch 0: y of sample 6 .*NaN/,
    })
    t.deepEqual(await weightsOf(regression), before)
  }
  await t.throwsAsync(model({}, 'linear', 1).fit(x, labels, quiet), {
    instanceOf: ArgumentError,
    message: /bce/,
  })
})

test.serial(
  'a loss that does not go with the last activation is warned about, and named where it fails',
  async (t) => {
    const binary = labels.map((label) => [Math.min(label, 1)])
    const linear = model({ loss: 'bce', learningRate: 10 }, 'linear', 1)
    const codes = await codesOf(() =>
      t.throwsAsync(linear.fit(x, binary, { ...quiet, epochs: 5 }), {
        instanceOf: NumericalError,
        message: /dense_1.*'linear'.*bceWithLogits/,
      }),
    )
    t.deepEqual(codes, ['HYPERGLOW_LOSS_ACTIVATION'])
    const cases: [CompileOptions, string, ArrayInput, number][] = [
      [{ loss: 'bceWithLogits' }, 'sigmoid', binary, 1],
      [{ loss: 'nll' }, 'logSoftmax', labels, 0],
      [{ loss: 'bce' }, 'sigmoid', binary, 0],
      [{}, 'softmax', labels, 0],
      [{}, 'linear', labels, 0],
      [{}, 'sigmoid', labels, 1],
    ]
    for (const [options, activation, targets, count] of cases) {
      const units = targets === binary ? 1 : 3
      const found = await codesOf(() => model(options, activation, units).evaluate(x, targets))
      t.is(found.length, count, `${options.loss} ${activation}`)
    }
  },
)

test.serial('outputs that are no log-probabilities give no loss where those are needed', async (t) => {
  const positive = model({ loss: 'nll' }, 'sigmoid')
  const codes = await codesOf(async () => {
    t.is((await positive.evaluate(x, labels)).loss, Number.NaN)
    await t.throwsAsync(positive.fit(x, labels, quiet), { instanceOf: NumericalError, message: /logSoftmax/ })
    const divergence = model({ loss: 'klDiv' }, 'softmax')
    await t.throwsAsync(divergence.fit(x, oneHot, quiet), { instanceOf: NumericalError, message: /klDiv/ })
  })
  t.deepEqual(codes, ['HYPERGLOW_LOSS_ACTIVATION', 'HYPERGLOW_LOSS_ACTIVATION'])
})

test('weights that are no numbers are named before the first step', async (t) => {
  const broken = model()
  broken.weights['layers.0.bias']?.assign(Number.NaN)
  await t.throwsAsync(broken.fit(x, labels, quiet), {
    instanceOf: NumericalError,
    message: /layers\.0\.bias/,
  })
})

test('labels of every place of an image are checked and averaged as those of samples', async (t) => {
  const map = tensor(
    Int32Array.from({ length: 8 }, (_, i) => i % 2),
    { shape: [2, 4] },
  )
  const net = new Sequential({ inputShape: [3, 4], seed: 1 })
  net.add(new Conv1d(2, 1)).compile({ metrics: ['accuracy'] })
  const images = tensor(
    Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
    { shape: [2, 3, 4] },
  )
  const direct = crossEntropy(net.call(images) as Tensor, map).itemSync()
  close(t, (await net.evaluate(images, map)).loss, direct, 1e-5)
  close(t, (await net.evaluate([{ x: images, y: map }])).loss, direct, 1e-5)
  await t.throwsAsync(net.evaluate(images, map.add(tensor(2, { dtype: 'int32' }))), { instanceOf: DataError })
})

test('the classifier of the toy task learns from one-hot rows', async (t) => {
  const many = points(200)
  const rows = [...many.y].map((label) => [0, 1, 2].map((c) => Number(c === label)))
  const history = await classifier({ seed: 1 }).fit(many.x, rows, { ...quiet, batchSize: 16, epochs: 8 })
  t.true((history.metrics.accuracy?.at(-1) as number) > 0.8)
})
