/** What samples and classes count in training, data held out, gradients that are clipped, rates that rise. */
import test, { type ExecutionContext } from 'ava'
import { ArgumentError, DataError, ShapeError, UnknownNameError } from '../ts/core/errors.js'
import {
  type ArrayInput,
  type CompileOptions,
  cosineLR,
  Dense,
  mse,
  Sequential,
  type Tensor,
  tensor,
  warmupLR,
} from '../ts/index.js'
import { error } from './io-scratch.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'

const { x, y } = points(24)
const quiet = { verbose: false, validationSplit: 0, shuffle: false }

function near(t: ExecutionContext, a: readonly number[], b: readonly number[], tolerance = 1e-6): void {
  t.is(a.length, b.length)
  const far = a.findIndex((value, i) => !(Math.abs(value - (b[i] as number)) <= tolerance))
  t.is(far, -1, `${a[far]}, expected ${b[far]} at ${far}`)
}

function model(options: CompileOptions = {}, units = 3): Sequential {
  const net = new Sequential({ inputShape: [4], seed: 1 })
  const activation = units === 3 && options.loss === undefined ? 'softmax' : 'linear'
  return net
    .add(new Dense(units, { activation }))
    .compile({ momentum: 0, learningRate: 0.1, ...options }) as Sequential
}

/** Samples, each repeated a given number of times. */
function repeated(counts: readonly number[]): { x: Float32Array; y: Int32Array } {
  const rows = counts.flatMap((count, i) => new Array<number>(count).fill(i))
  return {
    x: Float32Array.from(rows.flatMap((row) => [...x.subarray(4 * row, 4 * row + 4)])),
    y: Int32Array.from(rows, (row) => y[row] as number),
  }
}

test('a sample of weight 2 counts as two, one of weight 0 as none', async (t) => {
  const counts = Array.from({ length: 24 }, (_, i) => i % 3)
  const times = repeated(counts)
  const cases: [CompileOptions, (labels: Int32Array) => ArrayInput, number][] = [
    [{}, (labels) => labels, 3],
    [{ lossOptions: { labelSmoothing: 0.2 } }, (labels) => labels, 3],
    [{ lossOptions: { weight: tensor([0.5, 2, 1]) } }, (labels) => labels, 3],
    [{ loss: 'mse' }, (labels) => Array.from(labels, (label) => [label, 1 - label]), 2],
    [{ loss: 'bceWithLogits' }, (labels) => Array.from(labels, (label) => [Math.min(1, label)]), 1],
    [{ lossOptions: { reduction: 'sum' } }, (labels) => labels, 3],
  ]
  for (const [options, targets, units] of cases) {
    const [weighted, plain] = [model(options, units), model(options, units)]
    const epochs = { ...quiet, epochs: 3, batchSize: 64 }
    const a = await weighted.fit(x, targets(y), { ...epochs, sampleWeight: counts })
    const b = await plain.fit(times.x, targets(times.y), epochs)
    near(t, a.loss, b.loss, 1e-5)
    near(t, (await weightsOf(weighted)).flat(), (await weightsOf(plain)).flat(), 1e-5)
  }
})

test('the mean of an epoch does not depend on the batch size', async (t) => {
  const sampleWeight = Float64Array.from({ length: 24 }, (_, i) => 0.1 * i)
  for (const options of [{}, { lossOptions: { weight: tensor([0.5, 2, 1]), ignoreIndex: 2 } }]) {
    const losses: number[] = []
    for (const batchSize of [1, 5, 24]) {
      const still = model({ ...options, learningRate: 0 })
      const { loss } = await still.fit(x, y, { ...quiet, batchSize, sampleWeight })
      losses.push(loss[0] as number)
    }
    near(
      t,
      losses,
      losses.map(() => losses[2] as number),
      1e-5,
    )
  }
})

