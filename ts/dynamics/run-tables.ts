/** Runs as tables: aligned text, CSV and LaTeX. */
import { ArgumentError, describe } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere } from '../core/options.js'
import { textTable, wrapped } from '../core/text-table.js'
import {
  evaluatorText,
  type MeasureNames,
  measureNames,
  type RowKind,
  sampleText,
  uncertainText,
  withUnit,
} from './naming.js'
import type { PlaneSpread, RunValues } from './run-values.js'
import { placeOf } from './source.js'

/** Contents of a table of runs. */
export interface RunTableOptions {
  /** Name or index of an evaluator. Default: all, one table each. */
  evaluator?: number | string
  /** Name or index of a layer, or several. Default: all. */
  layer?: number | string | readonly (number | string)[]
  /** 'last' (default): the last epoch in which the evaluator has a value; 'all'; or numbers of epochs. */
  epochs?: 'last' | 'all' | readonly number[]
}

/** What `toText` shows. */
export interface RunTextOptions extends RunTableOptions {
  /** Characters in a line: wider tables are in blocks below each other, and titles are broken between words. Default: without end. */
  width?: number
}

const checks: Checks<RunTableOptions> = { evaluator: elsewhere(), layer: elsewhere(), epochs: elsewhere() }
const textChecks: Checks<RunTextOptions> = {
  ...checks,
  width: {
    expected: 'a number of at least 1, or Infinity',
    accepts: (value) => typeof value === 'number' && value >= 1,
  },
}

/** A table of one evaluator. */
interface Table {
  /** The evaluator and the samples. */
  readonly title: string
  readonly names: MeasureNames
  /** Kind of the row numbers. */
  readonly kind: RowKind
  readonly rows: readonly ({ readonly epoch: number; readonly layer: string } & PlaneSpread)[]
}

/** A table for each evaluator as aligned text. */
export function textOf(set: RunValues, options: RunTextOptions): string {
  const { width = Number.POSITIVE_INFINITY, ...shown } = checkOptions('RunSet.toText', options, textChecks)
  const tables = tablesOf(set, shown, 'RunSet.toText').map(({ title, names, kind, rows }) => {
    const cells = [
      [kind, 'layer', withUnit(names.x, names.unit), withUnit(names.y, names.unit)],
      ...rows.map(({ epoch, layer, ixt, ity }) => [
        String(epoch),
        layer,
        uncertainText(ixt.mean, ixt.se),
        uncertainText(ity.mean, ity.se),
      ]),
    ]
    return `${wrapped(title, width)}\n${textTable(cells, { left: [1], keys: 2, width })}`
  })
  return tables.join('\n\n')
}

/** A table for each evaluator in LaTeX. */
export function latexOf(set: RunValues, options: RunTableOptions): string {
  const tables = tablesOf(set, options, 'RunSet.toLatex').map(({ title, names, kind, rows }) => {
    const measure = (side: 'X' | 'Y') =>
      latexText(names.isInformation ? '' : names.symbol) +
      (names.isInformation ? `$I(H; ${side})$` : `$(H, ${side})$`) +
      latexText(withUnit('', names.unit))
    const value = (text: string) => (text === '-' ? '--' : `$${text.replace('±', '\\pm')}$`)
    return [
      '\\begin{table}',
      '  \\centering',
      `  \\caption{${latexText(title)}}`,
      '  \\begin{tabular}{rlrr}',
      '    \\toprule',
      `    ${kind} & layer & ${measure('X')} & ${measure('Y')} \\\\`,
      '    \\midrule',
      ...rows.map(
        ({ epoch, layer, ixt, ity }) =>
          `    ${epoch} & ${latexText(layer)} & ${value(uncertainText(ixt.mean, ixt.se))} & ${value(uncertainText(ity.mean, ity.se))} \\\\`,
      ),
      '    \\bottomrule',
      '  \\end{tabular}',
      '\\end{table}',
    ].join('\n')
  })
  return tables.join('\n\n')
}

