/** Numbers of layers, named with their sources, and followed through a training. */
import test from 'ava'
import {
  layerMeasureNames,
  layerMeasureSources,
  layerMeasures,
  layerStatistics,
  levinaBickel,
  logSchedule,
  sparsity,
  spectrum,
  twoNN,
} from '../ts/analysis/index.js'
import { ArgumentError, UnknownNameError } from '../ts/core/errors.js'
import { debug, Estimator, type Tensor, tensor, trackStatistics } from '../ts/index.js'
import { numbers } from './helpers.js'
import { classifier, dataset, points } from './toy-task.js'
import { warningsOf } from './warnings.js'

const { x } = points(40)
const rows = (count: number, width: number) =>
  tensor(Float32Array.from(numbers(count * width, -1, 1)), { shape: [count, width] })

test('numbers by name are those of the functions that they come from', async (t) => {
  const h = rows(40, 6)
  const found = await layerMeasures(h)
  t.deepEqual(Object.keys(found), [...layerMeasureNames])
  const [plain, singular] = [await layerStatistics(h), await spectrum(h)]
  t.is(found.variance, plain.variance)
  t.is(found.saturatedShare, plain.saturatedShare)
  t.is(found.effectiveRank, singular.effectiveRank)
  t.is(found.stableRank, singular.stableRank)
  t.is(found.sparseness, (await sparsity(h)).hoyerSamplesMean)
  t.is(found.twoNN, (await twoNN(h)).linear)
  t.is(found.levinaBickel, (await levinaBickel(h)).meanOverRange)
  t.true(layerMeasureNames.every((name) => layerMeasureSources[name].length > 10))
  t.deepEqual(Object.keys(await layerMeasures(h, ['twoNN', 'mean'])), ['twoNN', 'mean'])
  await t.throwsAsync(layerMeasures(h, ['rank' as 'mean']), {
    instanceOf: ArgumentError,
    message: /effectiveRank/,
  })
})

test('what samples have no number of is NaN, and the rest is there', async (t) => {
  const reasons: string[] = []
  const same = tensor(new Float32Array(30), { shape: [10, 3] })
  const found = await layerMeasures(same, ['deadShare', 'twoNN', 'effectiveRank'], (name) =>
    reasons.push(name),
  )
  t.deepEqual(found, { deadShare: 1, twoNN: Number.NaN, effectiveRank: 0 })
  t.deepEqual(reasons, ['twoNN'])
})

test('layers are followed from initialization, by epochs', async (t) => {
  const model = classifier({ seed: 2 })
  const watch = trackStatistics(model, x, {
    measures: ['variance', 'effectiveRank'],
    own: { largest: (h: Tensor) => h.abs().max() },
  })
  const expected: number[][] = []
  const look = async () => {
    const { runs } = await model.activations(x)
    const array = await runs[0]?.layer(runs[0].epochs[0] as number, 'dense_1')?.read()
    const h = tensor(array?.data as Float32Array, { shape: [40, 8] })
    const [{ variance }, { effectiveRank }] = [await layerStatistics(h), await spectrum(h)]
    expected.push([variance, effectiveRank, await h.abs().max().item()])
  }
  await look()
  await model.fitDataset(dataset(32, 16), { epochs: 2, callbacks: [watch, { onEpochEnd: look }] })
  const { epochs, steps, layers, measures, sources, samples, values } = watch.history()
  t.deepEqual([epochs, steps, layers, samples], [[0, 1, 2], [0, 2, 4], ['dense_1', 'dense_2'], 40])
  t.deepEqual(measures, ['variance', 'effectiveRank', 'largest'])
  t.deepEqual(sources.at(-1), 'own')
  t.deepEqual(
    values.map((moment) => moment.map((byLayer) => byLayer[0])),
    expected,
  )
  t.deepEqual(
    watch.of('largest', 'dense_1'),
    expected.map(([, , largest]) => largest),
  )
  await model.fitDataset(dataset(32, 16), { epochs: 1, callbacks: [watch] })
  t.deepEqual(watch.history().epochs, [0, 1, 2, 3], 'another fit goes on')
  t.throws(() => watch.of('twoNN', 'dense_1'), { instanceOf: UnknownNameError })
  t.throws(() => watch.of('variance', 'dense_3'), { instanceOf: UnknownNameError })
})

