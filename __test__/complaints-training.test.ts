/**
 * What people report in public of callbacks, checkpoints, frozen layers, weights of classes, clipping and devices in other libraries, tried here. A test is
 * named after the report: repository#number, or repository!number of a pull request.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as hg from '../ts/index.js'
import { error, fresh } from './io-scratch.js'

const quiet = { verbose: false }
const x = Float32Array.from({ length: 240 }, (_, i) => Math.sin(i))
const y = Int32Array.from({ length: 60 }, (_, i) => i % 3)
const data = (batchSize = 20) => new hg.ArrayDataset(x, y, { inputShape: [4], batchSize, seed: 2 })

function classifier(
  layers: readonly hg.Layer[] = [new hg.Dense(8, { activation: 'tanh' })],
  options: Partial<hg.CompileOptions> = {},
): hg.Sequential {
  const model = new hg.Sequential({ inputShape: [4], seed: 1 })
  for (const layer of layers) model.add(layer)
  model.add(new hg.Dense(3))
  model.compile({ optimizer: 'adam', loss: 'crossEntropy', metrics: ['accuracy'], ...options })
  return model
}

async function numbersOf(
  variables: Readonly<Record<string, hg.Variable>>,
): Promise<Record<string, number[]>> {
  const read = Object.entries(variables).map(async ([path, variable]) => {
    const values = (await variable.data()) as Float32Array
    return [path, Array.from(values)] as [string, number[]]
  })
  return Object.fromEntries(await Promise.all(read))
}

/** Logs of epochs for callbacks that are asked without a training. */
const logsOf = (metrics: Record<string, number>, validationLoss?: number) =>
  ({
    loss: 1,
    metrics,
    seconds: 0,
    ...(validationLoss === undefined ? {} : { validationLoss, validationMetrics: metrics }),
  }) as hg.EpochLogs

/** A context that only notes whether it was stopped. */
function contextOf(): { context: hg.FitContext; stopped(): boolean } {
  let isStopped = false
  const context = {
    epoch: 0,
    step: 0,
    parameters: {},
    state: {},
    optimizers: {},
    stop() {
      isStopped = true
    },
    async checkpoint() {},
  } as hg.FitContext
  return { context, stopped: () => isStopped }
}

// ---- early stopping

/** The number of epochs that early stopping lets pass, and the best one. */
function stopping(options: hg.EarlyStoppingOptions, logs: readonly hg.EpochLogs[]) {
  const { context, stopped } = contextOf()
  const callback = new hg.EarlyStopping(options)
  callback.onTrainBegin()
  let epochs = 0
  for (const one of logs) {
    callback.onEpochEnd(epochs++, one, context)
    if (stopped()) break
  }
  return { epochs, best: callback.bestEpoch }
}

test('keras-team/keras#10863: accuracy is monitored for larger values, errors for smaller ones, and an unknown metric with a mode alone', (t) => {
  const accuracies = [0.5, 0.6, 0.7, 0.8].map((accuracy) => logsOf({ accuracy, mse: 1 - accuracy }, 1))
  for (const monitor of ['accuracy', 'validation.accuracy', 'mse', 'validation.mse']) {
    t.deepEqual(stopping({ monitor, patience: 2 }, accuracies), { epochs: 4, best: 3 }, monitor)
  }
  t.deepEqual(stopping({ monitor: 'accuracy', mode: 'min', patience: 2 }, accuracies), {
    epochs: 3,
    best: 0,
  })
  const own = [logsOf({ mine: 1 })]
  t.throws(() => stopping({ monitor: 'mine' }, own), error(hg.ArgumentError, /'mine'.*give mode/))
  t.deepEqual(stopping({ monitor: 'mine', mode: 'max' }, own), { epochs: 1, best: 0 })
  const plateau = new hg.ReduceLROnPlateau(0.1)
  const of = (monitor: hg.Monitored, rule = plateau) => new hg.LearningRate(rule, { monitor })
  t.throws(() => of('accuracy'), error(hg.ArgumentError, /a larger 'accuracy' is better.*mode: 'max'/))
  t.notThrows(() => of('accuracy', new hg.ReduceLROnPlateau(0.1, { mode: 'max' })))
  t.notThrows(() => of('validationLoss'))
})

