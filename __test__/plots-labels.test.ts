/** Labels of figures, tables and reports match the measurement: unit, settings, epochs, and gaps for missing values. */

import test from 'ava'
import { ArgumentError, DataError } from '../ts/core/errors.js'
import { loadDynamics } from '../ts/dynamics/index.js'
import { Binned, HSIC, KDE, ones, Ross, theoryReport } from '../ts/index.js'
import {
  type Chart,
  type DynamicsLike,
  type DynamicsSource,
  dynamicsTable,
  epochsPlot,
  informationPlane,
  informationPlanePanels,
  lossPlot,
} from '../ts/plots/index.js'
import { fresh } from './io-scratch.js'
import { classifier, dataset } from './toy-task.js'

/** All text of a specification. */
const text = ({ spec }: Chart) => JSON.stringify(spec)
const charts = [informationPlane, informationPlanePanels, epochsPlot] as const

/** Rows of the dynamics that a picture shows. */
function rowsOf({ datasets }: Chart['spec']): Record<string, unknown>[] {
  return (datasets as unknown as { dynamics: Record<string, unknown>[] }).dynamics
}

/** Those that are points of a plane. */
const pointsOf = (spec: Chart['spec']) => rowsOf(spec).filter(({ x, y }) => x !== null && y !== null)

const powers = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
/** Dynamics made by hand, recorded at powers of two. */
const sparse = (change: Partial<DynamicsLike> = {}): DynamicsLike => ({
  layers: ['a', 'b'],
  evaluators: ['KSG'],
  units: ['bits'],
  evaluatorSettings: [{ k: 3 }],
  epochs: powers,
  values: powers.map((_, n) => [
    [
      [3 - n / 10, n / 10],
      [2 - n / 10, n / 20],
    ],
  ]),
  ...change,
})

test('the unit of the base stands on every figure, table and report, from memory and from the disk', async (t) => {
  const folder = fresh()
  const model = classifier({ trackDynamics: true, saveDynamics: folder, seed: 1 })
  for (const base of [2, Math.E, 10, 3]) model.attachEvaluator(new Binned({ base, bins: 20, range: [0, 4] }))
  model.attachEvaluator(new HSIC({ sigma: 5 }))
  await model.fitDataset(dataset(64, 32), { epochs: 2 })
  const units = ['bits', 'nats', 'bans', 'base 3']
  for (const source of [model, await loadDynamics(folder)]) {
    for (const [evaluator, unit] of units.entries()) {
      for (const chart of charts) {
        const found = text(chart(source, { evaluator }))
        t.true(found.includes(`I(H; X) [${unit}]`) && found.includes(`I(H; Y) [${unit}]`))
        t.true(found.includes('bins 20, range [0, 4]'))
        for (const other of units) t.is(found.includes(`[${other}]`), other === unit)
      }
      t.regex(dynamicsTable(source, { evaluator }), /^I\(H; X\) \[.*\], Binned.*: bins 20, range \[0, 4\]\n/)
    }
    t.true(text(informationPlane(source, { evaluator: 'HSIC' })).includes('"HSIC(H, X)"'))
  }
  const nats = theoryReport(model.dynamics(), { n: 64, classes: 3, evaluator: 'Binned_2' }).layers
  for (const evaluator of ['Binned', 'Binned_3', 'Binned_4']) {
    const { layers, text: told } = theoryReport(model.dynamics(), { n: 64, classes: 3, evaluator })
    for (const [i, layer] of layers.entries()) {
      t.true(Math.abs(layer.compression - (nats[i]?.compression as number)) < 1e-5)
    }
    t.regex(told, /last epoch \(2\), in nats\nBinned.*: bins 20, range \[0, 4\]\n/)
  }
  t.throws(() => theoryReport(model.dynamics(), { n: 64, classes: 3, base: Math.E }), {
    instanceOf: ArgumentError,
    message: /Binned measured in bits, base 2; leave base out/,
  })
})

