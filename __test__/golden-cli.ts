/**
 * Runs golden cases of a folder through the public API, each in float64 and float32:
 *
 *     npm run golden -- FOLDER [--filter TOPIC]
 *
 * Failures and skipped cases are listed by name. Exit status: 0 without failures, 1 otherwise, 2 for wrong arguments.
 */

import { statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Case, readFolder } from './golden/format.js'
import { runCase } from './golden/run-case.js'

const usage = 'usage: npm run golden -- FOLDER [--filter TOPIC]'

/** A mistake of the caller; its message is all that is shown. */
class UsageError extends Error {
  constructor(
    message: string,
    readonly status: 1 | 2,
  ) {
    super(message)
  }
}

function parse(args: string[]): { folder: string; filter: string } {
  let parsed: { positionals: string[]; values: { filter?: string | undefined } }
  try {
    parsed = parseArgs({ args, allowPositionals: true, options: { filter: { type: 'string' } } })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`, 2)
  }
  const [folder, ...rest] = parsed.positionals
  if (folder === undefined || rest.length > 0) throw new UsageError(usage, 2)
  return { folder, filter: parsed.values.filter ?? '' }
}

/** The topics of the folder whose names contain `filter`. */
function selected(folder: string, filter: string): [string, readonly Case[]][] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new UsageError(
      `there is no folder ${folder}; give one that holds golden cases (*.json or *.json.gz)`,
      1,
    )
  }
  let topics: Map<string, readonly Case[]>
  try {
    topics = readFolder(folder)
  } catch (error) {
    throw new UsageError((error as Error).message, 1)
  }
  if (topics.size === 0) throw new UsageError(`${folder} holds no golden cases (*.json or *.json.gz)`, 1)
  const found = [...topics].filter(([topic]) => topic.includes(filter))
  if (found.length === 0) {
    throw new UsageError(`no topic contains "${filter}"; topics are ${[...topics.keys()].join(', ')}`, 1)
  }
  return found
}

async function main(args: string[]): Promise<number> {
  const { folder, filter } = parse(args)
  let passed = 0
  const failed: string[] = []
  const skipped: string[] = []
  for (const [topic, cases] of selected(folder, filter)) {
    const before = [passed, failed.length, skipped.length] as const
    for (const c of cases) {
      for (const precision of ['float64', 'float32'] as const) {
        const outcome = await runCase(c, precision)
        if (outcome.kind === 'passed') passed++
        if (outcome.kind === 'failed') failed.push(`${topic}/${c.name} ${precision}: ${outcome.why}`)
        if (outcome.kind === 'skipped')
          skipped.push(`${topic}/${c.name} ${precision}: no operation ${c.op} yet`)
      }
    }
    const counts = [passed - before[0], failed.length - before[1], skipped.length - before[2]]
    console.log(`${topic}: ${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped`)
  }
  for (const line of skipped) console.log(`SKIPPED ${line}`)
  for (const line of failed) console.log(`FAILED ${line}`)
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`)
  return failed.length > 0 ? 1 : 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = error.status
}
