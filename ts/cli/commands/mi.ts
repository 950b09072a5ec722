/** `hyperglow mi X Y`: mutual information of two arrays. */
import { halfJackknife } from '../../analysis/half-jackknife.js'
import { permutationTest } from '../../analysis/permutation-test.js'
import type { EstimateDetails } from '../../estimators/details.js'
import { type Estimator, isUnanswered } from '../../estimators/estimator.js'
import type { ArrayData } from '../../io/element-types.js'
import { arrayOf } from '../array-argument.js'
import { checkedUnits, estimatorOf } from '../estimator-text.js'
import { shownNumber, type Terminal } from '../terminal.js'

/** Options of the command, as parsed by commander. */
export interface MiOptions {
  readonly estimator?: readonly string[]
  readonly all?: boolean
  readonly units: string
  readonly bootstrap?: number
  readonly permutations?: number
  readonly seed: number
}

/** Estimators of `--all`: estimators of information that need no training and no range. */
const all = [
  'auto',
  'ksg',
  'mixedKSG',
  'ross',
  'gaussianCopula',
  'studentCopula',
  'gaussian',
  'discrete',
  'edge',
  'residual',
  'discriminant',
]

interface Result {
  readonly estimator: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly units: string
  readonly value: number | null
  readonly standardError: number | null
  readonly interval: readonly [number, number] | null
  readonly pValue: number | null
  readonly method: string | null
  readonly limit: number | null
}

/** Estimates the mutual information of two arrays of samples. */
export async function miCommand(
  [pathX, pathY]: readonly [string, string],
  options: MiOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const units = checkedUnits(options.units)
  const wanted = options.all === true ? all : (options.estimator ?? ['auto'])
  const estimators = wanted.map((text) => estimatorOf(text, units))
  const [x, y] = [await arrayOf(pathX, true), await arrayOf(pathY, true)]
  const notes: string[] = []
  const results: Result[] = []
  let shown: EstimateDetails | undefined
  for (const estimator of estimators) {
    signal.throwIfAborted()
    try {
      const details = await estimator.estimate(x, y, { details: true })
      shown ??= details
      results.push(await resultOf(details, estimator, x, y, options, signal))
      for (const warning of details.warnings) {
        const isNamed = estimators.length === 1 || warning.startsWith(`${details.estimator}: `)
        notes.push(isNamed ? warning : `${details.estimator}: ${warning}`)
      }
    } catch (error) {
      if (options.all !== true || !isUnanswered(error)) throw error
      const reason = error.message.replace(`${estimator.name}: `, '')
      notes.push(`${estimator.name} has no answer: ${reason}`)
    }
  }
  const kinds = { x: shown?.x.kind ?? null, y: shown?.y.kind ?? null }
  terminal.json({ n: shown?.n ?? null, kinds, results, notes })
  if (shown !== undefined) {
    const side = ({ kind, dimensions, distinct }: EstimateDetails['x']) =>
      `${kind}, ${dimensions} ${dimensions === 1 ? 'column' : 'columns'}, ${distinct} different`
    terminal.facts([
      ['n', String(shown.n)],
      ['x', `${pathX}: ${side(shown.x)}`],
      ['y', `${pathY}: ${side(shown.y)}`],
    ])
    terminal.print('')
  }
  printResults(results, options, terminal)
  terminal.notes(notes)
}

async function resultOf(
  { value, unit, estimator: name, settings, method, limit }: EstimateDetails,
  estimator: Estimator,
  x: ArrayData,
  y: ArrayData,
  { bootstrap, permutations, seed }: MiOptions,
  signal: AbortSignal,
): Promise<Result> {
  const spread =
    bootstrap === undefined
      ? undefined
      : await halfJackknife(x, y, estimator, { rounds: bootstrap, seed, signal })
  signal.throwIfAborted()
  const test =
    permutations === undefined
      ? undefined
      : await permutationTest(x, y, estimator, { permutations, seed, signal })
  return {
    estimator: name,
    settings,
    units: unit,
    value,
    standardError: spread?.standardError ?? null,
    interval: spread?.interval ?? null,
    pValue: test?.pValue ?? null,
    method: method === name ? null : method,
    limit: Number.isFinite(limit) ? limit : null,
  }
}

/** The table of results, and the methods of errors and p-values. */
function printResults(
  results: readonly Result[],
  { bootstrap, permutations }: MiOptions,
  terminal: Terminal,
): void {
  const head = [
    'estimator',
    'value',
    'unit',
    ...(bootstrap === undefined ? [] : ['error', '95 % interval']),
    ...(permutations === undefined ? [] : ['p']),
    'by',
  ]
  const rows = results.map((one) => [
    one.estimator,
    shownNumber(one.value),
    one.units,
    ...(bootstrap === undefined
      ? []
      : [
          shownNumber(one.standardError),
          one.interval === null ? '-' : `[${one.interval.map(shownNumber).join(', ')}]`,
        ]),
    ...(permutations === undefined ? [] : [shownNumber(one.pValue)]),
    one.method ?? one.estimator,
  ])
  const told = [
    ...(bootstrap === undefined
      ? []
      : [`error and interval over samples: delete-half jackknife, ${bootstrap} halves`]),
    ...(permutations === undefined ? [] : [`p: permutation test, ${permutations} shuffles`]),
  ]
  terminal.table([head, ...rows], { left: [0, 2, head.length - 1] })
  for (const line of told) terminal.prose(line)
}
