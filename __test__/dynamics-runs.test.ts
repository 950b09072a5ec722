/** Dynamics of runs that are repeated, continued, aborted and killed: no epoch that was stored is lost. */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ArgumentError, StateError } from '../ts/core/errors.js'
import { type Dynamics, DynamicsWriter, loadDynamics, loadSegment, RunSet } from '../ts/dynamics/index.js'
import { Binned, Dense, HSIC, IBSequential, KDE } from '../ts/index.js'
import { error, fresh } from './io-scratch.js'
import { classifier, dataset, points } from './toy-task.js'

const plan = { batches: 2, evaluators: ['a'], layers: ['l'], chunkBatches: 1 }
/** Writes a complete epoch whose values are its number. */
async function writeEpoch(writer: DynamicsWriter, row: number, value: number, batches = 2): Promise<void> {
  for (let batch = 0; batch < batches; batch++) {
    await writer.append(row, batch, Float32Array.of(value, batch))
  }
  await writer.finishEpoch(row, 10 * value)
}
/** First values of the epochs. */
const firsts = ({ values, shape }: Dynamics) =>
  Array.from({ length: shape[0] }, (_, row) => values[row * shape[1] * 2])

const recorded = (dir: string, evaluator = new Binned({ base: 2, range: [0, 1] })) =>
  classifier({ trackDynamics: true, saveDynamics: dir, seed: 1 }).attachEvaluator(evaluator)

// ---- beginnings

test('a store of which only the description was written is a run without a batch yet', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, epochs: 1 })
  await writer.close()
  for (const left of [[], ['.tmp-half']]) {
    rmSync(join(folder, 'dynamics'), { recursive: true, force: true })
    if (left.length > 0) mkdirSync(join(folder, 'dynamics'))
    const { completedBatches, finished, shape } = await loadDynamics(folder)
    t.deepEqual([completedBatches, finished, shape], [0, false, [1, 2, 1, 1, 2]])
  }
  await writeEpoch(await DynamicsWriter.resume(folder, { ...plan, epochs: 2 }), 0, 5)
  t.deepEqual(firsts(await loadDynamics(folder)), [5, Number.NaN])
})

test('overwrite: true replaces a run, and whatever is there meanwhile can be read', async (t) => {
  const folder = fresh()
  const first = await DynamicsWriter.create(folder, { ...plan, epochs: 1 })
  await writeEpoch(first, 0, 1)
  await first.close()
  const second = await DynamicsWriter.create(folder, { ...plan, epochs: 2, overwrite: true })
  await writeEpoch(second, 0, 2)
  t.deepEqual(readdirSync(folder).sort(), ['dynamics', 'zarr.json'])
  t.deepEqual(firsts(await loadDynamics(folder)), [2, Number.NaN])
})

/** A program that starts runs in one folder over and over, each with an epoch. */
const restarting = `
  const { DynamicsWriter } = await import(process.argv[1])
  for (let run = 0; ; run++) {
    const writer = await DynamicsWriter.create(process.argv[2], { epochs: 1, batches: 1, evaluators: ['a'], layers: ['l'], overwrite: true })
    await writer.append(0, 0, Float32Array.of(run, run))
    await writer.close()
    process.stdout.write(run + '\\n')
  }`

