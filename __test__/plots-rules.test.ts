/** Rules of every plot: known bounds, overlapping layers named, names at their own layers, several runs with their errors. */
import test from 'ava'
import { ArgumentError, DataError, NumericalError, ShapeError } from '../ts/core/errors.js'
import { RunSet } from '../ts/dynamics/index.js'
import { layersText, limitText, measuredText } from '../ts/dynamics/naming.js'
import {
  type Chart,
  ckaHeatmap,
  compare,
  type DynamicsLike,
  epochsPlot,
  informationPlane,
  informationPlanePanels,
  matrix,
} from '../ts/plots/index.js'
import { limitsOf } from '../ts/plots/limits.js'
import { placeInMargin } from '../ts/plots/margin.js'
import { stacksOf, stacksText } from '../ts/plots/overlap.js'
import { styleOf } from '../ts/plots/theme.js'
import { markedPoints } from '../ts/plots/thinning.js'

const range = (count: number) => Array.from({ length: count }, (_, n) => n)
const charts = [informationPlane, informationPlanePanels, epochsPlot] as const
const text = ({ spec }: Chart) => JSON.stringify(spec)
const said = ({ spec }: Chart) => (spec.title as { subtitle: string[] }).subtitle.join('\n')

/** Layers whose trajectories `at` gives by layer and share of the path. */
function courses(
  count: number,
  epochs: number,
  at: (layer: number, t: number) => [number, number],
): DynamicsLike {
  return {
    layers: range(count).map((l) => `dense_${l + 1}`),
    evaluators: ['Binned'],
    units: ['bits'],
    evaluatorSettings: [{ bins: 30, base: 2 }],
    samples: [4096],
    labelEntropy: Math.LN2,
    epochs: range(epochs),
    values: range(epochs).map((n) => [range(count).map((l) => at(l, epochs === 1 ? 1 : n / (epochs - 1)))]),
  }
}

const fan = (count: number, epochs: number) =>
  courses(count, epochs, (l, t) => [12 - (8 * l * t) / count, 0.2 + 0.7 * t - l / (4 * count)])

test('the title tells estimator, settings, unit and samples', (t) => {
  for (const chart of charts) t.regex(said(chart(fan(3, 4))), /^Binned: bins 30; in bits; n = 4096$/m)
  const of = { unit: null, samples: null, runs: 1, band: 'se' } as const
  t.is(measuredText('HSIC: sigma 5', { ...of, unit: 'none' }), 'HSIC: sigma 5')
  t.is(measuredText('KSG', of), 'KSG; unit unknown')
  t.is(
    measuredText('KSG', { unit: 'nats', samples: 64, runs: 3, band: 'se' }),
    'KSG; in nats; n = 64; 3 runs: mean ± standard error',
  )
})

