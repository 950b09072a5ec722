/** When evaluators are evaluated: at initialization, after listed and log-spaced epochs, after steps. */
import { join } from 'node:path'
import test from 'ava'
import { logSchedule } from '../ts/analysis/index.js'
import { ArgumentError, StateError } from '../ts/core/errors.js'
import { type AttachOptions, loadDynamics, type ModelDynamics, RunSet } from '../ts/dynamics/index.js'
import {
  HSIC,
  type IBSequential,
  informationPlane,
  KDE,
  mse,
  SGD,
  type Tensor,
  TreeDataset,
  Variable,
  valueAndGrad,
  zeros,
} from '../ts/index.js'
import { Checkpoint, type Task, type TaskSegment, fit as trainTask } from '../ts/train/index.js'
import { error, fresh } from './io-scratch.js'
import { classifier, dataset, points } from './toy-task.js'

const { x, y } = points(24, 7)
const probe = { evaluateOn: { probe: { x, y } } } as const
const tracked = (options: AttachOptions, saveDynamics?: string) =>
  classifier({ seed: 1, trackDynamics: true, ...(saveDynamics ? { saveDynamics } : {}) }).attachEvaluator(
    new HSIC({ sigma: 2 }),
    options,
  )
/** Epochs in which the evaluator has values. */
const measured = ({ epochs, values }: ModelDynamics) =>
  epochs.filter((_, n) => !values[n]?.[0]?.flat().every(Number.isNaN))

/** All values of an evaluator in a row. */
const rowOf = ({ values }: Pick<ModelDynamics, 'values'>, n: number, e = 0): number[] =>
  (values as number[][][][])[n]?.[e]?.flat() ?? []

/** The evaluator's values for the current model. */
async function spoken(model: IBSequential, evaluator = new HSIC({ sigma: 2 })): Promise<number[]> {
  const own = classifier({ seed: 1, trackDynamics: true })
  for (const [path, variable] of Object.entries(model.weights)) own.weights[path]?.assign(variable.value)
  own.attachEvaluator(evaluator, { ...probe, initial: true })
  await own.fitDataset(dataset(16, 16), { epochs: 1 })
  return rowOf(own.dynamics(), 0)
}

test('epoch 0 is the network before the first step', async (t) => {
  const expected = await spoken(classifier({ seed: 1 }))
  const dir = fresh()
  const model = tracked({ ...probe, initial: true }, dir).attachEvaluator(new KDE())
  await model.fitDataset(dataset(32, 16), { epochs: 2 })
  const dynamics = model.dynamics()
  t.deepEqual(
    [dynamics.epochs, dynamics.steps, dynamics.shape],
    [
      [0, 1, 2],
      [0, 2, 4],
      [3, 2, 2, 2],
    ],
  )
  t.deepEqual(rowOf(dynamics, 0), expected)
  // Evaluators on batches have no value before them.
  t.true(rowOf(dynamics, 0, 1).every(Number.isNaN))
  const stored = await loadDynamics(dir)
  t.deepEqual([stored.epochs, stored.steps, stored.completedEpochs], [[0, 1, 2], [0, 2, 4], 3])
  t.deepEqual([...stored.averaged().values], dynamics.values.flat(3))
  await model.fitDataset(dataset(32, 16), { epochs: 1, appendDynamics: true })
  t.deepEqual(model.dynamics().epochs, [0, 1, 2, 3])
  await model.fitDataset(dataset(32, 16), { epochs: 1 })
  t.deepEqual(model.dynamics().epochs, [4], 'a trained network is not at initialization')
})

test('lists and log-spaced epochs', async (t) => {
  const at = async (every: AttachOptions['every'], epochs: number, more: AttachOptions = probe) => {
    const model = tracked({ ...more, ...(every === undefined ? {} : { every }) })
    await model.fitDataset(dataset(16, 16), { epochs })
    return measured(model.dynamics())
  }
  t.deepEqual(await at([0, 1, 3], 5), [0, 1, 3])
  t.deepEqual(await at([2, 4], 5), [2, 4])
  t.deepEqual(await at([2, 4], 5, { evaluateOn: 'batch' }), [2, 4])
  t.deepEqual(await at(2, 5), [1, 3, 5])
  const spaced = await at('log', 40)
  t.deepEqual(spaced, logSchedule(40, 18))
  t.true(spaced.length < 20 && spaced[0] === 0 && spaced.at(-1) === 40)
})

