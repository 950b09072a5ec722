/** Charts state their measurements, in every format, and refuse what cannot be drawn. */

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import {
  ArgumentError,
  DataError,
  IOError,
  NumericalError,
  ShapeError,
  StateError,
  UnknownNameError,
} from '../ts/core/errors.js'
import { packageRoot } from '../ts/core/package-root.js'
import { drawn } from '../ts/plots/draw.js'
import { hasLettersOf, textWidth } from '../ts/plots/font.js'
import {
  Chart,
  type DynamicsLike,
  dynamicsTable,
  epochsPlot,
  informationPlane,
  informationPlanePanels,
  lossPlot,
} from '../ts/plots/index.js'
import { placeLabels } from '../ts/plots/labels.js'
import { inFolder } from './in-folder.js'

const layers = ['conv2d_1', 'dense_1', 'dense_2', 'dense_3', 'dense_4']

/** Courses as training makes them: compression rises then falls in deep layers, generalization rises. */
function dynamics(epochs: number, evaluators = ['HSIC']): DynamicsLike {
  return {
    layers,
    evaluators,
    epochs: Array.from({ length: epochs }, (_, n) => n + 1),
    values: Array.from({ length: epochs }, (_, n) =>
      evaluators.map((_, e) =>
        layers.map((_, l) => {
          const t = n / Math.max(6, epochs - 1)
          return [0.002 + 0.02 * t * (1 - 0.18 * l) * (e + 1), 0.0001 * (1 + (l + 1) * 15 * t) * (e + 1)]
        }),
      ),
    ),
  }
}

type Row = Record<string, string | number>

/** All data rows of a specification that have an epoch. */
function rowsOf(spec: unknown): Row[] {
  if (Array.isArray(spec)) return spec.flatMap(rowsOf)
  if (typeof spec !== 'object' || spec === null) return []
  const lists = Object.values(spec).filter((values) => Array.isArray(values) && isRow(values[0]))
  return lists.length > 0 ? (lists.flat() as Row[]) : Object.values(spec).flatMap(rowsOf)
}

const isRow = (value: unknown) => typeof value === 'object' && value !== null && 'epoch' in value

/** Everything of that name anywhere in a specification. */
function find(spec: unknown, name: string): unknown[] {
  if (Array.isArray(spec)) return spec.flatMap((item) => find(item, name))
  if (typeof spec !== 'object' || spec === null) return []
  return Object.entries(spec).flatMap(([key, value]) =>
    (key === name ? [value] : []).concat(find(value, name) as []),
  )
}

test('an information plane holds every layer and epoch once, with the recorded values', (t) => {
  const recorded = dynamics(7)
  const rows = rowsOf(informationPlane(recorded).spec)
  t.is(rows.length, 7 * 5)
  for (const { layer, epoch, x, y } of rows) {
    t.deepEqual(
      [x, y],
      recorded.values[Number(epoch) - 1]?.[0]?.[layers.indexOf(String(layer))] as [number, number],
    )
  }
})

test('an information plane names its axes, layers and epochs', (t) => {
  const { spec } = informationPlane(dynamics(7))
  t.true(find(find(spec, 'x'), 'title').includes('HSIC(H, X)'))
  t.true(find(find(spec, 'y'), 'title').includes('HSIC(H, Y)'))
  t.true(
    find(find(spec, 'shape'), 'domain').some((domain) => JSON.stringify(domain) === JSON.stringify(layers)),
  )
  t.true(find(find(spec, 'fill'), 'domain').some((domain) => JSON.stringify(domain) === '[1,7]'))
  t.deepEqual(JSON.parse(JSON.stringify(spec)), spec)
})

test('the specification of a small information plane is as it was', async (t) => {
  const golden = join(packageRoot, '__test__', 'data', 'plots', 'plane.vl.json')
  const chart = informationPlane({ ...dynamics(3), layers }, { layer: ['conv2d_1', 'dense_4'] })
  const text = `${JSON.stringify(chart, null, 2)}\n`
  // After a wanted change: UPDATE_GOLDEN=1 npx ava build/__test__/plots.test.js
  if (process.env.UPDATE_GOLDEN) await writeFile(golden, text)
  t.is(text, await readFile(golden, 'utf8'))
})

