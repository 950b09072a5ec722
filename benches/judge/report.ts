/** The verdicts as text for the terminal, as a page and as JSON. */
import type { Peers } from './cases.js'
import { closeCases, errorOf, families, type Standing, standings, type Verdict } from './goals.js'

const kinds = {
  cc: 'Continuous',
  cd: 'Labels',
  dd: 'Discrete',
  mixed: 'Mixed',
} as const

/** The best peer on one case. */
function bestOf(name: string, peers: Peers): string {
  const [best] = [...(peers.get(name) ?? [])].sort((a, b) => a[1] - b[1])
  return best === undefined ? '' : `${best[0]} ${best[1].toFixed(4)}`
}

export function caseLines(verdict: Verdict, peers: Peers): string {
  const { truth, estimates, seconds, refusals } = verdict
  const lines = [
    `${truth.name} (${truth.kind}, ${truth.dx} + ${truth.dy} columns): truth ${truth.mi_nats.toFixed(4)}`,
  ]
  for (const [name, value] of Object.entries(estimates)) {
    const time = `${((seconds[name] as number) * 1e3).toFixed(0)} ms`
    lines.push(
      `  ${name.padEnd(14)}${value.toFixed(4).padStart(9)}  error ${errorOf(verdict, name).toFixed(4)}  ${time.padStart(8)}`,
    )
  }
  for (const [name, why] of Object.entries(refusals)) lines.push(`  ${name.padEnd(14)}  refused: ${why}`)
  const theirs = [...(peers.get(truth.name) ?? [])].sort((a, b) => a[1] - b[1])
  if (theirs.length > 0) {
    lines.push(`  peers' errors: ${theirs.map(([name, error]) => `${name} ${error.toFixed(4)}`).join(', ')}`)
  }
  return lines.join('\n')
}

const cells = (values: readonly string[]) => `| ${values.join(' | ')} |`

function standingRow({ family, estimator, cases, error, goal, peer }: Standing): string[] {
  const theirs = peer === undefined ? '' : `${peer.name} ${peer.error.toFixed(4)}`
  const held = error <= goal ? 'yes' : `no, by ${(error - goal).toFixed(4)}`
  return [family, estimator, String(cases), error.toFixed(4), String(goal), held, theirs]
}

const standingHead = ['family', 'estimator', 'cases', 'error', 'goal', 'reached', 'best peer']

export function standingLines(verdicts: readonly Verdict[], peers: Peers): string {
  const rows = [standingHead, ...standings(verdicts, peers).map(standingRow)]
  const widths = standingHead.map((_, c) => Math.max(...rows.map((row) => (row[c] as string).length)))
  const lines = rows.map((row) =>
    row
      .map((cell, c) => cell.padEnd(widths[c] as number))
      .join('  ')
      .trimEnd(),
  )
  const { close, of } = closeCases(verdicts)
  if (of > 0) lines.push(`continuous cases within 0.05 by auto: ${close} of ${of}`)
  return lines.join('\n')
}

/** The page docs/accuracy.md. */
export function page(verdicts: readonly Verdict[], peers: Peers): string {
  const { close, of } = closeCases(verdicts)
  const parts = [
    '# Accuracy of the estimators',
    'Written by `npm run judge`. Estimates of mutual information on samples of which it is known, in nats; errors are absolute. ' +
      'No estimator is tuned to a case: `auto` is `mutualInformation(x, y)`, the others have their defaults. Peers are other packages on the same samples.',
    '## Families against the goals',
    [
      cells(standingHead),
      cells(standingHead.map(() => '---')),
      ...standings(verdicts, peers).map((s) => cells(standingRow(s))),
    ].join('\n'),
  ]
  if (of > 0) parts.push(`\`auto\` answers ${close} of ${of} continuous cases to 0.05 nats.`)
  const means = families(verdicts)
  for (const [kind, title] of Object.entries(kinds) as [keyof typeof kinds, string][]) {
    const ours = means[kind]
    if (ours === undefined) continue
    const chosen = verdicts.filter(({ truth }) => truth.kind === kind)
    const names = Object.keys(ours)
    const head = ['case', 'truth', ...names, 'best peer']
    const rows = chosen.map((verdict) => [
      verdict.truth.name,
      verdict.truth.mi_nats.toFixed(3),
      ...names.map((name) => (name in verdict.estimates ? errorOf(verdict, name).toFixed(4) : '')),
      bestOf(verdict.truth.name, peers),
    ])
    const last = ['**mean**', '', ...names.map((name) => `**${(ours[name] as number).toFixed(4)}**`), '']
    parts.push(
      `## ${title}: errors by case`,
      [cells(head), cells(head.map(() => '---')), ...rows.map(cells), cells(last)].join('\n'),
    )
  }
  return `${parts.join('\n\n')}\n`
}

/** What `--json` writes. */
export function json(verdicts: readonly Verdict[]): string {
  const cases = verdicts.map(({ truth, estimates, seconds }) => ({
    name: truth.name,
    kind: truth.kind,
    truth: truth.mi_nats,
    estimates,
    seconds,
  }))
  return `${JSON.stringify({ cases, families: families(verdicts) }, null, 2)}\n`
}
