import { signal as anySignal, type Checks, checkOptions, elsewhere, isList, oneOf } from '../core/options.js'
import {
  amongSeveral,
  comparedText,
  evaluatorText,
  layersText,
  measureNames,
  withUnit,
} from '../dynamics/naming.js'
import type { CompareRunsOptions, ComparisonRow } from '../dynamics/run-comparison.js'
import { RunSet } from '../dynamics/run-set.js'
import { type DynamicsSource, placeOf } from '../dynamics/source.js'
import { Chart } from './chart.js'
import { chartChecks } from './check.js'
import { type AxisScale, chooseScale } from './scale.js'
import type { ChartOptions, JsonObject } from './spec.js'
import { faint, frame, ink, lines, titled } from './theme.js'

/** Options of {@link compare}: those of `RunSet.compare`, for one epoch. */
export interface CompareOptions extends ChartOptions, Omit<CompareRunsOptions, 'epochs' | 'evaluator'> {
  /** Name or index of an evaluator. Default: the first, and the text says so if there are several. */
  evaluator?: number | string
  /** Number of the epoch; default the last epoch with values of both. */
  epoch?: number
  /** Names of the two settings; default `a` and `b`. */
  names?: readonly [string, string]
}

const checks: Checks<CompareOptions> = {
  ...chartChecks,
  evaluator: elsewhere(),
  epoch: elsewhere(),
  names: {
    expected: 'two names',
    accepts: (value) =>
      isList(value) &&
      (value as unknown[]).length === 2 &&
      (value as unknown[]).every((name) => typeof name === 'string'),
  },
  pair: oneOf('name', 'order'),
  level: elsewhere(),
  alpha: elsewhere(),
  resamples: elsewhere(),
  flips: elsewhere(),
  seed: elsewhere(),
  signal: anySignal,
}

/** Runs of one setting. */
export type RunsSource = RunSet | readonly DynamicsSource[]

/**
 * Two settings compared, run by run: for each layer the difference a - b of both measures with its interval, in two panels. A filled marker
 * is a significant difference after adjustment of the p-values over the layers (Benjamini and Hochberg 1995). The values are those of
 * `RunSet.compare`.
 *
 * ```ts
 * await (await compare(withDropout, without, { names: ['dropout', 'none'] })).save('dropout.pdf')
 * ```
 *
 * @param a runs of one setting
 * @param b runs of the other, paired by the names of their seeds
 * @param options `width` is the width of a panel; default 300 pixels, and 26 per layer
 * @throws as `RunSet.compare`
 */
export async function compare(a: RunsSource, b: RunsSource, options: CompareOptions = {}): Promise<Chart> {
  const given = checkOptions('compare', options, checks)
  const { title, width = 300, height, epoch, names = ['a', 'b'], evaluator = 0, ...how } = given
  const set = (runs: RunsSource) => (runs instanceof RunSet ? runs : RunSet.of(runs))
  const first = set(a)
  const { rows } = await first.compare(set(b), {
    ...how,
    evaluator,
    ...(epoch === undefined ? {} : { epochs: [epoch] }),
  })
  const layers = first.layers.filter((layer) => rows.some((row) => row.layer === layer))
  const panels = (['ixt', 'ity'] as const).map((side) => rows.filter((row) => row.side === side))
  const size = { width, height: height ?? Math.max(90, 26 * layers.length) }
  const missing = first.layers.flatMap((layer, place) => (layers.includes(layer) ? [] : [{ layer, place }]))
  return new Chart({
    ...frame(),
    ...titled(
      title === undefined ? {} : { title },
      `${names[0]} minus ${names[1]}`,
      lines(
        [...saidOf(first, rows, given), missing.length === 0 ? '' : `no value: ${layersText(missing)}`],
        2 * width + 80,
      ),
    ),
    hconcat: panels.map((panel, i) => panelOf(panel, i === 0 ? 'ixt' : 'ity', layers, size)),
    spacing: 34,
  })
}

