/** Two settings compared, run by run. */

import { adjustPValues } from '../analysis/multiple-testing.js'
import { comparePaired, type PairedComparison, type PairedOptions } from '../analysis/runs.js'
import { DataError } from '../core/errors.js'
import {
  signal as anySignal,
  between,
  type Checks,
  checkOptions,
  elsewhere,
  oneOf,
  whole,
} from '../core/options.js'
import { textTable } from '../core/text-table.js'
import { evaluatorText, measureNames, withUnit } from './naming.js'
import { epochsOf } from './run-tables.js'
import type { RunValues } from './run-values.js'
import { placeOf } from './source.js'

/** Options of {@link RunSet.compare}. */
export interface CompareRunsOptions {
  /** Name or index of an evaluator. Default: all. */
  evaluator?: number | string
  /** 'last' (default): the last epoch in which both sets have values of the evaluator; 'all' epochs of both; or numbers of epochs. */
  epochs?: 'last' | 'all' | readonly number[]
  /** Pairing of runs: by equal names ('name', default), or by position ('order'). */
  pair?: 'name' | 'order'
  /** Nominal coverage of the intervals. Default 0.95. */
  level?: number
  /** Largest adjusted p-value that is significant. Default 0.05. */
  alpha?: number
  /** Resamples of bootstrap intervals. Default 1000. */
  resamples?: number
  /** Random signs of the sign-flip test. Default 999. */
  flips?: number
  /** Seed of resamples and signs. Default 0. */
  seed?: number
  /** Aborts the comparison; the promise rejects with its reason. */
  signal?: AbortSignal
}

const checks: Checks<CompareRunsOptions> = {
  evaluator: elsewhere(),
  epochs: elsewhere(),
  pair: oneOf('name', 'order'),
  level: between(0, 1, 'both'),
  alpha: between(0, 1),
  resamples: whole(2, 1e7),
  flips: whole(1, 1e7),
  seed: whole(0),
  signal: anySignal,
}

/** The comparison of one measure of one layer in one epoch. */
export interface ComparisonRow extends PairedComparison {
  readonly estimator: string
  /** Unit of difference and intervals. */
  readonly units: string | null
  readonly layer: string
  readonly epoch: number
  /** Measure of (H, X) or of (H, Y). */
  readonly side: 'ixt' | 'ity'
  /** Number of pairs with a value in both sets. */
  readonly pairs: number
  /** P-value of the t test, adjusted over the layers. */
  readonly adjustedPValue: number
  /** Whether the adjusted p-value is at most alpha. */
  readonly isSignificant: boolean
}

/** Result of {@link RunSet.compare}. */
export interface RunComparison {
  readonly rows: readonly ComparisonRow[]
  /** The same as a table. */
  readonly text: string
}

/** Values compared together: the layers of one evaluator in one epoch. */
interface Family {
  readonly evaluator: number
  readonly epoch: number
  readonly side: 'ixt' | 'ity'
}

/** Compares two sets, pair by pair. */
export async function compareRuns(
  a: RunValues,
  b: RunValues,
  options: CompareRunsOptions,
): Promise<RunComparison> {
  const caller = 'RunSet.compare'
  const given = checkOptions(caller, options, checks)
  const { evaluator: wanted, epochs = 'last', pair = 'name', alpha = 0.05, signal, ...paired } = given
  checkTogether(a, b, caller)
  const partners = partnersOf(a, b, pair, caller)
  const one = wanted === undefined ? undefined : placeOf('evaluator', wanted, a.evaluators, caller)
  const rows: ComparisonRow[] = []
  for (const evaluator of one === undefined ? a.evaluators.keys() : [one]) {
    for (const epoch of commonEpochs(a, b, evaluator, epochs, caller)) {
      for (const side of ['ixt', 'ity'] as const) {
        signal?.throwIfAborted()
        rows.push(...(await compareLayers(a, b, { evaluator, epoch, side }, partners, paired, alpha)))
      }
    }
  }
  if (rows.length === 0) {
    throw new DataError(
      `${caller}: no layer has values of 2 pairs of runs in these epochs; compare epochs that both sets measured`,
    )
  }
  return { rows, text: describeComparison(a, rows, given.level ?? 0.95) }
}

