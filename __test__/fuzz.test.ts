/** Wrong calls of everything that is public end with a HyperglowError, and right ones with a result. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { fuzz } from './fuzz/drive.js'
import { failingHsicCalls } from './fuzz/hsic-models.js'
import { OwnError } from './fuzz/junk.js'
import { prepareFiles } from './fuzz/models.js'
import { calls, publicNames } from './fuzz/table.js'

/** HYPERGLOW_FUZZ=100000 makes more calls, from a random seed; the usual calls are always the same. */
const wanted = Number(process.env.HYPERGLOW_FUZZ ?? 0)
const count = wanted > 0 ? wanted : 2000
const seed = wanted > 0 ? Date.now() % 1e9 : 1

test('every function, constructor and method that is public has a call in the table', (t) => {
  const covered = new Set(calls.map(({ name }) => name))
  t.deepEqual(
    publicNames().filter((name) => !covered.has(name)),
    [],
  )
})

/** Calls that need something missing, or that must end with an error. */
const failing = new Set([
  'mnist.load',
  'readMnist',
  'Sequential.attachEvaluator',
  'Sequential.dynamics',
  'HSICSequential.toJSON',
  'HSICSigma.toJSON',
  'IBSequential.toJSON',
  'Sequential.toJSON',
  'IBSequential.dynamics',
  'Tensor.toJSON',
  'Variable.toJSON',
  ...failingHsicCalls,
])

test.serial('the calls of the table work as they are', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperglow-calls-'))
  const before = process.cwd()
  process.chdir(folder)
  try {
    await prepareFiles()
    for (const { name, args, run } of calls) {
      if (failing.has(name)) continue
      try {
        await run(args())
      } catch (error) {
        if (!(error instanceof OwnError)) t.fail(`${name}: ${error instanceof Error ? error.stack : error}`)
      }
    }
    t.pass()
  } finally {
    process.chdir(before)
    rmSync(folder, { recursive: true, force: true })
  }
})

test.serial(`${count} calls with one thing wrong`, async (t) => {
  t.timeout(count * 200 + 240_000)
  t.log(`seed ${seed}`)
  const found = await fuzz(count, seed, '', 2)
  t.deepEqual(
    found.map(({ call, change, what, seed }) => `${call}: ${change}: ${what} (seed ${seed})`),
    [],
  )
})