test('dynamics that do not tell their unit are labeled so, unless the caller does', (t) => {
  const titles = (evaluator: string, options = {}) =>
    find(find(informationPlane({ ...dynamics(2), evaluators: [evaluator] }, options).spec, 'x'), 'title')
  t.true(titles('KSG').includes('I(H; X) [unit unknown]'))
  t.true(titles('Correlation').includes('Correlation(H, X) [unit unknown]'))
  t.true(titles('nHSIC (sigma 5)').includes('nHSIC(H, X)'))
  t.true(titles('KSG', { xTitle: 'information', units: 'bits' }).includes('information [bits]'))
})

test('a model is asked for its dynamics, and an evaluator and layers are chosen by name or index', (t) => {
  const recorded = dynamics(4, ['HSIC', 'KDE'])
  const model = { dynamics: () => recorded }
  const byName = informationPlane(model, { evaluator: 'KDE', layer: ['dense_2', 'dense_4'] })
  t.deepEqual(byName.spec, informationPlane(recorded, { evaluator: 1, layer: [2, -1] }).spec)
  const rows = rowsOf(byName.spec)
  t.is(rows.length, 8)
  t.is(
    rows.find((row) => row.layer === 'dense_2' && row.epoch === 3)?.x,
    recorded.values[2]?.[1]?.[2]?.[0] as number,
  )
})

test('stored dynamics are drawn up to the last epoch that was reached', (t) => {
  const recorded = dynamics(3)
  const unreached = Array.from({ length: 10 }, () => Number.NaN)
  const values = Float64Array.from([...recorded.values.flat(4), ...unreached])
  const stored = {
    layers,
    evaluators: ['HSIC'],
    epochs: [1, 2, 3, 4],
    averaged: () => ({ shape: [4, 1, 5, 2], values }),
  }
  t.deepEqual(informationPlane(stored).spec, informationPlane(recorded).spec)
})

test('a layer keeps its marker and color when others are left out', (t) => {
  const of = (spec: unknown, channel: string) => JSON.stringify(find(find(spec, channel), 'range')[0])
  t.is(of(informationPlane(dynamics(2), { layer: 'dense_3' }).spec, 'shape'), '["diamond"]')
  const all = JSON.parse(of(epochsPlot(dynamics(2)).spec, 'color')) as string[]
  t.is(of(epochsPlot(dynamics(2), { layer: 'dense_3' }).spec, 'color'), JSON.stringify([all[3]]))
})

test('a single epoch is one point a layer, without a scale of epochs', async (t) => {
  const chart = informationPlane(dynamics(1))
  t.is(rowsOf(chart.spec).length, 5)
  t.false(JSON.stringify(chart.spec).includes('viridis'))
  const svg = await chart.svg()
  for (const layer of layers) t.true(svg.includes(layer))
})

test('panels: one for each layer under the common title, colored by epoch', (t) => {
  const { spec } = informationPlanePanels(dynamics(7))
  t.is((spec.title as { text: string }).text, 'compression measure vs generalization measure')
  const panels = spec.concat as { title: { text: string } }[]
  t.deepEqual(
    panels.map((panel) => panel.title.text),
    layers,
  )
  for (const panel of panels) t.is(rowsOf(panel).length, 7)
  t.true(JSON.stringify(spec).includes('viridis'))
})

test('panels with shared axes have one domain, with axes of their own several', (t) => {
  const domains = (axes: 'shared' | 'independent') => {
    const { spec } = informationPlanePanels(dynamics(7), { axes })
    return new Set(find(find(spec, 'x'), 'domain').map((domain) => JSON.stringify(domain))).size
  }
  t.is(domains('shared'), 1)
  t.is(domains('independent'), 5)
})

test('epochs plot: both measures against the epoch, counted from 1', (t) => {
  const { spec } = epochsPlot(dynamics(7))
  const panels = spec.hconcat as { title: { text: string } }[]
  t.deepEqual(
    panels.slice(0, 2).map((panel) => panel.title.text),
    ['HSIC(H, X) by epoch', 'HSIC(H, Y) by epoch'],
  )
  t.deepEqual([...new Set(rowsOf(spec).map((row) => row.epoch))], [1, 2, 3, 4, 5, 6, 7])
})