/** All results as CSV. */
export function csvOf(set: RunValues): string {
  const side = (name: string) => [`${name}_mean`, `${name}_se`, ...set.names.map((run) => `${name} ${run}`)]
  const header = [
    'estimator',
    'settings',
    'units',
    'samples',
    'layer',
    set.rowKind,
    ...side('ixt'),
    ...side('ity'),
  ]
  const lines = set
    .results()
    .map(({ estimator, settings, units, samples, layer, epoch, ixt, ity }) => [
      estimator,
      JSON.stringify(settings),
      units ?? '',
      String(samples ?? ''),
      layer,
      String(epoch),
      ...[ixt, ity].flatMap(({ mean, se, values }) => [mean, se, ...values].map(csvNumber)),
    ])
  return [header, ...lines].map((line) => `${line.map(csvField).join(',')}\r\n`).join('')
}

const csvNumber = (value: number) => (Number.isNaN(value) ? '' : String(value))

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const latexSigns: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '±': '$\\pm$',
}

function latexText(text: string): string {
  return text.replace(/[\\~^±]|[&%$#_{}]/g, (sign) => latexSigns[sign] ?? `\\${sign}`)
}

function tablesOf(set: RunValues, options: RunTableOptions, caller: string): Table[] {
  const { evaluator, layer, epochs = 'last' } = checkOptions(caller, options, checks)
  const places =
    evaluator === undefined
      ? set.evaluators.keys()
      : [placeOf('evaluator', evaluator, set.evaluators, caller)]
  const wanted = layer === undefined ? [...set.layers.keys()] : Array.isArray(layer) ? layer : [layer]
  const layers = (wanted as readonly (number | string)[]).map((one) =>
    placeOf('layer', one, set.layers, caller),
  )
  return [...places].map((e) => {
    const name = set.evaluators[e] as string
    const unit = set.units[e] as string | null
    const settings = Object(set.evaluatorSettings[e]) as Record<string, unknown>
    const own = epochsOf(set, e, epochs, caller)
    return {
      title: `${evaluatorText({ evaluator: name, unit, settings })}; ${sampleText(set.samples[e] as number | null, set.names.length)}`,
      names: measureNames({ evaluator: name, unit }),
      kind: set.rowKind,
      rows: own.flatMap((epoch) =>
        layers.map((l) => ({ epoch, layer: set.layers[l] as string, ...set.spread(e, l, epoch) })),
      ),
    }
  })
}

/** The selected epochs of an evaluator. */
export function epochsOf(
  set: RunValues,
  evaluator: number,
  wanted: 'last' | 'all' | readonly number[],
  caller: string,
): readonly number[] {
  if (Array.isArray(wanted)) {
    const stranger = (wanted as readonly number[]).find((epoch) => !set.epochs.includes(epoch))
    if (stranger === undefined && wanted.length > 0) return wanted as readonly number[]
    throw new ArgumentError(
      `${caller}: epochs: given ${describe(wanted.length === 0 ? wanted : stranger)}, expected epochs among ${epochRange(set)}`,
    )
  }
  if (wanted !== 'last' && wanted !== 'all') {
    throw new ArgumentError(
      `${caller}: epochs: given ${describe(wanted)}, expected 'last', 'all' or a list of epochs`,
    )
  }
  const measured = set.epochs.filter((epoch) =>
    set.layers.some((_, l) => {
      const { ixt, ity } = set.spread(evaluator, l, epoch)
      return !(Number.isNaN(ixt.mean) && Number.isNaN(ity.mean))
    }),
  )
  return wanted === 'all' ? measured : measured.slice(-1)
}

function epochRange({ epochs }: RunValues): string {
  return epochs.length > 12 ? `${epochs[0]} to ${epochs.at(-1)}` : epochs.join(', ')
}
