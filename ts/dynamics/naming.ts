/** Names of measures, units, settings and epochs on figures, tables and reports. No other file writes them. */

import { ArgumentError } from '../core/errors.js'
import { baseOfUnit } from '../estimators/unit.js'

/** An evaluator, as far as it is known. */
export interface Measurer {
  readonly evaluator: string
  /** Unit of its values, 'none' for numbers without one; null if it is not known. */
  readonly unit: string | null
  readonly settings: Readonly<Record<string, unknown>>
}

/** The names of measures that a caller wants. */
export interface WantedNames {
  readonly xTitle?: string | undefined
  readonly yTitle?: string | undefined
  readonly units?: string | undefined
}

/** Names of measures that have no unit, and names of measures of information, for custom dynamics without a unit. */
const withoutUnit = /^(n?hsic|cka|distance ?correlation)(?![a-z])/i
const ofInformation = /^(binned|kde|knn|ksg|edge|mine|mutual)/i

/** The names and the unit of the two values of an evaluator. */
export interface MeasureNames {
  /** Whether they are information, which theory bounds. */
  readonly isInformation: boolean
  /** `I` for information, otherwise the evaluator: `HSIC`. */
  readonly symbol: string
  /** `I(H; X)` or `HSIC(H, X)`. */
  readonly x: string
  /** `I(H; Y)` or `HSIC(H, Y)`. */
  readonly y: string
  /** Unit, 'none' for numbers without one; null if it is not known. */
  readonly unit: string | null
}

/** Names of the quantities of an evaluator. */
export function measureNames({ evaluator, unit }: Pick<Measurer, 'evaluator' | 'unit'>): MeasureNames {
  const known = unit ?? (withoutUnit.test(evaluator) ? 'none' : null)
  const isInformation = known === null ? ofInformation.test(evaluator) : baseOfUnit(known) !== undefined
  const name = /^[\w-]+/.exec(evaluator)?.[0] ?? evaluator
  const of = (side: 'X' | 'Y') => (isInformation ? `I(H; ${side})` : `${name}(H, ${side})`)
  return { isInformation, symbol: isInformation ? 'I' : name, x: of('X'), y: of('Y'), unit: known }
}

/** A name with its unit: `I(H; X) [bits]`. */
export function withUnit(name: string, unit: string | null): string {
  return unit === 'none' ? name : `${name} [${unit ?? 'unit unknown'}]`
}

/**
 * The names of the two measures, `I(H; X)` or `HSIC(H, X)`; their names with the unit, `I(H; X) [bits]`, for axes; and the unit, null if it is not known.
 *
 * @throws ArgumentError if the caller gives another unit than the evaluator's
 */
export function axisTitles(
  { evaluator, unit }: Measurer,
  wanted: WantedNames,
  caller: string,
): { xName: string; yName: string; xTitle: string; yTitle: string; unit: string | null } {
  const given = wanted.units === '' ? 'none' : wanted.units
  if (given !== undefined && unit !== null && given !== unit) {
    throw new ArgumentError(
      `${caller}: units: given "${given}", but ${evaluator} measured in ${unit === 'none' ? 'no unit' : unit}; leave units out, or convert the values`,
    )
  }
  const names = measureNames({ evaluator, unit })
  const shown = given ?? names.unit
  const [xName, yName] = [wanted.xTitle ?? names.x, wanted.yTitle ?? names.y]
  return {
    xName,
    yName,
    xTitle: withUnit(xName, shown),
    yTitle: withUnit(yName, shown),
    unit: shown,
  }
}

/** The evaluator with its settings: `Binned: bins 30, range [-1, 1]`. The unit replaces the base of the logarithm. */
export function evaluatorText({ evaluator, settings }: Measurer): string {
  const told = Object.entries(settings).flatMap(([key, value]) => {
    if (key === 'base' || value === false || value === null || value === undefined) return []
    return value === true ? key : `${key} ${valueText(value)}`
  })
  return told.length === 0 ? evaluator : `${evaluator}: ${told.join(', ')}`
}

/** The text of an evaluator that was taken because it is the first of several: `KDE (first of 3 evaluators): variance 0.1`. */
export function amongSeveral(told: string, evaluator: string, count: number): string {
  if (count < 2) return told
  return `${evaluator} (first of ${count} evaluators)${told.slice(evaluator.length)}`
}

function valueText(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(6)))
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const { name, params } = value as { name?: unknown; params?: unknown }
  if (typeof name !== 'string') return JSON.stringify(value)
  const told = Object.entries(Object(params)).filter(([, one]) => typeof one !== 'object')
  return told.length === 0 ? name : `${name} (${told.map(([key, one]) => `${key} ${one}`).join(', ')})`
}

/** Kind of the row numbers of dynamics: epochs if they are known, steps of training for rows by step, otherwise indices. */
export type RowKind = 'epoch' | 'step' | 'row'

/** The title of a panel of a measure over the rows: `I(H; X) by epoch`. */
export function courseText(name: string, rows: RowKind): string {
  return `${name} by ${rows}`
}

/** How figures mark the first and the last epoch, as text; empty for one epoch. */
export function readingHint(rows: RowKind, numbers: readonly number[]): string {
  if (numbers.length < 2) return ''
  return `hollow marker: ${rows} ${numbers[0]}, ringed marker: ${rows} ${numbers.at(-1)}`
}

