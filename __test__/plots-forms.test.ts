/** Forms of a chart: size on paper, PDF, pages that are alive, animations. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import test from 'ava'
import { ArgumentError, StateError } from '../ts/core/errors.js'
import { drawn } from '../ts/plots/draw.js'
import { Chart, epochsPlot, informationPlane, lossPlot, matrix } from '../ts/plots/index.js'
import { PdfContext } from '../ts/plots/pdf-context.js'
import { AnimatedPng } from '../ts/plots/png.js'
import { fresh } from './io-scratch.js'

const source = {
  layers: ['one', 'two'],
  evaluators: ['KSG'],
  units: ['nats'],
  epochs: [0, 1, 2, 8],
  values: [0, 1, 2, 3].map((n) => [
    [
      [3 - n / 4, 0.2 + n / 8],
      [2 - n / 2, 0.1 + n / 8],
    ],
  ]),
}
const plane = () => informationPlane(source)

/** Chunks of a PNG file by type, in their order. */
function chunksOf(png: Uint8Array): { type: string; data: Buffer }[] {
  const bytes = Buffer.from(png)
  const chunks: { type: string; data: Buffer }[] = []
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    chunks.push({
      type: bytes.toString('latin1', at + 4, at + 8),
      data: bytes.subarray(at + 8, at + 8 + length),
    })
    at += 12 + length
  }
  return chunks
}

