/**
 * Measurements in files: one per case and seed under runs/results, so that a stopped program continues, and one of all runs, which is kept
 * with the sources.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { versions } from 'node:process'
import { version, writeAtomic } from '../../ts/index.js'
import type { Experiment, Values } from './experiment.js'

/** One finished run. */
export interface Run {
  readonly experiment: string
  readonly case: string
  readonly seed: number
  /** Settings of the experiment and the case at the time of the run. */
  readonly settings: string
  readonly values: Values
  /** Wall time of the run, on a machine that did other work as well. */
  readonly seconds: number
  /** Date of the end, such as 2026-11-30. */
  readonly date: string
  readonly machine: string
  readonly version: string
}

/** Folder of finished runs. */
export const runsFolder = join('runs', 'results')

/** All runs of the page of results, one per line. */
export const resultsFile = join('examples', 'bottleneck', 'results.jsonl')

/** Processor, threads and Node.js of this machine. */
export function machine(): string {
  const processors = cpus()
  const model = (processors[0]?.model ?? 'unknown processor').replace(/\s+/g, ' ').trim()
  return `${model}, ${processors.length} cores, Node.js ${versions.node}`
}

const fileOf = ({ experiment, case: name, seed }: Pick<Run, 'experiment' | 'case' | 'seed'>) =>
  `${experiment}.${name}.${seed}.json`

/** The settings of a case as text. A run with other settings is a run of something else. */
export function settingsOf({ settings, cases }: Experiment, name: string): string {
  return [settings, cases[name]?.settings ?? ''].filter((part) => part !== '').join('. ')
}

/** Runs a case with a seed, or reads its stored measurements at these settings. */
export async function runOnce(experiment: Experiment, name: string, seed: number): Promise<Run> {
  const key = { experiment: experiment.name, case: name, seed }
  const path = join(runsFolder, fileOf(key))
  const settings = settingsOf(experiment, name)
  if (existsSync(path)) {
    const run = JSON.parse(await readFile(path, 'utf8')) as Run
    if (run.settings === settings) return run
  }
  const found = experiment.cases[name]
  if (found === undefined) throw new TypeError(`${experiment.name} has no case '${name}'`)
  const start = performance.now()
  const values = rounded(await found.run(seed))
  const seconds = Math.round((performance.now() - start) / 1000)
  const date = new Date().toISOString().slice(0, 10)
  const run: Run = { ...key, settings, values, seconds, date, machine: machine(), version }
  await mkdir(runsFolder, { recursive: true })
  await writeAtomic(path, `${JSON.stringify(run)}\n`)
  return run
}

/** Six digits: more precise than the spread over seeds. */
function rounded(values: Values): Values {
  const short = (value: number) => {
    if (!Number.isFinite(value)) throw new RangeError(`a run measured ${value}, expected a finite number`)
    return Number(value.toPrecision(6))
  }
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'number' ? short(value) : value.map(short),
    ]),
  )
}

/** The runs that are kept with the sources. */
export async function readResults(path: string = resultsFile): Promise<Run[]> {
  if (!existsSync(path)) return []
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Run)
}

/** Adds the finished runs of this machine to the stored ones; a run of the same case and seed is replaced. */
export async function collect(path: string = resultsFile, folder: string = runsFolder): Promise<Run[]> {
  const all = new Map((await readResults(path)).map((run) => [fileOf(run), run]))
  const names = existsSync(folder) ? await readdir(folder) : []
  for (const name of names.filter((one) => one.endsWith('.json'))) {
    const run = JSON.parse(await readFile(join(folder, name), 'utf8')) as Run
    all.set(fileOf(run), run)
  }
  const runs = [...all.values()].sort((a, b) => compare(fileOf(a), fileOf(b)))
  await writeAtomic(path, runs.map((run) => `${JSON.stringify(run)}\n`).join(''))
  return runs
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