test('a process killed at the start of a run leaves the run before or the new one, each a store', async (t) => {
  const store = new URL('../ts/dynamics/store.js', import.meta.url).href
  for (let i = 0; i < 8; i++) {
    const folder = fresh()
    const child = spawn(process.execPath, ['--input-type=module', '-e', restarting, store, folder])
    let said = ''
    child.stdout.on('data', (text) => {
      said += text
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await new Promise((resolve) => setTimeout(resolve, 11 * i))
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await ended
    const last = Number(said.split('\n').at(-2))
    const here = await loadDynamics(folder)
    const earlier = existsSync(join(folder, 'earlier-1'))
      ? await loadDynamics(join(folder, 'earlier-1'))
      : undefined
    const runs = [here, earlier].flatMap((one) => (one?.completedBatches === 1 ? [one.values[0]] : []))
    t.true(
      runs.some((run) => run !== undefined && run >= last),
      `run ${last} was finished, found ${runs}`,
    )
    await (await DynamicsWriter.create(folder, { ...plan, epochs: 1, overwrite: true })).close()
  }
})

// ---- running a script again

test('another fit into the same folder keeps the earlier run, with its number', async (t) => {
  const folder = fresh()
  const warnings: string[] = []
  const note = (warning: Error & { code?: string }) => {
    if (warning.code === 'HYPERGLOW_EARLIER_RUN' && warning.message.includes(folder))
      warnings.push(warning.message)
  }
  process.on('warning', note)
  const runs = []
  for (let run = 0; run < 3; run++) {
    await recorded(folder).fitDataset(dataset(32, 16), { epochs: 2 + run })
    writeFileSync(join(folder, 'plane.png'), 'mine')
    runs.push((await loadDynamics(folder)).shape[0])
  }
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', note)
  t.deepEqual(runs, [2, 3, 4])
  t.is((await loadDynamics(join(folder, 'earlier-1'))).completedEpochs, 2)
  t.is((await loadDynamics(join(folder, 'earlier-2'))).completedEpochs, 3)
  t.true((await loadDynamics(join(folder, 'earlier-2'))).finished)
  t.is(readFileSync(join(folder, 'plane.png'), 'utf8'), 'mine')
  t.is(warnings.length, 2)
  t.regex(warnings[1] as string, /earlier run, which are now in .*earlier-2/)
})

test('two runs into one folder at a time do not mix: the first is told that it was taken over', async (t) => {
  const folder = fresh()
  const first = await DynamicsWriter.create(folder, { ...plan, epochs: 2 })
  await writeEpoch(first, 0, 1)
  const second = await DynamicsWriter.create(folder, { ...plan, epochs: 2, overwrite: 'keep' })
  await t.throwsAsync(
    first.append(1, 0, Float32Array.of(9, 9)),
    error(StateError, /taken over.*folder of its own/),
  )
  await first.close()
  await writeEpoch(second, 0, 2)
  t.deepEqual(firsts(await loadDynamics(folder)), [2, Number.NaN])
  t.deepEqual(firsts(await loadDynamics(join(folder, 'earlier-1'))), [1, Number.NaN])
  await t.throwsAsync(
    DynamicsWriter.create(folder, { ...plan, epochs: 1 }),
    error(StateError, /already holds/),
  )
  await writeEpoch(second, 1, 3)
})

// ---- going on

test('appendDynamics goes on in memory and on the disk', async (t) => {
  const folder = fresh()
  const model = recorded(folder)
  const data = dataset(32, 16)
  await model.fitDataset(data, { epochs: 2 })
  const before = await loadDynamics(folder)
  await model.fitDataset(data, { epochs: 3, appendDynamics: true })
  const stored = await loadDynamics(folder)
  t.deepEqual(stored.shape, [5, 2, 1, 2, 2])
  t.deepEqual([...stored.values.subarray(0, before.values.length)], [...before.values])
  t.deepEqual([...stored.values], [...(await model.batchDynamics.data())])
  t.deepEqual([stored.epochs, stored.steps, stored.completedEpochs], [[1, 2, 3, 4, 5], [2, 4, 6, 8, 10], 5])
  t.deepEqual(model.dynamics().epochs, [1, 2, 3, 4, 5])
  t.deepEqual(model.dynamics().steps, [2, 4, 6, 8, 10])
  t.true(stored.finished)
  t.deepEqual(readdirSync(folder).sort(), ['dynamics', 'zarr.json'])
})

test('a model that was loaded in another process goes on with the store of its epochs, and with no other', async (t) => {
  const folder = fresh()
  const path = join(fresh(), 'm')
  const data = dataset(32, 16)
  const model = recorded(folder)
  await model.fitDataset(data, { epochs: 2 })
  await model.save(path)
  const stored = () =>
    JSON.stringify([
      readFileSync(join(folder, 'zarr.json'), 'utf8'),
      readdirSync(join(folder, 'dynamics', 'c')),
    ])
  const before = stored()
  const refuses = async (
    other: IBSequential,
    kind: typeof StateError | typeof ArgumentError,
    message: RegExp,
  ) => {
    await t.throwsAsync(other.fitDataset(data, { appendDynamics: true }), error(kind, message))
    t.is(stored(), before)
  }
  await refuses(recorded(folder), StateError, /epoch 2 is recorded, and this model has trained 0/)
  const loaded = await recorded(folder).load(path)
  await refuses(
    await recorded(folder, new Binned({ base: 2, bins: 8 })).load(path),
    ArgumentError,
    /evaluatorSettings were .*"bins":30.*now they are .*"bins":8/,
  )
  await refuses(
    await recorded(folder, new Binned({ range: [0, 1] })).load(path),
    ArgumentError,
    /units were \["bits"\], now they are \["nats"\]/,
  )
  await loaded.fitDataset(data, { epochs: 1, appendDynamics: true })
  t.deepEqual((await loadDynamics(folder)).epochs, [1, 2, 3])
  t.deepEqual(loaded.dynamics().epochs, [1, 2, 3])
  t.deepEqual([...(await loadDynamics(folder)).values], [...(await loaded.batchDynamics.data())])
  const twin = recorded(folder)
  await twin.fitDataset(data, { epochs: 1 })
  await twin.fitDataset(data, { epochs: 1, appendDynamics: true })
  t.deepEqual((await loadDynamics(folder)).epochs, [1, 2])
  rmSync(folder, { recursive: true })
  await t.throwsAsync(
    twin.fitDataset(data, { appendDynamics: true }),
    error(StateError, /holds no finished epoch, the model recorded 2 epochs up to number 2/),
  )
})

test('an epoch that was cut short is stored anew by the fit that goes on', async (t) => {
  const folder = fresh()
  const model = recorded(folder)
  const data = dataset(64, 16)
  const stop = new AbortController()
  const callbacks = [
    {
      onBatchEnd: (batch: number) =>
        batch === 2 && model.dynamics().shape[0] === 1 && stop.abort(new Error('enough')),
    },
  ]
  await t.throwsAsync(
    model.fitDataset(data, { epochs: 3, signal: stop.signal, callbacks: callbacks as never }),
  )
  const cut = await loadDynamics(folder)
  t.deepEqual([cut.completedEpochs, cut.finished], [1, false])
  await model.fitDataset(data, { epochs: 1, appendDynamics: true })
  const stored = await loadDynamics(folder)
  t.deepEqual([stored.shape[0], stored.epochs, stored.completedEpochs], [2, [1, 2], 2])
  t.deepEqual([...stored.values], [...(await model.batchDynamics.data())])
})

test('a writer goes on with more batches, other epochs and raw segments', async (t) => {
  const folder = fresh()
  const raw = { ...plan, raw: true }
  const segment = (value: number) => [
    { dtype: 'float32' as const, shape: [1, 2], data: Float32Array.of(value, 1) },
    { dtype: 'float32' as const, shape: [1, 1], data: Float32Array.of(value) },
    { dtype: 'int32' as const, shape: [1], data: Int32Array.of(value) },
  ]
  const first = await DynamicsWriter.create(folder, { ...raw, epochs: 3 })
  await first.appendSegment(0, 1, segment(1))
  await writeEpoch(first, 0, 1)
  await first.appendSegment(1, 0, segment(2))
  await first.append(1, 0, Float32Array.of(2, 2))
  const more = { ...raw, batches: 3, epochs: 2, epochNumbers: [5, 9] }
  await t.throwsAsync(
    DynamicsWriter.resume(folder, { ...more, epochNumbers: [1, 2] }),
    error(StateError, /up to number 1, and the next would be 1/),
  )
  await t.throwsAsync(DynamicsWriter.resume(fresh(), more), error(StateError, /there are none/))
  const second = await DynamicsWriter.resume(folder, more)
  t.is(await loadSegment(folder, 1, 0), undefined, 'what was cut short is gone')
  await writeEpoch(second, 1, 5, 3)
  await second.appendSegment(2, 2, segment(9))
  await t.throwsAsync(second.append(0, 0, Float32Array.of(1, 1)), error(ArgumentError, /in order/))
  await second.close()
  const stored = await loadDynamics(folder)
  t.deepEqual(
    [stored.shape, stored.epochs],
    [
      [3, 3, 1, 1, 2],
      [1, 5, 9],
    ],
  )
  t.deepEqual(firsts(stored), [1, 5, Number.NaN])
  t.deepEqual(await loadSegment(folder, 0, 1), segment(1))
  t.deepEqual(await loadSegment(folder, 2, 2), segment(9))
})

test('raw segments are stored as they were, whatever happens to them meanwhile', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, epochs: 1, raw: true })
  const data = new Float32Array(new SharedArrayBuffer(8)).fill(1)
  const segment = [data, data, data].map((one) => ({ dtype: 'float32' as const, shape: [2, 1], data: one }))
  const writing = writer.appendSegment(0, 0, segment)
  data.fill(9)
  await writing
  t.deepEqual(
    (await loadSegment(folder, 0, 0))?.map(({ data: found }) => [...found]),
    [
      [1, 1],
      [1, 1],
      [1, 1],
    ],
  )
})

