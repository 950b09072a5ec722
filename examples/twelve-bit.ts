/**
 * The 12-bit experiment of Shwartz-Ziv and Tishby 2017 and Saxe et al. 2018: do layers compress? `npm run example:twelve-bit`.
 *
 * Small networks with tanh and with relu learn to label the 4096 patterns of 12 bits. During training the information of each layer about
 * the pattern, I(X;T), and about the label, I(T;Y), is measured on all patterns, in bits. With binning tanh layers lose information about
 * the pattern after the fitting phase; relu layers do not. Dead networks are reported separately. In theory a network without noise keeps
 * all information about the pattern: the resolution of the bins, or of the KDE noise, is what changes.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { deviceInfo, evaluate, informationPlane, tidy } from '../ts/index.js'
import { type Check, type Runs, reluChecks, tanhChecks } from './twelve-bit/bands.js'
import { type TwelveBits, twelveBits } from './twelve-bit/data.js'
import {
  binned,
  type Course,
  deadLayers,
  final,
  kde,
  measure,
  type Pair,
  type Targets,
  targetsOf,
} from './twelve-bit/measures.js'
import { type Activation, Networks, widths } from './twelve-bit/networks.js'
import { peerTimes } from './twelve-bit/peer.js'

const usage = 'usage: npm run example:twelve-bit -- [--seeds 5] [--epochs 2000] [--out runs/twelve-bit]'
const names = widths.map((_, layer) => (layer < widths.length - 1 ? `hidden ${layer + 1}` : 'softmax'))

interface Settings {
  readonly seeds: number
  readonly epochs: number
  readonly out: string
}

function settingsOf(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '5' },
      epochs: { type: 'string', default: '2000' },
      out: { type: 'string', default: 'runs/twelve-bit' },
    },
  })
  const [seeds, epochs] = [Number(values.seeds), Number(values.epochs)]
  if (!Number.isSafeInteger(seeds) || !Number.isSafeInteger(epochs) || seeds < 1 || epochs < 1) {
    throw new TypeError('--seeds and --epochs must be whole numbers of at least 1')
  }
  return { seeds, epochs, out: values.out }
}

/** Every epoch at first, then every tenth, and the last. */
const isBinned = (epoch: number, last: number) => epoch <= 100 || epoch % 10 === 0 || epoch === last
/** Few epochs, since a bound takes all pairs of patterns: for relu at four stages, to confirm the trajectory; for tanh at the end. */
const isBounded = (activation: Activation, epoch: number, last: number) =>
  epoch === last || (activation === 'relu' && [20, 200, 1000].includes(epoch))