function saidOf(
  set: RunSet,
  rows: readonly ComparisonRow[],
  { level = 0.95, alpha = 0.05, evaluator }: CompareOptions,
): string[] {
  const { estimator = '', units = null, epoch = 0 } = rows[0] ?? {}
  const e = evaluator === undefined ? 0 : placeOf('evaluator', evaluator, set.evaluators, 'compare')
  const settings = Object(set.evaluatorSettings[e]) as Record<string, unknown>
  const pairs = rows.map((row) => row.pairs)
  const told = evaluatorText({ evaluator: estimator, unit: units, settings })
  const count = evaluator === undefined ? set.evaluators.length : 1
  return comparedText(amongSeveral(told, estimator, count), {
    unit: measureNames({ evaluator: estimator, unit: units }).unit,
    samples: set.samples[e] ?? null,
    at: `${set.rowKind} ${epoch}`,
    pairs: [Math.min(...pairs), Math.max(...pairs)],
    level,
    alpha,
  })
}

function panelOf(
  rows: readonly ComparisonRow[],
  side: 'ixt' | 'ity',
  layers: readonly string[],
  size: { readonly width: number; readonly height: number },
): JsonObject {
  const known = rows[0]
  const names =
    known === undefined ? undefined : measureNames({ evaluator: known.estimator, unit: known.units })
  const name = side === 'ixt' ? (names?.x ?? 'X') : (names?.y ?? 'Y')
  const title = withUnit(`difference of ${name}`, names?.unit ?? 'none')
  const scale = differenceScale(rows, size.width)
  const across = (field: string): JsonObject => ({
    field,
    type: 'quantitative',
    scale: scale.scale,
    axis: { ...scale.axis, title },
  })
  const y: JsonObject = {
    field: 'layer',
    type: 'nominal',
    scale: { domain: [...layers], padding: 0.4 },
    axis: { title: side === 'ixt' ? 'layer' : null, labelLimit: 200, grid: false, ticks: false },
  }
  const tooltip = [
    { field: 'layer', type: 'nominal' },
    { field: 'difference', type: 'quantitative', title, format: '.4~g' },
    { field: 'low', type: 'quantitative', title: 'interval from', format: '.4~g' },
    { field: 'high', type: 'quantitative', title: 'to', format: '.4~g' },
    { field: 'adjusted', type: 'quantitative', title: 'adjusted p-value', format: '.2~g' },
    { field: 'pairs', type: 'quantitative', title: 'pairs of runs' },
  ]
  return {
    ...size,
    data: { values: rows.map(rowOf) },
    layer: [
      {
        data: { values: [{ zero: 0 }] },
        mark: { type: 'rule', color: faint, strokeWidth: 1.1, strokeDash: [6, 4] },
        encoding: { x: { field: 'zero', type: 'quantitative', scale: scale.scale } },
      },
      {
        mark: { type: 'rule', color: ink, strokeWidth: 1.6 },
        encoding: { x: across('low'), x2: { field: 'high' }, y },
      },
      {
        mark: { type: 'point', filled: true, size: 75, stroke: ink, strokeWidth: 1.5, opacity: 1 },
        encoding: {
          x: across('difference'),
          y,
          fill: { condition: { test: 'datum.significant', value: ink }, value: 'white' },
          tooltip,
        },
      },
    ],
  }
}

function rowOf(row: ComparisonRow): JsonObject {
  return {
    layer: row.layer,
    difference: row.difference,
    low: row.interval[0],
    high: row.interval[1],
    adjusted: row.adjustedPValue,
    pairs: row.pairs,
    significant: row.isSignificant,
  }
}

/** An axis that contains zero, about symmetric around it. */
function differenceScale(rows: readonly ComparisonRow[], length: number): AxisScale {
  const ends = rows.flatMap(({ interval, difference }) => [...interval, difference]).filter(Number.isFinite)
  return chooseScale([0, ...ends], 'linear', { side: 'x', length })
}
