/** The page `docs/parity.md`, made of the table. */
import type { Row, Status } from './rows.js'

const meanings: Readonly<Record<Status, string>> = {
  holds: 'kept, under the names that stand behind it',
  changed: 'kept in another form, which is told',
  declined: 'not made, for the reason that is told',
  waits: 'to be kept as soon as what it needs is there',
  later: 'not built yet',
}

const code = (text: string) => `\`${text}\``

/** A row as an item of a list, its tests below. */
function item({ id, stage, status, promise, ours, note, tests }: Row): string[] {
  const state = status === 'later' ? `stage ${stage}: not built yet` : status
  const names = ours.length === 0 ? '' : ` ${ours.map(code).join(', ')}.`
  return [
    `- **${id}**, ${state}. ${promise}${names}${note === '' ? '' : ` ${note}`}`,
    ...tests.map((test) => `  - ${code(test)}`),
  ]
}

/** The section about a system; its parts stand in the order in which they first occur. */
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
    '# What other systems promise, and what stands here',
    '',
    'The documents and sources of other systems promise what is told below in our words, with what we have for it and the tests that show it: `FILE: TITLE` is a test in',
    '`__test__/FILE.test.ts`, `golden TOPIC: CASE` are reference values in `__test__/data/golden`. [from-pyglow.md](from-pyglow.md) has the calls of PyGlow beside ours.',
    '',
    'This page is made from `docs/parity/*.tsv` by `npm run parity`. A test fails where it is out of date, or where it names an export, a member or a test that is not there.',
    '',
    'Everywhere names are camelCase, optional arguments are one object of options, and a device is given as `device`.',
    '',
    ...[...tables].flatMap(([system, rows]) => section(system, rows)),
  ].join('\n')
}