/** Trains the networks of one activation and measures them during training. */
async function run(activation: Activation, data: TwelveBits, targets: Targets, settings: Settings) {
  const seeds = Array.from({ length: settings.seeds }, (_, seed) => seed)
  const networks = new Networks(activation, seeds, data)
  const courses: { binned: Course; kde: Course } = {
    binned: { epochs: [], values: [] },
    kde: { epochs: [], values: [] },
  }
  const record = async (course: Course, estimator: typeof kde, epoch: number) => {
    const outputs = tidy(() => networks.activations())
    await evaluate(outputs)
    course.epochs.push(epoch)
    course.values.push(await measure(estimator, outputs, targets))
    for (const h of outputs.flat()) h.dispose()
  }
  let training = 0
  const start = performance.now()
  for (let epoch = 0; epoch <= settings.epochs; epoch++) {
    if (epoch > 0) {
      const from = performance.now()
      await networks.train()
      training += performance.now() - from
    }
    if (isBinned(epoch, settings.epochs)) await record(courses.binned, binned(activation), epoch)
    if (isBounded(activation, epoch, settings.epochs)) await record(courses.kde, kde, epoch)
    if (epoch % 100 === 0) {
      const seconds = ((performance.now() - start) / 1000).toFixed(0)
      process.stderr.write(`\r${activation}: epoch ${epoch} of ${settings.epochs}, ${seconds} s `)
    }
  }
  process.stderr.write('\n')
  const accuracies = await networks.accuracies(data)
  return { ...courses, accuracies, networks, training: training / 1000 }
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

/** Means over the given seeds, for the plots: [epoch][evaluator][layer][2]. */
function averaged(course: Course, seeds: readonly number[]): number[][][][] {
  const at = (epoch: Pair[][], layer: number, side: 0 | 1) =>
    mean(seeds.map((seed) => epoch[seed]?.[layer]?.[side] as number))
  return course.values.map((epoch) => [names.map((_, layer) => [at(epoch, layer, 0), at(epoch, layer, 1)])])
}

async function draw(activation: Activation, course: Course, seeds: readonly number[], out: string) {
  const path = join(out, `${activation}.png`)
  const { name, unit, settings } = binned(activation)
  const source = {
    values: averaged(course, seeds),
    layers: names,
    evaluators: [name],
    units: [unit],
    evaluatorSettings: [settings],
    epochs: course.epochs,
  }
  const chart = informationPlane(source, {
    xTitle: 'I(X; T)',
    yTitle: 'I(T; Y)',
    xScale: 'linear',
    yScale: 'linear',
    title: `12 bits, ${activation}, mean of ${seeds.length} ${seeds.length === 1 ? 'network' : 'networks'}`,
  })
  await chart.save(path)
  console.log(`${activation}: information plane in ${path}`)
}

const cell = ([x, y]: Pair) => `${x.toFixed(2)} ${y.toFixed(3)}`.padStart(12)

/** I(X;T) and I(T;Y) of each layer, means over seeds. */
function printRow(name: string, values: readonly Pair[][]): void {
  const means = names.map((_, layer): Pair => {
    const of = (side: 0 | 1) => mean(values.map((seed) => (seed[layer] as Pair)[side]))
    return [of(0), of(1)]
  })
  console.log(`  ${name.padEnd(22)}${means.map(cell).join('')}`)
}

async function report(
  activation: Activation,
  data: TwelveBits,
  targets: Targets,
  settings: Settings,
): Promise<Runs> {
  const result = await run(activation, data, targets, settings)
  const outputs = result.networks.activations()
  const dead = await deadLayers(outputs, names)
  const alive = dead.flatMap((layers, seed) => (layers.length === 0 ? [seed] : []))
  dead.forEach((layers, seed) => {
    if (layers.length > 0) {
      console.log(
        `${activation}: seed ${seed} is dead: the same output for every pattern in ${layers.join(', ')}; left out of means`,
      )
    }
  })
  if (alive.length > 0) {
    await draw(activation, result.binned, alive, settings.out)
    console.log(`${activation}, I(X;T) and I(T;Y) in bits at the end, mean of ${alive.length} networks:`)
    console.log(`  ${''.padEnd(22)}${names.map((name) => name.padStart(12)).join('')}`)
    const living = (values: Pair[][]) => alive.map((seed) => values[seed] as Pair[])
    printRow(
      activation === 'tanh' ? '30 bins on [-1, 1]' : 'bins of 0.07',
      living(result.binned.values.at(-1) as Pair[][]),
    )
    printRow('KDE upper, v = 0.001', living(result.kde.values.at(-1) as Pair[][]))
    for (const [name, estimator] of Object.entries(final)) {
      const chosen = alive.map((seed) => outputs[seed] as (typeof outputs)[number])
      printRow(name, await measure(estimator, chosen, targets))
    }
  }
  const peer = peerTimes(activation, settings.seeds, settings.epochs, deviceInfo().threads)
  const beside =
    peer === undefined
      ? ' (set PEER_PYTHON to a Python with PyTorch to see its time beside)'
      : `; PyTorch ${peer.version}: ${peer.batched.toFixed(1)} s side by side, ${peer.oneByOne.toFixed(1)} s one by one`
  console.log(
    `${activation}: ${result.training.toFixed(1)} s of training for ${settings.seeds} networks${beside}`,
  )
  return result
}

async function main(): Promise<number> {
  const settings = settingsOf(process.argv.slice(2))
  const start = performance.now()
  const data = twelveBits()
  console.log(
    `4096 patterns; the labels' hash is that of the published ones; ${deviceInfo().threads} threads`,
  )
  await mkdir(settings.out, { recursive: true })
  const targets = targetsOf(data)
  const checks: Check[] = [
    ...tanhChecks(await report('tanh', data, targets, settings)),
    ...reluChecks(await report('relu', data, targets, settings)),
  ]
  for (const { claim, measured, holds } of checks) {
    console.log(`${holds === undefined ? '--  ' : holds ? 'ok  ' : 'FAIL'} ${claim}: ${measured}`)
  }
  console.log(`${((performance.now() - start) / 1000).toFixed(0)} s in all`)
  return checks.every(({ holds }) => holds !== false) ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof TypeError) || !/--|option|argument/i.test(error.message)) throw error
  console.error(`${error.message}\n${usage}`)
  process.exitCode = 2
}