test('a report of values of an unknown unit asks for the base', (t) => {
  const { values, layers, evaluators } = sparse() as {
    values: number[][][][]
    layers: string[]
    evaluators: string[]
  }
  const options = { n: 64, classes: 3 }
  t.throws(() => theoryReport({ values, layers, evaluators }, options), {
    instanceOf: ArgumentError,
    message: /the unit of KSG is not known.*base: 2/,
  })
  const { layers: found } = theoryReport({ values, layers, evaluators }, { ...options, base: 2 })
  t.true(Math.abs((found[0]?.compression as number) - 2.1 * Math.LN2) < 1e-12)
  t.throws(() => theoryReport(null as never, options), { instanceOf: ArgumentError })
})

test('a unit that is not that of the values is refused', (t) => {
  for (const show of [...charts, dynamicsTable]) {
    t.throws(() => show(sparse(), { units: 'nats' }), {
      instanceOf: ArgumentError,
      message: /units: given "nats", but KSG measured in bits/,
    })
    t.notThrows(() => show(sparse(), { units: 'bits' }))
  }
})

test('binning of fixed width does not show bins and a range that it leaves out', async (t) => {
  const model = classifier({ trackDynamics: true }).attachEvaluator(new Binned({ binSize: 0.07 }))
  await model.fitDataset(dataset(64, 32), { epochs: 1 })
  const found = text(informationPlane(model))
  t.true(found.includes('Binned: binSize 0.07'))
  t.false(/bins \d|range \[/.test(found))
})

test('epochs stand where they were recorded, and are counted as they were', (t) => {
  const plane = informationPlane(sparse())
  t.deepEqual(
    rowsOf(plane.spec)
      .filter((row) => row.layer === 'a' && 'epoch' in row)
      .map((row) => row.epoch)
      .sort((a, b) => Number(a) - Number(b)),
    powers,
  )
  t.true(text(plane).includes('hollow marker: epoch 0, ringed marker: epoch 256'))
  t.true(text(plane).includes('"domain":[0,256]'))
  t.true(text(epochsPlot(sparse())).includes('[0,50,100,150,200,256]'))
  const table = dynamicsTable(sparse()).split('\n')
  t.deepEqual(
    table.slice(2, 12).map((line) => Number.parseInt(line, 10)),
    powers,
  )
})

test('rows of which nobody says the epochs are called rows', (t) => {
  const { epochs: _, ...rows } = sparse()
  t.true(text(informationPlane(rows)).includes('hollow marker: row 1, ringed marker: row 10'))
  t.true(text(epochsPlot(rows)).includes('"title":"row"'))
  t.regex(dynamicsTable(rows), /\n *row /)
  for (const show of charts) t.false(/"title":"epoch"/.test(text(show(rows))))
})

test('a second fit goes on counting epochs', async (t) => {
  const model = classifier({ trackDynamics: true }).attachEvaluator(new HSIC({ sigma: 5 }))
  await model.fitDataset(dataset(32, 16), { epochs: 2 })
  await model.fitDataset(dataset(32, 16), { epochs: 3 })
  t.true(text(informationPlane(model)).includes('hollow marker: epoch 3, ringed marker: epoch 5'))
})

test('epochs that an evaluator was not due in, and sides without an answer, are gaps', async (t) => {
  const model = classifier({ trackDynamics: true, seed: 2 })
    .attachEvaluator(new KDE({ base: 2 }), { evaluateOn: 'epoch', every: 3 })
    .attachEvaluator(new Ross(), { evaluateOn: 'epoch' })
  await model.fitDataset(dataset(64, 32), { epochs: 5 })
  const due = rowsOf(epochsPlot(model, { evaluator: 'KDE' }).spec).filter((row) => row.layer === 'dense_1')
  t.deepEqual(
    due.map((row) => row.epoch),
    [1, 4],
  )
  const measured = pointsOf(informationPlane(model, { evaluator: 'KDE' }).spec)
  t.is(measured.length, 4, 'two layers at two epochs')
  t.regex(dynamicsTable(model), /\n +2 +- +-\n/)
  const ross = epochsPlot(model, { evaluator: 'Ross' })
  const rows = rowsOf(ross.spec)
  t.is(rows.length, 10)
  t.true(rows.every(({ x, y }) => x === null && Number.isFinite(y)))
  t.true(text(ross).includes('no value: I(H; X) [nats]'))
  const plane = informationPlane(model, { evaluator: 'Ross' })
  t.is(pointsOf(plane.spec).length, 0)
  t.true(text(plane).includes('no point: I(H; X) [nats] has no value'))
  for (const chart of [ross, plane, informationPlanePanels(model, { evaluator: 'Ross' })]) {
    t.false(/NaN|undefined/.test(await chart.svg()))
  }
  const kept = JSON.parse(JSON.stringify(model.dynamics())) as DynamicsSource
  t.is(JSON.stringify((kept as DynamicsLike).values[1]?.[0]?.[0]), '[null,null]')
  for (const evaluator of ['KDE', 'Ross']) {
    t.deepEqual(informationPlane(kept, { evaluator }).spec, informationPlane(model, { evaluator }).spec)
    t.is(dynamicsTable(kept, { evaluator }), dynamicsTable(model, { evaluator }))
  }
})

test('a gap within an epoch breaks the line of its layer alone', async (t) => {
  const values = structuredClone(sparse().values) as (number | null)[][][][]
  ;(values[4]?.[0] as (number | null)[][])[1] = [Number.NaN, null]
  const chart = informationPlane(sparse({ values }))
  t.is((await chart.svg()).match(/midway: /g)?.length, 9 + 7)
  const nothing = values.map((row) => [[row[0]?.[0] ?? [], [Number.NaN, Number.NaN]]])
  t.true(text(informationPlane(sparse({ values: nothing as never }))).includes('no value: b'))
})

test('an unfinished epoch of a store is not shown as one', async (t) => {
  const stored = {
    layers: ['a'],
    evaluators: ['HSIC'],
    epochs: [1, 2, 3],
    completedEpochs: 2,
    averaged: () => ({ shape: [3, 1, 1, 2], values: [1, 1, 2, 2, 3, 3] }),
  }
  t.true(text(informationPlane(stored)).includes('ringed marker: epoch 2'))
})

test('a wrong heading of dynamics is refused with the reason', (t) => {
  const refuses = (change: object, kind: typeof ArgumentError | typeof DataError, message: RegExp) =>
    t.throws(() => informationPlane(sparse(change)), { instanceOf: kind, message })
  refuses({ epochs: [1, 2] }, DataError, /epochs: given an array of 2, expected 10 rising numbers/)
  refuses({ epochs: powers.toReversed() }, DataError, /rising/)
  refuses({ epochs: 5 }, DataError, /given 5/)
  refuses({ units: ['bits', 'bits'] }, ArgumentError, /expected 1 names/)
  refuses({ units: [2] }, ArgumentError, /units/)
  refuses({ evaluatorSettings: {} }, ArgumentError, /evaluatorSettings/)
})

test('options of wrong types are refused with typed errors', (t) => {
  const loss = { loss: [1, 2] }
  const calls: (() => unknown)[] = [
    ...[...charts, dynamicsTable].flatMap((show) => [
      () => show(sparse(), null as never),
      () => show(sparse(), { titel: 'x' } as never),
      () => show(sparse(), { units: 5 } as never),
      () => show(sparse(), { layer: null } as never),
      () => show(sparse(), { evaluator: {} } as never),
      () => show(sparse(), { width: 'wide' } as never),
      () => show({ ...sparse(), values: [[null]] } as never),
    ]),
    () => lossPlot(loss, null as never),
    () => lossPlot(loss, { title: 5 } as never),
    () => lossPlot(null as never),
    () => informationPlanePanels(sparse(), { axes: 'both' } as never),
  ]
  for (const call of calls) {
    const thrown = t.throws(call)
    t.true(typeof (thrown as { code?: unknown } | undefined)?.code === 'string', `${call}: ${thrown}`)
  }
})

test('forward gives what the layers with parameters put out, of any model', (t) => {
  const model = classifier()
  const { output, hidden } = model.forward(ones([2, 4]))
  t.deepEqual(
    hidden.map(({ shape }) => shape),
    [
      [2, 8],
      [2, 3],
    ],
  )
  t.deepEqual([...(hidden[1]?.dataSync() ?? [])], [...output.dataSync()])
})
