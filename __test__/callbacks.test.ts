/** Callbacks watch a run, ask the model between batches and epochs, and steer it. */
import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import * as hg from '../ts/index.js'
import { fresh } from './io-scratch.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'

const { ArgumentError, NumericalError, StateError, UnknownNameError } = hg
const quiet = { verbose: false }

// ---- asking the model

test('callbacks may evaluate, predict and save; what they get is the model of that moment', async (t) => {
  const data = dataset(48, 16)
  const { x } = points(4)
  const folder = fresh()
  const model = classifier({ seed: 2 })
  const losses: number[] = []
  const predictions: unknown[] = []
  const training: boolean[] = []
  await model.fitDataset(data, {
    ...quiet,
    epochs: 2,
    callbacks: [
      {
        async onBatchEnd(batch) {
          losses.push((await model.evaluate(data)).loss)
          if (batch === 1) predictions.push(await (await model.predict(x)).array())
        },
        async onEpochEnd(epoch) {
          await model.save(join(folder, `epoch-${epoch}`))
          training.push(model.training)
        },
      },
    ],
  })
  const plain = classifier({ seed: 2 })
  await plain.fitDataset(data, { ...quiet, epochs: 2 })
  t.deepEqual(await weightsOf(model), await weightsOf(plain), 'asking changes no bit')
  const later = classifier({ seed: 2 })
  await later.load(join(folder, 'epoch-1'))
  t.deepEqual(await weightsOf(later), await weightsOf(plain))
  t.is(losses.at(-1), (await plain.evaluate(data)).loss, 'no step is under way meanwhile')
  t.is(losses.length, 6)
  t.is(predictions.length, 2)
  t.deepEqual(training, [true, true])
})

test('in a callback the model refuses to be trained or changed, and outside of one to be asked', async (t) => {
  const data = dataset(32, 16)
  const model = classifier()
  const refused = async (change: () => unknown) => {
    const callbacks: hg.Callback[] = [{ onEpochEnd: async () => void (await change()) }]
    await t.throwsAsync(model.fitDataset(data, { ...quiet, callbacks }), { instanceOf: StateError })
  }
  await refused(() => model.fitDataset(data, quiet))
  await refused(() => model.load('nowhere'))
  await refused(() => model.compile())
  await refused(() => model.dispose())
  const fit = model.fitDataset(data, quiet)
  await t.throwsAsync(model.predict(points(2).x), {
    instanceOf: StateError,
    message: /call it from a callback/,
  })
  await fit
  t.notThrows(() => model.compile())
})

test('an evaluation that a callback does not wait for ends before training goes on', async (t) => {
  const data = dataset(32, 16)
  const model = classifier()
  const found: Promise<hg.Evaluation>[] = []
  await model.fitDataset(data, {
    ...quiet,
    epochs: 2,
    callbacks: [{ onEpochEnd: () => void found.push(model.evaluate(data)) }],
  })
  const [first, second] = await Promise.all(found)
  t.is(second?.loss, (await model.evaluate(data)).loss)
  t.not(first?.loss, second?.loss)
})

// ---- stopping

