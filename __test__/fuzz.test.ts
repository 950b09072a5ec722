/** Wrong calls of everything that is public end with a HyperglowError, and right ones with a result. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { OwnError } from './fuzz/junk.js'
import { prepareFiles } from './fuzz/models.js'
import { calls, publicNames } from './fuzz/table.js'

test('every function, constructor and method that is public has a call in the table', (t) => {
  const covered = new Set(calls.map(({ name }) => name))
  t.deepEqual(
    publicNames().filter((name) => !covered.has(name)),
    [],
  )
})

/** Calls that need what is not there, or that end with an error as they should. */
const failing = new Set([
  'mnist.load',
  'readMnist',
  'Sequential.attachEvaluator',
  'Sequential.dynamics',
  'IBSequential.dynamics',
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
