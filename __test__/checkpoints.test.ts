/** A run that was interrupted goes on with the same bits as one that was not. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Gan, mixture } from '../examples/tasks/gan.js'
import * as hg from '../ts/index.js'
import { fresh } from './io-scratch.js'
import { outcomeOf, remembering, resumable, trainOn } from './resumed-run.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'

const { ArgumentError, DataError, IOError, StateError } = hg
const quiet = { verbose: false }

/** How often a run is killed; HYPERGLOW_KILLS=500, as at night, kills more. */
const kills = Number(process.env.HYPERGLOW_KILLS ?? 20)

/** Ends a run at a step, after the checkpoint of that step. */
class Interruption implements hg.Callback {
  readonly everyBatches = 1
  constructor(readonly step: number) {}

  onSettled(_point: unknown, { step }: hg.FitContext): void {
    if (step === this.step) throw new Error('interrupted')
  }
}

async function undisturbed(): Promise<string> {
  const folder = fresh()
  const model = resumable(join(folder, 'dynamics'), true)
  const history = await trainOn(model, folder, [...remembering(folder), new Interruption(-1)])
  return outcomeOf(model, history, folder)
}

test('a run that was interrupted at any step goes on with the same bits', async (t) => {
  const expected = await undisturbed()
  for (const step of [1, 5, 6, 20, 48]) {
    const folder = fresh()
    const interrupted = resumable(join(folder, 'dynamics'), true)
    const work = trainOn(interrupted, folder, [...remembering(folder), new Interruption(step)])
    await t.throwsAsync(work, { message: 'interrupted' })
    const model = resumable(join(folder, 'dynamics'), true)
    const history = await trainOn(model, folder, [...remembering(folder), new Interruption(-1)])
    t.is(await outcomeOf(model, history, folder), expected, `step ${step}`)
  }
})

test('a checkpoint of other data or other options of compile is refused by name', async (t) => {
  const folder = fresh()
  const { x, y } = points(32)
  const start = (more: hg.CompileOptions = {}) =>
    new hg.Sequential({ inputShape: [4], seed: 1 })
      .add(new hg.Dense(3, { activation: 'softmax' }))
      .compile({ optimizer: 'adam', learningRate: 0.01, ...more })
  const options = { ...quiet, epochs: 2, callbacks: [new hg.Checkpoint(folder)], resume: folder }
  await start().fit(x, y, options)
  const further = { ...options, epochs: 3 }
  const refused = { instanceOf: StateError }
  await t.throwsAsync(start({ learningRate: 1 }).fit(x, y, further), {
    ...refused,
    message: /other settings: optimizer\.learningRate: 0\.01 -> 1; .*loadCheckpoint/,
  })
  await t.throwsAsync(start({ clipNorm: 0.5 }).fit(x, y, further), {
    ...refused,
    message: /other settings: clipNorm: none -> 0\.5;/,
  })
  const model = start()
  const before = await weightsOf(model)
  await t.throwsAsync(
    model.fit(
      x.map((value) => 3 * value),
      y,
      further,
    ),
    {
      ...refused,
      message: /other training data \(fingerprint [0-9a-f]{16}, now [0-9a-f]{16}\); give the same data/,
    },
  )
  t.deepEqual(await weightsOf(model), before)
  t.is((await model.fit(x, y, further)).loss.length, 3)
})

const program = fileURLToPath(new URL('./resumed-run.js', import.meta.url))

/** Starts the run in a separate process and kills it after a time from its start; returns its output, complete if it ended before. */
function killed(folder: string, after: number): Promise<{ said: string; isDone: boolean; took: number }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--no-warnings', program, folder])
    let said = ''
    let errors = ''
    let timer: NodeJS.Timeout | undefined
    let begun = 0
    child.stderr.on('data', (text) => {
      errors += text
    })
    child.stdout.on('data', (text) => {
      said += text
      begun ||= performance.now()
      timer ??= setTimeout(() => child.kill('SIGKILL'), after)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (code !== 0 && signal !== 'SIGKILL') reject(new Error(errors || `ended with ${code}`))
      else resolve({ said, isDone: code === 0, took: performance.now() - begun })
    })
  })
}