// ---- samples of the values

test('units, settings, epochs and steps go from the evaluators to memory and disk', async (t) => {
  const folder = fresh()
  const model = recorded(folder)
    .attachEvaluator(new KDE({ base: 10, variance: 0.1 }))
    .attachEvaluator(new HSIC({ sigma: 5 }))
    .attachEvaluator(new Binned({ binSize: 0.07, base: 3 }))
  await model.fitDataset(dataset(32, 16), { epochs: 2 })
  const told = ({
    units,
    evaluatorSettings,
    epochs,
    steps,
  }: Pick<Dynamics, 'units' | 'evaluatorSettings' | 'epochs' | 'steps'>) => ({
    units,
    evaluatorSettings,
    epochs,
    steps,
  })
  t.deepEqual(told(model.dynamics()), {
    units: ['bits', 'bans', 'none', 'base 3'],
    evaluatorSettings: [
      { bins: 30, range: [0, 1], millerMadow: false, base: 2, clip: false },
      { variance: 0.1, bound: 'upper', base: 10, clip: false },
      { sigma: 5 },
      { binSize: 0.07, millerMadow: false, base: 3, clip: false },
    ],
    epochs: [1, 2],
    steps: [2, 4],
  })
  t.deepEqual(told(await loadDynamics(folder)), told(model.dynamics()))
  await model.fitDataset(dataset(32, 16), { epochs: 1 })
  t.deepEqual([model.dynamics().epochs, model.dynamics().steps], [[3], [null]])
})