test('the first of several evaluators is named as such, unless it was asked for', (t) => {
  const several = dynamics(3, ['KDE', 'HSIC', 'Binned'])
  const draw = informationPlanePanels
  t.true(JSON.stringify(draw(several).spec.title).includes('KDE (first of 3 evaluators)'))
  t.false(JSON.stringify(draw(several, { evaluator: 'KDE' }).spec.title).includes('first of'))
  t.false(JSON.stringify(draw(dynamics(3)).spec.title).includes('first of'))
})

/** Three evaluators with units of their own; the last one was due in every third epoch. */
function severalUnits(): DynamicsLike {
  const recorded = dynamics(7, ['KDE', 'HSIC', 'KSG'])
  const values = recorded.values.map(([kde, hsic, ksg], n) => [
    kde,
    hsic,
    n % 3 === 0
      ? ksg?.map((pair) => pair.map((value) => 100 * Number(value)))
      : layers.map(() => [Number.NaN, Number.NaN]),
  ])
  return { ...recorded, units: ['nats', 'none', 'bits'], samples: [1000, 900, 800], values } as DynamicsLike
}

test('several evaluators have a panel each, with name, settings, unit and scale of their own', async (t) => {
  const titles = ['I(H; X) [nats]', 'HSIC(H, X)', 'I(H; X) [bits]']
  const plane = informationPlane(severalUnits())
  const epochs = epochsPlot(severalUnits())
  for (const [{ spec }, side, views] of [
    [plane, 'x', plane.spec.concat],
    [epochs, 'y', epochs.spec.vconcat],
  ] as const) {
    const panels = views as { title: { text: string; subtitle: string[] }; data: { name: string } }[]
    t.deepEqual(
      panels.map(({ title }) => title.text),
      ['KDE', 'HSIC', 'KSG'],
    )
    panels.forEach((panel, e) => {
      t.true(find(find(panel, side), 'title').includes(titles[e]))
      t.true(panel.title.subtitle[0]?.includes(`n = ${[1000, 900, 800][e]}`))
      const rows = (spec.datasets as Record<string, Row[]>)[panel.data.name] as Row[]
      t.is(rows.length, (e === 2 ? 3 : 7) * layers.length)
    })
    const domains = panels.map((panel) => JSON.stringify(find(find(panel, side), 'domain')[0]))
    t.is(new Set(domains).size, 3)
  }
  t.is(informationPlane(severalUnits(), { evaluator: 'KSG' }).spec.concat, undefined)
  for (const chart of [plane, epochs]) {
    const svg = await chart.svg()
    for (const text of ['KDE', 'HSIC', 'KSG', '[nats]', '[bits]']) t.true(svg.includes(text), text)
  }
})

test('in figures of several evaluators an epoch of the slider keeps the last row of those that were not due', (t) => {
  const { spec } = informationPlane(severalUnits())
  const rows = (spec.datasets as Record<string, Row[]>).dynamics_2 as Row[]
  t.deepEqual(
    rows.filter(({ layer }) => layer === 'dense_1').map(({ epoch, nextEpoch }) => [epoch, nextEpoch]),
    [
      [1, 4],
      [4, 7],
      [7, undefined],
    ],
  )
  t.deepEqual((spec.usermeta as { hyperglow: { epochs: number[] } }).hyperglow.epochs, [1, 2, 3, 4, 5, 6, 7])
})

test('titles and ranges of axes are refused for evaluators of different units', (t) => {
  for (const draw of [informationPlane, epochsPlot]) {
    for (const options of [{ xDomain: [0, 1] as const }, { yTitle: 'information' }]) {
      t.throws(() => draw(severalUnits(), options), {
        instanceOf: ArgumentError,
        message: /nats, none, bits/,
      })
      t.notThrows(() => draw(severalUnits(), { ...options, evaluator: 'HSIC' }))
      t.notThrows(() => draw({ ...severalUnits(), units: ['nats', 'nats', 'nats'] }, options))
    }
  }
})

test('epochs plot: every measured epoch has a marker if they are few', (t) => {
  const unmarked = (epochs: number) =>
    rowsOf(epochsPlot(dynamics(epochs)).spec).filter((row) => !(row.xMarked && row.yMarked)).length
  t.deepEqual([unmarked(5), unmarked(30)], [0, 0])
  t.true(unmarked(200) > 0)
})

