import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { turnsOf } from '../benches/loop/turns.js'
import {
  ArgumentError,
  type Batch,
  DataError,
  Dense,
  Dropout,
  Estimator,
  HSIC,
  IBSequential,
  loadDynamics,
  loadSegment,
  memory,
  NumericalError,
  oneHot,
  ShapeError,
  StateError,
  type Tensor,
  tensor,
  UnknownNameError,
} from '../ts/index.js'
import { Pipeline } from '../ts/train/pipeline.js'
import { close } from './helpers.js'
import { inFolder } from './in-folder.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'

const hsic = () => new HSIC({ kernel: 'gaussian', sigma: 2 })

/** A model with dropout, whose random stream must not be touched by tracking. */
function tracked(track: boolean, seed = 1): IBSequential {
  const model = new IBSequential({ inputShape: [4], seed, trackDynamics: track })
  model
    .add(new Dense(8, { activation: 'relu' }))
    .add(new Dropout(0.4))
    .add(new Dense(3, { activation: 'softmax' }))
  model.compile({ metrics: ['accuracy'], learningRate: 0.05 })
  return track ? model.attachEvaluator(hsic()) : model
}

test('the dynamics of one batch are the values of the estimator on that batch', async (t) => {
  const model = classifier({ trackDynamics: true, seed: 4 }).attachEvaluator(hsic())
  const { x, y } = points(20)
  const inputs = tensor(x, { shape: [20, 4] })
  // Activations before the update of the only step.
  const { hidden } = model.forward(inputs)
  const expected: number[][] = []
  for (const h of hidden) {
    const target = oneHot(tensor(y), 3)
    expected.push([await hsic().estimate(h, inputs), await hsic().estimate(h, target)])
  }
  await model.fit(x, y, { batchSize: 20, epochs: 1, validationSplit: 0, numClasses: 3 })
  t.deepEqual(model.evaluatedDynamics.shape, [1, 1, 2, 2])
  close(t, (model.dynamics().values[0]?.[0] ?? []) as number[][], expected, 1e-5)
})

test("the origin's segment compares all layers with the output", async (t) => {
  const model = new IBSequential({ inputShape: [4], trackDynamics: true, segment: 'origin' })
  model
    .add(new Dense(8))
    .add(new Dropout(0.2))
    .add(new Dense(3, { activation: 'softmax' }))
    .compile()
  model.attachEvaluator(hsic())
  await model.fitDataset(dataset(32, 16), { epochs: 1 })
  t.deepEqual(model.dynamics().layers, ['dense_1', 'dropout_1'])
  t.deepEqual(model.evaluatedDynamics.shape, [1, 1, 2, 2])
})

test('tracking changes no bit of the weights', async (t) => {
  const run = async (track: boolean) => {
    const model = tracked(track)
    const history = await model.fitDataset(dataset(70, 16, true, 3), { epochs: 3 })
    return { weights: await weightsOf(model), loss: history.loss }
  }
  t.deepEqual(await run(true), await run(false))
})

test('the same seed gives the same dynamics, bit for bit', async (t) => {
  const run = async (seed: number) => {
    const model = tracked(true, seed)
    const { x, y } = points(70)
    await model.fit(x, y, { epochs: 2, batchSize: 16 })
    return [...(await model.batchDynamics.data())]
  }
  const [a, b, c] = [await run(1), await run(1), await run(2)]
  t.deepEqual(a, b)
  t.notDeepEqual(a, c)
})

test('evaluatedDynamics is the plain mean over the batches', async (t) => {
  const model = classifier({ trackDynamics: true })
    .attachEvaluator(hsic())
    .attachEvaluator(new HSIC({ kernel: 'linear' }))
  t.true(model.evaluatedDynamics === undefined)
  t.throws(() => model.dynamics(), { instanceOf: StateError })
  await model.fitDataset(dataset(50, 16, true), { epochs: 3 })
  t.deepEqual(model.evaluatedDynamics.shape, [3, 2, 2, 2])
  t.deepEqual(model.batchDynamics.shape, [3, 4, 2, 2, 2])
  close(t, await model.evaluatedDynamics.array(), await model.batchDynamics.mean(1).array(), 1e-6)
  t.deepEqual(model.dynamics().evaluators, ['HSIC', 'HSIC_2'])
  const bare = classifier({ trackDynamics: true })
  await bare.fitDataset(dataset(32, 16), { epochs: 2 })
  t.deepEqual(bare.evaluatedDynamics.shape, [2, 0, 2, 2])
})