test('dynamics tell how many samples values were estimated from, and the entropy of the classes', async (t) => {
  const dir = fresh()
  const { x, y } = points(40, 5)
  const model = classifier({ trackDynamics: true, saveDynamics: dir, seed: 1 })
    .attachEvaluator(new Binned({ range: [0, 1] }))
    .attachEvaluator(new HSIC({ sigma: 2 }), { evaluateOn: { probe: { x, y } }, every: 5 })
    .attachEvaluator(new HSIC({ sigma: 2 }), { evaluateOn: 'epoch', samples: 12 })
  // 32 samples in batches of 12, 12 and 8, all of which the first evaluator sees.
  await model.fitDataset(dataset(32, 12), { epochs: 2 })
  const { samples, labelEntropy } = model.dynamics()
  t.deepEqual(samples, [12, 40, 12])
  const counts = [0, 1, 2].map((c) => points(32).y.filter((label) => label === c).length / 32)
  const entropy = counts.reduce((sum, p) => sum - p * Math.log(p), 0)
  t.true(Math.abs((labelEntropy as number) - entropy) < 1e-12, `${labelEntropy}, expected ${entropy}`)
  const stored = await loadDynamics(dir)
  t.deepEqual([stored.samples, stored.labelEntropy], [samples, labelEntropy])
  const set = RunSet.of([stored])
  t.deepEqual([set.samples, set.labelEntropy], [samples, labelEntropy])
  await model.fitDataset(dataset(32, 16), { epochs: 1, appendDynamics: true })
  t.deepEqual(model.dynamics().samples, [16, 40, 12])
})