test('numbers of a list count over all training', async (t) => {
  const model = tracked({ ...probe, every: [0, 2, 3, 5] })
  await model.fitDataset(dataset(16, 16), { epochs: 2 })
  t.deepEqual(measured(model.dynamics()), [0, 2])
  await model.fitDataset(dataset(16, 16), { epochs: 3, appendDynamics: true })
  t.deepEqual(measured(model.dynamics()), [0, 2, 3, 5])
})

test('after steps: each value is that of the network as it then was', async (t) => {
  const dir = fresh()
  const model = tracked({ ...probe, every: { steps: [0, 1, 3, 4] } }, dir)
  const expected: number[][] = []
  const twin = classifier({ seed: 1 })
  expected.push(await spoken(twin))
  await twin.fitDataset(dataset(32, 16), {
    epochs: 2,
    callbacks: [
      {
        onBatchEnd: async (_, __, { step }) => {
          if ([1, 3, 4].includes(step)) expected.push(await spoken(twin))
        },
      },
    ],
  })
  await model.fitDataset(dataset(32, 16), { epochs: 2 })
  const { steps, epochs, values, shape } = model.dynamics({ by: 'step' })
  t.deepEqual([steps, epochs, shape], [[0, 1, 3, 4], null, [4, 1, 2, 2]])
  t.deepEqual(
    values.map((_, n) => rowOf({ values }, n)),
    expected,
  )
  // By epochs they are means: of step 1, and of steps 3 and 4.
  const byEpoch = model.dynamics()
  t.deepEqual(byEpoch.epochs, [0, 1, 2])
  t.deepEqual(rowOf(byEpoch, 1), expected[1])
  const both = expected[2]?.map((value, i) => Math.fround((value + (expected[3]?.[i] as number)) / 2))
  t.deepEqual(rowOf(byEpoch, 2), both)
  t.deepEqual([...(await loadDynamics(dir)).averaged().values], byEpoch.values.flat(3))
})

test('evaluators on batches see the network before the update of the batch', async (t) => {
  const model = tracked({ every: { steps: 2 } }).attachEvaluator(new KDE(), {
    ...probe,
    every: { steps: 'log' },
  })
  await model.fitDataset(dataset(32, 8), { epochs: 3 })
  const { steps, values } = model.dynamics({ by: 'step' })
  const due = (e: number) => steps.filter((_, n) => !Number.isNaN(values[n]?.[e]?.[0]?.[0]))
  t.deepEqual(due(0), [0, 2, 4, 6, 8, 10])
  t.deepEqual(due(1), logSchedule(12, 12))
})

test('figures and sets of runs say steps where rows are steps', async (t) => {
  const model = tracked({ ...probe, every: { steps: [0, 2, 4] } })
  await model.fitDataset(dataset(32, 16), { epochs: 2 })
  const byStep = model.dynamics({ by: 'step' })
  const set = RunSet.of([byStep])
  t.deepEqual([set.rowKind, set.epochs, set.mean().steps], ['step', [0, 2, 4], [0, 2, 4]])
  t.regex(set.toText(), /^step {2}layer/m)
  t.regex(JSON.stringify(informationPlane(byStep)), /hollow marker: step 0, ringed marker: step 4/)
  t.throws(() => RunSet.of([byStep, model]), { message: /by step, run 2 by epoch/ })
})