test('stop ends the run: fit resolves, with the epoch as far as it went', async (t) => {
  const data = dataset(64, 16)
  const run = async (hook: keyof hg.Callback, when: (index: number) => boolean) => {
    const ended: string[] = []
    let batches = 0
    const stopping = {
      [hook]: (index: number, ...rest: unknown[]) => {
        if (when(index)) (rest.at(-1) as hg.FitContext).stop()
      },
    }
    const watching: hg.Callback = {
      onBatchEnd: () => void batches++,
      onEpochEnd: (epoch) => void ended.push(`epoch ${epoch}`),
      onTrainEnd: () => void ended.push('end'),
    }
    const history = await classifier().fitDataset(data, {
      ...quiet,
      epochs: 5,
      callbacks: [stopping, watching],
    })
    return { batches, ended, epochs: history.epochs.length }
  }
  t.deepEqual(await run('onBatchEnd', (batch) => batch === 1), {
    batches: 2,
    ended: ['epoch 0', 'end'],
    epochs: 1,
  })
  t.deepEqual(await run('onEpochEnd', (epoch) => epoch === 1), {
    batches: 8,
    ended: ['epoch 0', 'epoch 1', 'end'],
    epochs: 2,
  })
  t.deepEqual(await run('onEpochBegin', (epoch) => epoch === 1), {
    batches: 4,
    ended: ['epoch 0', 'end'],
    epochs: 1,
  })
  t.deepEqual(await run('onBatchBegin', (batch) => batch === 2), {
    batches: 2,
    ended: ['epoch 0', 'end'],
    epochs: 1,
  })
  t.deepEqual(await run('onBatchBegin', (batch) => batch === 0), { batches: 0, ended: ['end'], epochs: 0 })
})

test('early stopping ends with the weights of the best epoch', async (t) => {
  const path = [5, 4, 3, 3.5, 3.2, 2.9, 4, 5, 6, 1]
  const run = async (options: hg.EarlyStoppingOptions) => {
    const model = classifier({ seed: 3 })
    const weights: unknown[] = []
    let epoch = -1
    const counting: hg.Callback = {
      onEpochBegin: (now) => {
        epoch = now
      },
      async onEpochEnd() {
        weights.push(await weightsOf(model))
      },
    }
    const monitor = () => path[epoch] ?? Number.NaN
    const chosen = new hg.EarlyStopping({ ...options, monitor })
    await model.fitDataset(dataset(32, 16), { ...quiet, epochs: 10, callbacks: [counting, chosen] })
    const last = await weightsOf(model)
    return {
      ran: weights.length,
      best: chosen.bestEpoch,
      from: weights.findIndex((one) => JSON.stringify(one) === JSON.stringify(last)),
    }
  }
  t.deepEqual(await run({ patience: 3 }), { ran: 9, best: 5, from: 5 })
  t.deepEqual(await run({ patience: 2 }), { ran: 5, best: 2, from: 2 })
  t.deepEqual(await run({}), { ran: 4, best: 2, from: 2 })
  t.deepEqual(await run({ patience: 2, restoreBest: false }), { ran: 5, best: 2, from: 4 })
  t.deepEqual(await run({ patience: 2, startFromEpoch: 4 }), { ran: 8, best: 5, from: 5 })
  t.deepEqual(await run({ mode: 'max', patience: 4 }), { ran: 5, best: 0, from: 0 })
  t.deepEqual(await run({ minDelta: 0.5, patience: 3 }), { ran: 6, best: 2, from: 2 })
})

test('what is monitored is named, or refused with the names that there are', async (t) => {
  const data = dataset(32, 16)
  const stop = (monitor: string) => ({
    ...quiet,
    validation: data,
    callbacks: [new hg.EarlyStopping({ monitor })],
  })
  for (const monitor of ['loss', 'validationLoss', 'accuracy', 'validation.accuracy']) {
    await t.notThrowsAsync(classifier().fitDataset(data, stop(monitor)))
  }
  await t.throwsAsync(classifier().fitDataset(data, stop('validationAccuracy')), {
    instanceOf: UnknownNameError,
    message: /validation\.accuracy/,
  })
  await t.throwsAsync(classifier().fitDataset(data, { ...quiet, callbacks: [new hg.EarlyStopping()] }), {
    instanceOf: ArgumentError,
    message:
      /'validationLoss', and the run has no validation data; give some, or monitor one of accuracy, loss/,
  })
  t.throws(() => new hg.EarlyStopping({ mode: 'auto' as never }), { instanceOf: UnknownNameError })
})