test('the entropy of the target is that of the samples of the first evaluator, and null for numbers', async (t) => {
  const { x } = points(30)
  const y = Int32Array.from({ length: 30 }, (_, i) => (i < 10 ? 0 : 1))
  const probed = classifier({ trackDynamics: true, seed: 1 })
    .attachEvaluator(new HSIC({ sigma: 2 }), { evaluateOn: { probe: { x, y } } })
    .attachEvaluator(new HSIC({ sigma: 2 }))
  await probed.fitDataset(dataset(32, 16), { epochs: 1 })
  const entropy = -(Math.log(1 / 3) / 3 + (2 * Math.log(2 / 3)) / 3)
  t.true(Math.abs((probed.dynamics().labelEntropy as number) - entropy) < 1e-12)
  const numbers = new IBSequential({ inputShape: [4], trackDynamics: true })
  numbers
    .add(new Dense(1))
    .compile({ loss: 'mse' })
    .attachEvaluator(new HSIC({ sigma: 2 }))
  await numbers.fit(x, new Float32Array(30), { epochs: 1, verbose: false })
  t.is(numbers.dynamics().labelEntropy, null)
  t.deepEqual(numbers.dynamics().samples, [24])
})

test('stores without numbers of samples read as not known', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, epochs: 1, samples: [64], labelEntropy: 0.5 })
  t.deepEqual((await loadDynamics(folder)).samples, [64])
  await writer.append(0, 0, Float32Array.of(1, 2))
  await writer.finishEpoch(0, 2, { samples: [32] })
  await t.throwsAsync(writer.finishEpoch(0, 2, { samples: [32, 1] }), error(ArgumentError, /samples/))
  await writer.close()
  const { samples, labelEntropy } = await loadDynamics(folder)
  t.deepEqual([samples, labelEntropy], [[32], 0.5])
  const group = join(folder, 'zarr.json')
  const { attributes, ...rest } = JSON.parse(readFileSync(group, 'utf8'))
  const { samples: _, labelEntropy: __, ...old } = attributes
  writeFileSync(group, JSON.stringify({ ...rest, attributes: old }))
  const read = await loadDynamics(folder)
  t.deepEqual([read.samples, read.labelEntropy], [[null], null])
})

test('stores of version 1 have the units of their settings, and say that epochs are not known', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, epochs: 2, evaluatorSettings: [{ base: 2 }] })
  await writeEpoch(writer, 0, 1)
  await writer.close()
  const group = join(folder, 'zarr.json')
  const { attributes, ...rest } = JSON.parse(readFileSync(group, 'utf8'))
  const { units, epochs, steps, completedEpochs, ...old } = attributes
  t.deepEqual([units, epochs, steps, completedEpochs], [[null], [1, 2], [10], 1])
  writeFileSync(group, JSON.stringify({ ...rest, attributes: { ...old, version: 1 } }))
  const read = await loadDynamics(folder)
  t.deepEqual([read.units, read.epochs, read.completedEpochs, read.finished], [['bits'], null, null, true])
  await t.throwsAsync(
    DynamicsWriter.resume(folder, { ...plan, epochs: 1 }),
    error(StateError, /earlier version of hyperglow/),
  )
})
