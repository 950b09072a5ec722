/** Measurement of dumps: values, shared arrays, missing values, and standard errors. */

import { execFile } from 'node:child_process'
import { closeSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { ArgumentError, DataError, UnknownNameError } from '../ts/core/errors.js'
import type { Activations } from '../ts/data/index.js'
import { readActivations } from '../ts/data/index.js'
import { inspect, type Measured, type Measurement, measure } from '../ts/dynamics/index.js'
import {
  Binned,
  CKA,
  DiscreteMI,
  type Estimator,
  GaussianMI,
  HSIC,
  KDE,
  KSG,
} from '../ts/estimators/index.js'
import { HostRandom, memory } from '../ts/index.js'
import { type ArrayData, type LazyArray, writeNpz } from '../ts/io/index.js'
import { lazyOf } from '../ts/io/lazy-array.js'
import { npyHeader } from '../ts/io/npy.js'
import { error, fresh } from './io-scratch.js'

const random = new HostRandom(3)
const gauss = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
const floats = (n: number, width: number, value: (i: number, j: number) => number): ArrayData => ({
  dtype: 'float32',
  shape: [n, width],
  data: Float32Array.from({ length: n * width }, (_, at) => value(Math.floor(at / width), at % width)),
})
const ints = (values: number[]): ArrayData => ({
  dtype: 'int32',
  shape: [values.length],
  data: Int32Array.from(values),
})

interface Sample {
  x: ArrayData
  y: ArrayData
  layers: Record<string, ArrayData>
}

/** Activations of a small network: three numbers, the sign of the first being the class; layers with more and less information about it. */
function sample(n: number, epoch: number): Sample {
  const x = floats(n, 3, gauss)
  const at = (i: number, j: number) => x.data[3 * i + j] as number
  return {
    x,
    y: ints(Array.from({ length: n }, (_, i) => Number(at(i, 0) > 0))),
    layers: {
      fc1: floats(n, 4, (i, j) => Math.tanh(at(i, j % 3) * (1 + epoch) + 0.1 * gauss())),
      fc2: floats(n, 2, (i, j) => Math.tanh(at(i, j) + 0.5 * gauss())),
    },
  }
}

/** Activations in memory; counts how often each array is read. */
function held(
  runs: Record<string, Record<number, Partial<Sample>>>,
): Activations & { readonly reads: Map<LazyArray, number> } {
  const reads = new Map<LazyArray, number>()
  const lazily = (array: ArrayData | undefined): LazyArray | undefined => {
    if (array === undefined) return undefined
    const inner = lazyOf('memory', array)
    const lazy: LazyArray = {
      ...inner,
      read(rows) {
        reads.set(lazy, (reads.get(lazy) ?? 0) + 1)
        return inner.read(rows)
      },
    }
    return lazy
  }
  return {
    source: 'memory',
    notes: [],
    reads,
    runs: Object.entries(runs).map(([name, epochs]) => {
      const made = new Map(
        Object.entries(epochs).map(([epoch, { x, y, layers = {} }]) => [
          Number(epoch),
          {
            x: lazily(x),
            y: lazily(y),
            layers: new Map(Object.entries(layers).map(([key, one]) => [key, lazily(one)])),
          },
        ]),
      )
      return {
        name,
        epochs: [...made.keys()],
        epochsKnown: true,
        layers: [...new Set([...made.values()].flatMap(({ layers }) => [...layers.keys()]))],
        x: (epoch) => made.get(epoch)?.x,
        y: (epoch) => made.get(epoch)?.y,
        layer: (epoch, layer) => made.get(epoch)?.layers.get(layer),
      }
    }),
  }
}

const pairOf = ({ runs }: Measured, run: number, evaluator: number, layer: string, epoch: number) => {
  const { ixt, ity } = runs.spread(evaluator, layer, epoch)
  return [ixt.values[run] as number, ity.values[run] as number] as const
}
const close = (t: import('ava').ExecutionContext, a: number, b: number, by = 1e-9) =>
  t.true(Math.abs(a - b) <= by * Math.max(1, Math.abs(b)), `${a} is not ${b}`)

test('values are those of estimate, run by run and epoch by epoch', async (t) => {
  const data = { a: { 0: sample(200, 0), 5: sample(200, 1) }, b: { 0: sample(200, 0), 5: sample(200, 1) } }
  const estimators: Estimator[] = [
    new Binned(),
    new KDE({ variance: 0.1 }),
    new KSG(),
    new HSIC({ sigma: 1 }),
    new CKA(),
  ]
  const measured = await measure(held(data), estimators)
  t.deepEqual(measured.runs.names, ['a', 'b'])
  t.deepEqual(measured.runs.epochs, [0, 5])
  t.deepEqual(measured.runs.layers, ['fc1', 'fc2'])
  t.deepEqual(measured.runs.evaluators, ['Binned', 'KDE', 'KSG', 'HSIC', 'CKA'])
  t.deepEqual(measured.runs.samples, [200, 200, 200, 200, 200])
  t.deepEqual(measured.measurements, [])
  for (const [run, epochs] of Object.values(data).entries()) {
    for (const [epoch, { x, y, layers }] of Object.entries(epochs)) {
      for (const [layer, h] of Object.entries(layers)) {
        for (const [e, estimator] of estimators.entries()) {
          const [ixt, ity] = pairOf(measured, run, e, layer, Number(epoch))
          close(t, ixt, await estimator.estimate(h, x))
          close(t, ity, await estimator.estimate(h, y))
        }
      }
    }
  }
})

test('activations of other makers are held against what they promise', async (t) => {
  const { x, y, layers } = sample(50, 0)
  const [run] = held({ a: { 0: { x, y, layers } } }).runs
  const made = (changed: object) => ({ source: 'mine', notes: [], runs: [{ ...run, ...changed }] }) as never
  const refused = async (changed: object, message: RegExp) =>
    t.throwsAsync(measure(made(changed), new Binned()), error(ArgumentError, message))
  await refused({ epochs: [2, 1] }, /run 0: epochs is .*ascending whole numbers/)
  await refused({ layers: ['fc1', 'fc1'] }, /names, each once/)
  await refused({ x: async () => undefined }, /x of 0 is .*expected undefined or an array that is read/)
  await refused({ y: 5 }, /y is 5, expected a function/)
  const short = { ...lazyOf('short', layers.fc1 as ArrayData), read: async () => layers.fc2 as ArrayData }
  await t.throwsAsync(
    measure(made({ layer: () => short }), new Binned()),
    error(DataError, /its read returned shape \(50, 2\), expected \(50, 4\)/),
  )
  class Own {
    name = 'own'
    epochs = [0]
    epochsKnown = false
    layers = ['fc1']
    x() {
      return run?.x(0)
    }
    y() {
      return run?.y(0)
    }
    layer(_: number, name: string) {
      return this.layers.includes(name) ? run?.layer(0, name) : undefined
    }
  }
  const { runs } = await measure({ source: 'own', notes: [], runs: [new Own()] }, new Binned())
  t.false(runs.epochsKnown)
  t.is(runs.names[0], 'own')
})

test('units of information are converted, the entropy of labels is told in nats', async (t) => {
  const { x, layers } = sample(100, 0)
  const y = ints(Array.from({ length: 100 }, (_, i) => i % 4))
  const dump = held({ a: { 1: { x, y, layers } } })
  const [nats, bits] = [
    await measure(dump, new Binned()),
    await measure(dump, new Binned(), { units: 'bits' }),
  ]
  t.deepEqual(bits.runs.units, ['bits'])
  close(t, pairOf(bits, 0, 0, 'fc1', 1)[0], pairOf(nats, 0, 0, 'fc1', 1)[0] / Math.LN2)
  close(t, bits.runs.labelEntropy as number, Math.log(4))
})

test('labels are classes as integers, as whole numbers and as one-hot rows alike', async (t) => {
  const { x, y, layers } = sample(150, 0)
  const kinds = {
    integers: y,
    floats: { dtype: 'float32', shape: [150], data: Float32Array.from(y.data as Int32Array) } as ArrayData,
    hot: floats(150, 2, (i, j) => Number(y.data[i] === j)),
  }
  const found = await Promise.all(
    Object.values(kinds).map((labels) =>
      measure(held({ a: { 0: { x, y: labels, layers } } }), [new Binned(), new KSG()]),
    ),
  )
  for (const one of found) {
    t.deepEqual(pairOf(one, 0, 0, 'fc1', 0), pairOf(found[0] as Measured, 0, 0, 'fc1', 0))
    t.deepEqual(pairOf(one, 0, 1, 'fc2', 0), pairOf(found[0] as Measured, 0, 1, 'fc2', 0))
  }
  t.regex(found[1]?.notes[0] ?? '', /whole numbers in a floating-point array.*classes/)
  t.regex(found[2]?.notes[0] ?? '', /one-hot rows are read as classes/)
  const regression = floats(150, 1, (i) => (x.data[3 * i] as number) ** 2)
  const numbers = await measure(held({ a: { 0: { x, y: regression, layers } } }), new KSG())
  t.is(numbers.runs.labelEntropy, null)
  close(t, pairOf(numbers, 0, 0, 'fc1', 0)[1], await new KSG().estimate(layers.fc1 as ArrayData, regression))
})

test('ends that epochs share are read once, also where each epoch has its own copy', async (t) => {
  const { x, y, layers } = sample(60, 0)
  const copy = { ...x, data: x.data.slice() }
  const dump = held({ a: { 0: { x, y, layers }, 1: { x: copy, y, layers } } })
  await measure(dump, [new Binned(), new KDE()])
  t.true([...dump.reads.values()].every((count) => count === 1))
})

test('without inputs each sample is one of its own, and what needs their numbers has no value', async (t) => {
  const { x, y, layers } = sample(80, 0)
  const estimators = [new Binned(), new KDE(), new KSG()]
  const [all, without] = [
    await measure(held({ a: { 0: { x, y, layers } } }), estimators),
    await measure(held({ a: { 0: { y, layers } } }), estimators),
  ]
  for (const e of [0, 1]) t.deepEqual(pairOf(without, 0, e, 'fc1', 0), pairOf(all, 0, e, 'fc1', 0))
  t.true(Number.isNaN(pairOf(without, 0, 2, 'fc1', 0)[0]))
  close(t, pairOf(without, 0, 2, 'fc1', 0)[1], pairOf(all, 0, 2, 'fc1', 0)[1])
  t.true(without.notes.some((note) => /for Binned, KDE each sample counts as a different input/.test(note)))
  t.true(without.notes.some((note) => /\(H, X\) by KSG are NaN/.test(note)))
  const blind = await measure(held({ a: { 0: { x, layers } } }), estimators)
  t.true(Number.isNaN(pairOf(blind, 0, 0, 'fc1', 0)[1]))
  close(t, pairOf(blind, 0, 0, 'fc1', 0)[0], pairOf(all, 0, 0, 'fc1', 0)[0])
  t.true(blind.notes.some((note) => /no labels.*NaN/.test(note)))
})

test('values that are not finite, and ranges that are left, are told', async (t) => {
  const { x, y, layers } = sample(80, 0)
  const bad = floats(80, 2, (i, j) => (i === 3 && j === 1 ? Number.NaN : i * j))
  const wide = floats(80, 2, () => 5 * random.next())
  const broad = floats(80, 2, () => 2 * random.next())
  const measured = await measure(held({ a: { 4: { x, y, layers: { ...layers, bad, wide, broad } } } }), [
    new Binned(),
    new CKA(),
  ])
  t.true(pairOf(measured, 0, 0, 'bad', 4).every(Number.isNaN))
  t.false(pairOf(measured, 0, 1, 'fc1', 4).some(Number.isNaN))
  t.true(
    measured.notes.some((note) => /layer 'bad' of run 'a' has 1 values that are NaN.*epoch 4/.test(note)),
  )
  t.true(
    measured.notes.some((note) =>
      /Binned: \d+ % of the activations of layer 'wide' of run 'a' in epoch 4.*; also in other layers: .*'broad' \d+ %/.test(
        note,
      ),
    ),
  )
  const infinite = {
    ...x,
    data: Float32Array.from(x.data as Float32Array, (v, i) => (i === 2 ? Number.POSITIVE_INFINITY : v)),
  }
  await t.throwsAsync(
    measure(held({ a: { 0: { x: infinite, y, layers } } }), new KDE()),
    error(DataError, /input samples \(x\)/),
  )
})

test('layers and epochs are chosen, samples too, and always the same ones', async (t) => {
  const dump = held({ a: { 0: sample(300, 0), 3: sample(300, 1) }, b: { 3: sample(300, 0) } })
  const chosen = await measure(dump, new KDE(), { layers: '*2', epochs: [3] })
  t.deepEqual(chosen.runs.layers, ['fc2'])
  t.deepEqual(chosen.runs.epochs, [3])
  const [one, two, other] = [
    await measure(dump, new KDE(), { samples: 100, seed: 1 }),
    await measure(dump, new KDE(), { samples: 100, seed: 1 }),
    await measure(dump, new KDE(), { samples: 100, seed: 2 }),
  ]
  t.deepEqual(one.runs.samples, [100])
  t.deepEqual(pairOf(one, 0, 0, 'fc1', 3), pairOf(two, 0, 0, 'fc1', 3))
  t.notDeepEqual(pairOf(one, 0, 0, 'fc1', 3), pairOf(other, 0, 0, 'fc1', 3))
  await t.throwsAsync(
    measure(dump, new KDE(), { layers: 'conv*' }),
    error(UnknownNameError, /layer for measure/),
  )
  await t.throwsAsync(
    measure(dump, new KDE(), { epochs: [7] }),
    error(ArgumentError, /given 7, expected some of 0, 3/),
  )
  await t.throwsAsync(measure(dump, []), error(ArgumentError, /at least one/))
  await t.throwsAsync(measure(dump, 'ksg' as never), error(ArgumentError, /expected an Estimator/))
  await t.throwsAsync(measure({ runs: [] } as never, new KDE()), error(ArgumentError, /expected activations/))
  await t.throwsAsync(
    measure(dump, new KDE(), { bootstrap: 1 }),
    error(ArgumentError, /0, or a whole number from 2/),
  )
})

test('standard errors from halves are those that new samples show', async (t) => {
  const n = 300
  const makes = () => {
    const pairs = Array.from({ length: n }, () => {
      const a = gauss()
      return [a, 0.6 * a + 0.8 * gauss()] as const
    })
    return {
      x: floats(n, 1, (i) => (pairs[i] as readonly number[])[1] as number),
      layers: { h: floats(n, 1, (i) => (pairs[i] as readonly number[])[0] as number) },
    }
  }
  for (const estimator of [new GaussianMI(), new KSG()]) {
    const values: number[] = []
    const errors: number[] = []
    let covered = 0
    for (let draw = 0; draw < 30; draw++) {
      const { measurements } = await measure(held({ a: { 0: makes() } }), estimator, { bootstrap: 40 })
      const one = measurements[0] as Measurement
      values.push(one.value)
      errors.push(one.standardError as number)
      const [low, high] = one.interval as readonly [number, number]
      if (low < -0.5 * Math.log(1 - 0.36) && high > -0.5 * Math.log(1 - 0.36)) covered++
    }
    const mean = values.reduce((a, b) => a + b) / 30
    const true_ = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 29)
    const told = errors.reduce((a, b) => a + b) / 30
    t.true(told / true_ > 0.7 && told / true_ < 1.5, `${estimator.name}: told ${told}, seen ${true_}`)
    t.true(covered >= 25, `${estimator.name}: ${covered} of 30 intervals hold the truth`)
  }
})

