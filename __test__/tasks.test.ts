/** Custom tasks train by the one loop. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as hg from '../ts/index.js'
import { fresh } from './io-scratch.js'
import { classifier, points, weightsOf } from './toy-task.js'

const { ArgumentError, DataError, NumericalError, ShapeError, StateError } = hg
const quiet = { verbose: false }
type Row = { x: hg.Tensor; y: hg.Tensor }
type Weights = Readonly<Record<string, hg.Tensor>>

/** y = 2 x + 1. */
const line = (count = 24, options: hg.OrderOptions = { batchSize: 8 }) => {
  const x = Array.from({ length: count }, (_, i) => Math.sin(i))
  return new hg.TreeDataset({ x, y: x.map((value) => 2 * value + 1) }, options)
}

/** A line through points, whose step is made of parts that tests replace. */
class Line implements hg.Task<Row> {
  readonly parameters = {
    slope: new hg.Variable(hg.zeros([]), { name: 'slope' }),
    rest: [new hg.Variable(hg.zeros([]), { name: 'offset' })],
  }
  readonly optimizers: Record<string, hg.Optimizer> = { sgd: new hg.SGD({ learningRate: 0.3 }) }
  traces = 0

  lossOf({ slope, rest }: { slope: hg.Tensor; rest: hg.Tensor[] }, { x, y }: Row): hg.Tensor {
    return hg.mse(x.mul(slope).add(rest[0] as hg.Tensor), y)
  }

  step(batch: Row, _ctx: hg.StepContext): hg.Outcome {
    this.traces++
    const { value, grads } = hg.valueAndGrad((w) => this.lossOf(w, batch), this.parameters)
    this.optimizers.sgd?.step(this.parameters, grads)
    return { loss: value }
  }
}

// ---- the loop for any task

test('a task learns; its step is traced once for each shape', async (t) => {
  const task = new Line()
  const { history, dynamics } = await hg.fit(task, line(20), { ...quiet, epochs: 40 })
  t.is(task.traces, 2, 'batches of 8, and one of 4')
  t.true((history.loss.at(-1) as number) < 1e-3)
  t.is(dynamics, undefined)
  t.deepEqual(history.epochs.slice(0, 3), [1, 2, 3])
  const slope = await task.parameters.slope.data()
  t.true(Math.abs(Number(slope[0]) - 2) < 0.05)
})

test('a model and a task that does the same have the same bits', async (t) => {
  const { x, y } = points(70)
  const model = classifier({ seed: 5 })
  const shuffled = { batchSize: 16, shuffle: true, seed: 3 }
  const data = new hg.ArrayDataset(x, y, { ...shuffled, inputShape: [4], classes: 3 })
  const byModel = await model.fitDataset(data, { ...quiet, epochs: 3 })
  const net = classifier({ seed: 5 })
  const sgd = new hg.SGD({ learningRate: 0.1, momentum: 0.95 })
  const task: hg.Task<hg.Batch> = {
    parameters: net.weights,
    optimizers: { sgd },
    step({ x, y }) {
      const { value, grads } = hg.valueAndGrad((w: Weights) => {
        const pass = net.pass({ weights: w, training: true, tracking: false })
        return net.lossOf(pass, net.forward(x, pass).output, y)
      }, net.weights)
      sgd.step(net.weights, grads)
      return { loss: value }
    },
  }
  const { history } = await hg.fit(task, data, { ...quiet, epochs: 3 })
  t.deepEqual(history.loss, byModel.loss)
  t.deepEqual(await weightsOf(net), await weightsOf(model))
})

