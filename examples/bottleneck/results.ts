/** The page of results: what was run at the published settings, beside what was published. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { writeAtomic } from '../../ts/index.js'

/** A row of the page. */
export interface Row {
  readonly experiment: string
  readonly settings: string
  /** One number a seed. */
  readonly ours: readonly number[]
  readonly theirs: string
}

/** Mean and sample standard deviation over seeds, in percent. */
export function spread(values: readonly number[]): string {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  if (values.length < 2) return `${mean.toFixed(2)} (one seed)`
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  return `${mean.toFixed(2)} ± ${Math.sqrt(variance).toFixed(2)}`
}

const intro = `# Results

Written by the programs of \`examples/\` with \`--seeds\`, each its own part: what was not run is not here. Ours are mean and sample standard deviation over seeds. MNIST has all of
its 60,000 training and 10,000 test images.
`

function tableOf(rows: readonly Row[]): string {
  const lines = [
    '| experiment | settings | ours | seeds | published |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map(
      ({ experiment, settings, ours, theirs }) =>
        `| ${experiment} | ${settings} | ${spread(ours)} | ${ours.length} | ${theirs} |`,
    ),
  ]
  return lines.join('\n')
}

/** Replaces the part of that title, or adds it. */
export async function writeResults(
  path: string,
  title: string,
  text: string,
  rows: readonly Row[],
): Promise<void> {
  const page = existsSync(path) ? await readFile(path, 'utf8') : intro
  const parts = page.split(/^(?=## )/m)
  const part = `## ${title}\n\n${text}\n\n${tableOf(rows)}\n`
  const kept = parts.filter((one) => !one.startsWith(`## ${title}\n`)).map((one) => `${one.trimEnd()}\n`)
  await writeAtomic(path, [...kept, part].join('\n'))
}