/** The layers with values of at least 2 pairs. @param partners index in b of each run of a */
async function compareLayers(
  a: RunValues,
  b: RunValues,
  { evaluator, epoch, side }: Family,
  partners: readonly number[],
  options: PairedOptions,
  alpha: number,
): Promise<ComparisonRow[]> {
  const found: Omit<ComparisonRow, 'adjustedPValue' | 'isSignificant'>[] = []
  for (const [l, layer] of a.layers.entries()) {
    const mine = a.spread(evaluator, l, epoch)[side].values
    const theirs = b.spread(evaluator, l, epoch)[side].values
    const pairs = mine
      .map((value, run) => [value, theirs[partners[run] as number] as number] as const)
      .filter((pair) => !pair.some(Number.isNaN))
    if (pairs.length < 2) continue
    const [p, q] = [0, 1].map((i) => Float64Array.from(pairs, (pair) => pair[i] as number)) as [
      Float64Array,
      Float64Array,
    ]
    found.push({
      ...(await comparePaired(p, q, options)),
      estimator: a.evaluators[evaluator] as string,
      units: a.units[evaluator] as string | null,
      layer,
      epoch,
      side,
      pairs: pairs.length,
    })
  }
  const { adjusted, rejected } = adjustPValues(
    found.map(({ pValue }) => pValue),
    { alpha },
  )
  return found.map((row, i) => ({
    ...row,
    adjustedPValue: adjusted[i] as number,
    isSignificant: rejected[i] as boolean,
  }))
}

function checkTogether(a: RunValues, b: RunValues, caller: string): void {
  for (const part of ['layers', 'evaluators', 'units', 'evaluatorSettings', 'rowKind'] as const) {
    const [mine, theirs] = [JSON.stringify(a[part]), JSON.stringify(b[part])]
    if (mine === theirs) continue
    throw new DataError(
      `${caller}: ${part} are ${mine} here and ${theirs} in the other set; compare sets that were measured the same way`,
    )
  }
}

/** Index in b of the partner of each run of a. */
function partnersOf(a: RunValues, b: RunValues, pair: 'name' | 'order', caller: string): number[] {
  const refuse = (why: string) => new DataError(`${caller}: ${why}; run both settings with the same seeds`)
  if (a.names.length < 2) throw refuse(`there is 1 run, and the error of a difference needs 2 pairs`)
  if (a.names.length !== b.names.length)
    throw refuse(`${a.names.length} runs have ${b.names.length} partners`)
  if (pair === 'order') return [...a.names.keys()]
  return a.names.map((name) => {
    const place = b.names.indexOf(name)
    if (place >= 0) return place
    throw refuse(
      `the run ${name} has no partner among ${b.names.join(', ')}: give { pair: 'order' } to pair them by position`,
    )
  })
}

function commonEpochs(
  a: RunValues,
  b: RunValues,
  evaluator: number,
  wanted: 'last' | 'all' | readonly number[],
  caller: string,
): readonly number[] {
  if (wanted !== 'last' && wanted !== 'all') {
    epochsOf(b, evaluator, wanted, caller)
    return epochsOf(a, evaluator, wanted, caller)
  }
  const theirs = new Set(epochsOf(b, evaluator, 'all', caller))
  const common = epochsOf(a, evaluator, 'all', caller).filter((epoch) => theirs.has(epoch))
  return wanted === 'all' ? common : common.slice(-1)
}

function describeComparison(a: RunValues, rows: readonly ComparisonRow[], level: number): string {
  const percent = Number((100 * level).toPrecision(6))
  const blocks = a.evaluators.flatMap((evaluator, e) => {
    const own = rows.filter(({ estimator }) => estimator === evaluator)
    if (own.length === 0) return []
    const unit = a.units[e] as string | null
    const settings = Object(a.evaluatorSettings[e]) as Record<string, unknown>
    const names = measureNames({ evaluator, unit })
    const head = [
      a.rowKind,
      'layer',
      'measure',
      'difference',
      `${percent}% interval`,
      'p',
      'adjusted p',
      'pairs',
    ]
    const cells = own.map(
      ({ epoch, layer, side, difference, interval, pValue, adjustedPValue, isSignificant, pairs }) => [
        String(epoch),
        layer,
        withUnit(side === 'ixt' ? names.x : names.y, names.unit),
        numberText(difference),
        `[${interval.map(numberText).join(', ')}]`,
        numberText(pValue),
        `${numberText(adjustedPValue)}${isSignificant ? ' *' : '  '}`,
        String(pairs),
      ],
    )
    const title = `${evaluatorText({ evaluator, unit, settings })}; paired differences, p of Student's t test, adjusted over the layers (Benjamini-Hochberg)`
    return [`${title}\n${textTable([head, ...cells], { left: [1, 2] })}`]
  })
  return blocks.join('\n\n')
}

const numberText = (value: number) => String(Number(value.toPrecision(3)))