test('another fit replaces the dynamics, or appends to them', async (t) => {
  const model = classifier({ trackDynamics: true }).attachEvaluator(hsic())
  const data = dataset(32, 16)
  await model.fitDataset(data, { epochs: 2 })
  await model.fitDataset(data, { epochs: 1 })
  t.is(model.evaluatedDynamics.shape[0], 1)
  await model.fitDataset(data, { epochs: 2, appendDynamics: true })
  t.is(model.evaluatedDynamics.shape[0], 3)
  model.attachEvaluator(hsic())
  await t.throwsAsync(model.fitDataset(data, { appendDynamics: true }), { instanceOf: ArgumentError })
})

test('a custom criterion, and a custom reading of the segment, are recorded', async (t) => {
  class Correlation extends Estimator {
    criterion(x: Tensor, y: Tensor) {
      return x.mean().mul(y.mean())
    }
  }
  class Sizes extends Estimator {
    criterion(x: Tensor) {
      return x.sum()
    }
    override evaluateSegment(segment: readonly Tensor[]) {
      return segment.slice(1, -1).map((h) => [tensor(h.size), tensor(segment.length)])
    }
  }
  const model = classifier({ trackDynamics: true })
    .attachEvaluator(new Correlation())
    .attachEvaluator(new Sizes())
  await model.fitDataset(dataset(32, 16), { epochs: 1 })
  t.deepEqual(model.dynamics().values[0]?.[1], [
    [128, 4],
    [48, 4],
  ])
})

test('a batch of one sample trains without dynamics, and says so once', async (t) => {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  const model = classifier({ trackDynamics: true }).attachEvaluator(hsic())
  await model.fitDataset(dataset(33, 16), { epochs: 2 })
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  t.deepEqual(model.batchDynamics.shape, [2, 2, 1, 2, 2])
  t.is(warnings.filter(({ name }) => name === 'HyperglowWarning').length, 1)
})

test('saveDynamics writes the same values, and raw segments on request', async (t) => {
  await inFolder(async (folder) => {
    const options = { trackDynamics: true, saveDynamics: { dir: folder, raw: true }, seed: 9 }
    const model = classifier(options).attachEvaluator(hsic())
    await model.fitDataset(dataset(40, 16), { epochs: 2 })
    const stored = await loadDynamics(folder)
    t.deepEqual([...stored.shape], [2, 3, 1, 2, 2])
    t.deepEqual([...stored.values], [...(await model.batchDynamics.data())])
    t.deepEqual(
      [stored.layers, stored.evaluators, stored.seed, stored.finished],
      [['dense_1', 'dense_2'], ['HSIC'], 9, true],
    )
    const segment = await loadSegment(folder, 1, 2)
    t.deepEqual(
      segment?.map(({ shape }) => shape),
      [
        [8, 4],
        [8, 8],
        [8, 3],
        [8, 3],
      ],
    )
    // A second run in the same folder replaces the first.
    await model.fitDataset(dataset(40, 16), { epochs: 1 })
    t.is((await loadDynamics(folder)).shape[0], 1)
  })
})

test('fit learns, validates on the split, and reports means over samples', async (t) => {
  const { x, y } = points(203)
  const sizes: number[] = []
  const losses: number[] = []
  const model = classifier({ seed: 1 })
  const history = await model.fit(x, y, {
    batchSize: 16,
    epochs: 8,
    validationSplit: 0.25,
    callbacks: [
      {
        onBatchEnd(_batch, { size, loss }) {
          sizes.push(size)
          losses.push(loss)
        },
      },
    ],
  })
  t.is(history.loss.length, 8)
  t.is(history.validationLoss?.length, 8)
  t.true((history.metrics.accuracy?.at(-1) as number) > 0.85)
  t.true((history.validationMetrics?.accuracy?.at(-1) as number) > 0.75)
  t.true(history.seconds.every((value) => value > 0))
  t.deepEqual(sizes.slice(0, 10), [16, 16, 16, 16, 16, 16, 16, 16, 16, 8])
  const mean = sizes.slice(0, 10).reduce((sum, size, i) => sum + size * (losses[i] as number), 0) / 152
  close(t, history.loss[0] as number, mean, 1e-6)
  t.is(model.history, history)
  t.false(model.training)
  const without = await classifier().fit(x, y, { validationSplit: 0 })
  t.false('validationLoss' in without || 'validationMetrics' in without)
})

test('showPlot draws the losses', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'loss.vl.json')
    await classifier().fitDataset(dataset(32, 16), { epochs: 2, showPlot: path, validation: dataset(16, 16) })
    t.regex(await readFile(path, 'utf8'), /Epoch vs Loss/)
    await t.throwsAsync(classifier().fitDataset(dataset(32, 16), { showPlot: 'loss.gif' }), {
      instanceOf: ArgumentError,
    })
  })
})

