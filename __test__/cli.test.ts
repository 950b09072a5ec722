/** The command line, as a shell calls it. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { meterOn } from '../ts/cli/meter.js'
import { packageRoot } from '../ts/core/package-root.js'
import { version } from '../ts/core/version.js'
import { HostRandom, writeNpy, writeNpz } from '../ts/index.js'
import { fresh } from './io-scratch.js'

const main = join(packageRoot, 'build', 'ts', 'cli', 'main.js')
const env = { ...process.env, NO_COLOR: '1' }

function hyperglow(args: readonly string[], cwd: string, more: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd,
    env: { ...env, ...more },
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** An empty folder. */
function folderOf(): string {
  const folder = fresh()
  mkdirSync(folder)
  return folder
}

const samples = 200

/** A dump of two runs with epochs 0, 1, 2 and 4, and two layers; the second layer of the last epoch determines the classes. */
async function dumpIn(folder: string): Promise<void> {
  const random = new HostRandom(7)
  const numbers = (count: number) => Float32Array.from({ length: count }, () => 2 * random.next() - 1)
  const labels = Int32Array.from({ length: samples }, (_, i) => i % 4)
  mkdirSync(join(folder, 'dump'), { recursive: true })
  await writeNpy(join(folder, 'dump', 'x.npy'), {
    dtype: 'float32',
    shape: [samples, 3],
    data: numbers(3 * samples),
  })
  await writeNpy(join(folder, 'dump', 'y.npy'), { dtype: 'int32', shape: [samples], data: labels })
  for (const seed of [1, 2]) {
    mkdirSync(join(folder, 'dump', `seed_${seed}`))
    for (const epoch of [0, 1, 2, 4]) {
      const told = Float32Array.from(labels, (label) => (epoch === 4 ? (label - 1.5) / 2 : 0))
      await writeNpz(join(folder, 'dump', `seed_${seed}`, `epoch_${epoch}.npz`), {
        fc1: { dtype: 'float32', shape: [samples, 5], data: numbers(5 * samples) },
        fc2: { dtype: 'float32', shape: [samples, 1], data: told },
      })
    }
  }
}

