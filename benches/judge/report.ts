/** The results as text for the terminal, as a page and as JSON. */
import type { Peers } from './cases.js'
import { isTrained } from './estimators.js'
import {
  closeCases,
  errorOf,
  families,
  isRight,
  type MessyStanding,
  mean,
  meanError,
  messyKindOf,
  messyStandings,
  type Standing,
  standings,
  type Verdict,
} from './goals.js'

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
  const found = standings(verdicts, peers)
  const lines = found.length === 0 ? [] : aligned([standingHead, ...found.map(standingRow)])
  const { close, of } = closeCases(verdicts)
  if (of > 0) lines.push(`continuous cases within 0.05 by auto: ${close} of ${of}`)
  const messy = messyStandings(verdicts)
  if (messy.length > 0) lines.push(...aligned([messyHead, ...messy.map(messyRow)]))
  return lines.join('\n')
}

/** Rows with aligned columns. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] as readonly string[]).map((_, c) =>
    Math.max(...rows.map((row) => (row[c] as string).length)),
  )
  return rows.map((row) =>
    row
      .map((cell, c) => cell.padEnd(widths[c] as number))
      .join('  ')
      .trimEnd(),
  )
}

const messyHead = ['messy samples', 'cases', 'right', 'mean error', 'largest']

const messyRow = ({ kind, cases, right, error, worst }: MessyStanding): string[] => [
  kind,
  String(cases),
  String(right),
  error.toFixed(4),
  worst.toFixed(4),
]

/** The page docs/accuracy.md. */
export function page(verdicts: readonly Verdict[], peers: Peers): string {
  const { close, of } = closeCases(verdicts)
  const parts = [
    '# Accuracy of the estimators',
    'Written by `npm run judge`. Estimates of mutual information on samples with known information, in nats; errors are absolute. ' +
      'No estimator is tuned to a case: `auto` is `mutualInformation(x, y)`, the others have their defaults. Peers are other packages, on the same samples.',
    '## Families and goals',
    table(standingHead, standings(verdicts, peers).map(standingRow)),
  ]
  if (of > 0) parts.push(`\`auto\` estimates ${close} of ${of} continuous cases within 0.05 nats.`)
  for (const [kind, title] of Object.entries(kinds) as [keyof typeof kinds, string][]) {
    const chosen = verdicts.filter(({ truth }) => truth.kind === kind && messyKindOf(truth) === undefined)
    if (chosen.length > 0) parts.push(`## ${title}: errors by case`, errorTable(chosen, peers))
  }
  const trained = verdicts.filter(({ estimates }) => Object.keys(estimates).some(isTrained))
  if (trained.length > 0) {
    parts.push('## Trained critics: errors by case', trainedIntroduction, trainedTable(trained, peers))
  }
  const messy = verdicts.filter(({ truth }) => messyKindOf(truth) !== undefined)
  if (messy.length > 0) {
    const standing = messyStandings(verdicts).map(messyRow)
    parts.push('## Messy samples', messyIntroduction, table(messyHead, standing), messyTable(messy, peers))
  }
  return `${parts.join('\n\n')}\n`
}

const messyIntroduction =
  'Columns that resemble real data: rounded, counted, heaped, evenly spaced, with atoms, copies, outliers and heavy tails (`npm run judge -- --messy SEED`). The truth is the information of these variables. ' +
  'An estimate is right within 0.05 nats, unless the case has another tolerance: 0.1 for copied rows, 0.01 for cases of little information.'

/** Cases of messy samples: the estimates of `auto`. */
function messyTable(verdicts: readonly Verdict[], peers: Peers): string {
  const rows = verdicts.map((verdict) => [
    verdict.truth.name,
    String(verdict.truth.n),
    verdict.truth.mi_nats.toFixed(4),
    verdict.estimates.auto?.toFixed(4) ?? '',
    errorCell(verdict, 'auto'),
    isRight(verdict) ? 'yes' : 'no',
    bestOf(verdict.truth.name, peers),
  ])
  return table(['case', 'samples', 'truth', 'auto', 'error', 'right', 'best peer'], rows)
}

const errorCell = (verdict: Verdict, name: string) =>
  name in verdict.estimates ? errorOf(verdict, name).toFixed(4) : ''

/** A table with aligned columns. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, c) => Math.max(3, ...[head, ...rows].map((row) => (row[c] as string).length)))
  const line = (row: readonly string[]) => cells(row.map((cell, c) => cell.padEnd(widths[c] as number)))
  return [line(head), cells(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** Cases of one kind: errors of the estimators without training, and the best peer. */
function errorTable(verdicts: readonly Verdict[], peers: Peers): string {
  const names = [...new Set(verdicts.flatMap(({ estimates }) => Object.keys(estimates)))]
  const quick = names.filter((name) => !isTrained(name))
  const rows = verdicts.map((verdict) => [
    verdict.truth.name,
    verdict.truth.mi_nats.toFixed(3),
    ...quick.map((name) => errorCell(verdict, name)),
    bestOf(verdict.truth.name, peers),
  ])
  const means = quick.map((name) => `**${meanError(verdicts, name).toFixed(4)}**`)
  return table(['case', 'truth', ...quick, 'best peer'], [...rows, ['**mean**', '', ...means, '']])
}

const trainedIntroduction =
  'A network is trained for every estimate, on three fifths of the samples, and evaluated on a held-out fifth. CLUB is an upper bound, far above the ' +
  'truth if y is nearly a function of x, even with the true conditional (rho^2 / (1 - rho^2) for a normal pair). The last means are over the cases with an estimate of a peer.'

/** Peers that train a network, by their names in `peers.json`. */
const trainedPeers = ['bmi.MINE(16,8)', 'bmi.InfoNCE(16,8)']

function trainedTable(verdicts: readonly Verdict[], peers: Peers): string {
  const names = [...new Set(verdicts.flatMap(({ estimates }) => Object.keys(estimates)))].filter(isTrained)
  const theirs = (verdict: Verdict, peer: string) => peers.get(verdict.truth.name)?.get(peer)
  const rows = verdicts.map((verdict) => [
    verdict.truth.name,
    verdict.truth.mi_nats.toFixed(3),
    ...names.map((name) => errorCell(verdict, name)),
    ...trainedPeers.map((peer) => theirs(verdict, peer)?.toFixed(4) ?? ''),
  ])
  const summary = (title: string, of: readonly Verdict[], peer?: string) => [
    `**${title}**`,
    '',
    ...names.map((name) => `**${meanError(of, name).toFixed(4)}**`),
    ...trainedPeers.map((name) =>
      name === peer ? `**${mean(of.map((verdict) => theirs(verdict, name) as number)).toFixed(4)}**` : '',
    ),
  ]
  const shared = trainedPeers.flatMap((peer) => {
    const of = verdicts.filter((verdict) => theirs(verdict, peer) !== undefined)
    return of.length === 0 ? [] : [summary(`mean of the ${of.length} cases of ${peer}`, of, peer)]
  })
  const seconds = names.map((name) => mean(verdicts.map((verdict) => verdict.seconds[name] ?? 0)).toFixed(1))
  const times = ['seconds a case', '', ...seconds, ...trainedPeers.map(() => '')]
  return table(
    ['case', 'truth', ...names, ...trainedPeers],
    [...rows, summary('mean', verdicts), ...shared, times],
  )
}

/** The output of `--json`. */
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