test('statistics are computed on the device of the model', async (t) => {
  const model = classifier({ seed: 2, device: 'reference' })
  const devices = new Set<string>()
  const watch = trackStatistics(model, x, {
    measures: ['mean', 'effectiveRank'],
    own: {
      place: (h: Tensor) => {
        devices.add(h.device)
        return h.mean()
      },
    },
  })
  class Placed extends Estimator {
    criterion(a: Tensor, b: Tensor) {
      devices.add(a.device)
      return a.mean().add(b.mean())
    }
  }
  const tracked = classifier({ seed: 2, device: 'reference', trackDynamics: true })
    .attachEvaluator(new Placed())
    .attachEvaluator(new Placed(), { evaluateOn: 'epoch' })
    .attachEvaluator(new Placed(), { evaluateOn: { probe: points(20) } })
  await model.fitDataset(dataset(32, 16), { epochs: 1, callbacks: [watch], verbose: false })
  await tracked.fitDataset(dataset(32, 16), { epochs: 1, verbose: false })
  t.deepEqual([...devices], ['reference'])
})

test.serial('a NaN of a statistic does not stop checkNaN', async (t) => {
  const model = classifier({ seed: 2 })
  const watch = trackStatistics(model, x, {
    measures: ['mean', 'twoNN'],
    own: { none: (h: Tensor) => h.mean().mul(0).div(0) },
  })
  const before = debug({ checkNaN: true })
  try {
    await model.fitDataset(dataset(32, 16), { epochs: 1, callbacks: [watch], verbose: false })
  } finally {
    debug(before)
  }
  t.deepEqual(watch.of('none', 'dense_1'), [Number.NaN, Number.NaN])
  t.true(watch.of('mean', 'dense_1').every(Number.isFinite))
})

test('schedules are those of evaluators', async (t) => {
  const seen = async (options: Parameters<typeof trackStatistics>[2], epochs: number) => {
    const model = classifier({ seed: 2 })
    const watch = trackStatistics(model, x, { measures: ['mean'], ...options })
    await model.fitDataset(dataset(32, 16), { epochs, callbacks: [watch] })
    const { epochs: numbers, steps } = watch.history()
    return [numbers, steps]
  }
  t.deepEqual(await seen({ every: 2, initial: false }, 4), [
    [1, 3],
    [2, 6],
  ])
  t.deepEqual(await seen({ every: [2, 3] }, 4), [
    [0, 2, 3],
    [0, 4, 6],
  ])
  t.deepEqual((await seen({ every: 'log' }, 20))[0], logSchedule(20, 15))
  t.deepEqual(await seen({ every: { steps: [1, 3] }, initial: false }, 2), [
    [0, 1],
    [1, 3],
  ])
  t.deepEqual(await seen({ every: { steps: 2 } }, 2), [
    [0, 0, 1],
    [0, 2, 4],
  ])
})

test('a number without a value is told once, and is NaN', async (t) => {
  const model = classifier({ seed: 2 })
  const same = new Float32Array(4 * 30).fill(0.5)
  const watch = trackStatistics(model, same, { measures: ['twoNN', 'mean'] })
  const warnings = await warningsOf(async () => {
    await model.fitDataset(dataset(32, 16), { epochs: 2, callbacks: [watch] })
  })
  t.is(warnings.filter(({ message }) => message.includes('twoNN has no value')).length, 1)
  t.deepEqual(watch.of('twoNN', 'dense_1'), [Number.NaN, Number.NaN, Number.NaN])
  t.true(watch.of('mean', 'dense_1').every(Number.isFinite))
})

test('what cannot be followed is refused', async (t) => {
  const model = classifier()
  t.throws(() => trackStatistics({} as never, x), { instanceOf: ArgumentError, message: /expected a model/ })
  t.throws(() => trackStatistics(model, x, { measures: ['rank' as 'mean'] }), {
    instanceOf: ArgumentError,
  })
  t.throws(() => trackStatistics(model, x, { measures: [] }), { message: /name at least one/ })
  t.throws(() => trackStatistics(model, x, { own: { mean: (h) => h.mean() } }), { message: /give another/ })
  const bad = trackStatistics(model, x, { own: { rows: (h) => h.mean(0) } })
  await t.throwsAsync(model.fitDataset(dataset(16, 16), { epochs: 1, callbacks: [bad] }), {
    instanceOf: ArgumentError,
    message: /expected a tensor, a scalar/,
  })
})
