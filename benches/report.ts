/** Report of a run against the peers: ratios, values that should agree, goals. */
import { type Contest, contests, type Goal, goals } from './contests.js'

/** Output of the peers' programs for one participant of a case. */
interface Figures {
  readonly ms?: number
  readonly min?: number
  readonly max?: number
  readonly value?: number
  readonly rss_mb?: number
  readonly start_s?: number
  /** The largest share of the cores used by other processes during a block. */
  readonly others?: number
  readonly error?: string
}

/** Output of the peers' programs at the end of a run. */
export interface Run {
  readonly contest: string
  readonly cases: Readonly<Record<string, Readonly<Record<string, Figures>>>>
  readonly env: Readonly<Record<string, unknown>>
}

/** Share from which other processes disturbed a block. */
const disturbed = 0.08

/** Relative tolerance of values: float32 sums in different orders. */
const tolerance = 1e-3

const contestOf = ({ contest }: Run) => contests[contest] as Contest
const isOurs = (run: Run, name: string) => Object.hasOwn(contestOf(run).participants, name)
const digits = (value: number) => String(Number(value.toPrecision(3)))

/** One participant: its time with its range, its ratio to ours, and other figures. */
function cell(run: Run, name: string, figures: Figures, ours: number | undefined): string {
  if (figures.ms === undefined) return `${name}: ${figures.error ?? 'does not take part'}`
  const { ms, min = ms, max = ms, rss_mb, start_s, others = 0 } = figures
  const ratio = ours === undefined || isOurs(run, name) ? '' : ` = ${(ms / ours).toFixed(2)}x`
  const noise = others > disturbed ? `, disturbed by ${Math.round(100 * others)} %` : ''
  const time = `${name} ${digits(ms)} (${digits(min)}-${digits(max)})${ratio}${noise}`
  if (!contestOf(run).processes || rss_mb === undefined || start_s === undefined) return time
  return `${time}, ${Math.round(rss_mb)} MB, start ${digits(start_s)} s`
}

/** A Markdown table with a row per case: our milliseconds, the peers' and their ratio to ours. */
export function table(run: Run): string {
  const rows = Object.entries(run.cases).map(([name, by]) => {
    const ours = by.hyperglow?.ms
    const of = (mine: boolean) =>
      Object.entries(by)
        .filter(([peer]) => isOurs(run, peer) === mine)
        .map(([peer, figures]) => cell(run, peer, figures, ours))
        .join('; ')
    return `| ${name} | ${of(true)} | ${of(false)} | ${agreement(run, by)} |`
  })
  return [
    `| ${run.contest} | ours, ms | peers, ms = ratio | values |`,
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

/** Whether the values agree with those of the peers that begin with the same numbers. */
function agreement(run: Run, by: Readonly<Record<string, Figures>>): string {
  const { sameInputs } = contestOf(run)
  const compared = Object.entries(by).filter(
    ([name, { value }]) => value !== undefined && (isOurs(run, name) || sameInputs?.test(name)),
  )
  const values = compared.map(([, { value }]) => value as number)
  if (values.length < 2 || !compared.some(([name]) => isOurs(run, name))) return ''
  const spread = (Math.max(...values) - Math.min(...values)) / Math.max(...values.map(Math.abs))
  if (spread <= tolerance) return 'agree'
  return `DIFFER: ${compared.map(([name, { value }]) => `${name} ${value}`).join(', ')}`
}

/** Every goal of the run's cases, with the measured ratio. */
export function judged(run: Run): string {
  return Object.entries(run.cases)
    .flatMap(([name, by]) =>
      goals
        .filter(({ contest, cases }) => contest === run.contest && cases.test(name))
        .map((goal) => verdict(name, by, goal)),
    )
    .filter((line) => line !== undefined)
    .join('\n')
}

function verdict(name: string, by: Readonly<Record<string, Figures>>, goal: Goal): string | undefined {
  const { peers, ratio, of = 'ms', who = 'hyperglow' } = goal
  const mine = by[who]?.[of]
  const rivals = Object.entries(by).filter(
    ([peer, figures]) => peers.test(peer) && peer !== who && figures[of] !== undefined,
  )
  if (mine === undefined || rivals.length === 0) return undefined
  const [peer, figures] = rivals.reduce((best, next) =>
    (next[1][of] as number) < (best[1][of] as number) ? next : best,
  )
  const reached = (figures[of] as number) / mine
  const what = of === 'ms' ? '' : ` ${of}`
  return `- ${reached >= ratio ? 'met' : 'MISSED'}: ${name}${what}, ${who} against ${peer}: ${reached.toFixed(2)} of ${ratio.toFixed(2)}`
}

/** A section of RESULTS.md. */
export function section(runs: readonly Run[], version: string): string {
  const { cpu, cores, threads, ...programs }: Run['env'] = Object.assign({}, ...runs.map((run) => run.env))
  const versions = Object.entries({ hyperglow: version, node: process.versions.node, ...programs })
    .filter(([, found]) => typeof found === 'string')
    .map(([name, found]) => `${name} ${found}`)
  return [
    `## ${new Date().toISOString().slice(0, 10)}: beside the peers, ${runs.map(({ contest }) => contest).join(' ')}`,
    '',
    `Machine: ${cpu}, ${cores} cores, ${threads} threads. ${versions.join(', ')}. Medians of interleaved blocks, milliseconds per iteration (least-most); the ratio is the peer's time over ours. "Disturbed": so much of the cores other processes took in the worst block.`,
    '',
    ...runs.flatMap((run) => [table(run), '', judged(run), '']),
  ].join('\n')
}
