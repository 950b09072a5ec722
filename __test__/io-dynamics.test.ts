import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ArgumentError, DataError, IOError, ShapeError, StateError } from '../ts/core/errors.js'
import { DynamicsWriter, loadDynamics, loadSegment } from '../ts/dynamics/index.js'
import type { ArrayData } from '../ts/io/index.js'
import { error, f32, fresh } from './io-scratch.js'

// ---- the store of dynamics

const plan = {
  epochs: 3,
  batches: 5,
  evaluators: ['hsic', 'edge'],
  layers: ['conv', 'dense'],
  chunkBatches: 2,
  seed: 7,
}
const width = 2 * 2 * 2
/** Values that say which batch they are of. */
const valuesOf = (epoch: number, batch: number) =>
  Float32Array.from({ length: width }, (_, i) => epoch * 100 + batch * 10 + i)
const nothing = () => new Array(width).fill(Number.NaN)
const stored = (values: Float32Array, epoch: number, batch: number) => [
  ...values.subarray((epoch * plan.batches + batch) * width, (epoch * plan.batches + batch + 1) * width),
]

test('dynamics come back as they were given', async (t) => {
  const folder = join(fresh(), 'runs', 'one')
  const writer = await DynamicsWriter.create(folder, {
    ...plan,
    evaluatorSettings: [
      { kernel: 'gaussian', sigma: 5, weight: Math.sqrt },
      { bins: Number.POSITIVE_INFINITY },
    ],
    notes: { dataset: 'mnist' },
  })
  for (let e = 0; e < 3; e++) for (let b = 0; b < 5; b++) await writer.append(e, b, valuesOf(e, b))
  t.false((await loadDynamics(folder)).finished)
  await writer.close()
  const read = await loadDynamics(folder)
  t.deepEqual(read.shape, [3, 5, 2, 2, 2])
  for (let e = 0; e < 3; e++)
    for (let b = 0; b < 5; b++) t.deepEqual(stored(read.values, e, b), [...valuesOf(e, b)])
  t.deepEqual(read.evaluators, ['hsic', 'edge'])
  t.deepEqual(read.layers, ['conv', 'dense'])
  t.deepEqual(read.evaluatorSettings, [
    { kernel: 'gaussian', sigma: 5, weight: 'sqrt' },
    { bins: 'Infinity' },
  ])
  t.deepEqual([read.seed, read.finished, read.completedBatches], [7, true, 15])
  t.deepEqual([read.epochs, read.completedEpochs, read.units], [[1, 2, 3], 3, [null, null]])
  t.deepEqual(read.notes, { dataset: 'mnist' })
  t.deepEqual(read.averaged().shape, [3, 2, 2, 2])
  t.deepEqual([...read.averaged().values.subarray(width, 2 * width)], [...valuesOf(1, 2)])
})

test('a chunk is on the disk as soon as its last batch is there, and not before', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  const chunk = (epoch: number, index: number) =>
    existsSync(join(folder, 'dynamics', 'c', `${epoch}`, `${index}`, '0', '0', '0'))
  await writer.append(0, 0, valuesOf(0, 0))
  t.false(chunk(0, 0))
  await writer.append(0, 1, valuesOf(0, 1))
  t.true(chunk(0, 0))
  await writer.append(0, 2, valuesOf(0, 2))
  await writer.append(0, 3, valuesOf(0, 3))
  await writer.append(0, 4, valuesOf(0, 4))
  t.true(chunk(0, 2), 'the short chunk at the end of an epoch')
  await writer.skip(1, 0)
  await writer.skip(1, 1)
  t.true(chunk(1, 0), 'skipped batches count')
  await writer.close()
})

test('missing batches are NaN and do not count in the mean', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  await writer.append(0, 1, valuesOf(0, 1))
  await writer.append(0, 3, valuesOf(0, 3))
  const odd = valuesOf(2, 4)
  odd[0] = Number.NaN
  await writer.append(2, 4, odd)
  await writer.close()
  const read = await loadDynamics(folder)
  t.deepEqual(stored(read.values, 0, 0), nothing())
  t.deepEqual([read.completedBatches, read.completedPerEpoch], [3, [2, 0, 1]])
  const { values } = read.averaged()
  t.deepEqual([...values.subarray(0, width)], [...valuesOf(0, 2)])
  t.deepEqual([...values.subarray(width, 2 * width)], nothing())
  t.deepEqual([...values.subarray(2 * width)], [...odd], 'a NaN of an evaluator is not hidden')
})

