/** The page of results, written from the stored runs: none of our numbers is typed by hand. */
import { goalReached, seedsNeeded, spread, summarize, type Verdict, verdictOf } from './acceptance.js'
import { cited } from './cited.js'
import type { Experiment, Row, Shape, Study, Values } from './experiment.js'
import { format as formatExperiment } from './hsic/format.js'
import { hsicStudy } from './hsic/index.js'
import { tunedExperiment, tunedWideExperiment } from './hsic/tuned.js'
import { localStudy } from './local/index.js'
import { notebookStudy } from './notebook/planes.js'
import { type Run, resultsFile, settingsOf } from './store.js'
import { vibStudy } from './vib/index.js'

/** The published studies, and the commands that run them. */
export const studies: readonly (readonly [study: Study, command: string])[] = [
  [hsicStudy, 'example:hsic'],
  [vibStudy, 'example:vib'],
  [localStudy, 'example:local'],
  [notebookStudy, 'example:notebook'],
]

/** Runs of one case, by seed. */
type Found = readonly Run[]

const runsOf = (runs: Found, experiment: Experiment, name: string): Found =>
  runs
    .filter((run) => run.experiment === experiment.name && run.case === name)
    .sort((a, b) => a.seed - b.seed)

const caseOf = (experiment: Experiment, row: Row) => row.case ?? (Object.keys(experiment.cases)[0] as string)

/** A table whose columns are as wide as their widest cell. */
function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((cells) => (cells[column] as string).length)),
  )
  const line = (cells: readonly string[], fill = ' ') =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number, fill)).join(' | ')} |`
  const rule = line(
    head.map(() => ''),
    '-',
  )
  return [line(head), rule, ...rows.map((cells) => line(cells))].join('\n')
}

/** A published number with the digits of its source. */
const given = (value: number) => (Number.isInteger(value) ? value.toFixed(1) : String(value))

function verdictFor(experiment: Experiment, row: Row, values: readonly number[]): Verdict | '' {
  const ours = summarize(values)
  if (row.goal !== undefined) return goalReached(ours, row.goal)
  if (row.published === undefined) return ''
  return verdictOf(ours, row.published, experiment.higherIsBetter ?? true)
}

function bandOf({ published, goal }: Row): string {
  if (goal !== undefined) return 'atLeast' in goal ? `at least ${goal.atLeast}` : `at most ${goal.atMost}`
  return published === undefined ? 'none' : `± ${published.tolerance}`
}

function rowOf(experiment: Experiment, row: Row, runs: Found): string[] {
  const name = caseOf(experiment, row)
  const values = runs.map((run) => row.of(run.values))
  const unit = row.unit ?? '% right'
  const theirs = row.published?.value ?? row.theirs
  const verdict = verdictFor(experiment, row, values)
  return [
    experiment.cases[name]?.settings ?? '',
    unit === '' ? row.name : `${row.name}, ${unit}`,
    spread(values),
    String(runs.length),
    theirs === undefined ? '' : given(theirs),
    bandOf(row),
    verdict,
  ]
}

/** The number of seeds with runs of all cases, and the number of those in which a claim is true; undefined if there are none. */
export function seenIn(experiment: Experiment, shape: Shape, runs: Found): { seen: number; of: number } {
  const byCase = new Map(shape.cases.map((name) => [name, runsOf(runs, experiment, name)]))
  const [first = [], ...others] = [...byCase.values()]
  const seeds = first
    .map(({ seed }) => seed)
    .filter((seed) => others.every((runsOfOther) => runsOfOther.some((run) => run.seed === seed)))
  const seen = seeds.filter((seed) =>
    shape.holds((name) => byCase.get(name)?.find((run) => run.seed === seed)?.values as Values),
  )
  return { seen: seen.length, of: seeds.length }
}

function shapesOf(experiment: Experiment, runs: Found): string[] {
  return (experiment.shapes ?? []).flatMap((shape) => {
    const { seen, of } = seenIn(experiment, shape, runs)
    if (of === 0) return []
    const verdict = seen === of ? 'seen' : '**not seen in all**'
    return [`- ${shape.claim}: ${verdict}, ${seen} of ${of} ${of === 1 ? 'seed' : 'seeds'}`]
  })
}

function experimentPart(experiment: Experiment, command: string, runs: Found): string {
  const ran = experiment.rows
    .map((row) => [row, runsOf(runs, experiment, caseOf(experiment, row))] as const)
    .filter(([, found]) => found.length > 0)
  if (ran.length === 0) return ''
  const head = ['case', 'what', 'ours', 'seeds', 'published', 'band', 'verdict']
  const shapes = shapesOf(experiment, runs)
  const parts = [
    `### ${experiment.title}`,
    `\`npm run ${command} -- ${experiment.name} --seeds ${seedsNeeded}\`. ${experiment.settings}.${
      experiment.differences === undefined ? '' : ` What differs: ${experiment.differences}.`
    }`,
    tableOf(
      head,
      ran.map(([row, found]) => rowOf(experiment, row, found)),
    ),
    ...(shapes.length === 0 ? [] : [shapes.join('\n')]),
    ...(experiment.remarks === undefined ? [] : [experiment.remarks]),
  ]
  return parts.join('\n\n')
}