test('keras-team/keras#10863: the best checkpoint of a run is the one of the largest accuracy', async (t) => {
  const kept: number[] = []
  const checkpoint = new hg.Checkpoint(fresh(), { best: 'accuracy', everyEpochs: 99 })
  checkpoint.onTrainBegin()
  for (const [epoch, accuracy] of [0.5, 0.4, 0.9, 0.8].entries()) {
    const context = { ...contextOf().context, epoch, checkpoint: async () => void kept.push(epoch) }
    checkpoint.onEpochEnd(epoch, logsOf({ accuracy }))
    await checkpoint.onSettled('epoch', context)
  }
  t.deepEqual(kept, [0, 2])
})

test('keras-team/keras#12511, tensorflow/tensorflow#35634, keras-team/keras#16876: the best weights come back though the run was not stopped early', async (t) => {
  const model = classifier()
  const path = [3, 1, 2]
  let best: unknown
  let epoch = -1
  const watch: hg.Callback = {
    async onEpochEnd(now) {
      epoch = now
      if (now === 1) best = await numbersOf(model.weights)
    },
  }
  const stop = new hg.EarlyStopping({ patience: 5, monitor: () => path[epoch] as number })
  await model.fitDataset(data(), { ...quiet, epochs: 3, callbacks: [watch, stop] })
  t.is(stop.bestEpoch, 1)
  t.deepEqual(await numbersOf(model.weights), best)
})

test('Bjarten/early-stopping-pytorch!28, Lightning-AI/pytorch-lightning#2636, #1008: NaN is no improvement, and does not hide later ones', (t) => {
  const losses = [Number.NaN, 2, Number.NaN, 1, Number.NaN, Number.NaN]
  const logs = losses.map((loss) => logsOf({}, loss))
  t.deepEqual(stopping({ patience: 2 }, logs), { epochs: 6, best: 3 })
})

test('allenai/allennlp#1267, mlverse/luz#63: patience 0 and 1 stop at the first epoch without improvement, and not at the first of all', (t) => {
  const logs = [3, 2, 2.5, 1].map((loss) => logsOf({}, loss))
  for (const patience of [0, 1]) t.deepEqual(stopping({ patience }, logs), { epochs: 3, best: 1 })
  t.deepEqual(stopping({ patience: 2 }, logs), { epochs: 4, best: 3 })
  t.throws(() => new hg.EarlyStopping({ patience: -1 }), { instanceOf: hg.ArgumentError })
})

test('Lightning-AI/pytorch-lightning#1463, #1464, #18727: what early stopping has counted is in the checkpoint of the same epoch, and is gone on with', async (t) => {
  const path = [1, 2, 3, 4, 5, 6]
  const run = async (folder: string, epochs: number) => {
    let epoch = -1
    const watch: hg.Callback = {
      onEpochBegin(now) {
        epoch = now
      },
    }
    const stop = new hg.EarlyStopping({ patience: 4, monitor: () => path[epoch] as number })
    const callbacks = [new hg.Checkpoint(folder), watch, stop]
    const model = classifier()
    const history = await model.fitDataset(data(), { ...quiet, epochs, callbacks, resume: folder })
    return { epochs: history.loss.length, best: stop.bestEpoch, weights: await numbersOf(model.weights) }
  }
  const [once, twice] = [fresh(), fresh()]
  const whole = await run(once, 6)
  await run(twice, 3)
  t.deepEqual(await run(twice, 6), whole)
  t.is(whole.epochs, 5)
})

// ---- checkpoints and logs

test('Lightning-AI/pytorch-lightning#5325, #850: a run goes on within its epoch, and after one with the next', async (t) => {
  for (const everySteps of [2, 3]) {
    const folder = fresh()
    const run = async (stopAt: number) => {
      const seen: string[] = []
      let epoch = 0
      const watch: hg.Callback = {
        onEpochBegin(now) {
          epoch = now
        },
        onBatchEnd(batch) {
          seen.push(`${epoch}.${batch}`)
          if (seen.length === stopAt) throw new Error('killed')
        },
      }
      const callbacks = [new hg.Checkpoint(folder, { everySteps }), watch]
      await classifier()
        .fitDataset(data(), { ...quiet, epochs: 2, callbacks, resume: folder })
        .catch(() => {})
      return seen
    }
    t.is((await run(everySteps + 1)).length, everySteps + 1)
    const expected = ['0.0', '0.1', '0.2', '1.0', '1.1', '1.2'].slice(everySteps)
    t.deepEqual(await run(99), expected)
  }
})

