/** `hyperglow demo`: from training to a page with the information plane, in seconds. */
import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { KDE } from '../../estimators/kde.js'
import { Dense } from '../../layers/dense.js'
import { IBSequential } from '../../models/ib-sequential.js'
import { runs } from '../../models/runs.js'
import { HostRandom } from '../../ops/random.js'
import { report } from '../../plots/report.js'
import { drawPictures } from '../pictures.js'
import type { Terminal } from '../terminal.js'

/** Options of the command, as parsed by commander. */
export interface DemoOptions {
  readonly out: string
  readonly open?: boolean
}

const seeds = [1, 2, 3]
const epochs = 200
const arms = 3
const perArm = 300

/** Trains a small network on spirals with three seeds, and writes its information plane. */
export async function demoCommand(
  { out, open = false }: DemoOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const folder = resolve(out)
  const meter = terminal.meter()
  try {
    const set = await runs({
      seeds,
      build: (seed) =>
        new IBSequential({ inputShape: [2], seed, trackDynamics: true })
          .add(new Dense(16, { activation: 'tanh' }))
          .add(new Dense(12, { activation: 'tanh' }))
          .add(new Dense(8, { activation: 'tanh' }))
          .add(new Dense(arms, { activation: 'softmax' }))
          .compile({ optimizer: 'adam', learningRate: 0.01, loss: 'crossEntropy' })
          .attachEvaluator(new KDE({ variance: 0.01, base: 2 }), {
            evaluateOn: 'epoch',
            every: 'log',
            samples: arms * perArm,
          }),
      data: spirals(),
      fit: { epochs, batchSize: 128, verbose: false },
      signal,
      onProgress: ({ run, epoch }) => meter.update(run * epochs + epoch, seeds.length * epochs),
    })
    meter.end()
    const pictures = await drawPictures(folder, set, { formats: ['svg'], band: 'se' })
    const page = await report(set, folder, {
      title: 'Three spirals: information in the layers of a small network',
      configuration: {
        data: `${arms} spirals, ${arms * perArm} points with noise`,
        network: '2-16-12-8-3, tanh',
        optimizer: 'Adam, 0.01',
        epochs,
        batch: 128,
        seeds: seeds.join(', '),
      },
    })
    terminal.json({ ...set.toJSON(), files: [...pictures, page] })
    terminal.print(set.toText({ width: terminal.width }))
    terminal.notes(set.notes())
    terminal.print(
      `\nOpen this page: ${page}\nThe same for your own activations: hyperglow plane DUMP --out ${join(out, 'mine')}`,
    )
    if (open) openPage(page)
  } finally {
    meter.end()
  }
}

/** Spirals in a plane with slight noise, always the same: positions `[n, 2]` and arms. */
function spirals() {
  const random = new HostRandom(1)
  const n = arms * perArm
  // The sum of 12 uniform numbers minus 6 is nearly normal.
  const noise = () => Array.from({ length: 12 }, () => random.next()).reduce((sum, one) => sum + one, -6)
  const x = new Float32Array(2 * n)
  const y = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const arm = i % arms
    const radius = 0.1 + (0.9 * Math.floor(i / arms)) / perArm
    const angle = (2 * Math.PI * arm) / arms + 4 * radius
    x[2 * i] = radius * Math.cos(angle) + 0.03 * noise()
    x[2 * i + 1] = radius * Math.sin(angle) + 0.03 * noise()
    y[i] = arm
  }
  return { x: { dtype: 'float32' as const, shape: [n, 2], data: x }, y }
}

/** Opens a page with the system's browser; without one, the printed path is enough. */
function openPage(page: string): void {
  const [program, ...before] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '']
        : ['xdg-open']
  const child = spawn(program as string, [...before, page], { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  child.unref()
}
