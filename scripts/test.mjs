// `npm test`: formatting, lint, builds, Rust tests, TypeScript tests; the last line is `N passed, N failed[, N skipped]`.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { capture, duration, packageBin, root, SetupError } from './command.mjs'
import { buildNative, checkNode, checkRust, compileTypeScript, install } from './setup.mjs'

const cargoEnv = { CARGO_TERM_COLOR: 'never' }

/** Sums the closing lines of cargo's test programs. */
function countCargo(output) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const match of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    total.passed += Number(match[1])
    total.failed += Number(match[2])
    total.skipped += Number(match[3])
  }
  return total
}

/** Counts the result lines of a TAP stream. */
function countTap(output) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const match of output.matchAll(/^(not )?ok \d+(.*)$/gm)) {
    if (/# (skip|todo)\b/i.test(match[2])) total.skipped += 1
    else if (match[1]) total.failed += 1
    else total.passed += 1
  }
  return total
}

/** Names of the tests that were skipped, from either kind of output. */
function skippedNames(output) {
  const tap = [...output.matchAll(/^(?:not )?ok \d+ - (.*?) # (?:skip|todo)\b/gim)]
  const cargo = [...output.matchAll(/^test (.*?) \.\.\. ignored/gm)]
  return [...tap, ...cargo].map((match) => match[1])
}

const countNothing = () => ({ passed: 0, failed: 0, skipped: 0 })

/** A set-up part as a stage: it throws if it fails and counts no tests. */
const part = (run) => async () => {
  try {
    await run()
    return { code: 0, output: '' }
  } catch (error) {
    if (error instanceof SetupError) return { code: 1, output: `${error.message}\n` }
    throw error
  }
}

const cargoWith = (env, ...args) =>
  part(checkRust)().then((rust) => (rust.code ? rust : capture('cargo', args, { ...cargoEnv, ...env })))
const cargo = (...args) => cargoWith({}, ...args)
const npmBin = (pkg, name, ...args) =>
  capture(process.execPath, [packageBin(pkg, name), ...args], { NO_COLOR: '1' })

/** Builds the emulated CUDA driver and runs its planted bugs; it needs g++ and an x86-64 processor with Linux. */
async function buildEmulatedDriver() {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !hasCompiler()) {
    console.log('         skipped: the emulated CUDA driver needs g++ on x86-64 Linux')
    return { code: 0, output: '' }
  }
  return capture('bash', [join(root, 'crates/kernels/emu/build.sh'), 'fast', 'check'])
}

function hasCompiler() {
  return spawnSync('g++', ['--version']).status === 0
}

/** The tests of CUDA devices on the emulated driver; skipped by name where it was not built. */
function testEmulatedCuda() {
  const env = { LD_LIBRARY_PATH: join(root, 'target/emu/fast') }
  // The whole workspace, so that the programs of the stage before are used again.
  return cargoWith(env, 'test', '--workspace', '--test', 'cuda', '--test', 'cuda_tiles')
}

/**
 * The stages in order; `needs` names those that must have passed for it to make sense. A stage that runs `beside` the others starts first and is awaited where
 * it is needed: the linker of the addon occupies one core for minutes.
 */
const stages = [
  { name: 'addon', beside: true, run: part(buildNative) },
  {
    name: 'biome',
    run: () => npmBin('@biomejs/biome', 'biome', 'check', '--error-on-warnings', '--max-diagnostics=200'),
  },
  { name: 'rustfmt', run: () => cargo('fmt', '--all', '--check') },
  { name: 'clippy', run: () => cargo('clippy', '--workspace', '--lib', '--tests', '--', '-D', 'warnings') },
  { name: 'driver', run: buildEmulatedDriver },
  { name: 'cargo', count: countCargo, run: () => cargo('test', '--workspace', '--no-fail-fast') },
  { name: 'cuda', count: countCargo, needs: ['driver'], run: testEmulatedCuda },
  { name: 'tsc', needs: ['addon'], run: part(compileTypeScript) },
  { name: 'ava', count: countTap, needs: ['addon', 'tsc'], run: () => npmBin('ava', 'ava', '--tap') },
]

/** `12 passed, 0 failed`, and `, 3 skipped` if tests were skipped. */
function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`
}

async function runStage({ name, run, count }) {
  const start = performance.now()
  const { code, output } = await run()
  const counts = (count ?? countNothing)(output)
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  if (code === 0 && count && counts.passed + counts.skipped === 0) {
    counts.failed = 1
    console.log(`${name}: no test was found`)
  }
  if (counts.failed > 0) console.log(output.trimEnd())
  const verdict = count ? summary(counts) : counts.failed ? 'failed' : 'ok'
  console.log(`${name.padEnd(8)} ${verdict}  (${duration(performance.now() - start)})`)
  for (const skipped of skippedNames(count ? output : '')) console.log(`         skipped: ${skipped}`)
  return counts
}

/** The stages named in `only` and those that they need, in order; all if it is empty. */
function chosen(only) {
  const wanted = new Set(only.length === 0 ? stages.map(({ name }) => name) : only)
  for (const { name, needs = [] } of stages.toReversed())
    if (wanted.has(name)) for (const need of needs) wanted.add(need)
  return stages.filter(({ name }) => wanted.has(name))
}

/** Runs stages in order, those that run beside the others from the beginning; resolves to the counts of each. */
async function runStages(stages) {
  const results = new Map(stages.filter(({ beside }) => beside).map((stage) => [stage.name, runStage(stage)]))
  for (const stage of stages.filter(({ beside }) => !beside)) {
    let missing
    for (const need of stage.needs ?? []) if ((await results.get(need)).failed > 0) missing ??= need
    if (missing) {
      console.log(`${stage.name.padEnd(8)} not run, since ${missing} failed`)
      results.set(stage.name, countNothing())
    } else {
      const counts = runStage(stage)
      results.set(stage.name, counts)
      await counts
    }
  }
  return Promise.all(results.values())
}

/**
 * Runs the stages named in `only` (all if it is empty) and the stages that they need.
 *
 * @returns exit status: 0 if nothing failed
 */
export async function test(only) {
  const unknown = only.find((name) => !stages.some((candidate) => candidate.name === name))
  if (unknown !== undefined) {
    const names = stages.map((candidate) => candidate.name).join(', ')
    throw new SetupError(`npm test: there is no stage "${unknown}"; the stages are ${names}`)
  }
  const total = { passed: 0, failed: 0, skipped: 0 }
  const ready = await part(async () => {
    checkNode()
    await install()
  })()
  if (ready.code !== 0) {
    console.log(ready.output.trimEnd())
    total.failed = 1
  } else {
    for (const counts of await runStages(chosen(only)))
      for (const key of Object.keys(total)) total[key] += counts[key]
  }
  console.log(summary(total))
  return total.failed === 0 ? 0 : 1
}