test('flush writes a part of a chunk, and later batches go beside it', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, chunkBatches: 4 })
  for (let b = 0; b < 5; b++) {
    const values = valuesOf(0, b)
    await writer.append(0, b, values)
    values.fill(-1)
    await writer.flush()
    t.is((await loadDynamics(folder)).completedBatches, b + 1)
  }
  await writer.close()
  const { values } = await loadDynamics(folder)
  for (let b = 0; b < 5; b++) t.deepEqual(stored(values, 0, b), [...valuesOf(0, b)])
})

test('appending without waiting keeps the order', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, chunkBatches: 1 })
  const all = []
  for (let e = 0; e < 3; e++) for (let b = 0; b < 5; b++) all.push(writer.append(e, b, valuesOf(e, b)))
  await writer.close()
  await Promise.all(all)
  t.is((await loadDynamics(folder)).completedBatches, 15)
})

test('append checks what it is given', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  await t.throwsAsync(
    writer.append(0, 0, new Float32Array(3)),
    error(ShapeError, /given 3 values.*2 x 2 x 2 = 8/),
  )
  await t.throwsAsync(writer.append(0, 0, [1] as never), error(ShapeError, /an array of 1/))
  await t.throwsAsync(
    writer.append(3, 0, valuesOf(0, 0)),
    error(ArgumentError, /outside 3 epochs of 5 batches/),
  )
  await t.throwsAsync(writer.append(0, 0.5, valuesOf(0, 0)), error(ArgumentError, /batch 0\.5/))
  await writer.append(1, 2, valuesOf(1, 2))
  await t.throwsAsync(writer.append(1, 2, valuesOf(1, 2)), error(ArgumentError, /once, in order/))
  await t.throwsAsync(writer.append(0, 4, valuesOf(0, 4)), error(ArgumentError, /in order/))
  await t.throwsAsync(writer.appendSegment(1, 2, []), error(StateError, /raw: true/))
  await writer.close()
  await writer.close()
  await t.throwsAsync(writer.append(1, 3, valuesOf(1, 3)), error(StateError, /closed/))
  await t.throwsAsync(writer.flush(), error(StateError, /closed/))
  t.is((await loadDynamics(folder)).completedBatches, 1)
})

test('create checks its options and touches nothing where they are wrong', async (t) => {
  const folder = fresh()
  const refuses = (options: object, message: RegExp) =>
    t.throwsAsync(DynamicsWriter.create(folder, { ...plan, ...options }), error(ArgumentError, message))
  await refuses({ epochs: 0 }, /epochs must be a whole number from 1 to 1000000, received 0/)
  await refuses({ batches: 1.5 }, /batches/)
  await refuses({ chunkBatches: -1 }, /chunkBatches/)
  await refuses({ evaluators: [] }, /nothing to store/)
  await refuses({ layers: [] }, /layers is empty/)
  await refuses({ layers: [1] }, /entries are each a name/)
  await refuses({ evaluatorSettings: [{}] }, /1 evaluatorSettings for 2 evaluators/)
  await refuses({ seed: Number.NaN }, /seed/)
  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  await refuses({ notes: cyclic }, /cannot be written as JSON/)
  await t.throwsAsync(DynamicsWriter.create('', plan), error(ArgumentError, /folder/))
  t.false(existsSync(folder))
})