test('Lightning-AI/pytorch-lightning#688, #19970: a file that is written anew while its process is killed is the old one or the new one', async (t) => {
  const path = fresh('model')
  const source = `
    import * as hg from ${JSON.stringify(new URL('../ts/index.js', import.meta.url).href)}
    const model = new hg.Sequential({ inputShape: [1000] }).add(new hg.Dense(1000))
    for (let i = 0; ; i++) {
      for (const weight of Object.values(model.weights)) weight.assign(i)
      await model.save(${JSON.stringify(path)})
      if (i === 0) console.log('saved')
    }`
  for (const wait of [5, 31]) {
    await new Promise<void>((resolve) => {
      const child = execFile(process.execPath, ['--input-type=module', '-e', source], () => resolve())
      child.stdout?.once('data', () => setTimeout(() => child.kill('SIGKILL'), wait))
    })
    const model = await hg.load(path)
    const values = Object.values(await numbersOf(model.weights)).flat()
    t.is(new Set(values).size, 1)
    t.is(values.length, 1_001_000)
  }
})

const header = 'epoch,loss,accuracy,seconds\n'

test('keras-team/keras!4426, fastai/fastai#2443, DeepLabCut/DeepLabCut!3183: a log that is added to has its names once, and other columns are refused', async (t) => {
  const folder = fresh()
  mkdirSync(folder)
  const path = join(folder, 'log.csv')
  const log = async (metrics: string[], append = true) => {
    const model = classifier(undefined, { metrics })
    await model.fitDataset(data(), { ...quiet, epochs: 2, callbacks: [new hg.CSVLogger(path, { append })] })
  }
  await log(['accuracy'])
  await log(['accuracy'])
  const text = readFileSync(path, 'utf8')
  t.true(text.startsWith(header))
  t.is(text.trimEnd().split('\n').length, 5)
  t.is(text.split('epoch').length, 2)
  await t.throwsAsync(
    log(['accuracy', 'logLoss']),
    error(hg.DataError, /log\.csv has the columns epoch,loss,accuracy,seconds, and this run has .*logLoss/),
  )
  t.is(readFileSync(path, 'utf8'), text)
  writeFileSync(path, text.trimEnd())
  await log(['accuracy'])
  t.true(readFileSync(path, 'utf8').startsWith(text))
  await log(['logLoss'], false)
  t.regex(readFileSync(path, 'utf8'), /^epoch,loss,logLoss,seconds\n1,/)
})