test('loss plot: training red, validation blue, "Epoch vs Loss"', (t) => {
  const { spec } = lossPlot({ loss: [2, 1], validationLoss: [2.1, 1.2] })
  t.is((spec.title as { text: string }).text, 'Epoch vs Loss')
  const colors = (chart: unknown) => [
    ...new Set(find(find(chart, 'color'), 'range').map((range) => String(range))),
  ]
  t.deepEqual(colors(spec), ['#d62728,#1f77b4'])
  t.is(
    new Set(find(find(spec, 'strokeDash'), 'range').flat().map(String)).size,
    2,
    'told without color as well',
  )
  t.deepEqual(rowsOf(spec).at(-1), { curve: 'validation', epoch: 2, loss: 1.2, marked: true } as never)
  t.deepEqual(colors(lossPlot({ loss: [1] }).spec), ['#d62728'])
})

test('labels stay inside and clear of each other, even for points on one spot', (t) => {
  const spots = Array.from({ length: 12 }, (_, i) => ({
    x: 20 + ((i * 0.618) % 1) * 30,
    y: 200 + ((i * 0.755) % 1) * 30,
  }))
  for (const anchors of [spots, spots.map(() => ({ x: 150, y: 150 })), spots.map(() => ({ x: 520, y: 0 }))]) {
    const requests = anchors.slice(0, 8).map((anchor) => ({ anchor, width: 60, height: 12 }))
    const paths = anchors.map((anchor) => [{ x: 300, y: 390 }, anchor])
    const places = placeLabels(requests, { width: 520, height: 400, paths, radius: 5 })
    places.forEach((a, i) => {
      t.true(a.x >= 0 && a.y >= 0 && a.x + a.width <= 520 && a.y + a.height <= 400)
      for (const b of places.slice(i + 1)) {
        t.true(a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y)
      }
    })
  }
})

test('a table has a row for each epoch and a column for each layer, aligned', (t) => {
  const table = dynamicsTable({
    layers: ['a', 'dense_2'],
    evaluators: ['HSIC'],
    epochs: [1, 2],
    values: [
      [
        [
          [0.5, 0.0123],
          [0.25, 1],
        ],
      ],
      [
        [
          [12, 0.5],
          [0.125, 0],
        ],
      ],
    ],
  })
  t.is(
    table,
    [
      'HSIC(H, X)',
      'epoch        a  dense_2',
      '    1   0.5000   0.2500',
      '    2  12.0000   0.1250',
      '',
      'HSIC(H, Y)',
      'epoch        a  dense_2',
      '    1  0.01230  1.00000',
      '    2  0.50000  0.00000',
    ].join('\n'),
  )
})

test('a table goes on in another block where layers do not fit beside each other', (t) => {
  const lines = dynamicsTable(dynamics(3), { width: 40 }).split('\n')
  t.true(lines.every((line) => line.length <= 40))
  for (const layer of layers) t.is(lines.filter((line) => line.split(/ +/).includes(layer)).length, 2)
})

