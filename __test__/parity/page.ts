/** The page `docs/parity.md`, made from the tables. */
import type { Row, Status } from './rows.js'

const meanings: Readonly<Record<Status, string>> = {
  holds: 'kept, by the names after it',
  changed: 'kept in another form, as described',
  declined: 'not kept, for the given reason',
  waits: 'possible only with something that does not exist yet',
  later: 'not built yet',
}

const code = (text: string) => `\`${text}\``

/** A row as a list item with its tests. */
function item({ id, stage, status, promise, ours, note, tests }: Row): string[] {
  const state = status === 'later' ? `stage ${stage}: not built yet` : status
  const names = ours.length === 0 ? '' : ` ${ours.map(code).join(', ')}.`
  return [
    `- **${id}**, ${state}. ${promise}${names}${note === '' ? '' : ` ${note}`}`,
    ...tests.map((test) => `  - ${code(test)}`),
  ]
}

/** The section about a system; its parts are in the order of their first rows. */
function section(system: string, rows: readonly Row[]): string[] {
  const parts = [...new Set(rows.map(({ part }) => part))]
  const counts = (Object.keys(meanings) as Status[])
    .map((status) => ({ status, count: rows.filter((row) => row.status === status).length }))
    .filter(({ count }) => count > 0)
  return [
    `## ${system}`,
    '',
    `Of ${rows.length} promises:`,
    '',
    ...counts.map(({ status, count }) => `- ${count} **${status}**: ${meanings[status]}.`),
    ...parts.flatMap((part) => [
      '',
      `### ${part}`,
      '',
      ...rows.filter((row) => row.part === part).flatMap(item),
    ]),
    '',
  ]
}

/** The page about all systems. */
export function pageOf(tables: ReadonlyMap<string, readonly Row[]>): string {
  return [
    '# Promises of other systems',
    '',
    'This page lists what the documents and sources of other systems promise, in our words, with our names and tests. `FILE: TITLE` is a test in',
    '`__test__/FILE.test.ts`, `golden TOPIC: CASE` are reference values in `__test__/data/golden`. [from-pyglow.md](from-pyglow.md) has the calls of PyGlow and ours.',
    '',
    '`npm run parity` makes this page from `docs/parity/*.tsv`. A test fails if the page is out of date, or if it names a missing export, member or test.',
    '',
    'In all rows names are camelCase, optional arguments are one options object, and the device is the option `device`.',
    '',
    ...[...tables].flatMap(([system, rows]) => section(system, rows)),
  ].join('\n')
}