test('a run with a schedule that is resumed has the values of one that was not', async (t) => {
  const data = () => dataset(32, 8, true, 3)
  const make = (dir: string) =>
    tracked({ ...probe, every: { steps: [0, 1, 3, 4, 6, 8, 11] } }, join(dir, 'dynamics')).attachEvaluator(
      new KDE(),
      { evaluateOn: 'epoch', samples: 16, every: 'log' },
    )
  const [whole, folder] = [fresh(), fresh()]
  const first = make(whole)
  await first.fitDataset(data(), { epochs: 3 })
  for (const [at, model] of [
    [3, make(folder)],
    [6, make(folder)],
    [99, make(folder)],
  ] as const) {
    const checkpoint = new Checkpoint(join(folder, 'checkpoints'), { everySteps: 1 })
    const stop = {
      onBatchBegin: (_: number, { step }: { step: number }) => {
        if (step === at) throw new Error('killed')
      },
    }
    const fitting = model.fitDataset(data(), {
      epochs: 3,
      callbacks: [checkpoint, stop],
      resume: join(folder, 'checkpoints'),
    })
    if (at < 99) await t.throwsAsync(fitting, { message: 'killed' })
    else {
      await fitting
      t.deepEqual(model.dynamics(), first.dynamics())
      t.deepEqual(model.dynamics({ by: 'step' }), first.dynamics({ by: 'step' }))
    }
  }
  const read = async (dir: string) => {
    const { values, epochs, steps, samples } = await loadDynamics(join(dir, 'dynamics'))
    return { values: [...values], epochs, steps, samples }
  }
  t.deepEqual(await read(folder), await read(whole))
})

test('schedules that cannot work are refused', async (t) => {
  const bad: [unknown, RegExp][] = [
    [0, /every/],
    [[], /every/],
    [[1, -1], /every/],
    [[1.5], /every/],
    ['linear', /every/],
    [{ steps: 0 }, /every/],
    [{ steps: [1], epochs: [1] }, /every/],
    [{ epochs: [1] }, /every/],
  ]
  for (const [every, message] of bad) {
    t.throws(() => tracked({ ...probe, every: every as number }), { instanceOf: ArgumentError, message })
  }
  t.throws(() => tracked({ initial: true }), error(ArgumentError, /on batches the first value/))
  const model = tracked({ ...probe, every: { steps: 'log' } })
  const batches = async function* () {
    for await (const batch of dataset(16, 8)) yield batch
  }
  await t.throwsAsync(
    model.fitDataset({ [Symbol.asyncIterator]: batches }, { epochs: 1 }),
    error(ArgumentError, /needs to know the number of batches/),
  )
  const loaded = tracked(probe)
  t.throws(() => loaded.dynamics({ by: 'step' }), error(StateError, /no dynamics/))
  t.throws(() => loaded.dynamics({ by: 'batch' as 'step' }), { message: /by/ })
})

test('tasks are measured at initialization, too', async (t) => {
  type Row = { x: Tensor; y: Tensor }
  const parameters = { slope: new Variable(zeros([])) }
  const sgd = new SGD({ learningRate: 0.3 })
  const segment = ({ x, y }: Row): TaskSegment => ({
    input: x.reshape([-1, 1]),
    layers: [['scaled', x.mul(parameters.slope.value).reshape([-1, 1])]],
    target: y.reshape([-1, 1]),
  })
  const task: Task<Row> = {
    parameters,
    optimizers: { sgd },
    step(batch, { tracking }) {
      const { value, grads } = valueAndGrad(({ slope }) => mse(batch.x.mul(slope), batch.y), parameters)
      const seen = tracking ? { segment: segment(batch) } : {}
      sgd.step(parameters, grads)
      return { loss: value, ...seen }
    },
    evaluate: (batch) => ({ segment: segment(batch) }),
  }
  const xs = Array.from({ length: 16 }, (_, i) => Math.sin(i))
  const saveDynamics = fresh()
  const { dynamics } = await trainTask(task, new TreeDataset({ x: xs, y: xs }, { batchSize: 8 }), {
    epochs: 2,
    evaluators: [{ evaluator: new HSIC({ sigma: 1 }), evaluateOn: 'epoch', every: [0, 2] }],
    saveDynamics,
  })
  t.deepEqual(dynamics?.epochs, [0, 1, 2])
  // Of a slope of 0 all outputs are the same.
  t.deepEqual(rowOf(dynamics as ModelDynamics, 0), [0, 0])
  t.true((rowOf(dynamics as ModelDynamics, 2)[0] as number) > 0)
  t.deepEqual((await loadDynamics(saveDynamics)).epochs, [0, 1, 2])
})