test('roboflow/rf-detr#1321, DeepLabCut/DeepLabCut#3176: a resumed run adds to its log, and one that was removed or cut has names and whole lines', async (t) => {
  const folder = fresh()
  const path = join(folder, 'log.csv')
  const run = async (epochs: number) => {
    const callbacks = [new hg.CSVLogger(path), new hg.Checkpoint(folder)]
    await classifier().fitDataset(data(), { ...quiet, epochs, callbacks, resume: folder })
    const [names, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n')
    t.is(`${names}\n`, header)
    t.true(lines.every((line) => line.split(',').length === 4))
    return lines.map((line) => Number(line.split(',')[0]))
  }
  t.deepEqual(await run(2), [1, 2])
  t.deepEqual(await run(3), [1, 2, 3])
  writeFileSync(path, readFileSync(path, 'utf8').slice(0, -4))
  t.deepEqual(await run(4), [1, 2, 4])
  rmSync(path)
  t.deepEqual(await run(5), [5])
  t.deepEqual(await run(6), [5, 6])
})

// ---- learning rates and clipping

test('meta-pytorch/torchtune#2010, verl-project/verl#3674, ildoonet/pytorch-gradual-warmup-lr!11: no step of a warm-up has rate 0, and the schedule behind it begins at its beginning', (t) => {
  const rate = hg.warmupLR({ steps: 4 }, hg.stepLR({ stepSize: 1, gamma: 0.5 }))
  const rates = Array.from({ length: 7 }, (_, step) => rate(1, step))
  for (const [i, expected] of [0.2, 0.4, 0.6, 0.8, 1, 0.5, 0.25].entries()) {
    t.true(Math.abs((rates[i] as number) - expected) < 1e-12, `step ${i}: ${rates[i]}`)
  }
})

test('mosaicml/composer#1384, facebookresearch/deit#145: a resumed run has the rates of the run that was not interrupted', async (t) => {
  const run = async (folder: string, epochs: number) => {
    const seen: number[] = []
    const model = classifier()
    const schedule = hg.warmupLR({ steps: 4 }, hg.cosineLR({ period: 8 }))
    const callbacks: hg.Callback[] = [
      new hg.LearningRate(schedule, { per: 'step' }),
      new hg.Checkpoint(folder),
      { onBatchEnd: () => void seen.push(model.optimizer?.learningRate as number) },
    ]
    await model.fitDataset(data(), { ...quiet, epochs, callbacks, resume: folder })
    return seen
  }
  const whole = await run(fresh(), 4)
  const folder = fresh()
  t.deepEqual([...(await run(folder, 1)), ...(await run(folder, 4))], whole)
  t.is(new Set(whole.slice(0, 5)).size, 5)
})

test('jax-ml/jax!2426, tensorflow/tensorflow#36001, huggingface/transformers!614: gradients are clipped to one norm for all, however large or small they are', async (t) => {
  for (const size of [1e-30, 1e-3, 1, 1e10, 1e25, 1e37]) {
    const grads = { a: hg.tensor([3 * size]), b: hg.tensor([0, -4 * size]) }
    const { clipped, norm } = hg.clipByNorm(grads, 1)
    const [a, b] = [await clipped.a.item(), ((await clipped.b.data()) as Float32Array)[1] as number]
    const factor = Math.min(1, 1 / (5 * size + 1e-6))
    t.true(Math.abs((await norm.item()) / (5 * size) - 1) < 1e-6, `norm of ${size}`)
    t.true(Math.abs(a / (3 * size * factor) - 1) < 1e-5, `${size}: ${a}`)
    t.true(Math.abs(b / (-4 * size * factor) - 1) < 1e-5, `${size}: ${b}`)
  }
})

// ---- weights of classes, and validation data

test('keras-team/keras#23220, tensorflow/tensorflow#98283: weights of classes that are not there are refused', async (t) => {
  const model = classifier()
  const before = await numbersOf(model.weights)
  for (const classWeight of [{ invalid: 0.5 }, { 7: 2 }, { '-1': 2 }, { 0.5: 1 }, [1, 2], { 0: -1 }]) {
    await t.throwsAsync(
      model.fitDataset(data(), { ...quiet, classWeight: classWeight as never }),
      { message: /classWeight/ },
      JSON.stringify(classWeight),
    )
  }
  t.deepEqual(await numbersOf(model.weights), before)
})

test('keras-team/keras#5616: the same weight for every class changes neither the loss nor the training', async (t) => {
  const run = async (classWeight?: number[]) => {
    const model = classifier()
    const options = { ...quiet, epochs: 2, validation: data(), ...(classWeight && { classWeight }) }
    const { loss, validationLoss } = await model.fitDataset(data(), options)
    return [...loss, ...(validationLoss ?? [])]
  }
  const plain = await run()
  const doubled = await run([2, 2, 2])
  t.true(
    plain.every((value, i) => Math.abs(value - (doubled[i] as number)) < 1e-5),
    `${plain} ${doubled}`,
  )
})

test('keras-team/keras#8346, #597, #6422: of data sorted by class the validation part has every class', async (t) => {
  const sorted = Int32Array.from({ length: 60 }, (_, i) => Math.floor(i / 20))
  const [train, validation] = new hg.ArrayDataset(x, sorted, { inputShape: [4], seed: 1 }).split(0.3)
  t.is(train.samples + validation.samples, 60)
  const held = new Set<number>()
  for await (const batch of validation)
    for (const label of await (batch.y as hg.Tensor).data()) held.add(Number(label))
  t.is(held.size, 3)
})

// ---- frozen layers

test('keras-team/keras#7085, #6570, #4762, #9965: a frozen batch normalization keeps its statistics and goes by them in training', async (t) => {
  for (const affine of [true, false]) {
    for (const freeze of ['freeze', 'trainable'] as const) {
      const model = classifier([new hg.Dense(5), new hg.BatchNorm1d({ affine })])
      await model.fitDataset(data(), { ...quiet, epochs: 2 })
      const before = await numbersOf(model.stateVariables)
      t.is(Object.keys(before).length, 3)
      const loss = (await model.evaluate(data(60))).loss
      if (freeze === 'freeze') model.freeze('layers.*')
      else for (const layer of model.layers) layer.trainable = false
      model.unfreeze('layers.2')
      const history = await model.fitDataset(data(60), { ...quiet, epochs: 1 })
      t.deepEqual(await numbersOf(model.stateVariables), before, `${freeze}, affine ${affine}`)
      t.true(Math.abs((history.loss[0] as number) - loss) < 1e-5, `${history.loss[0]} ${loss}`)
      model.unfreeze('**')
      await model.fitDataset(data(60), { ...quiet, epochs: 1 })
      t.notDeepEqual(await numbersOf(model.stateVariables), before)
    }
  }
})

test('keras-team/keras#953, #9905, #6607, #10777, #13259: what is frozen does not change where weights are in a file', async (t) => {
  const nested = () =>
    classifier([new hg.Chain([new hg.Dense(5), new hg.Chain([new hg.Dense(4), new hg.Dense(6)])])])
  const frozen = nested()
  frozen.freeze('layers.0')
  const path = fresh('frozen')
  await frozen.fitDataset(data(), quiet)
  await frozen.save(path)
  const open = nested()
  for (const weight of Object.values(open.weights)) weight.assign(0)
  await open.load(path)
  t.deepEqual(await numbersOf(open.weights), await numbersOf(frozen.weights))
  t.is(Object.keys(open.trainableWeights).length, 8)
  const again = (await hg.load(path)) as hg.Sequential
  t.deepEqual(Object.keys(again.trainableWeights), ['layers.1.kernel', 'layers.1.bias'])
  t.deepEqual(await numbersOf(again.weights), await numbersOf(frozen.weights))
})

/** Layers in lists of lists. */
class Grid extends hg.Layer<hg.Weights> {
  readonly rows = [0, 1].map((row) =>
    [0, 1].map((column) => this.child(`at.${row}.${column}`, new hg.Dense(4))),
  )
  build(inputShape: hg.Shape) {
    for (const layer of this.rows.flat()) layer.declare(inputShape)
    return inputShape
  }
  apply(weights: hg.Weights, input: hg.Tensor, ctx: hg.Context) {
    return this.rows.flat().reduce((h, layer) => this.runChild(layer, weights, h, ctx), input)
  }
}

test('keras-team/keras#20598, #20260, #12907: layers in lists of lists are saved and loaded, and into another model nothing is loaded', async (t) => {
  hg.register(Grid)
  const model = classifier([new Grid()])
  t.is(Object.keys(model.weights).length, 10)
  await model.fitDataset(data(), quiet)
  const path = fresh('grid')
  await model.save(path)
  const again = (await hg.load(path)) as hg.Sequential
  t.deepEqual(await numbersOf(again.weights), await numbersOf(model.weights))
  await t.throwsAsync(
    classifier([new hg.Dense(4)]).load(path),
    error(hg.DataError, /layers grid \(4\).*this one has.*layers dense \(4\)/),
  )
})

// ---- devices, and whole models

test('pytorch/pytorch#1442, #2830, rasbt/LLMs-from-scratch#232: a model that moves, or is loaded elsewhere, takes the state of its optimizer along', async (t) => {
  const model = classifier()
  await model.fitDataset(data(60), quiet)
  const path = fresh('moved')
  await model.save(path)
  await model.fitDataset(data(60), quiet)
  const expected = Object.values(await numbersOf(model.weights)).flat()
  const loaded = (await hg.load(path, { device: 'reference' })) as hg.Sequential
  const moved = (await hg.load(path)) as hg.Sequential
  await moved.to('reference')
  for (const other of [loaded, moved]) {
    await other.fitDataset(data(60), quiet)
    const values = Object.values(await numbersOf(other.weights)).flat()
    t.is(values.length, expected.length)
    t.true(values.every((value, i) => Math.abs(value - (expected[i] as number)) < 1e-5))
  }
})

test('matterport/Mask_RCNN#1726, NM512/dreamerv3-torch#38, valeoai/Halton-MaskGIT#15: a model that was saved and loaded trains on with the same bits', async (t) => {
  const layers = () => [new hg.Dense(6, { activation: 'relu' }), new hg.BatchNorm1d(), new hg.Dropout(0.2)]
  const model = classifier(layers(), { clipNorm: 0.5 })
  await model.fitDataset(data(), { ...quiet, epochs: 2 })
  const path = fresh('whole')
  await model.save(path)
  const again = (await hg.load(path)) as hg.Sequential
  const [one, two] = [model, again].map((each) => each.fitDataset(data(), { ...quiet, epochs: 2 }))
  t.deepEqual((await two)?.loss, (await one)?.loss)
  t.deepEqual(await numbersOf(again.weights), await numbersOf(model.weights))
  t.deepEqual(await numbersOf(again.stateVariables), await numbersOf(model.stateVariables))
})