test('a store is replaced only when asked, and files of others in the folder stay', async (t) => {
  const folder = fresh()
  const first = await DynamicsWriter.create(folder, plan)
  await first.append(0, 0, valuesOf(0, 0))
  await first.close()
  writeFileSync(join(folder, 'plane.png'), 'a picture')
  await t.throwsAsync(
    DynamicsWriter.create(folder, plan),
    error(StateError, /already holds.*overwrite: true/),
  )
  t.is((await loadDynamics(folder)).completedBatches, 1)
  const second = await DynamicsWriter.create(folder, { ...plan, epochs: 1, overwrite: true })
  await second.close()
  const read = await loadDynamics(folder)
  t.deepEqual([read.shape[0], read.completedBatches], [1, 0])
  t.is(readFileSync(join(folder, 'plane.png'), 'utf8'), 'a picture')
})

test('a folder with something else is never taken over', async (t) => {
  const overwrite = { ...plan, overwrite: true }
  const make = (name: string, text: string) => {
    const folder = fresh()
    mkdirSync(folder)
    writeFileSync(join(folder, name), text)
    return folder
  }
  for (const [name, text] of [
    ['zarr.json', '{"zarr_format":3,"node_type":"group","attributes":{}}'],
    ['zarr.json', 'not JSON'],
    ['zarr.json', 'null'],
    ['.zgroup', '{"zarr_format":2}'],
    ['dynamics', 'my notes'],
  ] as const) {
    const folder = make(name, text)
    await t.throwsAsync(DynamicsWriter.create(folder, overwrite), error(DataError, /not a store of dynamics/))
    t.deepEqual(readdirSync(folder), [name])
    t.is(readFileSync(join(folder, name), 'utf8'), text)
  }
  const beside = make('notes.txt', 'mine')
  await (await DynamicsWriter.create(beside, plan)).close()
  t.is(readFileSync(join(beside, 'notes.txt'), 'utf8'), 'mine')
  await t.throwsAsync(
    DynamicsWriter.create(join(beside, 'notes.txt'), overwrite),
    error(IOError, /as a folder/),
  )
})

test('loadDynamics refuses what is not a valid store', async (t) => {
  await t.throwsAsync(loadDynamics(fresh()), error(IOError, /no zarr\.json; check the path/))
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  for (let b = 0; b < 5; b++) await writer.append(0, b, valuesOf(0, b))
  await writer.close()
  const group = join(folder, 'zarr.json')
  const good = readFileSync(group, 'utf8')
  const attributes = JSON.parse(good).attributes
  for (const [change, message] of [
    [{ format: 'other' }, /not a store/],
    [{ version: 99 }, /version 99.*newer/],
    [{ shape: [3, 5, 2, 2] }, /do not agree/],
    [{ layers: ['one'] }, /do not agree/],
    [{ shape: [1e15, 1e15, 2, 2, 2], epochs: null }, /at most/],
    [{ shape: [3, 4, 2, 2, 2] }, /its array is \[3, 5, 2, 2, 2\]/],
  ] as const) {
    writeFileSync(
      group,
      JSON.stringify({ zarr_format: 3, node_type: 'group', attributes: { ...attributes, ...change } }),
    )
    await t.throwsAsync(loadDynamics(folder), error(DataError, message))
  }
  writeFileSync(group, good)
  const chunk = join(folder, 'dynamics', 'c', '0', '1', '0', '0', '0')
  const whole = readFileSync(chunk)
  for (const length of [0, 3, 4, whole.length - 4]) {
    writeFileSync(chunk, whole.subarray(0, length))
    await t.throwsAsync(loadDynamics(folder), error(DataError, /chunk 0\/1 .*damaged/))
  }
  rmSync(chunk)
  t.is((await loadDynamics(folder)).completedBatches, 3)
  rmSync(join(folder, 'dynamics', 'zarr.json'))
  await t.throwsAsync(loadDynamics(folder), error(DataError, /cannot be opened/))
})

test('a chunk that cannot be written rejects its append, and the next one may succeed', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, chunkBatches: 1 })
  mkdirSync(join(folder, 'dynamics', 'c'))
  writeFileSync(join(folder, 'dynamics', 'c', '0'), 'in the way')
  await t.throwsAsync(writer.append(0, 0, valuesOf(0, 0)), error(IOError, /cannot write/))
  rmSync(join(folder, 'dynamics', 'c', '0'))
  await writer.append(0, 1, valuesOf(0, 1))
  await writer.close()
  t.deepEqual((await loadDynamics(folder)).completedPerEpoch, [1, 0, 0])
})