test('bounds are lines in the unit of the axis, where they are near the values, and said where they are not', (t) => {
  for (const chart of charts) {
    const drawn = text(chart(fan(3, 4)))
    t.true(/"x":12,"text":"log₂ n/.test(drawn) || chart === epochsPlot)
    t.true(/"y":1,"text":"H\(Y\)/.test(drawn))
    const far = chart(courses(2, 3, (_, s) => [2 + s, 0.1]))
    t.false(/"text":"(log|H)/.test(text(far)))
    t.regex(said(far), /log₂ n = 12 \(beyond the axis\); H\(Y\) = 1 \(beyond the axis\)/)
    const nats = { ...fan(3, 4), units: ['nats'] }
    t.true(/ln n/.test(text(chart(nats))) && /0\.693/.test(text(chart(nats))))
    const { samples: _, labelEntropy: __, ...unknown } = fan(3, 4)
    t.false(/log₂|H\(Y\)|n = /.test(text(chart(unknown))))
    t.false(/log₂|H\(Y\)/.test(text(chart({ ...fan(3, 4), units: ['none'] }))))
  }
  t.deepEqual(limitsOf('bits', 8, Math.log(4)), {
    x: { kind: 'samples', value: Math.log(8) / Math.LN2 },
    y: { kind: 'labels', value: Math.log(4) / Math.LN2 },
  })
  t.deepEqual(limitsOf('none', 8, 1), {})
  t.deepEqual(limitsOf('bits', null, null), {})
  t.is(limitText('samples', 'bans', 2), 'log₁₀ n = 2')
  t.is(limitText('samples', 'base 2.5', 2), 'log n = 2')
})

test('all panels and pictures spread their axes alike: linear, unless they are told otherwise', (t) => {
  const wide = courses(3, 5, (l, s) => [10 ** (-4 * l) * (1 + s), 10 ** (-3 * l)])
  for (const chart of charts) {
    t.false(/"type":"log"/.test(text(chart(wide))))
    t.true(/"type":"log"/.test(text(chart(wide, { xScale: 'log' }))))
    t.throws(() => chart(wide, { xScale: 'auto' as 'log' }), { instanceOf: ArgumentError })
    t.true(text(chart(wide, { yDomain: [0, 4] })).includes('"domain":[0,4]'))
    t.throws(() => chart(wide, { yDomain: [4, 0] }), { instanceOf: ArgumentError, message: /yDomain/ })
  }
})

test('epochs are colored by the logarithm of 1 + epoch', (t) => {
  t.true(text(informationPlane(fan(3, 40))).includes('"type":"symlog","constant":1,"scheme"'))
})

test('layers that lie over each other are named together, and said to', (t) => {
  const over = courses(5, 6, (l, s) => (l > 0 && l < 4 ? [4 - s, 0.5 * s] : [l + 1 + s, 0.2]))
  t.regex(said(informationPlane(over)), /over each other all along: \{dense_2 to dense_4\}/)
  t.regex(said(epochsPlot(over)), /I\(H; X\) \[bits\]: over each other all along: \{dense_2 to dense_4\}/)
  t.true(text(informationPlane(over)).includes('"text":"dense_2 to dense_4"'))
  t.true(text(epochsPlot(over)).includes('"xBeneath":2'))
  const met = courses(3, 6, (l, s) => [4 + l * (1 - s), 0.5])
  t.regex(said(informationPlane(met)), /over each other at epoch 5: \{dense_1 to dense_3\}/)
  t.false(/over each other/.test(said(informationPlane(fan(4, 6)))))
})

test('stacks hold what ends on one spot, never a chain of neighbors', (t) => {
  const at = (x: number, place: number) => ({ layer: `l${place}`, place, path: [{ x, y: 0 }] })
  const of = (...xs: number[]) =>
    stacksOf(
      xs.map((x, i) => at(x, i)),
      5,
    ).map(({ layers }) => layers.length)
  t.deepEqual(of(0, 4, 8, 12), [2, 2])
  t.deepEqual(of(0, 20, 1), [2, 1])
  t.deepEqual(stacksOf([{ layer: 'none', place: 0, path: [undefined] }], 5), [])
  t.is(stacksText(stacksOf([at(0, 0), at(9, 1)], 5), 'at epoch 2'), '')
  t.is(layersText([5, 0, 1, 2, 7].map((place) => ({ layer: `l${place}`, place }))), 'l0 to l2, l5, l7')
})

test('names of many layers leave the plot for the margin, each once, clear of each other', (t) => {
  for (const count of [15, 50]) {
    const { spec } = informationPlane(fan(count, 10))
    const drawn = JSON.stringify(spec)
    for (const l of range(count)) t.true(new RegExp(`"text":"[^"]*\\bdense_${l + 1}\\b`).test(drawn), `${l}`)
    t.true((spec.height as number) >= 12 * count || count <= 30)
  }
  const requests = range(40).map((i) => ({ text: `l${i}`, anchor: { x: 0, y: (i * 37) % 50 } }))
  for (const taken of [undefined, 20, 390]) {
    const lines = placeInMargin(requests, 400, 12, taken)
    const heights = [...lines.map(({ y }) => y), ...(taken === undefined ? [] : [taken])].sort(
      (a, b) => a - b,
    )
    for (const [i, y] of heights.slice(1).entries()) t.true(y - (heights[i] as number) >= 12 - 1e-6)
    t.is(lines.flatMap((line) => line.requests).length, 40)
    t.true((heights[0] as number) >= 0 && (heights.at(-1) as number) <= 413)
  }
})

test('markers along a line stand apart, and its ends always have one', (t) => {
  const line = range(300).map((x) => ({ x, y: 0 }))
  const marked = markedPoints(line, 30)
  t.deepEqual([marked[0], marked.at(-1)], [0, 299])
  for (const [i, place] of marked.slice(1).entries()) t.true(place - (marked[i] as number) >= 17)
  t.true(marked.length >= 8 && marked.length <= 11)
  const back = [...line.slice(0, 60), ...line.slice(0, 60).reverse()]
  t.true(markedPoints(back, 30).length <= 4, 'a line that turns back does not mark its way twice')
  t.deepEqual(markedPoints([undefined, { x: 1, y: 1 }, undefined], 30), [1])
  t.deepEqual(markedPoints([undefined], 30), [])
})

test('layers are told apart by color, dash and marker: no two of fifty look the same', (t) => {
  for (const count of [5, 15, 50]) {
    const looks = range(count).map((place) => JSON.stringify(styleOf(place, count)))
    t.is(new Set(looks).size, count)
    const inGray = range(Math.min(count, 12)).map((place) => {
      const { dash, marker } = styleOf(place, count)
      return JSON.stringify([dash, marker])
    })
    t.is(new Set(inGray).size, inGray.length)
  }
})

const seeds = (count: number, shift = 0): DynamicsLike[] =>
  range(count).map((seed) =>
    courses(2, 3, (l, s) => [4 + l + s + 0.1 * seed + shift * (l + 0.1 * (seed % 2)), 0.3 + 0.1 * s]),
  )

test('several runs are their mean with standard errors, each run, or the mean alone, as the title says', async (t) => {
  const runs = seeds(3)
  // Of 0, 0.1, 0.2: mean 0.1, deviation 0.1, standard error 0.1 / sqrt(3).
  const rows = (spec: Chart['spec']) =>
    (spec.datasets as unknown as { dynamics: Record<string, number>[] }).dynamics
  for (const chart of [informationPlane, epochsPlot]) {
    for (const source of [runs, RunSet.of(runs)]) {
      const plane = chart(source)
      const first = rows(plane.spec)[0] as Record<string, number>
      t.true(Math.abs((first.x as number) - 4.1) < 1e-9)
      t.true(Math.abs((first.xError as number) - 0.1 / Math.sqrt(3)) < 1e-9)
      t.true(Math.abs(first.yError as number) < 1e-9)
      t.regex(said(plane), /n = 4096; 3 runs: mean ± standard error$/m)
    }
    const each = chart(runs, { band: 'runs' })
    t.regex(said(each), /3 runs: mean, and each run thin$/m)
    t.is((each.spec.datasets as unknown as { runs: unknown[] }).runs.length, 3 * 2 * 3)
    t.regex(said(chart(runs, { band: 'none' })), /3 runs: mean$/m)
    t.false('xError' in (rows(chart(runs, { band: 'none' }).spec)[0] as object))
    t.false(/runs/.test(said(chart(runs.slice(0, 1)))), 'one run is no mean')
    for (const band of ['se', 'runs', 'none'] as const)
      t.false(/NaN|undefined/.test(await chart(runs, { band }).svg()))
  }
  t.throws(() => informationPlane([]), { instanceOf: DataError })
  t.throws(
    () => informationPlane([runs[0] as DynamicsLike, { ...(runs[1] as DynamicsLike), units: ['nats'] }]),
    {
      instanceOf: DataError,
      message: /units/,
    },
  )
  t.throws(() => informationPlane(runs, { band: 'sd' as 'se' }), { instanceOf: ArgumentError })
})

/** The same dynamics with a second evaluator, which has the same values. */
function withSecond(run: DynamicsLike): DynamicsLike {
  const twice = <T>(list: readonly T[]) => [...list, ...list]
  return {
    ...run,
    evaluators: [...run.evaluators, 'Second'],
    units: twice(run.units ?? []),
    evaluatorSettings: twice(run.evaluatorSettings ?? []),
    samples: twice(run.samples ?? []),
    values: run.values.map(twice),
  }
}

test('a picture of differences has those of RunSet.compare', async (t) => {
  const [a, b] = [seeds(4, 1), seeds(4)].map((runs) => RunSet.of(runs)) as [RunSet, RunSet]
  const chart = await compare(a, b, { names: ['with', 'without'], level: 0.9 })
  const { rows } = await a.compare(b, { evaluator: 0, level: 0.9 })
  const panels = chart.spec.hconcat as unknown as { data: { values: Record<string, unknown>[] } }[]
  const drawn = panels.flatMap(({ data }) => data.values)
  t.is(drawn.length, 4)
  for (const row of rows) {
    t.truthy(
      drawn.find(
        ({ layer, difference, low, high }) =>
          layer === row.layer &&
          difference === row.difference &&
          low === row.interval[0] &&
          high === row.interval[1],
      ),
    )
  }
  t.is((chart.spec.title as { text: string }).text, 'with minus without')
  t.regex(
    said(chart),
    /in bits; n = 4096; epoch 2\nmean difference of 4 pairs of runs with its 90% t interval/,
  )
  t.false(/NaN|undefined/.test(await chart.svg()))
  const [p, q] = [seeds(4, 1), seeds(4)].map((runs) => runs.map(withSecond)) as [
    DynamicsLike[],
    DynamicsLike[],
  ]
  t.regex(said(await compare(p, q)), /\(first of 2 evaluators\)/)
  t.notRegex(said(await compare(p, q, { evaluator: 1 })), /first of/)
  await t.throwsAsync(compare(a, [seeds(1)[0] as DynamicsLike]), { instanceOf: DataError })
  await t.throwsAsync(compare(a, b, { epoch: 17 }), { instanceOf: ArgumentError })
})

test('a matrix shows its numbers, names and unit; what is no value is gray; wrong ones are refused', async (t) => {
  const chart = matrix([[1, -2, Number.NaN]], { columns: ['a', 'b', 'c'], measure: 'gain', unit: 'nats' })
  const drawn = text(chart)
  t.true(drawn.includes('"title":"gain [nats]"') && drawn.includes('"domain":[-2,2]'))
  t.regex(said(chart), /gray: no value/)
  t.true((await chart.svg()).includes('1.00'))
  const cka = ckaHeatmap({
    values: [
      [1, 0.5],
      [0.5, 1],
    ],
    layers: ['h1', 'h2'],
    samples: 100,
  })
  t.true(text(cka).includes('"domain":[0,1]') && said(cka) === 'n = 100')
  t.true(
    text(
      ckaHeatmap([
        [1, -0.1],
        [-0.1, 1],
      ]),
    ).includes('"domain":[-0.1,1]'),
  )
  t.throws(() => matrix([[1], [1, 2]]), { instanceOf: ShapeError })
  t.throws(() => matrix([[1, 2]], { rows: ['a', 'b'] }), { instanceOf: ShapeError })
  t.throws(() => matrix([[1, 2]], { columns: ['a', 'a'] }), { instanceOf: ArgumentError })
  t.throws(() => matrix([[Number.POSITIVE_INFINITY]]), { instanceOf: NumericalError })
  t.throws(() => matrix([]), { instanceOf: ArgumentError })
  t.throws(() => ckaHeatmap(undefined as never), { instanceOf: ArgumentError })
})