test('p-values are small for what depends and not for what does not, adjusted over the layers', async (t) => {
  const { x, y, layers } = sample(150, 0)
  const blind = floats(150, 2, gauss)
  const dump = held({ a: { 0: { x, y, layers: { ...layers, blind } } } })
  const { measurements } = await measure(dump, [new HSIC({ sigma: 1 }), new Binned()], {
    permutations: 99,
    units: 'bits',
  })
  const of = (estimator: string, layer: string, side: string) =>
    measurements.find((one) => one.estimator === estimator && one.layer === layer && one.side === side)
  t.is(of('HSIC', 'fc1', 'y')?.pValue, 0.01)
  t.is(of('HSIC', 'fc1', 'x')?.pValue, 0.01)
  t.true((of('HSIC', 'blind', 'y')?.pValue as number) > 0.02)
  // Two of three at 0.01: adjusted to 0.01 * 3 / 2.
  close(t, of('HSIC', 'fc1', 'y')?.adjustedPValue as number, 0.015)
  t.is(of('Binned', 'fc1', 'x')?.pValue, null)
  t.is(of('Binned', 'fc1', 'x')?.units, 'bits')
  t.is(of('HSIC', 'fc1', 'x')?.units, 'none')
  t.is(of('HSIC', 'fc1', 'x')?.standardError, null)
})