test('schedules and scalars are inputs of the compiled step', async (t) => {
  const seen: number[] = []
  class Weighted extends Line {
    override step(batch: Row, { scalars, step, epoch }: hg.StepContext): hg.Outcome {
      const { share } = scalars as { share: hg.Tensor }
      this.traces++
      const { value, grads } = hg.valueAndGrad((w) => this.lossOf(w, batch).mul(share), this.parameters)
      this.optimizers.sgd?.step(this.parameters, grads)
      return { loss: value, logs: { share, step: step.cast('float32'), epoch: epoch.cast('float32') } }
    }
  }
  const task = new Weighted()
  const { history } = await hg.fit(task, line(), {
    ...quiet,
    epochs: 3,
    scalars: { share: ({ step, epoch }) => 1 / (1 + step + 10 * epoch) },
    callbacks: [
      new hg.LearningRate(hg.exponentialLR({ gamma: 0.5 })),
      { onBatchEnd: (_batch, { metrics }) => void seen.push(metrics.step as number) },
    ],
  })
  t.is(task.traces, 1)
  t.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8])
  t.deepEqual(history.metrics.epoch, [0, 1, 2])
  const shares = [0, 1, 2].map((step) => Math.fround(1 / (1 + step)))
  t.is(history.metrics.share?.[0], shares.reduce((a, b) => a + b) / 3)
  t.is(task.optimizers.sgd?.learningRate, 0.075)
  await t.throwsAsync(hg.fit(task, line(), { ...quiet, scalars: { share: () => Number.NaN } }), {
    instanceOf: ArgumentError,
    message: /'share' is NaN in step 0/,
  })
})

test('metrics of a task are those of all samples, whatever the size of batches', async (t) => {
  class Judging extends Line {
    override step(batch: Row, ctx: hg.StepContext): hg.Outcome {
      const prediction = batch.x.mul(this.parameters.slope.value)
      const outcome = super.step(batch, ctx)
      const metric = hg.r2.streaming()
      return { ...outcome, logs: { size: hg.tensor(1) }, judged: [{ metric, prediction, target: batch.y }] }
    }
  }
  const run = async (batchSize: number) => {
    const task = new Judging()
    const sgd = new hg.SGD({ learningRate: 0 })
    task.parameters.slope.assign(1.5)
    Object.assign(task.optimizers, { sgd })
    return (await hg.fit(task, line(24, { batchSize }), { ...quiet, epochs: 2 })).history.metrics
  }
  const [a, b] = [await run(24), await run(5)]
  t.deepEqual(Object.keys(a), ['size', hg.r2.streaming().name])
  const [whole, parts] = [a[hg.r2.streaming().name] as number[], b[hg.r2.streaming().name] as number[]]
  t.true(Math.abs((whole[1] as number) - (parts[1] as number)) < 1e-6 && (whole[1] as number) < 1)
  t.is(whole[0], whole[1] as number, 'every epoch begins anew')
})

test('every step has a key of its own, the same for the same seed', async (t) => {
  class Noisy extends Line {
    override step(batch: Row, ctx: hg.StepContext): hg.Outcome {
      const { x, y } = batch
      return {
        ...super.step({ x, y: y.add(hg.normal(ctx.key, y.shape).mul(0.1)) }, ctx),
        logs: { draw: hg.uniform(ctx.key, []) },
      }
    }
  }
  const run = async (seed: number) => {
    const draws: number[] = []
    const onBatchEnd = (_: number, { metrics }: hg.BatchLogs) => void draws.push(metrics.draw as number)
    await hg.fit(new Noisy(), line(), { ...quiet, seed, epochs: 2, callbacks: [{ onBatchEnd }] })
    return draws
  }
  const [a, b, c] = [await run(1), await run(1), await run(2)]
  t.is(new Set(a).size, 6)
  t.deepEqual(a, b)
  t.notDeepEqual(a, c)
})