/** Cases without any run, or with fewer seeds than a verdict needs. */
function missing(runs: Found): string {
  const lines = studies.flatMap(([study, command]) =>
    study.experiments.flatMap((experiment) =>
      Object.keys(experiment.cases).flatMap((name) => {
        const count = runsOf(runs, experiment, name).length
        if (count >= seedsNeeded) return []
        const state = count === 0 ? 'not run' : `${count} of ${seedsNeeded} seeds`
        return [`- \`npm run ${command} -- ${experiment.name}.${name} --seeds ${seedsNeeded}\`: ${state}`]
      }),
    ),
  )
  return lines.length === 0 ? 'Nothing.' : lines.join('\n')
}

function citedPart(runs: Found): string {
  const percentOf = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2))
  const ours = [
    ['HSIC bottleneck, format training, ours', formatExperiment, formatRow],
    ...tunedRows.map(([experiment, row]) => ['HSIC bottleneck, tuned, ours', experiment, row] as const),
  ] as const
  const published = [
    'HSIC bottleneck, format training',
    '7 x 128, 5 + 5 epochs',
    given(formatPublished),
    given(formatExperiment.rows[3]?.published?.value ?? Number.NaN),
    'Ma, Lewis and Kleijn 2019; their figure',
  ]
  return tableOf(
    ['method', 'network and training', '% right', 'the same network by back-propagation', 'source'],
    [
      ...cited.map(({ method, settings, right, plain, source }) => [
        method,
        settings,
        percentOf(right),
        percentOf(plain),
        source,
      ]),
      published,
      ...ours.flatMap(([method, experiment, row]) => {
        const value = oursFor(experiment, row, runs)
        const settings = experiment.cases[row === undefined ? '' : caseOf(experiment, row)]?.settings ?? ''
        return value === undefined ? [] : [[method, settings, value, '', 'this page']]
      }),
    ],
  )
}

function provenance(runs: Found): string {
  const rows = studies.flatMap(([study]) =>
    study.experiments.flatMap((experiment) =>
      Object.keys(experiment.cases).flatMap((name) => {
        const found = runsOf(runs, experiment, name)
        if (found.length === 0) return []
        const distinct = (values: readonly string[]) => [...new Set(values)].join('; ')
        const seconds = found.map((run) => run.seconds)
        const span = [Math.min(...seconds), Math.max(...seconds)]
        return [
          [
            `${experiment.name}.${name}`,
            found.map(({ seed }) => seed).join(', '),
            span[0] === span[1] ? String(span[0]) : span.join(' to '),
            distinct(found.map(({ date }) => date)),
            distinct(found.map(({ version }) => version)),
            distinct(found.map(({ machine }) => machine)),
          ],
        ]
      }),
    ),
  )
  return tableOf(['run', 'seeds', 'seconds', 'date', 'version', 'machine'], rows)
}