test('fit names bad data and options before it starts', async (t) => {
  const model = classifier()
  const before = await weightsOf(model)
  const { x, y } = points(20)
  await t.throwsAsync(model.fit(x, y.subarray(1)), { instanceOf: ShapeError, message: /20 samples and y 19/ })
  await t.throwsAsync(model.fit(x, y.with(4, 3)), { instanceOf: DataError, message: /label 3 at index \d+/ })
  await t.throwsAsync(model.fit(x.with(21, Number.NaN), y), { instanceOf: DataError, message: /sample 5 / })
  await t.throwsAsync(model.fit(x, y, { epochs: 0 }), { instanceOf: ArgumentError })
  await t.throwsAsync(model.fit(x, y, { validationSplit: 1 }), { instanceOf: ArgumentError })
  await t.throwsAsync(model.fit(x, y, { batchsize: 3 } as never), { instanceOf: UnknownNameError })
  await t.throwsAsync(model.fitDataset([]), { instanceOf: DataError, message: /empty/ })
  await t.throwsAsync(model.fit(new Float32Array(0), []), { instanceOf: DataError })
  await t.throwsAsync(new IBSequential({ inputShape: [4] }).add(new Dense(3)).fit(x, y), {
    instanceOf: StateError,
    message: /not compiled/,
  })
  t.deepEqual(await weightsOf(model), before)
  t.false(model.training)
})

test('any iterable of batches trains like the dataset it comes from', async (t) => {
  const data = dataset(40, 16)
  const list: Batch[] = []
  for await (const batch of data) list.push(batch)
  const stream: AsyncIterable<Batch> = {
    async *[Symbol.asyncIterator]() {
      yield* list
    },
  }
  const [a, b, c] = [classifier({ seed: 1 }), classifier({ seed: 1 }), classifier({ seed: 1 })]
  await a.fitDataset(data, { epochs: 2, validation: data })
  const history = await b.fitDataset(list, { epochs: 2, validation: [] })
  t.false('validationLoss' in history)
  await c.fitDataset(stream, { epochs: 2 })
  t.deepEqual(await weightsOf(b), await weightsOf(a))
  t.deepEqual(await weightsOf(c), await weightsOf(a))
  const once = stream[Symbol.asyncIterator]() as AsyncGenerator<Batch>
  await t.throwsAsync(c.fitDataset(once, { epochs: 2 }), { instanceOf: DataError, message: /only once/ })
  const wrong = { x: tensor([[1, 2, 3, Number.NaN]]), y: tensor(Int32Array.of(0)) }
  await t.throwsAsync(c.fitDataset([wrong]), { instanceOf: DataError, message: /batch 0: x holds/ })
})

test('an aborted fit rejects with the reason and stays usable', async (t) => {
  const model = classifier({ trackDynamics: true, seed: 2 }).attachEvaluator(hsic())
  const data = dataset(64, 8, true)
  const reason = new Error('enough')
  const controller = new AbortController()
  let batches = 0
  const callbacks = [
    {
      onBatchEnd() {
        if (++batches === 12) controller.abort(reason)
      },
    },
  ]
  const failure = await t.throwsAsync(
    model.fitDataset(data, { epochs: 5, signal: controller.signal, callbacks }),
  )
  t.is(failure, reason)
  // Epoch 1 was finished, epoch 2 was not.
  t.is(model.evaluatedDynamics.shape[0], 1)
  t.is(model.history?.loss.length, 1)
  t.false(model.training)
  const reference = classifier({ trackDynamics: true, seed: 2 }).attachEvaluator(hsic())
  await reference.fitDataset(data, { epochs: 1 })
  t.deepEqual(model.dynamics(), reference.dynamics())
  await t.notThrowsAsync(model.fitDataset(data, { epochs: 1 }))
  const early = await t.throwsAsync(model.fitDataset(data, { signal: AbortSignal.abort(reason) }))
  t.is(early, reason)
})

test('waiting for steps ends with the signal, not with the steps', async (t) => {
  const controller = new AbortController()
  const discarded: number[] = []
  let end = (_: number) => {}
  const pipeline = new Pipeline<number>(
    () => {},
    (step) => discarded.push(step),
    controller.signal,
  )
  await pipeline.push(() => new Promise((resolve) => (end = resolve)))
  await pipeline.push(async () => 2)
  const reason = new Error('enough')
  setImmediate(() => controller.abort(reason))
  t.is(await t.throwsAsync(pipeline.drain()), reason)
  await pipeline.abandon()
  t.deepEqual(discarded, [2], 'the second step is done, the first is not waited for')
  end(1)
  await Promise.resolve()
  await Promise.resolve()
  t.deepEqual(discarded, [2, 1])
})

