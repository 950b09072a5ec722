/**
 * Compares the estimators with known mutual information:
 *
 *     npm run judge -- [FOLDER] [--json FILE] [--page FILE] [--trained]
 *     npm run judge -- --fresh SEED [--json FILE] [--page FILE] [--trained]
 *     npm run judge -- --messy SEED [--json FILE] [--page FILE]
 *
 * FOLDER (default the project's own cases, benches/cases) holds truth.json, its samples and, optionally, the results of other packages in
 * peers.json. The page, by default docs/accuracy.md, is written for the project's own cases or if --page is given. Estimators that train a
 * network for every estimate (MINE and similar, minutes in total) are included if a page is written, or with --trained. --fresh draws
 * samples that are not in the folder (judge/fresh.ts); --messy draws samples that resemble real columns (judge/messy.ts), with which the
 * page of the project's own cases ends.
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
import { writeMessy } from './judge/messy.js'
import { caseLines, json, page, standingLines } from './judge/report.js'

const usage =
  'usage: npm run judge -- [FOLDER | --fresh SEED | --messy SEED] [--json FILE] [--page FILE] [--trained]'
const root = fileURLToPath(new URL('../../', import.meta.url))
const ownCases = join(root, 'benches/cases')

/** A mistake of the caller; only its message is shown. */
class UsageError extends Error {}

interface Settings {
  readonly folder: string
  /** Draws samples into the folder, which is then temporary. */
  readonly draw: ((folder: string) => Promise<void>) | undefined
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
      messy: { type: 'string' },
    } as const
    const { positionals, values } = parseArgs({ args, allowPositionals: true, options })
    if (positionals.length > 1) throw new UsageError('expected one folder')
    const draw = drawing('--fresh', values.fresh, writeFresh) ?? drawing('--messy', values.messy, writeMessy)
    const given = [values.fresh, values.messy, ...positionals].filter((one) => one !== undefined)
    if (given.length > 1) throw new UsageError('expected one of a folder, --fresh and --messy')
    const folder =
      draw === undefined ? resolve(positionals[0] ?? ownCases) : mkdtempSync(join(tmpdir(), 'judge-'))
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new UsageError(`there is no folder ${folder}`)
    }
    const own = given.length === 0 ? join(root, 'docs/accuracy.md') : undefined
    const page = values.page ?? own
    return { folder, draw, json: values.json, page, trained: values.trained || page !== undefined }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`, { cause: error })
  }
}

/** The samples of `write` for the seed in an option; undefined without the option. */
function drawing(
  option: string,
  given: string | undefined,
  write: (folder: string, seed: number) => Promise<void>,
): Settings['draw'] {
  if (given === undefined) return undefined
  const seed = Number(given)
  if (given === '' || !(Number.isSafeInteger(seed) && seed >= 0)) {
    throw new UsageError(`${option} takes a whole number`)
  }
  return (folder) => write(folder, seed)
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
  const { folder, draw, json: jsonFile, page: pageFile, trained } = settings
  const peers = readPeers(folder)
  const verdicts =
    draw === undefined ? await judgeFolder(folder, trained) : await judgeDrawn(folder, draw, trained)
  if (jsonFile !== undefined) await writeAtomic(jsonFile, [Buffer.from(json(verdicts))])
  if (pageFile === undefined) return 0
  const drawn = mkdtempSync(join(tmpdir(), 'judge-'))
  const messy = folder === ownCases ? await judgeDrawn(drawn, (path) => writeMessy(path, 1), false) : []
  await writeAtomic(pageFile, [Buffer.from(page([...verdicts, ...messy], peers))])
  return 0
}

/** Judges samples in a temporary folder. */
async function judgeDrawn(
  folder: string,
  draw: (folder: string) => Promise<void>,
  trained: boolean,
): Promise<Verdict[]> {
  try {
    await draw(folder)
    return await judgeFolder(folder, trained)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function judgeFolder(folder: string, trained: boolean): Promise<Verdict[]> {
  const truths = readTruths(folder)
  const peers = readPeers(folder)
  const verdicts: Verdict[] = []
  for (const truth of truths) {
    const verdict = await judge(await load(folder, truth), trained)
    verdicts.push(verdict)
    console.log(caseLines(verdict, peers))
  }
  console.log(`\n${standingLines(verdicts, peers)}`)
  return verdicts
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