test('a task with a record goes on counting, drawing and remembering', async (t) => {
  class Going extends Line {
    readonly record = new hg.TrainingRecord({ seed: 4 })
    override step(batch: Row, ctx: hg.StepContext): hg.Outcome {
      const { x, y } = batch
      return super.step({ x, y: y.add(hg.normal(ctx.key, y.shape)) }, ctx)
    }
  }
  const shuffled = { batchSize: 8, shuffle: true }
  const [whole, parts] = [new Going(), new Going()]
  const once = await hg.fit(whole, line(24, shuffled), { ...quiet, epochs: 5 })
  await hg.fit(parts, line(24, shuffled), { ...quiet, epochs: 2 })
  const rest = await hg.fit(parts, line(24, shuffled), { ...quiet, epochs: 3 })
  t.deepEqual(rest.history.epochs, [3, 4, 5])
  t.deepEqual(rest.history.loss, once.history.loss.slice(2))
  t.is(parts.record.epochs, 5)
  t.is(parts.record.steps, 15)
  const third = await hg.fit(parts, line(24, shuffled), { ...quiet, initialEpoch: 3, epochs: 4 })
  t.deepEqual(third.history.epochs, [3, 4, 5, 6], 'the history goes on')
  parts.record.dispose()
})

test('one task is trained by one fit at a time', async (t) => {
  const task = new Line()
  const first = hg.fit(task, line(), quiet)
  await t.throwsAsync(hg.fit(task, line(), quiet), { instanceOf: StateError, message: /middle of fit/ })
  await first
  await t.notThrowsAsync(hg.fit(task, line(), quiet))
})

test.serial('a task trains in eager mode, too', async (t) => {
  const reference = new Line()
  await hg.fit(reference, line(), quiet)
  const before = hg.debug({ eager: true })
  const task = new Line()
  try {
    await hg.fit(task, line(), quiet)
  } finally {
    hg.debug(before)
  }
  const [a, b] = [await task.parameters.slope.data(), await reference.parameters.slope.data()]
  t.true(Math.abs(Number(a[0]) - Number(b[0])) < 1e-6)
})

test('an abort ends the training of a task', async (t) => {
  const stop = new AbortController()
  const onBatchEnd = (batch: number) => {
    if (batch === 1) stop.abort(new Error('enough'))
  }
  const work = hg.fit(new Line(), line(), {
    ...quiet,
    epochs: 9,
    signal: stop.signal,
    callbacks: [{ onBatchEnd }],
  })
  await t.throwsAsync(work, { message: 'enough' })
})

// ---- batches

test('a batch is any tree of tensors', async (t) => {
  const x = hg.tensor([1, 2, 3])
  const shapes: unknown[] = []
  const tuple = {
    parameters: [new hg.Variable(hg.zeros([]), { name: 'w' })],
    optimizers: { sgd: new hg.SGD({ learningRate: 0.1 }) },
    step(batch: { pair: readonly [hg.Tensor, hg.Tensor]; deep: { er: { mask: hg.Tensor } } }) {
      shapes.push([batch.pair[0].shape, batch.deep.er.mask.dtype])
      const { value, grads } = hg.valueAndGrad(
        ([w]) =>
          batch.pair[0]
            .mul(w as hg.Tensor)
            .sub(batch.pair[1])
            .square()
            .mean(),
        this.parameters,
      )
      this.optimizers.sgd.step(this.parameters, grads)
      return { loss: value }
    },
  }
  const batch = { pair: [x, x.mul(3)] as const, deep: { er: { mask: hg.tensor([true, false, true]) } } }
  async function* source() {
    yield batch
    yield batch
  }
  await hg.fit(tuple, { [Symbol.asyncIterator]: source }, { ...quiet, epochs: 20 })
  t.deepEqual(shapes, [[[3], 'bool']])
  t.true(Math.abs(Number((await tuple.parameters[0]?.data())?.[0]) - 3) < 1e-3)
  const single: hg.Task<hg.Tensor> = { parameters: {}, step: (given) => ({ logs: { mean: given.mean() } }) }
  const { history } = await hg.fit(single, [hg.tensor([1, 2]), hg.tensor([6])], quiet)
  t.is(history.metrics.mean?.[0], 3, 'weighted by samples')
  t.deepEqual(history.loss, [])
})

