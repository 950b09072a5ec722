/** One experiment with several seeds: trained, stored, gone on with, read back. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ArgumentError, DataError, DisposedError, StateError } from '../ts/core/errors.js'
import { fingerprintOf } from '../ts/data/fingerprint.js'
import { readRuns } from '../ts/dynamics/index.js'
import {
  ArrayDataset,
  Binned,
  type CompileOptions,
  Dense,
  HSIC,
  IBSequential,
  KDE,
  Tensor,
} from '../ts/index.js'
import { type ModelRunsOptions, type RunProgress, runs } from '../ts/models/index.js'
import { RunArrays } from '../ts/models/run-arrays.js'
import { fresh } from './io-scratch.js'
import { classifier, dataset, points } from './toy-task.js'

const build = (seed: number) =>
  classifier({ seed, trackDynamics: true }).attachEvaluator(new Binned({ range: [0, 1] }))
const data = () => dataset(32, 16)
const plan = (more: Partial<ModelRunsOptions<IBSequential>> = {}): ModelRunsOptions<IBSequential> => ({
  seeds: [1, 2, 3],
  build,
  data,
  fit: { epochs: 3, verbose: false },
  ...more,
})

test('each seed is built and trained as by hand', async (t) => {
  const trained: number[] = []
  const set = await runs(
    plan({
      onRun: ({ seed, model, history }) => {
        trained.push(seed)
        t.is(model.seed, seed)
        t.is(history.loss.length, 3)
      },
    }),
  )
  t.deepEqual(
    [set.names, set.epochs, trained],
    [
      ['seed 1', 'seed 2', 'seed 3'],
      [1, 2, 3],
      [1, 2, 3],
    ],
  )
  const own = build(2)
  await own.fitDataset(data(), { epochs: 3 })
  t.deepEqual(set.runs()[1]?.dynamics.values, own.dynamics().values)
  t.true(set.spread(0, 1, 3).ity.se > 0)
})

test('arrays, and options of each seed', async (t) => {
  const { x, y } = points(40)
  const asked: [number, string | undefined][] = []
  const set = await runs(
    plan({
      seeds: [4, 9],
      data: { x, y },
      fit: (seed, folder) => {
        asked.push([seed, folder])
        return { epochs: 2, batchSize: 10, validationSplit: 0 }
      },
    }),
  )
  t.deepEqual([set.names, set.samples], [['seed 4', 'seed 9'], [10]])
  t.deepEqual(asked, [
    [4, undefined],
    [9, undefined],
  ])
})

test('progress tells of every epoch of every run', async (t) => {
  const seen: RunProgress[] = []
  await runs(plan({ seeds: [1, 2], fit: { epochs: 2 }, onProgress: (progress) => seen.push(progress) }))
  t.deepEqual(
    seen.map(({ seed, run, runs, epoch, epochs }) => [seed, run, runs, epoch, epochs]),
    [
      [1, 0, 2, 1, 2],
      [1, 0, 2, 2, 2],
      [2, 1, 2, 1, 2],
      [2, 1, 2, 2, 2],
    ],
  )
  t.true(seen.every(({ logs }) => (logs?.loss ?? 0) > 0))
})

test('runs are stored, read back as they were, and finished seeds are kept', async (t) => {
  const folder = fresh()
  const built: number[] = []
  const trained: number[] = []
  const storing = plan({
    saveTo: folder,
    build: (seed) => {
      built.push(seed)
      return build(seed)
    },
    onRun: ({ seed }) => {
      trained.push(seed)
    },
  })
  // The second is cut short in its second epoch.
  const stopping = new AbortController()
  const cut = runs({
    ...storing,
    signal: stopping.signal,
    onProgress: ({ seed, epoch }) => {
      if (seed === 2 && epoch === 1) stopping.abort(new Error('enough'))
    },
  })
  await t.throwsAsync(cut, { message: 'enough' })
  t.deepEqual(trained, [1])
  const half = await readRuns(folder)
  t.deepEqual(half.names, ['seed 1', 'seed 2'])
  t.true(half.notes().some((note) => /^seed 2 was interrupted.*1 of 3 epochs/.test(note)))
  const whole = await runs(storing)
  t.deepEqual(trained, [1, 2, 3])
  t.deepEqual(await runs(storing).then((again) => again.toJSON()), whole.toJSON())
  t.deepEqual(trained, [1, 2, 3])
  t.deepEqual((await readRuns(folder)).toJSON(), whole.toJSON())
  t.deepEqual((await runs(plan())).toJSON(), whole.toJSON())
  t.deepEqual(readdirSync(folder).sort(), ['seed-1', 'seed-2', 'seed-3'])
})

test('a folder of another experiment is refused', async (t) => {
  const folder = fresh()
  const storing = plan({ saveTo: folder, seeds: [1] })
  await runs(storing)
  const others: [Partial<ModelRunsOptions<IBSequential>>, RegExp][] = [
    [{ fit: { epochs: 4, verbose: false } }, /experiment: fit\.epochs: 3 -> 4;/],
    [{ build: (seed) => build(seed).attachEvaluator(new HSIC({ sigma: 1 })) }, /evaluators were/],
    [
      {
        build: (seed) =>
          classifier({ seed, trackDynamics: true }, 0.05).attachEvaluator(new Binned({ range: [0, 1] })),
      },
      /experiment: optimizer\.options\.learningRate: [\d.]+ -> 0\.05;/,
    ],
  ]
  for (const [change, message] of others) {
    await t.throwsAsync(runs({ ...storing, ...change }), { instanceOf: DataError, message })
  }
})

test('a folder of runs on other data is refused, and a layer that changed is named', async (t) => {
  const folder = fresh()
  const { x, y } = points(32)
  const options = plan({ saveTo: folder, seeds: [1], data: { x, y } })
  const first = await runs(options)
  await t.throwsAsync(runs({ ...options, data: { x: x.map((value) => 3 * value), y } }), {
    instanceOf: DataError,
    message: /experiment: other data \(fingerprint [0-9a-f]{16}, now [0-9a-f]{16}\); give another folder/,
  })
  t.deepEqual((await runs(options)).toJSON(), first.toJSON())
  const weighted = (weight: number) => ({
    ...options,
    saveTo: join(folder, 'weighted'),
    fit: { epochs: 1, verbose: false, sampleWeight: new Float32Array(32).fill(weight) },
  })
  await runs(weighted(1))
  await runs(weighted(1))
  await t.throwsAsync(runs(weighted(2)), { instanceOf: DataError, message: /experiment: other data/ })
  const activated = (activation: 'tanh' | 'relu') => ({
    ...options,
    saveTo: join(folder, 'activations'),
    build: (seed: number) =>
      new IBSequential({ inputShape: [4], seed, trackDynamics: true })
        .add(new Dense(3, { activation }))
        .add(new Dense(3, { activation: 'softmax' }))
        .compile()
        .attachEvaluator(new KDE({ variance: 0.1 })),
  })
  await runs(activated('tanh'))
  await t.throwsAsync(runs(activated('relu')), { message: /layers\.0 activation: 'tanh' -> 'relu';/ })
})

test('runs of other clip and loss options are refused by name', async (t) => {
  const folder = fresh()
  const { x, y } = points(32)
  const compiled = (options: CompileOptions) => (seed: number) =>
    new IBSequential({ inputShape: [4], seed, trackDynamics: true })
      .add(new Dense(3, { activation: 'softmax' }))
      .compile(options)
      .attachEvaluator(new KDE({ variance: 0.1 }))
  const options = plan({ saveTo: folder, seeds: [1], data: { x, y }, build: compiled({ clipNorm: 1 }) })
  await runs(options)
  await runs(options)
  const others: [CompileOptions, RegExp][] = [
    [{ clipNorm: 2 }, /experiment: clipNorm: 1 -> 2;/],
    [{}, /experiment: clipNorm: 1 -> /],
    [{ clipNorm: 1, clipValue: 3 }, /experiment: clipValue: .* -> 3;/],
    [{ clipNorm: 1, lossOptions: { labelSmoothing: 0.1 } }, /lossOptions/],
  ]
  for (const [other, message] of others) {
    await t.throwsAsync(runs({ ...options, build: compiled(other) }), { instanceOf: DataError, message })
  }
})

test('arrays are copied once for all seeds, and for their fingerprint', async (t) => {
  const { x, y } = points(32)
  const arrays = new RunArrays()
  const held = await arrays.for(build(1), { x, y })
  t.true(held.x instanceof Tensor)
  t.is(held.y, y, 'labels are read by the loss')
  t.is((await arrays.for(build(2), { x, y })).x, held.x)
  const print = await arrays.fingerprint(build(3), { x, y })
  t.is(print, await fingerprintOf(new ArrayDataset(x, y, { inputShape: [4] })))
  t.is((await arrays.for(build(3), { x, y })).x, held.x)
  const own = await arrays.for(build(1), { x, y: x })
  t.is(own.y, own.x)
  arrays.forget()
  t.throws(() => (own.x as Tensor).dataSync(), { instanceOf: DisposedError })
})

test('a function may fill one buffer for every seed', async (t) => {
  const { x, y } = points(32)
  const folder = fresh()
  const buffer = new Float32Array(x.length)
  const filled = (factor: number) => ({ x: buffer.map((_, i) => factor * (x[i] as number)), y })
  const inPlace = (seed: number) => {
    buffer.set(filled(seed).x)
    return { x: buffer, y }
  }
  const seeds = [1, 2]
  const set = await runs(plan({ seeds, data: inPlace, saveTo: folder }))
  const apart = await runs(plan({ seeds, data: filled }))
  t.deepEqual(set.toJSON().results, apart.toJSON().results)
})

test('models that would make runs of nothing are refused before training', async (t) => {
  const { x, y } = points(32)
  const cases: [Partial<ModelRunsOptions<IBSequential>>, new (message: string) => Error, RegExp][] = [
    [{ build: () => build(0) }, ArgumentError, /made a model with seed 0.*hand the seed on/],
    [{ build: (seed) => classifier({ seed, trackDynamics: true }) }, StateError, /attach an evaluator/],
    [{ build: () => ({}) as IBSequential }, ArgumentError, /expected a model/],
    [{ seeds: [] }, ArgumentError, /empty list/],
    [{ seeds: [1, 2, 1] }, ArgumentError, /1 twice/],
    [{ saveTo: fresh(), fit: { saveDynamics: fresh() } }, ArgumentError, /leave saveDynamics out/],
    [{ data: { x, y }, fit: { epochs: 0 } }, ArgumentError, /epochs/],
  ]
  for (const [change, instanceOf, message] of cases) {
    await t.throwsAsync(runs(plan(change)), { instanceOf, message })
  }
})

test('tasks and whatever else gives dynamics', async (t) => {
  const folder = fresh()
  let trained = 0
  const options = {
    seeds: [5, 6],
    saveTo: folder,
    train: async ({ seed }: { seed: number }) => {
      trained++
      const own = build(seed)
      await own.fitDataset(data(), { epochs: 2 })
      return { dynamics: own.dynamics() }
    },
  }
  const set = await runs(options)
  const again = await runs(options)
  t.is(trained, 2)
  t.deepEqual(again.toJSON(), set.toJSON())
  t.deepEqual((await readRuns(folder)).toJSON(), set.toJSON())
})

test('sets are saved, and read in the order of their numbers', async (t) => {
  const folder = fresh()
  const set = await runs(plan({ seeds: [10, 2], fit: { epochs: 2 } }))
  await set.save(folder)
  await set.save(folder)
  // What is no run is passed over.
  mkdirSync(join(folder, 'pictures'))
  mkdirSync(join(folder, 'foreign'))
  writeFileSync(join(folder, 'foreign', 'zarr.json'), '{"node_type":"group","attributes":{}}')
  const read = await readRuns(folder)
  t.deepEqual(read.names, ['seed 2', 'seed 10'])
  t.deepEqual(read.spread(0, 1, 2).ity.values, [...set.spread(0, 1, 2).ity.values].reverse())
  t.deepEqual((await readRuns(join(folder, 'seed-10'))).names, ['seed 10'])
  await t.throwsAsync(readRuns(join(folder, 'pictures')), {
    instanceOf: DataError,
    message: /holds no dynamics/,
  })
  const damaged = join(folder, 'seed-2', 'zarr.json')
  const group = JSON.parse(readFileSync(damaged, 'utf8'))
  writeFileSync(damaged, JSON.stringify({ ...group, attributes: { ...group.attributes, layers: [] } }))
  await t.throwsAsync(readRuns(folder), { instanceOf: DataError, message: /seed-2/ })
})

test('two settings with the same seeds are compared in pairs', async (t) => {
  const setting = (learningRate: number) =>
    runs(
      plan({
        build: (seed) => classifier({ seed, trackDynamics: true }, learningRate).attachEvaluator(new KDE()),
        fit: { epochs: 2, verbose: false },
      }),
    )
  const [fast, slow] = [await setting(0.5), await setting(0.01)]
  const { rows } = await fast.compare(slow)
  t.is(rows.length, 4)
  for (const { difference, layer, side } of rows) {
    const own = fast.spread('KDE', layer, 2)[side].mean - slow.spread('KDE', layer, 2)[side].mean
    t.true(Math.abs(difference - own) < 1e-6)
  }
})
