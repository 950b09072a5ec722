/**
 * Judges the estimators on samples of which the mutual information is known:
 *
 *     npm run judge -- [FOLDER] [--json FILE] [--page FILE] [--trained]
 *     npm run judge -- --fresh SEED [--json FILE] [--page FILE] [--trained]
 *
 * FOLDER (default the project's own cases, benches/cases) holds truth.json, the samples it names and, where there are any, the
 * answers of other packages in peers.json. The page, by default docs/accuracy.md, is written for the project's own cases
 * or where --page names one. Estimators that train a network for every estimate (MINE and its like, minutes in all) take part
 * where a page is written, or with --trained. --fresh draws samples that are not in the folder (judge/fresh.ts) and judges these.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { HyperglowError, writeAtomic } from '../ts/index.js'
import { type Case, FolderError, load, readPeers, readTruths } from './judge/cases.js'
import { contestants } from './judge/estimators.js'
import { writeFresh } from './judge/fresh.js'
import type { Verdict } from './judge/goals.js'
import { caseLines, json, page, standingLines } from './judge/report.js'

const usage = 'usage: npm run judge -- [FOLDER | --fresh SEED] [--json FILE] [--page FILE] [--trained]'
const root = fileURLToPath(new URL('../../', import.meta.url))
const ownCases = join(root, 'benches/cases')

/** A mistake of the caller; its message is all that is shown. */
class UsageError extends Error {}

interface Settings {
  readonly folder: string
  /** Of samples to be drawn into the folder, which is then temporary. */
  readonly fresh: number | undefined
  readonly json: string | undefined
  readonly page: string | undefined
  readonly trained: boolean
}

function parse(args: string[]): Settings {
  try {
    const options = {
      json: { type: 'string' },
      page: { type: 'string' },
      trained: { type: 'boolean', default: false },
      fresh: { type: 'string' },
    } as const
    const { positionals, values } = parseArgs({ args, allowPositionals: true, options })
    if (positionals.length > 1) throw new UsageError('expected one folder')
    const fresh = values.fresh === undefined ? undefined : Number(values.fresh)
    if (fresh !== undefined && !(Number.isSafeInteger(fresh) && fresh >= 0 && positionals.length === 0)) {
      throw new UsageError('--fresh takes a whole number, and no folder')
    }
    const folder =
      fresh === undefined ? resolve(positionals[0] ?? ownCases) : mkdtempSync(join(tmpdir(), 'judge-'))
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new UsageError(`there is no folder ${folder}`)
    }
    const own = positionals.length === 0 && fresh === undefined ? join(root, 'docs/accuracy.md') : undefined
    const page = values.page ?? own
    return { folder, fresh, json: values.json, page, trained: values.trained || page !== undefined }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`, { cause: error })
  }
}

async function judge(case_: Case, withTrained: boolean): Promise<Verdict> {
  const estimates: Record<string, number> = {}
  const seconds: Record<string, number> = {}
  const refusals: Record<string, string> = {}
  for (const [name, estimator] of Object.entries(contestants(case_, withTrained))) {
    const start = performance.now()
    try {
      estimates[name] = await estimator.estimate(case_.x, case_.y)
      seconds[name] = (performance.now() - start) / 1e3
    } catch (error) {
      if (!(error instanceof HyperglowError)) throw error
      refusals[name] = error.message
    }
  }
  const { x: _x, y: _y, ...truth } = case_
  return { truth, estimates, seconds, refusals }
}

async function main(args: string[]): Promise<number> {
  const settings = parse(args)
  if (settings.fresh === undefined) return judgeFolder(settings)
  try {
    await writeFresh(settings.folder, settings.fresh)
    return await judgeFolder(settings)
  } finally {
    rmSync(settings.folder, { recursive: true })
  }
}

async function judgeFolder(settings: Settings): Promise<number> {
  const truths = readTruths(settings.folder)
  const peers = readPeers(settings.folder)
  const verdicts: Verdict[] = []
  for (const truth of truths) {
    const verdict = await judge(await load(settings.folder, truth), settings.trained)
    verdicts.push(verdict)
    console.log(caseLines(verdict, peers))
  }
  console.log(`\n${standingLines(verdicts, peers)}`)
  if (settings.json !== undefined) await writeAtomic(settings.json, [Buffer.from(json(verdicts))])
  if (settings.page !== undefined) await writeAtomic(settings.page, [Buffer.from(page(verdicts, peers))])
  return 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isOurs =
    error instanceof UsageError || error instanceof FolderError || error instanceof HyperglowError
  if (!isOurs) throw error
  console.error(error.message)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