test('a callback that is given no state to load says so', (t) => {
  const callbacks: hg.Callback[] = [
    new hg.EarlyStopping(),
    new hg.Checkpoint(fresh()),
    new hg.CSVLogger(join(fresh(), 'log.csv')),
    new hg.LearningRate(hg.exponentialLR({ gamma: 0.5 })),
  ]
  for (const callback of callbacks) {
    const message = new RegExp(`^${callback.constructor.name}: load: given undefined`)
    t.throws(() => callback.load?.(undefined as never), { instanceOf: ArgumentError, message })
    t.notThrows(() => callback.load?.({}))
  }
})

// ---- learning rates

test('a schedule sets the rate of each epoch, or of each step', async (t) => {
  const data = dataset(32, 16)
  const rates = async (callback: hg.LearningRate) => {
    const model = classifier({}, 0.08)
    const seen: number[] = []
    const watch: hg.Callback = { onBatchEnd: () => void seen.push(model.optimizer?.learningRate as number) }
    await model.fitDataset(data, { ...quiet, epochs: 3, callbacks: [callback, watch] })
    return seen
  }
  const halving = hg.exponentialLR({ gamma: 0.5 })
  t.deepEqual(await rates(new hg.LearningRate(halving)), [0.08, 0.08, 0.04, 0.04, 0.02, 0.02])
  t.deepEqual(
    await rates(new hg.LearningRate(halving, { per: 'step' })),
    [0.08, 0.04, 0.02, 0.01, 0.005, 0.0025],
  )
  const plateau = new hg.ReduceLROnPlateau(0.08, { patience: 0, factor: 0.5 })
  const worse = new hg.LearningRate(plateau, { monitor: () => 1 })
  t.deepEqual(await rates(worse), [0.08, 0.08, 0.08, 0.08, 0.04, 0.04])
  t.throws(() => new hg.LearningRate(0.1 as never), { instanceOf: ArgumentError })
  await t.throwsAsync(rates(new hg.LearningRate(halving, { optimizer: 'critic' })), {
    instanceOf: UnknownNameError,
  })
})

test('a scheduled rate is that of the step it is set before', async (t) => {
  const data = dataset(48, 16)
  const scheduled = classifier({ seed: 1 }, 0.1)
  await scheduled.fitDataset(data, {
    ...quiet,
    callbacks: [new hg.LearningRate(hg.stepLR({ stepSize: 2, gamma: 0 }), { per: 'step' })],
  })
  const two = classifier({ seed: 1 }, 0.1)
  await two.fitDataset(dataset(32, 16), quiet)
  const moved = await weightsOf(scheduled)
  t.deepEqual(moved, await weightsOf(two), 'the third step has the rate 0')
})

// ---- files

test('checkpoints stay as told, and the best one is loaded', async (t) => {
  const folder = fresh()
  const data = dataset(64, 16)
  const model = classifier({ seed: 1 })
  const path = [3, 1, 2, 4]
  let best: unknown
  let epoch = 0
  const watch: hg.Callback = {
    onEpochBegin: (now) => {
      epoch = now
    },
    async onEpochEnd() {
      if (epoch === 1) best = await weightsOf(model)
    },
  }
  const checkpoint = new hg.Checkpoint(folder, { everySteps: 3, keep: 2, best: () => path[epoch] ?? 9 })
  await model.fitDataset(data, { ...quiet, epochs: 4, callbacks: [watch, checkpoint] })
  t.deepEqual((await readdir(folder)).sort(), [
    'best.safetensors',
    'checkpoint-000000012.safetensors',
    'checkpoint-000000015.safetensors',
  ])
  const other = classifier({ seed: 9 })
  await hg.loadCheckpoint(join(folder, 'best.safetensors'), other)
  t.deepEqual(await weightsOf(other), best)
  const epochs = fresh()
  await classifier().fitDataset(data, {
    ...quiet,
    epochs: 5,
    callbacks: [new hg.Checkpoint(epochs, { everyEpochs: 2, keep: 9 })],
  })
  t.deepEqual((await readdir(epochs)).sort(), [
    'checkpoint-000000008.safetensors',
    'checkpoint-000000016.safetensors',
  ])
})

