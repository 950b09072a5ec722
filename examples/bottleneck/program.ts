/** Shared code of the programs of published experiments: options, runs, claims, and exit status. */
import { parseArgs } from 'node:util'
import { IOError } from '../../ts/index.js'
import type { Experiment, Study } from './experiment.js'
import { runOnce } from './store.js'

/** A claim, the number that decides it, and whether it is true. */
export type Check = readonly [claim: string, value: number, holds: boolean]

/** Prints checks; returns whether all are true. */
export function allHold(checks: readonly Check[]): boolean {
  for (const [claim, value, holds] of checks) {
    console.log(`${holds ? 'ok  ' : 'FAIL'} ${claim}: ${value.toFixed(2)}`)
  }
  return checks.every(([, , holds]) => holds)
}

/** Invalid options. */
class UsageError extends Error {}

/** A program for the experiments of a study. */
export interface Program {
  /** For example `npm run example:hsic`. */
  readonly command: string
  readonly study: Study
  /** A short form of some experiments; returns whether the claims are true. */
  quick(): Promise<boolean>
}

/**
 * Reads the command line, runs the experiments and sets the exit status: 1 if a claim is false or data are missing, 2 for invalid options.
 */
export async function runProgram(program: Program): Promise<void> {
  const start = performance.now()
  try {
    const holds = await main(program, process.argv.slice(2))
    console.log(`${((performance.now() - start) / 1000).toFixed(0)} s in all`)
    process.exitCode = holds ? 0 : 1
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${usageOf(program)}`)
      process.exitCode = 2
    } else if (error instanceof IOError) {
      // Data that are not on this machine: the message says where to put them.
      console.error(error.message)
      process.exitCode = 1
    } else throw error
  }
}

function usageOf({ command, study }: Program): string {
  const lines = study.experiments.map(
    ({ name, title, cases }) => `  ${name.padEnd(22)}${title}; cases ${Object.keys(cases).join(', ')}`,
  )
  return [
    `usage: ${command} -- --quick`,
    `       ${command} -- EXPERIMENT[.CASE] ... [--seeds 3] [--first 1]`,
    '',
    ...lines,
    '',
    'Finished runs are in runs/results and are not run again. `npm run example:results` writes docs/results.md.',
  ].join('\n')
}

async function main(program: Program, args: string[]): Promise<boolean> {
  const { values, positionals } = parse(args)
  if (values.quick) return program.quick()
  const [seeds, first] = [whole('seeds', values.seeds), whole('first', values.first)]
  if (positionals.length === 0) throw new UsageError('no experiment is named')
  const wanted = positionals.flatMap((name) => casesOf(program.study, name))
  for (const [experiment, name] of wanted) {
    for (let seed = first; seed < first + seeds; seed++) {
      const run = await runOnce(experiment, name, seed)
      const told = experiment.rows
        .filter((row) => (row.case ?? Object.keys(experiment.cases)[0]) === name)
        .map((row) => `${row.name} ${row.of(run.values).toFixed(2)}`)
      console.log(`${experiment.name}.${name}, seed ${seed}, ${run.seconds} s: ${told.join(', ')}`)
    }
  }
  return true
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        seeds: { type: 'string', default: '1' },
        first: { type: 'string', default: '1' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function whole(name: string, given: string): number {
  const value = Number(given)
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new UsageError(`--${name} ${given}: expected a whole number of at least 1`)
}

/** The cases of a name such as `width` or `width.w8`. */
function casesOf(study: Study, name: string): (readonly [Experiment, string])[] {
  const [wanted, only] = name.split('.')
  const experiment = study.experiments.find((one) => one.name === wanted)
  if (experiment === undefined) throw new UsageError(`there is no experiment '${wanted}'`)
  const cases = Object.keys(experiment.cases)
  if (only !== undefined && !cases.includes(only)) {
    throw new UsageError(`'${wanted}' has no case '${only}'; it has ${cases.join(', ')}`)
  }
  return cases.filter((one) => only === undefined || one === only).map((one) => [experiment, one] as const)
}