test('what a callback throws ends the fit with that error', async (t) => {
  const reason = new TypeError('mine')
  const hooks = ['onTrainBegin', 'onEpochBegin', 'onBatchEnd', 'onEpochEnd', 'onTrainEnd'] as const
  for (const hook of hooks) {
    const model = classifier().train()
    const fails = {
      [hook]: () => {
        throw reason
      },
    }
    t.is(await t.throwsAsync(model.fitDataset(dataset(32, 8), { callbacks: [fails] })), reason, hook)
    t.true(model.training, 'the mode before the fit is back')
    await t.notThrowsAsync(model.fitDataset(dataset(32, 8)))
  }
})

test('callbacks come in order and are waited for', async (t) => {
  const calls: string[] = []
  const slow = async (name: string) => {
    await new Promise((resolve) => setTimeout(resolve, 2))
    calls.push(name)
  }
  await classifier().fitDataset(dataset(24, 12), {
    epochs: 2,
    validation: dataset(8, 8),
    callbacks: [
      {
        onTrainBegin: ({ epochs, batches }) => slow(`begin ${epochs} ${batches}`),
        onEpochBegin: (epoch) => slow(`epoch ${epoch}`),
        onBatchEnd: (batch) => slow(`batch ${batch}`),
        onEpochEnd: (epoch, logs) => slow(`done ${epoch} ${Object.keys(logs).toSorted()}`),
        onTrainEnd: () => slow('end'),
      },
    ],
  })
  const keys = 'loss,metrics,seconds,validationLoss,validationMetrics'
  const epoch = (n: number) => [`epoch ${n}`, 'batch 0', 'batch 1', `done ${n} ${keys}`]
  t.deepEqual(calls, ['begin 2 2', ...epoch(0), ...epoch(1), 'end'])
})

test('a model does one thing at a time', async (t) => {
  const model = classifier()
  const fit = model.fitDataset(dataset(64, 8), { epochs: 2 })
  await t.throwsAsync(model.fitDataset(dataset(8, 8)), {
    instanceOf: StateError,
    message: /in the middle of fit/,
  })
  await fit
})

test('a loss that is no number ends training with a NumericalError', async (t) => {
  const model = classifier({}, 1e30)
  const { x, y } = points(64)
  await t.throwsAsync(model.fit(x, y, { epochs: 3 }), {
    instanceOf: NumericalError,
    message: /learning rate/,
  })
})

test.serial('steps allocate nothing once they have run, and leave nothing behind', async (t) => {
  const model = tracked(true)
  const counts: ReturnType<typeof memory>[] = []
  await model.fitDataset(dataset(64, 16), {
    epochs: 40,
    callbacks: [{ onEpochEnd: () => void counts.push(memory()) }],
  })
  const [early, late] = [counts[9], counts[39]] as [ReturnType<typeof memory>, ReturnType<typeof memory>]
  // 120 steps: a few more buffers if a step happened to start before the last one returned its result.
  t.true(late.allocations - early.allocations <= 10, `${late.allocations - early.allocations} allocations`)
  t.true(late.nodes - early.nodes <= 4, `nodes: ${early.nodes}, then ${late.nodes}`)
  t.true(late.bytes - early.bytes <= 4096, `bytes: ${early.bytes}, then ${late.bytes}`)
})

test.serial('training leaves the event loop free', async (t) => {
  const model = new IBSequential({ inputShape: [256], trackDynamics: true })
  model
    .add(new Dense(1024, { activation: 'relu' }))
    .add(new Dense(512, { activation: 'relu' }))
    .add(new Dense(10, { activation: 'softmax' }))
  model.compile().attachEvaluator(hsic())
  const count = 512
  const x = Float32Array.from({ length: count * 256 }, (_, i) => Math.sin(i))
  const y = Int32Array.from({ length: count }, (_, i) => i % 10)
  await model.fit(x, y, { batchSize: 64, epochs: 1 })
  // Processor time of this thread, if the system reports it: on a busy machine wall time includes other processes.
  const { own, wall } = await turnsOf(() => model.fit(x, y, { batchSize: 64, epochs: 4 }))
  const longest = own ?? wall
  const allowed = 20
  t.log(`longest turn of the event loop: ${longest.toFixed(1)} ms (${wall.toFixed(1)} by the clock)`)
  t.true(longest < allowed, `the longest turn took ${longest} ms, at most ${allowed} allowed`)
})

test('history and evaluation print as text, and hold only numbers', async (t) => {
  const model = classifier({ seed: 1 })
  const history = await model.fitDataset(dataset(32, 16), { epochs: 2, verbose: false })
  t.regex(String(history), /^epoch +loss .*seconds\n +1 +[\d.]+ .*\n +2 +[\d.]+ /)
  const evaluation = await model.evaluate(dataset(32, 16))
  t.regex(String(evaluation), /^loss [\d.]+/)
  t.deepEqual(Object.keys(evaluation), ['loss', 'metrics'])
  t.false(JSON.stringify(history).includes('toString'))
})