test('a CSV file has a line for each epoch', async (t) => {
  const path = join(fresh(), 'deep', 'log.csv')
  const data = dataset(32, 16)
  const model = classifier()
  const options = { ...quiet, epochs: 2, validation: data }
  const history = await model.fitDataset(data, { ...options, callbacks: [new hg.CSVLogger(path)] })
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  t.is(lines[0], 'epoch,loss,accuracy,validationLoss,validation.accuracy,seconds')
  t.is(lines.length, 3)
  t.is(Number(lines[2]?.split(',')[1]), history.loss[1] as number)
  t.is(Number(lines[2]?.split(',')[0]), 2)
  await model.fitDataset(data, { ...options, callbacks: [new hg.CSVLogger(path, { append: true })] })
  t.is(readFileSync(path, 'utf8').trimEnd().split('\n').length, 5)
  await model.fitDataset(data, { ...options, callbacks: [new hg.CSVLogger(path)] })
  t.is(readFileSync(path, 'utf8').trimEnd().split('\n').length, 3)
  const blocked = new hg.CSVLogger(join(path, 'below-a-file.csv'))
  await t.throwsAsync(model.fitDataset(data, { ...quiet, callbacks: [blocked] }), { instanceOf: hg.IOError })
})

// ---- counting

test('initialEpoch goes on counting, as in Keras, and the history with it', async (t) => {
  const data = dataset(32, 16, true, 1)
  const whole = classifier({ seed: 1 })
  const once = await whole.fitDataset(data, { ...quiet, epochs: 4 })
  const model = classifier({ seed: 1 })
  await model.fitDataset(data, { ...quiet, epochs: 3 })
  const seen: number[] = []
  const onEpochBegin = (epoch: number) => void seen.push(epoch)
  const history = await model.fitDataset(data, {
    ...quiet,
    initialEpoch: 3,
    epochs: 4,
    callbacks: [{ onEpochBegin }],
  })
  t.deepEqual(seen, [3])
  t.deepEqual(history.loss, once.loss)
  t.deepEqual(history.epochs, [1, 2, 3, 4])
  t.deepEqual(await weightsOf(model), await weightsOf(whole))
  const more = await model.fitDataset(data, { ...quiet, epochs: 2 })
  t.deepEqual(more.epochs, [5, 6])
  const drawn = JSON.stringify(hg.lossPlot(more).toJSON())
  t.regex(drawn, /"epoch":6/)
  t.notRegex(drawn, /"epoch":1\b/)
})

test.serial('evaluate says which weights are NaN, or that the loss is', async (t) => {
  const data = dataset(16, 8)
  const model = classifier()
  model.weights['layers.1.bias']?.assign(Number.NaN)
  await t.throwsAsync(model.evaluate(data), {
    instanceOf: NumericalError,
    message: /'layers.1.bias' holds NaN/,
  })
  const codes: (string | undefined)[] = []
  const listen = (warning: Error & { code?: string }) => void codes.push(warning.code)
  process.on('warning', listen)
  const odd = new hg.Sequential({ inputShape: [4] })
    .add(new hg.Dense(3))
    .compile({ loss: (pred) => pred.sub(1e9).log().mean() })
  t.is((await odd.evaluate(data)).loss, Number.NaN)
  await odd.evaluate(data)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  t.deepEqual(codes, ['HYPERGLOW_NAN_LOSS'])
})

test('a context with an optimizer that is none is refused', (t) => {
  const rate = new hg.LearningRate(new hg.ReduceLROnPlateau(0.1))
  const context = {
    epoch: 0,
    step: 0,
    parameters: {},
    state: {},
    optimizers: { optimizer: 'sgd' },
    stop() {},
    checkpoint: async () => {},
  }
  t.throws(
    () => rate.onEpochEnd(0, { loss: 1, metrics: {}, validationLoss: 1, seconds: 1 }, context as never),
    {
      instanceOf: ArgumentError,
      message: /give the callback to fit/,
    },
  )
})