test('a width on paper makes pixels of images, and the size of pages and vectors', async (t) => {
  const chart = plane()
  const png = await chart.png({ cm: 8, dpi: 300 })
  t.true(Math.abs(Buffer.from(png).readUInt32BE(16) - (8 / 2.54) * 300) <= 1)
  const physical = chunksOf(png).find(({ type }) => type === 'pHYs')?.data
  t.is(physical?.readUInt32BE(0), Math.round(300 / 0.0254))
  t.regex(await chart.svg({ cm: 8 }), /^<svg[^>]* width="8cm" height="[\d.]+cm" viewBox/)
  const page = Buffer.from(await chart.pdf({ cm: 8 })).toString('latin1')
  t.true(Math.abs(Number(/\/MediaBox \[0 0 ([\d.]+) /.exec(page)?.[1]) - (8 / 2.54) * 72) < 0.01)
  await t.throwsAsync(chart.png({ cm: 8, scale: 2 }), { instanceOf: ArgumentError, message: /one of them/ })
  await t.throwsAsync(chart.png({ dpi: 300 }), { instanceOf: ArgumentError, message: /without cm/ })
  await t.throwsAsync(chart.svg({ cm: 0 }), { instanceOf: ArgumentError })
})

test('PDF: one page of vectors with its letters in it, for every kind of chart', async (t) => {
  for (const chart of [plane(), epochsPlot(source), lossPlot({ loss: [2, 1] }), matrix([[1, 2]])]) {
    const bytes = Buffer.from(await chart.pdf())
    const text = bytes.toString('latin1')
    t.true(text.startsWith('%PDF-') && text.trimEnd().endsWith('%%EOF'))
    t.is(text.match(/\/Type \/Page\b/g)?.length, 1)
    t.true(/\/FontFile2/.test(text) && /\/ToUnicode/.test(text))
    t.false(/\/Subtype \/Image/.test(text))
    const drawnText = [...text.matchAll(/stream\r?\n/g)].map(({ index }) => {
      try {
        return inflateSync(bytes.subarray(index + text.slice(index).indexOf('\n') + 1), {
          finishFlush: 2,
        }).toString('latin1')
      } catch {
        return ''
      }
    })
    t.true(drawnText.some((content) => / (l|c|re)\n/.test(content)))
    t.false(drawnText.some((content) => /NaN|undefined/.test(content)))
  }
})

test('PDF: what it cannot hold is refused with the reason', async (t) => {
  const named = informationPlane({ ...source, layers: ['層', 'two'] })
  await t.throwsAsync(named.pdf(), {
    instanceOf: ArgumentError,
    message: /does not have all characters of "層".*\.svg or \.png/,
  })
  const colored = new Chart({ data: { values: [{ a: 1 }] }, mark: { type: 'point', color: 'papayawhip' } })
  await t.throwsAsync(colored.pdf(), { instanceOf: ArgumentError, message: /the color "papayawhip"/ })
  const image = new Chart({ data: { values: [{}] }, mark: { type: 'image', url: 'data:,' } })
  await t.throwsAsync(image.pdf(), { instanceOf: ArgumentError, message: /cannot hold images/ })
  const missing = (name: string) => (name === 'pdfkit' ? Promise.reject(new Error('none')) : import(name))
  await t.throwsAsync(drawn(plane().spec, { kind: 'pdf', title: 'a' }, missing), {
    instanceOf: StateError,
    message: /pdfkit.*npm install/,
  })
})

test('a canvas context moves points when they are added, as a canvas does', (t) => {
  const calls: unknown[][] = []
  const page = new Proxy(
    {},
    {
      get:
        (_, name) =>
        (...given: unknown[]) => {
          calls.push([name, ...given])
          return page
        },
    },
  ) as ConstructorParameters<typeof PdfContext>[0]
  const context = new PdfContext(page)
  context.translate(10, 20)
  context.beginPath()
  context.moveTo(1, 2)
  context.scale(2, 2)
  context.lineTo(1, 2)
  context.lineWidth = 3
  context.translate(-100, -100)
  context.stroke()
  const of = (name: string) => calls.filter(([called]) => called === name).map(([, ...given]) => given)
  t.deepEqual(of('moveTo'), [[11, 22]])
  t.deepEqual(of('lineTo'), [[12, 24]])
  t.deepEqual(of('lineWidth'), [[6]])
  calls.length = 0
  context.beginPath()
  context.save()
  context.restore()
  const round = new PdfContext(page)
  round.beginPath()
  round.arc(0, 0, 5, 0, 2 * Math.PI)
  round.fill()
  const curves = of('bezierCurveTo') as number[][]
  t.is(curves.length, 4)
  for (const curve of curves) t.true(Math.abs(Math.hypot(curve[4] as number, curve[5] as number) - 5) < 1e-9)
  const middle = (a: number, b: number, c: number, d: number) => (a + 3 * b + 3 * c + d) / 8
  const [x1, y1, x2, y2, x3, y3] = curves[0] as [number, number, number, number, number, number]
  t.true(Math.abs(Math.hypot(middle(5, x1, x2, x3), middle(0, y1, y2, y3)) - 5) < 0.01)
})

test('HTML: a page without outside references that carries what it needs to live', async (t) => {
  const html = await plane().html()
  t.false(/(?:src|href)="(?!#)/.test(html))
  t.false(/@import|url\(http/.test(html))
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script as string)
  t.is(scripts.length, 3)
  for (const script of scripts) t.notThrows(() => new Function(script))
  const carried = JSON.parse(/class="vega-lite-spec">(.*?)<\/script>/s.exec(html)?.[1] ?? '')
  t.deepEqual(carried.usermeta.hyperglow, { rows: 'epoch', epochs: [0, 1, 2, 8], layers: ['one', 'two'] })
  t.deepEqual(carried.datasets, plane().spec.datasets)
  t.deepEqual(carried.title.subtitle, {
    expr: `["KSG; in nats", "hollow marker: epoch 0, ringed marker: epoch " + shownEpoch]`,
  })
  t.true(html.includes('<svg'), 'the picture is there before the scripts run')
})

test('a picture at an earlier epoch shows what was until then, and says so', async (t) => {
  const film = await plane().animation({ scale: 1, seconds: 1, rest: 0.5 })
  const chunks = chunksOf(film)
  t.is(chunks[0]?.type, 'IHDR')
  t.is(chunks.find(({ type }) => type === 'acTL')?.data.readUInt32BE(0), 4)
  const controls = chunks.filter(({ type }) => type === 'fcTL')
  t.is(controls.length, 4)
  const delays = controls.map(({ data }) => data.readUInt16BE(20) / data.readUInt16BE(22))
  t.deepEqual(delays, [0.25, 0.25, 0.25, 0.5])
  const numbers = chunks
    .filter(({ type }) => type === 'fcTL' || type === 'fdAT')
    .map(({ data }) => data.readUInt32BE(0))
  t.deepEqual(
    numbers,
    numbers.map((_, i) => i),
  )
  await t.throwsAsync(lossPlot({ loss: [1, 2] }).animation(), {
    instanceOf: ArgumentError,
    message: /epochs/,
  })
  await t.throwsAsync(
    informationPlane({ ...source, epochs: [1], values: source.values.slice(0, 1) }).animation(),
    {
      instanceOf: ArgumentError,
    },
  )
})

test('an animated PNG holds its frames: each box put over the one before gives the image', (t) => {
  const [width, height] = [7, 5]
  const images = [0, 1, 2, 3].map((n) => {
    const pixels = new Uint8Array(4 * width * height).fill(255)
    if (n > 0) pixels.set([10 * n, 20, 30, 255], 4 * (n * width + n))
    return pixels
  })
  const film = new AnimatedPng(width, height)
  for (const pixels of [...images, images[3] as Uint8Array]) film.add({ pixels, delay: 10 })
  const chunks = chunksOf(film.bytes())
  const shown = new Uint8Array(3 * width * height)
  const rgb = (pixels: Uint8Array) => pixels.filter((_, i) => i % 4 !== 3)
  const put = (data: Uint8Array, box: { x: number; y: number; width: number; height: number }) => {
    const rows = inflateSync(data)
    const stride = 3 * box.width + 1
    for (let y = 0; y < box.height; y++) {
      t.is(rows[y * stride], 2)
      for (let i = 0; i < 3 * box.width; i++) {
        const above = y === 0 ? 0 : (shown[3 * ((box.y + y - 1) * width + box.x) + i] as number)
        shown[3 * ((box.y + y) * width + box.x) + i] = ((rows[y * stride + 1 + i] as number) + above) & 0xff
      }
    }
  }
  let frame = 0
  let box = { x: 0, y: 0, width, height }
  for (const { type, data } of chunks) {
    if (type === 'IDAT') {
      put(data, box)
      t.deepEqual(shown, rgb(images[3] as Uint8Array), 'the still image is the last')
    }
    if (type === 'fcTL') {
      const [w, h, x, y] = [4, 8, 12, 16].map((at) => data.readUInt32BE(at)) as [
        number,
        number,
        number,
        number,
      ]
      box = { x, y, width: w, height: h }
    }
    if (type === 'fdAT') {
      put(data.subarray(4), box)
      t.deepEqual(shown, rgb((images[frame++] ?? images[3]) as Uint8Array))
    }
  }
  t.is(frame, 5)
})

test('files: each form by its extension, with its own options alone', async (t) => {
  const folder = fresh()
  const chart = plane()
  const start = async (name: string, options = {}) =>
    (await readFile(await chart.save(join(folder, name), options))).toString('latin1', 0, 15)
  t.true((await start('a.pdf', { cm: 16 })).startsWith('%PDF-'))
  t.true((await start('a.apng', { scale: 0.5 })).slice(1, 4) === 'PNG')
  t.true((await start('a.html')).startsWith('<!doctype html>'))
  t.true((await start('a.svg', { cm: 16 })).startsWith('<svg'))
  for (const [name, options] of [
    ['b.pdf', { scale: 2 }],
    ['b.html', { cm: 8 }],
    ['b.png', { seconds: 2 }],
    ['b.gif', {}],
  ] as const) {
    await t.throwsAsync(chart.save(join(folder, name), options), { instanceOf: ArgumentError })
  }
})