const intro = `# Results

Published experiments, repeated with this library. \`npm run example:results\` writes this page from \`${resultsFile}\`; the command of each experiment is above its
table. Experiments that were not run are in no table; the last section but one lists them.

How to read the tables:

- **ours** is the mean over seeds ± the sample standard deviation. With one seed there is no deviation, and no verdict.
- **published** is the value in the source. Most sources have one run and no spread.
- **band** is the accepted difference between our mean and the published value. It was fixed before the runs. Without a band there is no verdict.
- **verdict**: _reproduced_ if ${seedsNeeded} or more seeds were run and our mean differs from the published value by at most the larger of the band and 2 sqrt(SE_ours² + SE_published²). A mean beyond the
  band on the better side, at the published settings, is _better than published_.
- A claim below a table is about every seed; _not seen in all_ comes with the number of seeds.

MNIST has all 60,000 training and 10,000 test images. Accuracies and errors are on the test images unless the row says otherwise. Every network is evaluated after its last epoch; none was selected
by its test score.`

/** Our result for a row, if it was run: `94.01 ± 0.12 (3 seeds)`. */
function oursFor(experiment: Experiment, row: Row | undefined, runs: Found): string | undefined {
  const found = row === undefined ? [] : runsOf(runs, experiment, caseOf(experiment, row))
  if (row === undefined || found.length === 0) return undefined
  const seeds = `${found.length} ${found.length === 1 ? 'seed' : 'seeds'}`
  return `${spread(found.map((run) => row.of(run.values)))} (${seeds})`
}

/** Format training after its last epoch: the number for which the paper is cited. */
const formatRow = formatExperiment.rows[1]
const formatPublished = formatRow?.published?.value ?? Number.NaN

/** Format training at other settings. */
const tunedRows = [tunedExperiment, tunedWideExperiment].flatMap((experiment) =>
  experiment.rows.map((row) => [experiment, row] as const),
)

/** Context for a reader who cites the paper. */
function readingOf(runs: Found): string {
  const below = cited.filter(({ right }) => right < formatPublished)
  const named = below.map(({ method, right }) => `${method} (${right.toFixed(1)})`).join(' and ')
  const here = oursFor(formatExperiment, formatRow, runs)
  const tuned = tunedRows.flatMap(([experiment, row]) => {
    const value = oursFor(experiment, row, runs)
    return value === undefined
      ? []
      : [`${value} after ${experiment.cases[caseOf(experiment, row)]?.settings}`]
  })
  return [
    '## Format training in context',
    `The 94 % of the paper need context. In the authors' figure a linear readout on frozen layers of width 128 classifies ${given(formatPublished)} % of the digits correctly${
      here === undefined ? '' : `; ${here} here`
    }. That is better than back-propagation at the learning rate and the five epochs of the same figure. It is **below all rows of the next table except ${below.length}**: ${named}. Back-propagation at an ordinary rate reaches 98 % and more.`,
    ...(tuned.length === 0
      ? []
      : [
          `With another optimizer, kernel bandwidth, activation and weight of the label the same objective gives ${tuned.join('; ')}. None of them are the settings of the paper.`,
        ]),
    'Rows without a section on this page are cited, and were not run here.',
  ].join('\n\n')
}

/** Refuses runs at settings that are no longer those of the experiment: the page would describe one thing and show another. */
function checkSettings(runs: Found): void {
  for (const [{ experiments }] of studies) {
    for (const experiment of experiments) {
      const stale = runs.find(
        (run) => run.experiment === experiment.name && run.settings !== settingsOf(experiment, run.case),
      )
      if (stale === undefined) continue
      throw new Error(
        `${resultsFile} has a run of ${stale.experiment}.${stale.case} at other settings ('${stale.settings}', now '${settingsOf(experiment, stale.case)}'); run it again, or remove its lines`,
      )
    }
  }
}

/** The whole page. */
export function pageOf(runs: Found): string {
  checkSettings(runs)
  const parts = studies.map(([study, command]) => {
    const found = study.experiments
      .map((experiment) => experimentPart(experiment, command, runs))
      .filter((part) => part !== '')
    return found.length === 0 ? '' : [`## ${study.title}`, `${study.source}.`, ...found].join('\n\n')
  })
  return `${[
    intro,
    ...parts.filter((part) => part !== ''),
    readingOf(runs),
    citedPart(runs),
    '## Experiments not run, or with fewer than three seeds',
    missing(runs),
    '## Machines and dates',
    'Seconds are wall time on a machine with other load: they do not measure speed.',
    provenance(runs),
  ].join('\n\n')}\n`
}