// ---- raw segments

const segmentOf = (count: number, start: number): ArrayData[] => [
  { dtype: 'uint8', shape: [count, 2, 2], data: Uint8Array.from({ length: count * 4 }, (_, i) => start + i) },
  {
    dtype: 'float32',
    shape: [count, 3],
    data: Float32Array.from({ length: count * 3 }, (_, i) => start + i / 8),
  },
  {
    dtype: 'float64',
    shape: [count, 1],
    data: Float64Array.from({ length: count }, (_, i) => start - i / 3),
  },
  {
    dtype: 'int64',
    shape: [count],
    data: BigInt64Array.from({ length: count }, (_, i) => BigInt(start + i)),
  },
]

test('raw segments come back as the same tensors, the short last batch too', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, evaluators: [], raw: true })
  t.is(await loadSegment(folder, 0, 0), undefined, 'nothing was stored')
  await writer.appendSegment(0, 0, segmentOf(4, 10))
  await writer.appendSegment(0, 4, segmentOf(1, 50))
  await writer.append(0, 4, new Float32Array(0))
  await writer.close()
  t.deepEqual(await loadSegment(folder, 0, 0), segmentOf(4, 10))
  t.deepEqual(await loadSegment(folder, 0, 4), segmentOf(1, 50))
  t.is(await loadSegment(folder, 0, 1), undefined)
  t.is(await loadSegment(folder, 9, 0), undefined)
  const { shape, values } = await loadDynamics(folder)
  t.deepEqual([shape, values.length], [[3, 5, 0, 2, 2], 0])
  await (await DynamicsWriter.create(folder, { ...plan, overwrite: true })).close()
  t.is(await loadSegment(folder, 0, 0), undefined)
  t.deepEqual(readdirSync(folder).sort(), ['dynamics', 'zarr.json'])
})

test('raw segments of booleans and of one number a sample', async (t) => {
  const folder = fresh()
  await using writer = await DynamicsWriter.create(folder, { ...plan, layers: ['mask'], raw: true })
  const segment: ArrayData[] = [
    { dtype: 'int32', shape: [2], data: Int32Array.of(-1, 5) },
    { dtype: 'bool', shape: [2, 1], data: Uint8Array.of(1, 0) },
    { dtype: 'uint32', shape: [2], data: Uint32Array.of(2 ** 32 - 1, 0) },
  ]
  await writer.appendSegment(0, 0, segment)
  t.deepEqual(await loadSegment(folder, 0, 0), segment)
})

test('appendSegment checks what it is given', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, raw: true })
  const refuses = (segment: ArrayData[], message: RegExp) =>
    t.throwsAsync(writer.appendSegment(0, 1, segment), error(ShapeError, message))
  await writer.appendSegment(0, 0, segmentOf(4, 0))
  await refuses(segmentOf(4, 0).slice(1), /given 3 tensors, expected 4: x, h1, h2, y/)
  await refuses(
    [...segmentOf(4, 0).slice(0, 3), ...segmentOf(3, 0).slice(3)],
    /y has shape \(3\), expected \(4, \.\.\.\)/,
  )
  await refuses(segmentOf(5, 0), /only have fewer samples/)
  await refuses([f32([1, 2, 2], 1, 2, 3, 4), ...segmentOf(1, 0).slice(1)], /x is float32/)
  await refuses(segmentOf(0, 0), /without zeros/)
  await t.throwsAsync(writer.appendSegment(0, 0, segmentOf(4, 0)), error(ArgumentError, /in order/))
  await writer.appendSegment(0, 1, segmentOf(4, 8))
  await writer.close()
  t.deepEqual(await loadSegment(folder, 0, 1), segmentOf(4, 8))
  writeFileSync(join(folder, 'segments', 'h1', 'c', '0', '1', '0', '0'), 'short')
  await t.throwsAsync(loadSegment(folder, 0, 1), error(DataError, /damaged/))
  rmSync(join(folder, 'segments', 'h2'), { recursive: true })
  await t.throwsAsync(loadSegment(folder, 0, 0), error(DataError, /h2 is missing/))
  await t.throwsAsync(loadSegment(fresh(), 0, 0), error(IOError, /check the path/))
})