test('progress without a terminal is a line now and then, also while nothing is finished', async (t) => {
  const written: string[] = []
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const meter = meterOn({ write: (text) => written.push(text) }, 40)
  await wait(150)
  t.true(written.length >= 1, 'before the first update')
  t.regex(written[0] as string, /^ {2}0 \[\d\d:\d\d, /)
  meter.update(3, 12)
  await wait(150)
  t.regex(written.at(-1) as string, /^ {2}3\/12 \[\d\d:\d\d<\d\d:\d\d, .*\n$/)
  meter.end()
  const count = written.length
  await wait(150)
  t.is(written.length, count, 'nothing after the end')
  const brief = meterOn({ write: (text) => written.push(text) })
  brief.update(1, 1)
  brief.end()
  t.is(written.length, count, 'a short task prints nothing')
})

test('inspect says what there is, as text and as one JSON object', async (t) => {
  const folder = folderOf()
  await dumpIn(folder)
  const { status, stdout } = hyperglow(['inspect', 'dump'], folder)
  t.is(status, 0)
  t.regex(stdout, /runs\s+2: seed_1, seed_2/)
  t.regex(stdout, /4 classes, H\(Y\) = 1\.386 nats = 2\.000 bits/)
  const told = JSON.parse(hyperglow(['inspect', 'dump', '--json'], folder).stdout)
  t.is(told.dump, 'dump')
  t.deepEqual(told.samples, [samples])
  t.deepEqual(
    told.layers.map(({ name }: { name: string }) => name),
    ['fc1', 'fc2'],
  )
})

test('plane measures runs and epochs, and writes what it prints', async (t) => {
  const folder = folderOf()
  await dumpIn(folder)
  const args = [
    'plane',
    'dump',
    '--estimator',
    'binned:bins=30',
    '--epochs',
    '1:last',
    '--out',
    'out',
    '--format',
    'svg',
    '--json',
  ]
  const { status, stdout, stderr } = hyperglow(args, folder)
  t.is(status, 0, stderr)
  const told = JSON.parse(stdout)
  t.deepEqual(told.runs, ['seed_1', 'seed_2'])
  t.deepEqual(told.epochs, [1, 2, 4])
  const row = told.results.find(
    (one: { layer: string; epoch: number }) => one.layer === 'fc2' && one.epoch === 4,
  )
  t.is(row.units, 'bits')
  t.is(row.settings.bins, 30)
  t.deepEqual(
    row.ity.values.map((value: number) => Number(value.toFixed(9))),
    [2, 2],
  )
  t.deepEqual(row.ity.se, 0)
  const first = told.results.find(
    (one: { layer: string; epoch: number }) => one.layer === 'fc2' && one.epoch === 1,
  )
  t.is(first.ity.mean, 0)
  const table = hyperglow(args.filter((one) => one !== '--json').slice(0, 6), folder).stdout
  t.regex(table, /2\+\/-0/)
  t.is(
    [...table].find((sign) => sign > '\u007f'),
    undefined,
  )
  t.true(told.notes.some((note: string) => note.includes('ln n')))
  const files = readdirSync(join(folder, 'out')).sort()
  t.deepEqual(files, ['epochs.svg', 'plane.svg', 'results.csv', 'results.json', 'results.tex'])
  t.deepEqual(JSON.parse(readFileSync(join(folder, 'out', 'results.json'), 'utf8')).results, told.results)
  t.regex(readFileSync(join(folder, 'out', 'plane.svg'), 'utf8'), /bits/)
})

test('a measurement that was interrupted is whole, and gone on with', async (t) => {
  const folder = folderOf()
  await dumpIn(folder)
  const args = [
    'plane',
    'dump',
    '--estimator',
    'kde:v=0.01',
    '--bootstrap',
    '40',
    '--out',
    'out',
    '--format',
    'svg',
  ]
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const parts = join(folder, 'out', '.parts')
  const isBegun = () => existsSync(parts) && readdirSync(parts).some((name) => name.endsWith('.json'))
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  while (!isBegun() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5))
  child.kill('SIGINT')
  const code = await ended
  // Where the signal came too late the work was done.
  t.true(code === 130 || code === 0)
  if (code === 130) {
    const kept = readdirSync(parts).filter((name) => name.endsWith('.json'))
    t.true(kept.length > 0)
    for (const name of kept) {
      const path = join(parts, name)
      const part = JSON.parse(readFileSync(path, 'utf8'))
      // What is taken from a part that was kept is seen by a mark in it.
      writeFileSync(path, JSON.stringify({ ...part, notes: ['taken from a part'] }))
    }
  }
  const { status, stdout } = hyperglow([...args, '--resume'], folder)
  t.is(status, 0)
  if (code === 130) t.true(stdout.includes('taken from a part'))
  t.false(existsSync(parts))
  const again = hyperglow([...args.slice(0, -4), '--json'], folder)
  t.deepEqual(
    JSON.parse(again.stdout).results,
    JSON.parse(readFileSync(join(folder, 'out', 'results.json'), 'utf8')).results,
  )
})

test('mi and test agree with what is known, with interval and p-value', async (t) => {
  const folder = folderOf()
  const random = new HostRandom(3)
  const normal = () => Array.from({ length: 12 }, () => random.next()).reduce((sum, one) => sum + one, -6)
  const x = Float64Array.from({ length: 1000 }, normal)
  const y = x.map((value) => 0.8 * value + 0.6 * normal())
  await writeNpy(join(folder, 'x.npy'), { dtype: 'float64', shape: [1000, 1], data: x })
  await writeNpz(join(folder, 'y.npz'), {
    y: { dtype: 'float64', shape: [1000, 1], data: y },
    other: { dtype: 'float64', shape: [1], data: x.slice(0, 1) },
  })
  const args = [
    'mi',
    'x.npy',
    'y.npz:y',
    '--estimator',
    'gaussian',
    '--bootstrap',
    '50',
    '--permutations',
    '19',
    '--json',
  ]
  const { status, stdout, stderr } = hyperglow(args, folder)
  t.is(status, 0, stderr)
  const { n, kinds, results } = JSON.parse(stdout)
  t.is(n, 1000)
  t.deepEqual(kinds, { x: 'numbers', y: 'numbers' })
  const truth = -0.5 * Math.log2(1 - 0.8 ** 2)
  const [{ units, value, interval, pValue }] = results
  t.is(units, 'bits')
  t.true(Math.abs(value - truth) < 0.1)
  t.true(interval[0] < truth && truth < interval[1])
  t.is(pValue, 0.05)
  const all = JSON.parse(hyperglow(['mi', 'x.npy', 'y.npz:y', '--all', '--json'], folder).stdout)
  t.true(all.results.length > 5)
  const ambiguous = hyperglow(['mi', 'x.npy', 'y.npz'], folder)
  t.is(ambiguous.status, 2)
  t.regex(ambiguous.stderr, /y\.npz:y/)
  const tested = JSON.parse(
    hyperglow(['test', 'x.npy', 'y.npz:y', '--permutations', '19', '--json'], folder).stdout,
  )
  t.is(tested.results[0].pValue, 0.05)
})

test('on a narrow terminal tables are in blocks and words are whole', async (t) => {
  const folder = folderOf()
  await dumpIn(folder)
  const narrow = { COLUMNS: '40' }
  const wide = hyperglow(['plane', 'dump', '--estimator', 'binned:bins=30'], folder).stdout
  const { stdout } = hyperglow(['plane', 'dump', '--estimator', 'binned:bins=30'], folder, narrow)
  t.deepEqual(
    stdout.split('\n').filter((line) => line.length > 40),
    [],
  )
  t.regex(wide, /I\(H; X\) \[bits\] {2}I\(H; Y\) \[bits\]\n/)
  t.regex(stdout, /epoch {2}layer {2}I\(H; X\) \[bits\]\n/)
  t.regex(stdout, /epoch {2}layer {2}I\(H; Y\) \[bits\]\n/)
  // A note has the same words, with continued lines indented after its dash.
  const notes = (text: string) => text.slice(text.indexOf('\nNotes\n'))
  t.is(notes(stdout).replaceAll('\n  ', ' '), notes(wide))
  t.true(notes(stdout).includes('\n  '))
  const { stdout: inspected } = hyperglow(['inspect', 'dump'], folder, narrow)
  t.deepEqual(
    inspected.split('\n').filter((line) => line.length > 40),
    [],
  )
  const { stdout: help } = hyperglow(['test', '--help'], folder, { COLUMNS: '60' })
  const prose = help.slice(0, help.indexOf('\nExamples'))
  t.deepEqual(
    prose.split('\n').filter((line) => line.length > 60),
    [],
  )
})

test('devices says what computes, and how another one is chosen', (t) => {
  const { stdout } = hyperglow(['devices'], folderOf())
  t.regex(stdout, /^device {2,}default {2,}threads {2,}instructions\ncpu {2,}yes {2,}\d+ {2,}\S/)
  t.regex(stdout, /\nreference .*by its definition/)
  t.regex(stdout, /HYPERGLOW_DEVICE=NAME/)
})

test('cka compares layers, and asks for one run', async (t) => {
  const folder = folderOf()
  await dumpIn(folder)
  const told = JSON.parse(hyperglow(['cka', 'dump/seed_1', '--json'], folder).stdout)
  t.deepEqual(told.rows, ['fc1', 'fc2'])
  t.true(Math.abs(told.values[0][0] - 1) < 1e-9)
  const { status, stderr } = hyperglow(['cka', 'dump'], folder)
  t.is(status, 2)
  t.regex(stderr, /seed_1/)
})

test('an error of the usage is in the style of the others', (t) => {
  const { status, stderr } = hyperglow(['mi', 'x.npy'], folderOf())
  t.is(status, 2)
  t.is(stderr, "hyperglow: missing required argument 'y'; see hyperglow --help\n")
})

test('wrong usage, missing data and readers that have enough end as they should', async (t) => {
  const folder = folderOf()
  await dumpIn(folder)
  const ends = (args: string[]) => {
    const { status, stderr } = hyperglow(args, folder)
    return [status, stderr] as const
  }
  t.is(ends(['--version'])[0], 0)
  t.is(hyperglow(['--version'], folder).stdout.trim(), version)
  t.is(ends([])[0], 2)
  for (const [args, mend] of [
    [['plan', 'dump'], /plane/],
    [['plane', 'dump', '--estimator', 'bined'], /"binned"/],
    [['plane', 'dump', '--estimator', 'binned:bin=3'], /bins/],
    [['plane', 'dump', '--estimator', 'binned:bins'], /option=value/],
    [['plane', 'dump', '--epochs', '3'], /0, 1, 2, 4/],
    [['plane', 'dump', '--units', 'bytes'], /bits/],
    [['plane', 'dump', '--resume'], /--out/],
    [['plane', 'dump', '--format', 'gif', '--out', 'unwanted'], /svg, png, pdf, html/],
    [['plane', 'dump', '--samples', '1'], /at least 2/],
    [['plane', 'dump', '--estimator', 'kde:v=-1'], /above 0/],
    [['mi', 'dump/x.npy', 'dump/x.npy', '--all', '--estimator', 'ksg'], /--all/],
    [['cka', 'dump/seed_1', '--epoch', '0,1'], /one epoch/],
    [['plane', 'dump', '--layers', 'conv*'], /fc1/],
    [['recorder', 'torch'], /pytorch/],
  ] as const) {
    const [status, stderr] = ends([...args])
    t.is(status, 2, args.join(' '))
    t.regex(stderr, mend)
    t.false(stderr.includes('    at '), stderr)
  }
  // What is wrong is told before anything is written.
  t.false(existsSync(join(folder, 'unwanted')))
  const [status, stderr] = ends(['inspect', 'nothing'])
  t.is(status, 1)
  t.regex(stderr, /no such file/)
  const piped = spawnSync('sh', ['-c', `"${process.execPath}" "${main}" recorder keras | head -n 1`], {
    cwd: folder,
    encoding: 'utf8',
  })
  t.is(piped.stderr, '')
})

test('demo trains and writes a page', async (t) => {
  const folder = folderOf()
  const { status, stdout, stderr } = hyperglow(['demo', '--out', 'page'], folder)
  t.is(status, 0, stderr)
  t.regex(stdout, /dense_4/)
  t.true(existsSync(join(folder, 'page', 'report.html')))
})