test('records of arrays are a dataset, shuffled as others are', async (t) => {
  const y = Int32Array.from({ length: 10 }, (_, i) => i)
  const options = { batchSize: 4, shuffle: true, seed: 7 }
  const data = new hg.TreeDataset({ y, in: { x: Array.from(y, (i) => [i, -i]) } }, options)
  t.deepEqual(
    [data.length, data.samples, data.source.in.x.shape, data.source.y.dtype],
    [3, 10, [10, 2], 'int32'],
  )
  const pass = async () => {
    const rows: number[] = []
    for await (const batch of data) {
      const [labels, x] = [await batch.y.data(), (await batch.in.x.array()) as number[][]]
      t.deepEqual(
        x,
        [...labels].map((i) => [Number(i), -Number(i)]),
      )
      rows.push(...[...labels].map(Number))
    }
    return rows
  }
  const [first, second] = [await pass(), await pass()]
  const reference = new hg.ArrayDataset(
    Array.from(y, (i) => [i]),
    y,
    options,
  )
  t.deepEqual(first, [...reference.epochIndices(0)])
  t.deepEqual(second, [...reference.epochIndices(1)])
  data.dispose()
  t.throws(() => data.source, { instanceOf: hg.DisposedError })
})

test('arrays with their shape are leaves of a dataset, beside others', async (t) => {
  const image = { dtype: 'float32', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const
  const label = { dtype: 'int32', shape: [3], data: Int32Array.of(7, 8, 9) } as const
  const data = new hg.TreeDataset({ image, meta: { label, age: [1, 2, 3] } })
  t.deepEqual([data.source.image.shape, data.source.image.dtype], [[3, 2], 'float32'])
  t.deepEqual(await data.source.image.array(), [
    [1, 2],
    [3, 4],
    [5, 6],
  ])
  t.is(data.source.meta.label.dtype, 'int32')
  t.deepEqual([...(await data.source.meta.label.data())], [7, 8, 9])
  t.throws(() => new hg.TreeDataset({ image: { ...image, shape: [2, 2] } }), {
    instanceOf: ArgumentError,
    message: /'image'/,
  })
})

test('what is wrong with data is said with the path', async (t) => {
  t.throws(() => new hg.TreeDataset({ a: [1, 2], b: { c: [1, 2, 3] } }), {
    instanceOf: ShapeError,
    message: /'b.c' holds 3 samples and 'a' 2/,
  })
  t.throws(() => new hg.TreeDataset({ a: { b: 'no' } } as never), {
    instanceOf: ArgumentError,
    message: /'a.b' is "no"/,
  })
  t.throws(() => new hg.TreeDataset({}), { instanceOf: ArgumentError })
  t.throws(() => new hg.TreeDataset({ a: [] }), { instanceOf: DataError, message: /'a'/ })
  const holed = new hg.TreeDataset({ x: [1, 2], y: [1, Number.NaN] })
  await t.throwsAsync(hg.fit(new Line(), holed, quiet), { instanceOf: DataError, message: /data: 'y' holds/ })
  const wrong: [unknown, RegExp][] = [
    [{ x: hg.tensor([1]), y: 3 }, /batch 1: given 3 at y/],
    [{ x: hg.tensor([1]), y: hg.tensor([Number.POSITIVE_INFINITY]) }, /batch 1: 'y' holds/],
    [{ x: new hg.Variable(hg.zeros([1])), y: hg.tensor([1]) }, /batch 1: 'x' is a Variable/],
    ['text', /batch 1/],
    [{}, /batch 1/],
  ]
  for (const [batch, message] of wrong) {
    const good = { x: hg.tensor([1]), y: hg.tensor([1]) }
    const work = hg.fit(new Line(), [good, batch] as Row[], quiet)
    t.true((await t.throwsAsync(work, { message })) instanceof hg.HyperglowError)
  }
  await t.throwsAsync(hg.fit(new Line(), [], quiet), { instanceOf: DataError })
})

// ---- no parameter is left untrained silently

test('parameters that no gradient reaches are refused by name, before anything is changed', async (t) => {
  class Cut extends Line {
    override lossOf(w: { slope: hg.Tensor; rest: hg.Tensor[] }, batch: Row) {
      return super.lossOf({ slope: w.slope, rest: [(w.rest[0] as hg.Tensor).stopGradient()] }, batch)
    }
  }
  const task = new Cut()
  const expected = { instanceOf: StateError, message: /no gradient reaches 'rest.0'/ }
  await t.throwsAsync(hg.fit(task, line(), quiet), expected)
  t.is(Number((await task.parameters.slope.data())[0]), 0)
  await t.throwsAsync(hg.fit(task, line(), { ...quiet, allowUnused: ['slope'] }), expected)
  await t.notThrowsAsync(hg.fit(task, line(), { ...quiet, allowUnused: ['rest'] }))
  await t.throwsAsync(hg.fit(task, line(), { ...quiet, allowUnused: ['slop'] }), {
    code: 'UNKNOWN_NAME',
    message: /unknown module or weight for allowUnused "slop": did you mean "slope"\?/,
  })
  await t.notThrowsAsync(hg.fit(task, line(), { ...quiet, allowUnused: true }))

  class Constant extends Line {
    override lossOf(_: unknown, { y }: Row) {
      return y.mean()
    }
  }
  await t.throwsAsync(hg.fit(new Constant(), line(), quiet), {
    message: /no gradient reaches 'slope', 'rest.0'/,
  })

  class Forgetful extends Line {
    override step({ x, y }: Row): hg.Outcome {
      const { slope } = this.parameters
      const { value, grads } = hg.valueAndGrad((w) => hg.mse(x.mul(w), y), slope)
      this.optimizers.sgd?.step(slope, grads)
      return { loss: value }
    }
  }
  await t.throwsAsync(hg.fit(new Forgetful(), line(), quiet), { message: /no step changes 'rest.0'/ })
})

test('a model whose layer is not run, or whose loss is constant, is refused', async (t) => {
  class Idle extends hg.Network {
    readonly used = this.register(new hg.Dense(3), [4])
    readonly unused = this.register(new hg.Dense(3), [4])
    forward(x: hg.Tensor, ctx: hg.ForwardContext = this.context()) {
      return { output: ctx.run(this.used, x), hidden: [] }
    }
  }
  const { x, y } = points(16)
  const idle = new Idle({ inputShape: [4] }).compile()
  await t.throwsAsync(idle.fit(x, y, quiet), {
    instanceOf: StateError,
    message: /'layers.1.kernel', 'layers.1.bias'/,
  })
  await t.notThrowsAsync(idle.fit(x, y, { ...quiet, allowUnused: ['layers.1'] }))
  idle.unused.trainable = false
  await t.notThrowsAsync(idle.fit(x, y, quiet), 'a frozen layer is not trained anyway')
  const constant = new hg.Sequential({ inputShape: [4] })
    .add(new hg.Dense(3))
    .compile({ loss: (pred) => pred.stopGradient().mean() })
  await t.throwsAsync(constant.fit(x, y, quiet), { message: /no gradient reaches 'layers.0.kernel'/ })
})

test('what a step reports is checked', async (t) => {
  const giving = (outcome: unknown): hg.Task<Row> => ({ parameters: {}, step: () => outcome as hg.Outcome })
  const wrong: [unknown, RegExp][] = [
    [undefined, /a step gave undefined/],
    [{ loss: 3 }, /gave 3 as 'loss'/],
    [{ loss: hg.zeros([2]) }, /'loss' of shape \[2\]/],
    [{ logs: { a: 'b' } }, /as 'a'/],
  ]
  for (const [outcome, message] of wrong) {
    const error = await t.throwsAsync(hg.fit(giving(outcome), line(), quiet), { message })
    t.true(error instanceof hg.HyperglowError)
  }
  class Moody extends Line {
    override step(batch: Row, ctx: hg.StepContext): hg.Outcome {
      return {
        ...super.step(batch, ctx),
        ...(batch.x.shape[0] === 4 ? { logs: { extra: hg.zeros([]) } } : {}),
      }
    }
  }
  await t.throwsAsync(hg.fit(new Moody(), line(20), quiet), {
    instanceOf: ArgumentError,
    message: /loss, extra, and one before reported loss/,
  })
  const logs = giving({ logs: { fine: hg.zeros([]), bad: hg.full([], Number.NaN) } })
  await t.throwsAsync(hg.fit(logs, line(), quiet), { instanceOf: NumericalError, message: /mean bad is NaN/ })
})

test('what is no task, and options that cannot work, are refused', async (t) => {
  const wrong: unknown[] = [
    null,
    3,
    {},
    { parameters: {} },
    { parameters: { a: 1 }, step() {} },
    classifier(),
  ]
  for (const task of wrong)
    await t.throwsAsync(hg.fit(task as Line, line(), quiet), { instanceOf: ArgumentError })
  await t.throwsAsync(hg.fit(new Line(), line(), { ...quiet, validation: line() }), {
    instanceOf: StateError,
    message: /no evaluate/,
  })
  await t.throwsAsync(hg.fit(new Line(), line(), { ...quiet, saveDynamics: 'nowhere' }), {
    instanceOf: ArgumentError,
  })
  await t.throwsAsync(hg.fit(new Line(), line(), { ...quiet, initialEpoch: 2, epochs: 2 }), {
    message: /leaves none to train/,
  })
  const evaluators = [new hg.HSIC({ sigma: 1 })]
  await t.throwsAsync(hg.fit(new Line(), line(), { ...quiet, evaluators }), {
    instanceOf: StateError,
    message: /no segment/,
  })
  const twice = new hg.Variable(hg.zeros([]))
  const doubled = { parameters: { a: twice }, state: { b: twice }, step: () => ({}) }
  await t.throwsAsync(hg.fit(doubled, line(), quiet), { instanceOf: ArgumentError, message: /twice/ })
  class Reading extends Line {
    readonly usesClock = false
    override step(batch: Row, ctx: hg.StepContext): hg.Outcome {
      return { ...super.step(batch, ctx), logs: { step: ctx.step.cast('float32') } }
    }
  }
  await t.throwsAsync(hg.fit(new Reading(), line(), quiet), { instanceOf: StateError, message: /usesClock/ })
  class Early extends Line {
    evaluate(_: Row, ctx: hg.StepContext): hg.Outcome {
      return { logs: { step: ctx.step } }
    }
  }
  await t.throwsAsync(hg.fit(new Early(), line(), { ...quiet, validation: line() }), {
    message: /training only/,
  })
  const lossless: hg.Task<Row> = { parameters: {}, step: ({ y }) => ({ logs: { mean: y.mean() } }) }
  const ended: boolean[] = []
  const callbacks = [{ onBatchEnd: () => void ended.push(true) }]
  await t.throwsAsync(hg.fit(lossless, line(), { ...quiet, callbacks, showPlot: true }), {
    message: /showPlot/,
  })
  t.deepEqual(ended, [], 'no step was made')
})

test('a task without a loss has none in history and CSV, and monitoring it is refused', async (t) => {
  const measure = ({ y }: Row) => ({ logs: { mean: y.mean() } })
  const lossless: hg.Task<Row> = { parameters: {}, step: measure, evaluate: measure }
  const path = join(fresh(), 'log.csv')
  const options = { ...quiet, epochs: 2, validation: line(8) }
  const { history } = await hg.fit(lossless, line(), { ...options, callbacks: [new hg.CSVLogger(path)] })
  t.deepEqual([history.loss, 'validationLoss' in history], [[], false])
  t.deepEqual(
    [history.metrics.mean?.length, history.validationMetrics?.mean?.length, history.epochs],
    [2, 2, [1, 2]],
  )
  const [names, first] = readFileSync(path, 'utf8').split('\n')
  t.is(names, 'epoch,mean,validation.mean,seconds')
  t.is(first?.split(',').length, 4)
  for (const monitor of ['loss', 'validationLoss']) {
    const callbacks = [new hg.EarlyStopping({ monitor })]
    await t.throwsAsync(hg.fit(lossless, line(), { ...options, callbacks }), {
      instanceOf: hg.UnknownNameError,
      message: /valid are mean, validation\.mean/,
    })
  }
})