test('the shipped font is measured as the image renderer draws it, and has the signs that charts use', async (t) => {
  const { Resvg } = await import('@resvg/resvg-js')
  const fontFiles = ['Inter-Regular.ttf', 'Inter-SemiBold.ttf'].map((name) =>
    join(packageRoot, 'assets', 'fonts', name),
  )
  for (const weight of [400, 600]) {
    const text = 'HxHSIC(H, X) 0.0123 dense_4 xH'
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="60"><text x="9" y="40" font-family="Inter" font-weight="${weight}" font-size="40">${text}</text></svg>`
    const box = new Resvg(svg, { font: { fontFiles, loadSystemFonts: false } }).innerBBox()
    const drawn = box?.width ?? 0
    t.true(
      Math.abs(textWidth(text, 40, weight) - drawn) < 0.02 * drawn,
      `${textWidth(text, 40, weight)}, ${drawn}`,
    )
  }
  t.true(hasLettersOf('2.5×10⁻⁰¹²³⁴⁵⁶⁷⁸⁹ \u2212 σβ'))
  t.false(hasLettersOf('層'))
})

test('SVG: sans-serif text, all names, and no value that is not a number', async (t) => {
  for (const chart of [
    informationPlane(dynamics(7)),
    informationPlanePanels(dynamics(7)),
    epochsPlot(dynamics(7)),
    lossPlot({ loss: [2, 1, 0.5], validationLoss: [2, 1.5, 1] }),
  ]) {
    const svg = await chart.svg()
    t.true(svg.startsWith('<svg'))
    t.regex(svg, /font-family="Inter, [^"]*sans-serif"/)
    t.false(/NaN|undefined|Infinity/.test(svg))
  }
})

test('SVG: the color of epochs is a bar, and no warning is written', async (t) => {
  const warnings: unknown[] = []
  const { warn } = console
  console.warn = (...message) => warnings.push(message)
  try {
    for (const chart of [
      informationPlane(dynamics(7)),
      informationPlanePanels(dynamics(7)),
      epochsPlot(dynamics(1)),
    ]) {
      const svg = await chart.svg()
      t.is(/linearGradient/.test(svg), chart.spec.hconcat === undefined)
    }
  } finally {
    console.warn = warn
  }
  t.deepEqual(warnings, [])
})

test('hundreds of epochs are drawn in full by the line, with few markers', async (t) => {
  for (const show of [informationPlane, epochsPlot]) {
    const { spec } = show(dynamics(500))
    const marked = rowsOf(spec).filter((row) => row.marked || row.xMarked).length / 5
    t.true(marked >= 3 && marked <= 20, `${marked}`)
  }
  t.is((await informationPlane(dynamics(500)).svg()).match(/midway: /g)?.length, 5 * 499)
})

test('PNG: an image as many times the size of the SVG as asked for', async (t) => {
  const chart = informationPlane(dynamics(7))
  const size = /width="(\d+)" height="(\d+)"/.exec(await chart.svg()) ?? []
  for (const scale of [1, 2]) {
    const png = Buffer.from(await chart.png({ scale }))
    t.is(png.toString('latin1', 1, 4), 'PNG')
    t.deepEqual(
      [png.readUInt32BE(16), png.readUInt32BE(20)],
      [scale * Number(size[1]), scale * Number(size[2])],
    )
  }
  await t.throwsAsync(() => chart.png({ scale: 0 }), {
    instanceOf: ArgumentError,
    message: /scale must be a number in \(0, 16\], received/,
  })
})

test('files: the extension chooses the form, folders are made, nothing else is left', async (t) => {
  await inFolder(async (folder) => {
    const chart = informationPlane({ ...dynamics(2), layers: ['</script>', 'b&b', 'c', 'd', 'e'] })
    const deep = join(folder, 'runs', 'one')
    const paths = ['plane.svg', 'plane.PNG', 'plane.html', 'plane.vl.json'].map((name) => join(deep, name))
    for (const path of paths) t.is(await chart.save(path), path)
    t.is((await readdir(deep)).length, 4)
    const [svg, png, html, json] = (await Promise.all(paths.map((path) => readFile(path)))) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ]
    t.is(svg.toString(), await chart.svg())
    t.is(png.toString('latin1', 1, 4), 'PNG')
    t.deepEqual(JSON.parse(json.toString()), chart.spec)
    const carried = /<script type="application\/json"[^>]*>(.*?)<\/script>/s.exec(html.toString())?.[1] ?? ''
    t.deepEqual(JSON.parse(carried).datasets, chart.spec.datasets)
    t.true(html.includes('<title>Information plane</title>'))
    t.false(/(?:src|href)="https?:/.test(html.toString()))
  })
})

test('files: an unknown extension and a folder that is a file are refused', async (t) => {
  await inFolder(async (folder) => {
    const chart = lossPlot({ loss: [1, 2] })
    await t.throwsAsync(() => chart.save(join(folder, 'loss.gif')), {
      instanceOf: ArgumentError,
      message: /loss\.gif.*\.svg, \.png, \.pdf, \.html, \.apng, \.vl\.json/,
    })
    await writeFile(join(folder, 'file'), '')
    await t.throwsAsync(() => chart.save(join(folder, 'file', 'loss.vl.json')), { instanceOf: IOError })
    t.deepEqual(await readdir(folder), ['file'])
  })
})

test('a drawing package that is missing is named, with the command that installs it', async (t) => {
  const without = (absent: string) => (name: string) =>
    name === absent ? Promise.reject(new Error(`Cannot find package '${name}'`)) : import(name)
  const { spec } = lossPlot({ loss: [1] })
  await t.throwsAsync(() => drawn(structuredClone(spec), { kind: 'svg' }, without('vega')), {
    instanceOf: StateError,
    message: /vega.*npm install .*vega-lite.*\.vl\.json/,
  })
  const png = { kind: 'png', scale: 1, dpi: 300 } as const
  await t.throwsAsync(() => drawn(structuredClone(spec), png, without('@resvg/resvg-js')), {
    instanceOf: StateError,
    message: /@resvg\/resvg-js.*npm install/,
  })
})

test('a specification that Vega-Lite refuses is an ArgumentError with its reason', async (t) => {
  await t.throwsAsync(() => new Chart({ mark: 'nonsense' }).svg(), { instanceOf: ArgumentError })
})

test('bad dynamics give errors that say what and where', (t) => {
  const good = dynamics(3)
  const wrong = (change: (values: number[][][][]) => void): DynamicsLike => {
    const values = structuredClone(good.values) as number[][][][]
    change(values)
    return { ...good, values }
  }
  const infinite = wrong((values) => {
    ;(values[1]?.[0]?.[2] as number[])[1] = Number.POSITIVE_INFINITY
  })
  t.throws(() => informationPlane(infinite), {
    instanceOf: NumericalError,
    message: /informationPlane: HSIC\(H, Y\) of layer dense_2 in epoch 2 is Infinity.*"layer" option/,
  })
  t.notThrows(() => informationPlane(infinite, { layer: 'dense_1' }))
  t.throws(() => epochsPlot(wrong((values) => values[2]?.[0]?.pop())), {
    instanceOf: ShapeError,
    message: /epochsPlot: values\[2\]\[0\].*array of 4.*\[3, 1, 5, 2\]/,
  })
  t.throws(() => dynamicsTable(wrong((values) => values[0]?.[0]?.[0]?.push(1))), { instanceOf: ShapeError })
  t.throws(() => informationPlane({ ...good, values: [], epochs: [] }), {
    instanceOf: DataError,
    message: /trackDynamics/,
  })
  t.throws(() => informationPlane({ ...good, layers: ['a', 'a', 'b', 'c', 'd'] }), { instanceOf: DataError })
  t.throws(() => informationPlane({} as DynamicsLike), { instanceOf: ArgumentError, message: /loadDynamics/ })
  t.throws(() => informationPlane(undefined as unknown as DynamicsLike), { instanceOf: ArgumentError })
})

test('bad options give errors that name the option', (t) => {
  const good = dynamics(3)
  t.throws(() => informationPlane(good, { layer: 'dens_3' }), {
    instanceOf: UnknownNameError,
    message: /layer "dens_3": did you mean "dense_3"/,
  })
  t.throws(() => informationPlane(good, { evaluator: 'HISC' }), { instanceOf: UnknownNameError })
  t.throws(() => informationPlane(good, { evaluator: 3 }), {
    instanceOf: ArgumentError,
    message: /evaluator: given 3/,
  })
  t.throws(() => informationPlane(good, { layer: [] }), { instanceOf: ArgumentError })
  t.throws(() => informationPlane(good, { width: -1 }), {
    instanceOf: ArgumentError,
    message: /width must be a number of pixels above 0, received -1/,
  })
  t.throws(() => informationPlane(good, { xScale: 'logarithm' as 'log' }), { instanceOf: ArgumentError })
  const zeros = { layers: ['a'], evaluators: ['HSIC'], values: [[[[0, 1]]]] }
  t.throws(() => informationPlane(zeros, { xScale: 'log' }), { instanceOf: ArgumentError, message: /symlog/ })
  t.throws(() => informationPlanePanels(good, { columns: 0 }), { instanceOf: ArgumentError })
  t.throws(() => lossPlot({ loss: [] }), { instanceOf: DataError })
  t.throws(() => lossPlot({ loss: [1], validationLoss: [1, 2] }), { instanceOf: ShapeError })
  t.throws(() => lossPlot({ loss: [1, Number.NaN] }), {
    instanceOf: NumericalError,
    message: /epoch 2 is NaN/,
  })
  t.throws(() => lossPlot(undefined as unknown as { loss: number[] }), { instanceOf: ArgumentError })
})