/** {@link readingHint} of a figure of evaluators that were due at different epochs. */
export function readingHintOfSeveral(rows: RowKind, numbers: readonly number[]): string {
  if (numbers.length < 2) return ''
  return `hollow marker: first measured ${rows}, ringed marker: last measured up to ${rows} ${numbers.at(-1)}`
}

/** The samples and runs of values. */
export interface EstimatedFrom {
  /** Unit of the values, 'none' for numbers without one; null if it is not known. */
  readonly unit: string | null
  /** Samples of each estimate; null if it is not known. */
  readonly samples: number | null
  /** Number of runs in the means; 1 for values of one run. */
  readonly runs: number
  /** How the spread is shown: as standard error, as single runs, or not. */
  readonly band: 'se' | 'runs' | 'none'
}

/** The line under a title: `Binned: bins 30, range [-1, 1]; in bits; n = 4096; 5 runs: mean ± standard error`. */
export function measuredText(evaluator: string, { unit, samples, runs, band }: EstimatedFrom): string {
  return [
    evaluator,
    unit === null ? 'unit unknown' : unit === 'none' ? '' : `in ${unit}`,
    samples === null ? '' : `n = ${samples}`,
    runs > 1 ? spreadText(runs, band) : '',
  ]
    .filter((part) => part !== '')
    .join('; ')
}

/** The inputs of a comparison of two settings. */
export interface Compared extends Omit<EstimatedFrom, 'runs' | 'band'> {
  /** The epoch with its kind: `epoch 10`. */
  readonly at: string
  /** Minimum and maximum number of pairs of runs of a layer. */
  readonly pairs: readonly [number, number]
  /** Nominal coverage of the intervals. */
  readonly level: number
  /** Largest adjusted p-value that counts as significant. */
  readonly alpha: number
}

/** The lines under the title of a plot of differences. */
export function comparedText(evaluator: string, from: Compared): string[] {
  const { at, pairs, level, alpha } = from
  const [least, most] = pairs
  const count = least === most ? String(least) : `${least} to ${most}`
  const percent = Number((100 * level).toPrecision(6))
  return [
    `${measuredText(evaluator, { ...from, runs: 1, band: 'none' })}; ${at}`,
    `mean difference of ${count} pairs of runs with its ${percent}% t interval`,
    `filled: p of the t test, adjusted over the layers (Benjamini-Hochberg), at most ${alpha}`,
  ]
}

/** Bound of a measure of information: ln n for the input, for n samples, or H(Y) for the target. */
export type LimitKind = 'samples' | 'labels'

/** Name of a bound on a line of a plot: `ln n`, `log₂ n`, `H(Y)`. */
export function limitName(kind: LimitKind, unit: string): string {
  if (kind === 'labels') return 'H(Y)'
  const base = baseOfUnit(unit)
  if (base === Math.E) return 'ln n'
  return Number.isInteger(base) ? `log${subscript(base as number)} n` : 'log n'
}

const subscript = (number: number) =>
  String(number).replace(/\d/g, (digit) => '₀₁₂₃₄₅₆₇₈₉'[Number(digit)] as string)

/** A bound with its value: `ln n = 8.318`. */
export function limitText(kind: LimitKind, unit: string, value: number): string {
  return `${limitName(kind, unit)} = ${Number(value.toPrecision(4))}`
}

/** Names of layers in a row: `dense_1, dense_2`, or `dense_1 to dense_7` for three or more consecutive ones. */
export function layersText(layers: readonly { readonly layer: string; readonly place: number }[]): string {
  const stretches: { layer: string; place: number }[][] = []
  for (const each of layers.toSorted((a, b) => a.place - b.place)) {
    const open = stretches.at(-1)
    if (open !== undefined && open.at(-1)?.place === each.place - 1) open.push(each)
    else stretches.push([each])
  }
  return stretches
    .flatMap((stretch) =>
      stretch.length < 3
        ? stretch.map(({ layer }) => layer)
        : [`${stretch[0]?.layer} to ${stretch.at(-1)?.layer}`],
    )
    .join(', ')
}

/** The sample size and the runs, as far as they are known: `n = 64, 3 runs: mean ± standard error`. */
export function sampleText(samples: number | null, runs: number): string {
  const n = samples === null ? [] : [`n = ${samples}`]
  return [...n, runs === 1 ? '1 run' : spreadText(runs, 'se')].join(', ')
}

/** The display of several runs. */
function spreadText(runs: number, band: EstimatedFrom['band']): string {
  const shown = { se: 'mean ± standard error', runs: 'mean, and each run thin', none: 'mean' }[band]
  return `${runs} runs: ${shown}`
}

/** A mean with its standard error, to two digits of the error: `1.234 ± 0.012`; without an error to four digits of its own, `-` for no value. */
export function uncertainText(mean: number, se: number): string {
  if (Number.isNaN(mean)) return '-'
  if (!(se > 0)) return `${Number(mean.toPrecision(4))}${se === 0 ? ' ± 0' : ''}`
  const exponent = Number(se.toExponential(1).split('e')[1])
  // More digits than an estimate has: the mean to 7 of them, and the order of magnitude of the error.
  if (exponent < Math.floor(Math.log10(Math.abs(mean) || 1)) - 6) {
    return `${Number(mean.toPrecision(7))} ± ${Number(se.toPrecision(1))}`
  }
  const decimals = Math.min(100, Math.max(0, 1 - exponent))
  return `${mean.toFixed(decimals)} ± ${se.toFixed(decimals)}`
}