test('weights go with their samples through split and shuffle, and as entries of batches', async (t) => {
  const sampleWeight = Int32Array.from({ length: 24 }, (_, i) => i % 4)
  const shuffled = { ...quiet, validationSplit: 0.25, shuffle: true, batchSize: 7, epochs: 2 }
  const net = model({ learningRate: 0 })
  const { loss, validationLoss } = await net.fit(x, y, { ...shuffled, sampleWeight })
  // Without a step the loss of each sample does not change.
  const each: number[] = []
  for (let i = 0; i < 24; i++) {
    each.push((await net.evaluate(x.subarray(4 * i, 4 * i + 4), [y[i] as number])).loss)
  }
  const total = (rows: readonly number[]) => {
    const sum = rows.reduce((s, i) => s + (sampleWeight[i] as number) * (each[i] as number), 0)
    return sum / rows.reduce((s, i) => s + (sampleWeight[i] as number), 0)
  }
  const all = Array.from({ length: 24 }, (_, i) => i)
  t.is(validationLoss?.length, 2)
  t.true(Math.abs((loss[0] as number) - (loss[1] as number)) < 1e-5)
  const whole = await net.fit(x, y, { ...quiet, shuffle: true, batchSize: 5, sampleWeight })
  t.true(Math.abs((whole.loss[0] as number) - total(all)) < 1e-5)
  const batches = [0, 12].map((from) => ({
    x: tensor(x.slice(4 * from, 4 * from + 48), { shape: [12, 4] }),
    y: tensor(y.slice(from, from + 12)),
    weight: tensor(sampleWeight.slice(from, from + 12)),
  }))
  const byBatches = await net.fitDataset(batches, { verbose: false })
  t.true(Math.abs((byBatches.loss[0] as number) - total(all)) < 1e-5)
})

test('classes count as their weights say, in training alone', async (t) => {
  const weight = [0.5, 2, 0]
  const options = { ...quiet, epochs: 2, batchSize: 8, validation: { x, y } }
  const byLoss = model({ lossOptions: { weight: tensor(weight) } })
  const expected = await byLoss.fit(x, y, options)
  for (const classWeight of [weight, { 0: 0.5, 1: 2, 2: 0 }]) {
    const net = model()
    const { loss, validationLoss } = await net.fit(x, y, { ...options, classWeight })
    t.deepEqual(loss, expected.loss)
    t.deepEqual(await weightsOf(net), await weightsOf(byLoss))
    near(t, [validationLoss?.at(-1) as number], [(await net.evaluate(x, y)).loss])
    t.notDeepEqual(validationLoss, expected.validationLoss)
  }
  const partly = model()
  await partly.fit(x, y, { ...options, classWeight: { 1: 2 } })
  const full = model()
  await full.fit(x, y, { ...options, classWeight: [1, 2, 1] })
  t.deepEqual(await weightsOf(partly), await weightsOf(full))
  const rows = Array.from(y, (label) => [0, 1, 2].map((c) => Number(c === label)))
  const oneHot = model()
  const { loss } = await oneHot.fit(x, rows, { ...quiet, classWeight: weight })
  t.true(Number.isFinite(loss[0]))
})

test('validation data are given as arrays, as a pair, or as a dataset', async (t) => {
  const other = points(30, 5)
  const losses: (number | undefined)[] = []
  for (const validation of [other, [other.x, other.y] as const, { x: other.x, y: other.y }]) {
    const net = model()
    const { validationLoss } = await net.fit(x, y, { ...quiet, validation, epochs: 2, batchSize: 7 })
    losses.push(validationLoss?.[1])
    t.true(Math.abs((validationLoss?.[1] as number) - (await net.evaluate(other.x, other.y)).loss) < 1e-6)
  }
  t.is(new Set(losses).size, 1)
  const given = { verbose: false, shuffle: false, validation: dataset(16, 8) }
  t.is((await model().fit(x, y, given)).validationLoss?.length, 1)
  await t.throwsAsync(
    model().fit(x, y, { ...given, validationSplit: 0.2 }),
    error(ArgumentError, /validation and validationSplit 0\.2 were both given/),
  )
  await t.throwsAsync(model().fit(x, y, { ...quiet, validation: [other.x, other.y.slice(1)] }), {
    instanceOf: ShapeError,
  })
})

test('gradients are clipped together or one by one', async (t) => {
  const change = async (options: CompileOptions) => {
    const net = model({ learningRate: 1, ...options })
    const before = (await weightsOf(net)).flat()
    await net.fit(x, y, { ...quiet, batchSize: 24 })
    return (await weightsOf(net)).flat().map((value, i) => value - (before[i] as number))
  }
  const free = await change({})
  const norm = Math.hypot(...free)
  const limit = 0.5 * norm
  const scaled = await change({ clipNorm: limit })
  near(t, [Math.hypot(...scaled)], [limit], 1e-4)
  near(
    t,
    scaled,
    free.map((value) => value * 0.5),
    1e-4,
  )
  near(t, await change({ clipNorm: 2 * norm }), free)
  const most = 0.5 * Math.max(...free.map(Math.abs))
  near(
    t,
    await change({ clipValue: most }),
    free.map((value) => Math.max(-most, Math.min(most, value))),
    1e-6,
  )
  t.throws(() => model({ clipNorm: 0 }), { instanceOf: ArgumentError })
})

