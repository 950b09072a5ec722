/** Charts are drawn on a separate thread, without a difference in the result. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { ArgumentError } from '../ts/core/errors.js'
import { drawn } from '../ts/plots/draw.js'
import { lossPlot } from '../ts/plots/index.js'

const run = promisify(execFile)
const library = new URL('../ts/plots/index.js', import.meta.url).href

test('a chart is the same wherever it is drawn, and its specification stays clean', async (t) => {
  const chart = lossPlot({ loss: [3, 2, 1] })
  const before = JSON.stringify(chart.spec)
  const [first, second] = await Promise.all([chart.svg(), chart.svg()])
  t.is(first, second)
  t.is(JSON.stringify(chart.spec), before)
  t.is(await drawn(structuredClone(chart.spec), { kind: 'svg' }), first)
})

test('what cannot be drawn, or not even sent, is refused by the class of its error', async (t) => {
  const chart = lossPlot({ loss: [1] })
  const spec = chart.spec as unknown as Record<string, unknown>
  const { layer } = spec
  const refused = { instanceOf: ArgumentError, message: /the specification cannot be drawn/ }
  spec.layer = () => 1
  await t.throwsAsync(chart.svg(), refused)
  spec.layer = [{ mark: 'no such mark' }]
  const error = await t.throwsAsync(chart.svg(), refused)
  t.true(error?.cause instanceof Error)
  spec.layer = layer
  t.regex(await chart.svg(), /^<svg/)
})

test('a program ends when its charts are drawn, not before, whatever options it was started with', async (t) => {
  const program = `import { lossPlot } from ${JSON.stringify(library)}
    lossPlot({ loss: [1, 2] }).svg().then((svg) => console.log(svg.slice(0, 4)))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 })
  t.is(stdout.trim(), '<svg')
})
