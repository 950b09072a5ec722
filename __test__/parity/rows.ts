/** The rows of `docs/parity/SYSTEM.tsv`: promises of other systems, our names for them, and their tests. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../ts/core/package-root.js'

/**
 * What became of a promise: kept, kept in another form that `note` tells, not made for the reason in `note`, not to be kept before something else is built, or a
 * matter of a later stage.
 */
export type Status = 'holds' | 'changed' | 'declined' | 'waits' | 'later'

/** A promise. */
export interface Row {
  readonly id: string
  /** Stage of the project in which it is due, from 1. */
  readonly stage: number
  /** Section of the page. */
  readonly part: string
  readonly status: Status
  /** What is promised, in a sentence. */
  readonly promise: string
  /** Exports, or members of them: `Network.fit`, `CompileOptions.loss`, `mnist.load`. */
  readonly ours: readonly string[]
  /** The alternative, or the reason that there is none. */
  readonly note: string
  /** `FILE: TITLE` of a test in `__test__/FILE.test.ts`, or `golden TOPIC: CASE`, in which `*` matches anything. */
  readonly tests: readonly string[]
}

const columns = ['id', 'stage', 'part', 'status', 'promise', 'ours', 'note', 'tests'] as const
const statuses: readonly Status[] = ['holds', 'changed', 'declined', 'waits', 'later']
const folder = join(packageRoot, 'docs', 'parity')

/** The tables by system. */
export function readTables(): Map<string, readonly Row[]> {
  const systems = readdirSync(folder)
    .filter((name) => name.endsWith('.tsv'))
    .map((name) => name.slice(0, -'.tsv'.length))
  return new Map(systems.sort().map((system) => [system, readRows(system)]))
}

/**
 * The rows of a table.
 *
 * @throws Error with the line for what is no row
 */
function readRows(system: string): Row[] {
  const [head = '', ...lines] = readFileSync(join(folder, `${system}.tsv`), 'utf8')
    .trimEnd()
    .split('\n')
  if (head !== columns.join('\t')) throw new Error(`${system}: the first line is not ${columns.join(', ')}`)
  return lines.map((line, index) => {
    const wrong = (what: string) => new Error(`${system}.tsv, line ${index + 2}: ${what}`)
    const cells = line.split('\t')
    if (cells.length !== columns.length) throw wrong(`${cells.length} cells, expected ${columns.length}`)
    const [id = '', stage, part = '', status = '', promise = '', ours = '', note = '', tests = ''] = cells
    const list = (cell: string, separator: string) => (cell === '' ? [] : cell.split(separator))
    const row: Row = {
      id,
      stage: Number(stage),
      part,
      status: status as Status,
      promise,
      ours: list(ours, ', '),
      note,
      tests: list(tests, ' | '),
    }
    const fault = faultOf(row)
    if (fault !== undefined) throw wrong(fault)
    return row
  })
}

/** What a row lacks, or has too much. */
function faultOf({ stage, part, status, promise, ours, note, tests }: Row): string | undefined {
  if (!statuses.includes(status)) return `status ${status}, expected one of ${statuses.join(', ')}`
  if (!(Number.isInteger(stage) && stage >= 1)) return 'no stage'
  if (part === '' || promise === '') return 'no part or no promise'
  if (status === 'later') {
    return ours.length + tests.length === 0 ? undefined : 'what is not built yet has no names and no tests'
  }
  if (ours.length === 0 || tests.length === 0) return 'no names or no tests'
  return status !== 'holds' && note === '' ? `${status}, and no note says why` : undefined
}