// ---- a process that is killed

/** A program that writes chunk after chunk and says which batch it has handed over, until it is killed. */
const endlessRun = `
  const { DynamicsWriter } = await import(process.argv[1])
  const [epochs, batches] = [1000, 6]
  const writer = await DynamicsWriter.create(process.argv[2], { epochs, batches, evaluators: ['a'], layers: ['l'], chunkBatches: 3 })
  for (let e = 0; e < epochs; e++) for (let b = 0; b < batches; b++) {
    await writer.append(e, b, Float32Array.of(e, b))
    process.stdout.write((e * batches + b + 1) + '\\n')
  }`

/** Runs the program and kills it once it has handed over `count` batches; resolves to how many it had said by then. */
function killAfter(folder: string, count: number): Promise<number> {
  const store = new URL('../ts/dynamics/store.js', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', endlessRun, store, folder])
  let [output, complaints] = ['', '']
  child.stderr.on('data', (text) => {
    complaints += text
  })
  child.stdout.on('data', (text) => {
    output += text
    if (said() >= count) child.kill('SIGKILL')
  })
  const said = () => Number(output.split('\n').at(-2) ?? 0)
  return new Promise((resolve, reject) => {
    child.on('close', (_code, signal) =>
      signal === 'SIGKILL' ? resolve(said()) : reject(new Error(complaints)),
    )
  })
}

test('a killed process leaves every finished chunk whole and no other', async (t) => {
  for (const count of [1, 2, 7, 20, 41]) {
    const folder = fresh()
    const said = await killAfter(folder, count)
    const { values, completedBatches, finished, completedPerEpoch } = await loadDynamics(folder)
    t.false(finished)
    t.is(completedBatches % 3, 0, 'whole chunks only')
    t.true(completedBatches >= said - (said % 3), `${said} handed over, ${completedBatches} found`)
    for (let i = 0; i < completedBatches; i++) {
      t.deepEqual([...values.subarray(2 * i, 2 * i + 2)], [Math.floor(i / 6), i % 6])
    }
    t.is(completedPerEpoch.length, 1000)
    const again = await DynamicsWriter.create(folder, { ...plan, overwrite: true })
    await again.close()
    t.is((await loadDynamics(folder)).completedBatches, 0)
  }
})

test('what a killed write leaves behind disturbs nobody', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  for (let b = 0; b < 5; b++) await writer.append(0, b, valuesOf(0, b))
  writeFileSync(join(folder, 'dynamics', 'c', '0', '0', '0', '0', '.tmp-1-abc'), 'half a chu')
  writeFileSync(join(folder, '.tmp-1-abc'), '{')
  t.is((await loadDynamics(folder)).completedBatches, 5)
  await writer.close()
})

test('of a run planned for many epochs, what is stored is read and the rest is NaN', async (t) => {
  const folder = fresh()
  const epochs = 20_000
  const writer = await DynamicsWriter.create(folder, { ...plan, epochs })
  t.deepEqual((await loadDynamics(folder)).completedBatches, 0)
  for (const epoch of [0, 7]) for (let b = 0; b < 5; b++) await writer.append(epoch, b, valuesOf(epoch, b))
  const read = await loadDynamics(folder)
  await writer.close()
  t.deepEqual(read.shape, [epochs, 5, 2, 2, 2])
  t.is(read.values.length, epochs * 5 * width)
  t.is(read.values, read.values)
  t.deepEqual(stored(read.values, 7, 4), [...valuesOf(7, 4)])
  t.deepEqual(stored(read.values, 1, 0), nothing())
  t.deepEqual([read.completedBatches, read.completedPerEpoch[7], read.completedPerEpoch[8]], [10, 5, 0])
  const { shape, values } = read.averaged()
  t.deepEqual(shape, [epochs, 2, 2, 2])
  t.deepEqual([...values.subarray(7 * width, 8 * width)], [...valuesOf(7, 2)])
  t.true(values.subarray(8 * width).every(Number.isNaN))
})
