/** Reports: one page with curves, planes, bounds, layers in numbers, configuration and environment. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { ArgumentError, IOError } from '../ts/core/errors.js'
import {
  Binned,
  HSIC,
  layerStatistics,
  oneHot,
  spectrum,
  type Tensor,
  tensor,
  valueAndGrad,
} from '../ts/index.js'
import { report } from '../ts/plots/index.js'
import { fresh } from './io-scratch.js'
import { classifier, dataset } from './toy-task.js'

const x = Array.from({ length: 24 }, (_, i) => [0, 1, 2, 3].map((j) => Math.sin(7 * i + j)))
const y = Array.from({ length: 24 }, (_, i) => i % 3)

/** Cells of the row of a table that begins with a name. */
function cellsOf(html: string, first: string, columns: number): string[] {
  const rows = [...html.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...(row as string).matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell as string),
  )
  return rows.find((cells) => cells[0] === first && cells.length === columns) ?? []
}

test('a model is told on one page without outside references', async (t) => {
  const folder = fresh()
  const model = classifier({ trackDynamics: true, seed: 3 })
    .attachEvaluator(new Binned({ base: 2, bins: 12, range: [0, 4] }), { evaluateOn: 'epoch' })
    .attachEvaluator(new HSIC({ sigma: 5 }))
  await model.fitDataset(dataset(64, 32), { epochs: 2 })
  const path = await model.report(folder, { x, y, configuration: { data: 'a <toy>' } })
  t.is(path, join(folder, 'report.html'))
  t.deepEqual(await readdir(folder), ['report.html'])
  const html = await readFile(path, 'utf8')
  t.false(/(?:src|href)="(?!#)/.test(html))
  for (const heading of ['Training', 'Binned', 'HSIC', 'Layers', 'Network', 'Configuration', 'Environment']) {
    t.true(html.includes(`<h2>${heading}</h2>`), heading)
  }
  t.true(html.includes('a &#60;toy&#62;') && !html.includes('a <toy>'))
  const captions = [...html.matchAll(/<figcaption>(.*?)<\/figcaption>/g)].map(([, text]) => text as string)
  const ofBinned = captions.filter((caption) => caption.includes('Binned'))
  t.is(ofBinned.length, 3)
  for (const caption of ofBinned) t.regex(caption, /Binned: bins 12, range \[0, 4\].*; in bits; n = 64\.$/)
  t.is(captions.filter((caption) => /^Mean (loss|accuracy)/.test(caption)).length, 2)
  t.regex(html, /Values at epoch 2\. Binned.*Bounds: log₂ n = 6; H\(Y\) = 1\.\d+\./)
  t.is([...html.matchAll(/class="vega-lite-spec"/g)].length, captions.length)
})

test('layers are told by the statistics and gradients of the samples', async (t) => {
  const folder = fresh()
  const model = classifier({ seed: 3 })
  await model.fitDataset(dataset(32, 16), { epochs: 1 })
  const html = await readFile(await model.report(folder, { x, y, samples: 20 }), 'utf8')
  t.regex(html, /the first 20 samples given, after 1 epochs, in evaluation mode/)
  const inputs = tensor(x.slice(0, 20))
  const { hidden } = model.forward(inputs)
  for (const [i, layer] of ['dense_1', 'dense_2'].entries()) {
    const found = await layerStatistics(hidden[i] as Tensor)
    const { effectiveRank } = await spectrum(hidden[i] as Tensor)
    const cells = cellsOf(html, layer, 11)
    t.is(Number(cells[1]), hidden[i]?.shape[1] as number)
    for (const [column, value] of [
      [2, found.mean],
      [3, found.variance],
      [9, effectiveRank],
    ] as const) {
      t.true(Math.abs(Number(cells[column]) - value) <= 1e-3 * Math.abs(value), `${layer} ${column}`)
    }
    t.is(Number.parseFloat(cells[6] as string), Number((100 * found.deadShare).toPrecision(3)))
    const { grads } = valueAndGrad((weights: Record<string, Tensor>) => {
      const p = model.apply(weights, inputs)
      return p
        .add(1e-12)
        .log()
        .mul(oneHot(tensor(y.slice(0, 20), { dtype: 'int32' }), 3))
        .sum()
        .div(-20)
    }, model.trainableWeights)
    let squares = 0
    for (const [path, grad] of Object.entries(grads as Record<string, Tensor>)) {
      if (path.startsWith(`layers.${i}.`)) squares += Number((await grad.square().sum().data())[0])
    }
    t.true(Math.abs(Number(cells[10]) - Math.sqrt(squares)) < 2e-3 * Math.sqrt(squares), `${cells[10]}`)
  }
})

test('several runs are told with their errors, and what theory says of them', async (t) => {
  const folder = fresh()
  const run = (shift: number) => ({
    layers: ['a', 'b'],
    evaluators: ['KSG'],
    units: ['bits'],
    samples: [256],
    labelEntropy: Math.LN2,
    epochs: [0, 1],
    values: [0, 1].map((n) => [
      [
        [2 + shift, 0.5 + n / 10],
        [3 + n + shift, 0.4],
      ],
    ]),
  })
  const html = await readFile(await report([run(0), run(0.2)], folder, { title: 'Two & two' }), 'utf8')
  t.true(html.includes('<h1>Two &#38; two</h1>') && html.includes('<title>Two &#38; two</title>'))
  t.deepEqual(cellsOf(html, 'a', 3), ['a', '2.10 ± 0.10', '0.6 ± 0'])
  t.regex(html, /2 runs: mean ± standard error/)
  t.regex(html, /<li>.*KSG.*I\(H; X\).*<\/li>/, 'data processing: b knows more of X than a')
})

test('a report without anything to tell, or of wrong things, is refused before a file is written', async (t) => {
  const folder = fresh()
  await t.throwsAsync(report(null, folder), { instanceOf: ArgumentError, message: /at least one of them/ })
  await t.throwsAsync(report(null, folder, { history: { epochs: [1, 2], loss: [1] } }), {
    instanceOf: ArgumentError,
  })
  for (const [history, message] of [
    [{ epochs: 3, loss: [1] }, /history\.epochs: given 3/],
    [{ epochs: [1], loss: 3 }, /history\.loss: given 3, expected 1 numbers/],
    [{ epochs: [1], loss: ['a'] }, /history\.loss/],
    [{ epochs: [1] }, /history\.loss: given undefined/],
    [{ epochs: [1], loss: [1], metrics: 3 }, /history\.metrics: given 3/],
    [{ epochs: [1], loss: [1], metrics: { accuracy: [1, 2] } }, /history\.metrics\.accuracy/],
  ] as const) {
    await t.throwsAsync(report(null, folder, { history } as never), { instanceOf: ArgumentError, message })
  }
  await t.throwsAsync(classifier().report(folder), { instanceOf: ArgumentError })
  await t.throwsAsync(classifier().report(folder, { samples: 1 }), { instanceOf: ArgumentError })
  const signal = AbortSignal.abort(new Error('enough'))
  await t.throwsAsync(report(null, folder, { history: { epochs: [1], loss: [1] }, signal }), {
    message: 'enough',
  })
  const model = classifier()
  await t.throwsAsync(model.report(join(folder, '\0')), { instanceOf: ArgumentError })
  model.dispose()
  await t.throwsAsync(model.report(folder, { x }), { code: 'DISPOSED' })
  t.deepEqual(await readdir(folder).catch(() => []), [])
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'file'), '')
  await t.throwsAsync(report(null, join(folder, 'file'), { history: { epochs: [1], loss: [1] } }), {
    instanceOf: IOError,
  })
})
