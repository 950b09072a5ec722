/** The main job as a newcomer runs it, on few images: its files, their contents, and errors for wrong options. */

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import { loadDynamics } from '../ts/index.js'

const run = promisify(execFile)
const program = join(packageRoot, 'build', 'examples', 'information-plane.js')

interface Report {
  dynamics: { shape: number[]; layers: string[]; evaluators: string[]; values: number[][][][] }
  batchDynamicsShape: number[]
  epochs: Record<'loss' | 'accuracy' | 'validationLoss' | 'validationAccuracy' | 'seconds', number>[]
  seed: number
  device: string
  versions: Record<string, string>
}

test('the main job writes its report, pictures and dynamics', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'hyperglow-main-job-'))
  t.teardown(() => rm(out, { recursive: true, force: true }))
  const { stdout } = await run(process.execPath, [
    program,
    '--epochs',
    '2',
    '--limit',
    '640',
    '--seed',
    '1',
    '--out',
    out,
  ])
  t.regex(stdout, /HSIC\(H, X\)/)
  t.true(stdout.includes(out), 'it says where the files are')
  const files = await readdir(out)
  for (const name of ['plane.svg', 'plane.png', 'epochs.svg', 'epochs.png', 'history.json', 'dynamics']) {
    t.true(files.includes(name), name)
  }
  const report = JSON.parse(await readFile(join(out, 'history.json'), 'utf8')) as Report
  t.deepEqual(report.dynamics.shape, [2, 1, 5, 2])
  t.deepEqual(report.dynamics.layers, ['conv2d_1', 'dense_1', 'dense_2', 'dense_3', 'dense_4'])
  t.deepEqual(report.dynamics.evaluators, ['HSIC'])
  t.deepEqual(report.batchDynamicsShape, [2, 8, 1, 5, 2])
  const values = report.dynamics.values.flat(3)
  t.is(values.length, 20)
  t.true(values.every((v) => Number.isFinite(v) && v > 0))
  t.is(report.epochs.length, 2)
  for (const epoch of report.epochs) {
    for (const name of ['loss', 'accuracy', 'validationLoss', 'validationAccuracy', 'seconds'] as const) {
      t.true(Number.isFinite(epoch[name]), name)
    }
  }
  t.is(report.seed, 1)
  t.is(report.device, 'cpu')
  t.truthy(report.versions.hyperglow)
  const stored = await loadDynamics(join(out, 'dynamics'))
  t.deepEqual(stored.shape, [2, 8, 1, 5, 2])
  const { values: averaged } = stored.averaged()
  for (const [i, value] of values.entries()) t.true(Math.abs((averaged[i] as number) - value) <= 1e-6 * value)
})

test('wrong options of the main job end it with one line and status 2', async (t) => {
  for (const wrong of [
    ['--epochz', '3'],
    ['--sigma', '-1'],
    ['--epochs', 'many'],
    ['--kernel', 'gausian'],
    ['extra'],
  ]) {
    const error = (await t.throwsAsync(
      run(process.execPath, [program, ...wrong]),
      undefined,
      wrong.join(' '),
    )) as (Error & { code: number; stderr: string; stdout: string }) | undefined
    t.is(error?.code, 2, wrong.join(' '))
    t.is(error?.stderr.trim().split('\n').length, 1, error?.stderr)
    t.is(error?.stdout, '')
  }
})

test('one thread and two give the same bits', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hyperglow-threads-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const results = await Promise.all(
    ['1', '2'].map(async (threads) => {
      const out = join(folder, threads)
      const env = { ...process.env, HYPERGLOW_THREADS: threads }
      await run(process.execPath, [program, '--epochs', '1', '--limit', '320', '--seed', '3', '--out', out], {
        env,
      })
      const { dynamics, epochs } = JSON.parse(await readFile(join(out, 'history.json'), 'utf8')) as Report
      return { dynamics, epochs: epochs.map(({ seconds: _, ...epoch }) => epoch) }
    }),
  )
  t.deepEqual(results[0], results[1])
})