test.serial(`a process killed ${kills} times at moments by chance comes to the same bits`, async (t) => {
  t.timeout(60_000 + kills * 20_000)
  const reference = fresh()
  const { said, isDone, took } = await killed(reference, 1e6)
  t.true(isDone)
  const expected = said.split('\n').at(-2)
  t.regex(expected as string, /\[1,2,3,4,/, 'the run is long enough')
  let state = Date.now() % 2_147_483_647
  t.log(`moments from ${state}`)
  let count = 0
  const untilDone = async () => {
    const folder = fresh()
    for (;;) {
      state = (state * 48_271) % 2_147_483_647
      const run = await killed(folder, (0.7 * took * state) / 2_147_483_647)
      if (run.isDone) return t.is(run.said.split('\n').at(-2), expected)
      count++
    }
  }
  while (count < kills) await Promise.all([untilDone(), untilDone()])
  t.log(`${count} times`)
})

test('any task is resumed, with several optimizers, keys and a record of its own', async (t) => {
  const data = () =>
    new hg.TreeDataset(
      { x: hg.tensor(mixture(512), { shape: [512, 2] }) },
      { batchSize: 64, shuffle: true, seed: 1 },
    )
  const run = async (folder: string, step: number) => {
    const task = new Gan({ seed: 2 })
    const { history, dynamics } = await hg.fit(task, data(), {
      ...quiet,
      epochs: 4,
      evaluators: [new hg.HSIC({ sigma: 1 })],
      callbacks: [new hg.Checkpoint(folder, { everySteps: 3 }), new Interruption(step)],
      resume: folder,
    })
    const weights = await Promise.all(
      [task.maker, task.features, task.verdict].map((net) => weightsOf(net as hg.IBSequential)),
    )
    return JSON.stringify([
      weights,
      history.metrics,
      dynamics?.values,
      task.record.steps,
      String(await task.record.rng.data()),
    ])
  }
  const expected = await run(fresh(), -1)
  for (const step of [3, 8, 16, 22]) {
    const folder = fresh()
    await t.throwsAsync(run(folder, step), { message: 'interrupted' })
    t.is(await run(folder, -1), expected, `step ${step}`)
  }
})

test('data that are iterated are gone through up to where the run stood', async (t) => {
  const batches = [0, 1, 2, 3].map((k) => {
    const { x, y } = points(8, k + 1)
    return { x: hg.tensor(x, { shape: [8, 4] }), y: hg.tensor(y) }
  })
  const run = async (folder: string, step: number) => {
    const model = classifier({ seed: 1 })
    const callbacks = [new hg.Checkpoint(folder, { everySteps: 1 }), new Interruption(step)]
    const history = await model.fitDataset(batches, { ...quiet, epochs: 3, callbacks, resume: folder })
    return JSON.stringify([await weightsOf(model), history.loss])
  }
  const expected = await run(fresh(), -1)
  for (const step of [2, 4, 9]) {
    const folder = fresh()
    await t.throwsAsync(run(folder, step))
    t.is(await run(folder, -1), expected)
  }
})

test('a run that was done stays done, and one that was stopped stays stopped', async (t) => {
  const data = dataset(32, 16)
  const folder = fresh()
  const run = (epochs: number, stopAt = -1) => {
    const model = classifier({ seed: 1 })
    let trained = 0
    const watch: hg.Callback = {
      onEpochEnd(epoch, _logs, context) {
        trained++
        if (epoch === stopAt) context.stop()
      },
    }
    const callbacks = [watch, new hg.Checkpoint(folder)]
    const options = { ...quiet, epochs, callbacks, resume: folder }
    return model
      .fitDataset(data, options)
      .then(async ({ epochs }) => ({ epochs, trained, weights: await weightsOf(model) }))
  }
  const first = await run(3)
  const again = await run(3)
  t.deepEqual([first.trained, again.trained, again.epochs], [3, 0, [1, 2, 3]])
  t.deepEqual(again.weights, first.weights)
  t.is((await run(5)).trained, 2, 'more epochs go on from there')
  t.is((await run(9, 6)).trained, 2)
  t.is((await run(9)).trained, 0, 'it was stopped')
})

test('what does not go with a checkpoint is refused before anything is changed', async (t) => {
  const folder = fresh()
  const data = dataset(32, 16)
  await classifier().fitDataset(data, { ...quiet, callbacks: [new hg.Checkpoint(folder)] })
  const resume = folder
  const callbacks = () => [new hg.Checkpoint(folder)]
  const other = new hg.Sequential({ inputShape: [4], seed: 5 }).add(new hg.Dense(3)).compile()
  const before = await weightsOf(other as never)
  await t.throwsAsync(other.fitDataset(data, { ...quiet, callbacks: callbacks(), resume }), {
    instanceOf: DataError,
    message: /'parameters\.layers\.0\.kernel'/,
  })
  t.deepEqual(await weightsOf(other as never), before)
  const refused: [hg.FitDatasetOptions, hg.BatchSource, RegExp][] = [
    [{ callbacks: [] }, data, /callbacks Checkpoint, and these are none/],
    [{ callbacks: callbacks() }, dataset(48, 16), /2 batches an epoch .*this one has .* 3 batches/],
    // As many batches, of another size or in another order.
    [{ callbacks: callbacks() }, dataset(32, 17), /in batches of 16 in order.*in batches of 17/],
    [{ callbacks: callbacks() }, dataset(31, 16), /32 samples .*\(31 samples/],
    [{ callbacks: callbacks() }, dataset(32, 16, true, 3), /in order.*shuffled by the seed 3/],
    [{ callbacks: callbacks(), initialEpoch: 1, epochs: 3 }, data, /initialEpoch 0/],
  ]
  for (const [options, source, message] of refused) {
    await t.throwsAsync(classifier().fitDataset(source, { ...quiet, ...options, resume }), {
      instanceOf: StateError,
      message,
    })
  }
  const adam = classifier().compile({ optimizer: 'adam' })
  await t.throwsAsync(adam.fitDataset(data, { ...quiet, callbacks: callbacks(), resume }), {
    instanceOf: DataError,
  })
  const [file] = readdirSync(folder)
  const whole = readFileSync(join(folder, file as string))
  const torn = join(folder, 'torn.safetensors')
  writeFileSync(torn, whole.subarray(0, whole.length - 9))
  const resumed = (path: string) =>
    classifier().fitDataset(data, { ...quiet, callbacks: callbacks(), resume: path })
  await t.throwsAsync(resumed(torn), { instanceOf: DataError })
  await t.throwsAsync(resumed(join(folder, 'nothing.safetensors')), { instanceOf: IOError })
  const saved = join(fresh(), 'model.safetensors')
  await classifier().save(saved)
  await t.throwsAsync(resumed(saved), { instanceOf: DataError, message: /not a checkpoint/ })
  await t.throwsAsync(resumed(''), { instanceOf: ArgumentError })
  await t.notThrowsAsync(resumed(join(folder, 'not-there')), 'a folder without checkpoints begins the run')
})

test('a checkpoint that would lose something is refused', async (t) => {
  const hidden = new hg.Variable(hg.zeros([]), { name: 'hidden' })
  const w = new hg.Variable(hg.zeros([]), { name: 'w' })
  const make = (state: Record<string, hg.Variable>): hg.Task<{ x: hg.Tensor }> => {
    const sgd = new hg.SGD({ learningRate: 0.1 })
    return {
      parameters: { w },
      state,
      optimizers: { sgd },
      step({ x }) {
        hidden.assign(hidden.value.add(1))
        const { value, grads } = hg.valueAndGrad((at) => x.sub(at.w).square().mean(), { w })
        sgd.step({ w }, grads)
        return { loss: value }
      },
    }
  }
  const train = (task: hg.Task<{ x: hg.Tensor }>, folder = fresh()) =>
    hg.fit(task, new hg.TreeDataset({ x: [1, 2, 3] }), {
      ...quiet,
      callbacks: [new hg.Checkpoint(folder)],
      resume: folder,
    })
  await t.throwsAsync(train(make({})), { instanceOf: StateError, message: /the Variable "hidden"/ })
  await t.notThrowsAsync(train(make({ hidden })))
})