test('a rate rises at first, and then another schedule begins', (t) => {
  const rate = warmupLR({ steps: 4 }, cosineLR({ period: 8 }))
  near(
    t,
    [0, 1, 2, 3, 4].map((step) => rate(0.1, step)),
    [0.02, 0.036, 0.052, 0.068, 0.1].map((_, i) => (i < 4 ? 0.1 * (0.2 + (0.8 * i) / 4) : 0.1)),
    1e-12,
  )
  t.is(rate(0.1, 8), cosineLR({ period: 8 })(0.1, 4))
  t.is(warmupLR({ steps: 4, startFactor: 0 })(0.1, 0), 0)
  t.is(warmupLR({ steps: 4 })(0.1, 50), 0.1)
  t.throws(() => warmupLR({ steps: 0 }), { instanceOf: ArgumentError })
  t.throws(() => warmupLR({ steps: 3 }, 0.1 as never), { instanceOf: ArgumentError })
})

test('weights that cannot be are refused before anything is trained', async (t) => {
  const net = model()
  const before = await weightsOf(net)
  const cases: [object, new (message: string) => Error, RegExp][] = [
    [{ sampleWeight: [1, 2] }, ShapeError, /weight has shape \[2\], expected \[24\]/],
    [{ sampleWeight: y.with(3, -1) }, DataError, /weight of sample 3 is -1/],
    [{ sampleWeight: new Float32Array(24).with(5, Number.NaN) }, DataError, /sample 5 is NaN/],
    [{ classWeight: [1, 2] }, ArgumentError, /has 2 numbers, and there are 3 classes/],
    [{ classWeight: { 3: 1 } }, ArgumentError, /a number for class 3/],
    [{ classWeight: { dog: 1 } }, ArgumentError, /classWeight/],
    [{ classWeight: [1, -1, 1] }, ArgumentError, /classWeight of class 1 is -1, expected/],
  ]
  for (const [options, instanceOf, message] of cases) {
    await t.throwsAsync(net.fit(x, y, { ...quiet, ...options }), { instanceOf, message })
  }
  t.deepEqual(await weightsOf(net), before)
  const numbers = Array.from(y, (label) => [label])
  await t.throwsAsync(
    model({ loss: 'mse' }, 1).fit(x, numbers, { ...quiet, classWeight: [1] }),
    error(ArgumentError, /classWeight is for the losses 'crossEntropy' and 'nll'.*sampleWeight/),
  )
  const own = model({ loss: (p: Tensor, q: Tensor) => mse(p, q) }, 1)
  await t.throwsAsync(
    own.fit(x, numbers, { ...quiet, sampleWeight: y }),
    error(ArgumentError, /only the mean is known/),
  )
  const nothing = model()
  await t.throwsAsync(
    nothing.fit(x, y, { ...quiet, sampleWeight: new Float32Array(24) }),
    error(DataError, /counts/),
  )
  const batch = { x: tensor(x, { shape: [24, 4] }), y: tensor(y), weight: tensor([1]) }
  await t.throwsAsync(net.fitDataset([batch], { verbose: false }), {
    instanceOf: ShapeError,
    message: /weight/,
  })
})

test('names from elsewhere lead to ours', async (t) => {
  const hinted = async (options: object, name: string) =>
    t.throwsAsync(classifier().fit(x, y, options), {
      instanceOf: UnknownNameError,
      message: new RegExp(`"${name}"`),
    })
  await hinted({ batch_size: 4 }, 'batchSize')
  await hinted({ validation_data: [x, y] }, 'validation')
  await hinted({ sample_weight: y }, 'sampleWeight')
  await hinted({ class_weight: { 0: 1 } }, 'classWeight')
  await hinted({ initial_epoch: 1 }, 'initialEpoch')
  for (const [given, name] of [
    ['clipnorm', 'clipNorm'],
    ['global_clipnorm', 'clipNorm'],
    ['max_grad_norm', 'clipNorm'],
    ['clipvalue', 'clipValue'],
    ['lr', 'learningRate'],
  ]) {
    t.throws(() => model({ [given as string]: 1 } as CompileOptions), {
      instanceOf: UnknownNameError,
      message: new RegExp(`"${name}"`),
    })
  }
})