test.serial('progress, an abort, and memory that comes back', async (t) => {
  const dump = held({ a: { 0: sample(100, 0), 1: sample(100, 1), 2: sample(100, 1) } })
  const seen: string[] = []
  await measure(dump, new KDE(), {
    onProgress: ({ done, total, run, epoch }) => void seen.push(`${run} ${epoch} ${done}/${total}`),
  })
  t.deepEqual(seen, ['a 0 1/3', 'a 1 2/3', 'a 2 3/3'])
  const { bytes } = memory()
  const stop = new AbortController()
  const failed = await t.throwsAsync(
    measure(dump, new KDE(), { signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) }),
  )
  t.is(failed?.message, 'enough')
  await measure(dump, [new KDE(), new KSG()], { bootstrap: 2 })
  // The layers alone are 14,400 bytes; classes of labels wait for the collector.
  t.true(memory().bytes - bytes < 6400, `${memory().bytes - bytes}`)
})

test('some samples of a large file are measured in memory for these alone', async (t) => {
  const folder = fresh('large')
  mkdirSync(folder)
  // 400 MB of zeros, which take no place on the disk.
  const shape = [40_000, 2500]
  const header = npyHeader({ dtype: 'float32', shape })
  const file = openSync(join(folder, 'fc1.npy'), 'w')
  writeSync(file, header)
  ftruncateSync(file, header.length + 4e8)
  closeSync(file)
  const library = JSON.stringify(new URL('../ts/index.js', import.meta.url).href)
  const source = `
    import * as hg from ${library}
    const dump = await hg.readActivations(${JSON.stringify(folder)})
    const before = process.resourceUsage().maxRSS
    const { runs } = await hg.measure(dump, [new hg.Binned()], { samples: 500 })
    console.log(JSON.stringify([runs.samples[0], process.resourceUsage().maxRSS - before]))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', source])
  const [samples, kilobytes] = JSON.parse(stdout) as [number, number]
  t.is(samples, 500)
  t.true(kilobytes < 150_000, `${kilobytes} kB`)
})

test('a dump on the disk, from the file to the set', async (t) => {
  const folder = fresh('dump')
  for (const seed of [1, 2]) {
    for (const epoch of [0, 1]) {
      const path = join(folder, `seed_${seed}`, `epoch_${epoch}.npz`)
      mkdirSync(dirname(path), { recursive: true })
      const { x, y, layers } = sample(120, epoch)
      await writeNpz(path, { x, y, ...layers }, { compress: seed === 1 })
    }
  }
  const dump = await readActivations(folder)
  const { runs } = await measure(dump, new Binned({ bins: 8 }), { units: 'bits', samples: 100 })
  t.deepEqual(runs.names, ['seed_1', 'seed_2'])
  const { ity } = runs.spread('Binned', 'fc1', 1)
  t.true(ity.mean > 0.5 && ity.mean <= 1 && ity.se > 0)
  const seen = await inspect(dump)
  t.deepEqual(seen.samples, [120])
  close(t, seen.logSamples, Math.log(120))
  t.is(seen.y?.kind, 'classes')
  t.is(seen.y?.classes, 2)
  t.true((seen.y?.entropy as number) > 0.6 && (seen.y?.entropy as number) <= Math.LN2)
  t.deepEqual(seen.x, { shape: [3], dtype: 'float32' })
  t.deepEqual(
    seen.layers.map(({ name, shape, arrays, size }) => [name, shape, arrays, size]),
    [
      ['fc1', [4], 4, 1920],
      ['fc2', [2], 4, 960],
    ],
  )
})

test('what inspect sees of values', async (t) => {
  const tanh = floats(4, 2, (i, j) => [-1, -0.995, 0, 0.5, 0.995, 0.2, -0.1, 0.3][2 * i + j] as number)
  const sigmoid = floats(4, 2, (i, j) => [0.001, 0.5, 0.999, 0.5, 0, 0, 1, 0.2][2 * i + j] as number)
  const relu = floats(4, 2, (i, j) => [0, 0, 3, 7, 0, 1, 2, 0][2 * i + j] as number)
  const odd = floats(
    4,
    2,
    (i, j) => [Number.NaN, 1, Number.POSITIVE_INFINITY, -2, 0, 3, 4, 5][2 * i + j] as number,
  )
  const dump = held({ a: { 0: { layers: { tanh, sigmoid, relu, odd } } } })
  const { layers, y, x, notes } = await inspect(dump)
  const scans = Object.fromEntries(layers.map(({ name, scan }) => [name, scan]))
  t.like(scans.tanh, { values: 8, least: -1, zeros: 1, saturated: 3, notFinite: 0 })
  t.like(scans.sigmoid, { least: 0, largest: 1, zeros: 2, saturated: 3 })
  t.like(scans.relu, { least: 0, largest: 7, zeros: 4, saturated: null })
  t.like(scans.odd, { values: 8, least: -2, largest: 5, notFinite: 2, zeros: 1, mean: 11 / 6 })
  t.is(y, null)
  t.is(x, null)
  t.true(notes.some((note) => /layer 'odd' has 2 values/.test(note)))
  const part = await inspect(dump, { values: 4 })
  t.is(part.layers[0]?.scan.values, 4)
})

test('a segment of KDE and of bins is measured in one pass as each pair is alone', async (t) => {
  const { x, y, layers } = sample(90, 0)
  const dump = held({ a: { 0: { x, y, layers } } })
  for (const bound of ['upper', 'lower'] as const) {
    const kde = new KDE({ variance: 0.05, bound, base: 2 })
    const measured = await measure(dump, [kde, new DiscreteMI()])
    close(t, pairOf(measured, 0, 0, 'fc1', 0)[1], await kde.estimate(layers.fc1 as ArrayData, y))
    t.deepEqual(measured.runs.units, ['bits', 'nats'])
  }
})
