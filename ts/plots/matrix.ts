import { ArgumentError, describe, NumericalError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, flag, isList, listOf, orNull, text, whole } from '../core/options.js'
import { withUnit } from '../dynamics/naming.js'
import { Chart } from './chart.js'
import { anyText, chartChecks, domainCheck } from './check.js'
import { textWidth } from './font.js'
import type { ChartOptions, Json, JsonObject } from './spec.js'
import { frame, ink, lines, titled } from './theme.js'

/** Options of {@link matrix}. */
export interface MatrixOptions extends ChartOptions {
  /** Names of the rows, from the top. Default: their numbers from 1. */
  rows?: readonly string[]
  /** Names of the columns. Default: those of the rows if the numbers are equal, otherwise numbers from 1. */
  columns?: readonly string[]
  /** Name of the values, such as `CKA`, at the color bar. Default `value`. */
  measure?: string
  /** Unit of the values; 'none' for numbers without one (default). */
  unit?: string
  /** Text under the title: settings, samples. */
  subtitle?: string
  /** Range of the color bar; default from the smallest to the largest value, symmetric about zero for values of both signs. */
  domain?: readonly [number, number]
  /** Whether each cell shows its value; default up to 14 columns. */
  numbers?: boolean
  /** Titles of the two sides. */
  rowTitle?: string | null
  columnTitle?: string | null
}

const checks: Checks<MatrixOptions> = {
  ...chartChecks,
  rows: listOf(text),
  columns: listOf(text),
  measure: text,
  unit: text,
  subtitle: anyText,
  domain: domainCheck,
  numbers: flag,
  rowTitle: orNull(text),
  columnTitle: orNull(text),
}

const { unit: _, ...ofSimilarities } = checks
const ckaChecks: Checks<CkaHeatmapOptions> = { ...ofSimilarities, samples: whole(1) }

/** Number of columns up to which cells show their values. */
const numbersUpTo = 14
const cellFont = 10

/**
 * A matrix of numbers as colored cells, rows from the top: layers against layers, settings against data sets. NaN and null are gray cells
 * without a value. Values of both signs have a diverging color scale.
 *
 * ```ts
 * matrix(await layerSimilarity('svcca', layers), { rows: names, measure: 'SVCCA', title: null })
 * ```
 *
 * @param values `[rows][columns]`
 * @param options `width` and `height` are those of all cells; default 34 pixels per cell, fewer for many cells
 * @throws ShapeError for rows of different lengths and for a wrong number of names; NumericalError for an infinite value
 */
export function matrix(values: readonly (readonly (number | null)[])[], options: MatrixOptions = {}): Chart {
  return matrixOf('matrix', values, options, 'Matrix')
}

/** Options of {@link ckaHeatmap}. */
export interface CkaHeatmapOptions extends Omit<MatrixOptions, 'unit' | 'measure'> {
  /** Number of samples of the similarities. */
  samples?: number
  /** Name of the similarity; default `CKA`. */
  measure?: string
}

/**
 * Layers against layers by a similarity from 0 to 1, such as CKA (Kornblith, Norouzi, Lee and Hinton 2019): the result of
 * `layerSimilarity`, or an object with it. The color bar is from 0 to 1, or from the smallest value if one is negative, as for unbiased
 * estimates.
 *
 * ```ts
 * ckaHeatmap(await layerSimilarity(new CKA(), [h1, h2, h3]), { rows: ['dense_1', 'dense_2', 'dense_3'], samples: 1000 })
 * ```
 *
 * @param result `[layers][others]`, or `{ values, layers, others, samples }`
 * @throws as {@link matrix}
 */
export function ckaHeatmap(result: SimilarityResult, options: CkaHeatmapOptions = {}): Chart {
  const caller = 'ckaHeatmap'
  const given = checkOptions(caller, options, ckaChecks)
  const {
    values,
    layers,
    others,
    samples = given.samples,
  } = isList(result) ? { values: result as SimilarityValues } : (Object(result) as SimilarityTable)
  const { samples: __, subtitle, measure = 'CKA', domain, ...more } = given
  const least = Math.min(
    0,
    ...(isList(values) ? values.flat() : []).map((value) => Number(value)).filter(Number.isFinite),
  )
  return matrixOf(
    caller,
    values,
    {
      measure,
      domain: domain ?? [least, 1],
      subtitle: samples === undefined ? (subtitle ?? '') : joined(subtitle, `n = ${samples}`),
      ...(layers === undefined ? {} : { rows: layers }),
      ...(others === undefined ? {} : { columns: others }),
      ...more,
    },
    `${measure}: layers against layers`,
  )
}

const joined = (first: string | undefined, second: string) => (first ? `${first}; ${second}` : second)

/** Similarities, `[layers][others]`. */
export type SimilarityValues = readonly (readonly (number | null)[])[]

/** Similarities with the names of the layers. */
export interface SimilarityTable {
  readonly values: SimilarityValues
  readonly layers?: readonly string[]
  readonly others?: readonly string[]
  readonly samples?: number
}

/** The argument of {@link ckaHeatmap}. */
export type SimilarityResult = SimilarityValues | SimilarityTable

function matrixOf(caller: string, values: SimilarityValues, options: MatrixOptions, heading: string): Chart {
  const given = checkOptions(caller, options, checks)
  const columnCount = checkValues(caller, values)
  const rows = namesOf(caller, 'rows', given.rows, values.length)
  const columns = namesOf(
    caller,
    'columns',
    given.columns ?? (values.length === columnCount ? given.rows : undefined),
    columnCount,
  )
  const cell = Math.max(9, Math.min(34, Math.floor(460 / Math.max(rows.length, columns.length))))
  const { width = cell * columns.length, height = cell * rows.length } = given
  const { measure = 'value', unit = 'none', subtitle = '', numbers = columns.length <= numbersUpTo } = given
  const title = withUnit(measure, unit)
  const cells = values.flatMap((row, r) =>
    row.map(
      (value, c): JsonObject => ({
        row: rows[r] as string,
        column: columns[c] as string,
        value: numberOrNull(value),
      }),
    ),
  )
  const position = positionOf(rows, columns, { width, height }, given)
  const color = colorOf(values, given.domain, title, height)
  const tooltip = [
    { field: 'row', type: 'nominal' },
    { field: 'column', type: 'nominal' },
    { field: 'value', type: 'quantitative', title, format: '.4~g' },
  ]
  const hasGap = cells.some(({ value }) => value === null)
  return new Chart({
    ...frame(),
    ...titled(given, heading, lines([subtitle, hasGap ? 'gray: no value' : ''], Math.max(260, width))),
    width,
    height,
    data: { values: cells },
    layer: [
      {
        mark: { type: 'rect', color: '#d9dee5', stroke: 'white', strokeWidth: cell < 14 ? 0 : 0.8 },
        encoding: position,
      },
      {
        transform: [{ filter: 'isValid(datum.value)' }],
        mark: { type: 'rect', stroke: 'white', strokeWidth: cell < 14 ? 0 : 0.8 },
        encoding: { ...position, fill: color, tooltip },
      },
      ...(numbers && cell >= 20 ? [numbersOf(values, given.domain, position)] : []),
    ],
    config: {
      ...(frame().config as JsonObject),
      axis: {
        ...((frame().config as JsonObject).axis as JsonObject),
        grid: false,
        domain: false,
        ticks: false,
      },
    },
  })
}

const numberOrNull = (value: number | null): Json => (value === null || Number.isNaN(value) ? null : value)

function checkValues(caller: string, values: SimilarityValues): number {
  const first = isList(values) ? values[0] : undefined
  if (first === undefined || !isList(first) || first.length === 0) {
    throw new ArgumentError(`${caller}: given ${describe(values)}, expected rows of numbers, [rows][columns]`)
  }
  values.forEach((row, r) => {
    if (!isList(row) || row.length !== first.length) {
      throw new ShapeError(
        `${caller}: row ${r} is ${describe(row)}, expected ${first.length} numbers, like row 0`,
      )
    }
    row.forEach((value, c) => {
      if (value === null || Number.isNaN(value) || Number.isFinite(value)) return
      throw new NumericalError(
        `${caller}: row ${r}, column ${c} is ${describe(value)}, expected a finite number, or NaN for none`,
      )
    })
  })
  return first.length
}

function namesOf(
  caller: string,
  what: string,
  names: readonly string[] | undefined,
  count: number,
): readonly string[] {
  if (names === undefined) return Array.from({ length: count }, (_, i) => String(i + 1))
  if (names.length !== count) {
    throw new ShapeError(`${caller}: ${what}: given ${names.length} names, expected ${count}`)
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined)
    throw new ArgumentError(`${caller}: ${what}: "${twice}" is given twice; each needs its own name`)
  return names
}

function positionOf(
  rows: readonly string[],
  columns: readonly string[],
  { width, height }: { width: number; height: number },
  { rowTitle = null, columnTitle = null }: MatrixOptions,
): JsonObject {
  const font = 11
  // Names that do not fit horizontally are rotated; if they still do not fit, some are left out.
  const across = width / columns.length
  const isUpright = columns.some((name) => textWidth(name, font) + 6 > across)
  const shown = (names: readonly string[], room: number) => {
    const every = Math.ceil(13 / room)
    return names.filter((_, i) => i % every === 0)
  }
  const scale = (domain: readonly string[]): JsonObject => ({ domain: [...domain], padding: 0 })
  return {
    x: {
      field: 'column',
      type: 'nominal',
      scale: scale(columns),
      axis: {
        title: columnTitle,
        labelLimit: 200,
        labelOverlap: false,
        ...(isUpright
          ? { labelAngle: -90, labelAlign: 'right', labelBaseline: 'middle', values: shown(columns, across) }
          : { labelAngle: 0 }),
      },
    },
    y: {
      field: 'row',
      type: 'nominal',
      scale: scale(rows),
      axis: {
        title: rowTitle,
        labelLimit: 200,
        labelOverlap: false,
        values: shown(rows, height / rows.length),
      },
    },
  }
}

interface Colors {
  readonly domain: readonly [number, number]
  readonly isDiverging: boolean
}

/** Range of the color bar: symmetric about zero for values of both signs, unless the caller sets it. */
function colorsOf(values: SimilarityValues, domain: readonly [number, number] | undefined): Colors {
  if (domain !== undefined) return { domain, isDiverging: false }
  const numbers = values.flat().filter((value): value is number => Number.isFinite(value))
  const low = numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const high = numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  if (low < 0 && high > 0) {
    const reach = Math.max(-low, high)
    return { domain: [-reach, reach], isDiverging: true }
  }
  if (!(low < high))
    return { domain: numbers.length === 0 ? [0, 1] : [low - 0.5, low + 0.5], isDiverging: false }
  return { domain: [low, high], isDiverging: false }
}

function colorOf(
  values: SimilarityValues,
  domain: readonly [number, number] | undefined,
  title: string,
  height: number,
): JsonObject {
  const colors = colorsOf(values, domain)
  return {
    field: 'value',
    type: 'quantitative',
    scale: {
      domain: [...colors.domain],
      clamp: true,
      // Both are safe for color-blind readers; viridis also in grayscale.
      scheme: colors.isDiverging ? 'purpleorange' : 'viridis',
    },
    legend: {
      title,
      type: 'gradient',
      gradientLength: Math.max(60, Math.min(200, height)),
      gradientThickness: 12,
      labelOffset: 6,
    },
  }
}

/** The value in each cell, dark on light cells and white on dark ones. */
function numbersOf(
  values: SimilarityValues,
  domain: readonly [number, number] | undefined,
  position: JsonObject,
): JsonObject {
  const { domain: ends, isDiverging } = colorsOf(values, domain)
  const share = `(datum.value - ${ends[0]}) / ${ends[1] - ends[0]}`
  const isDark = isDiverging ? `abs(${share} - 0.5) > 0.28` : `${share} < 0.6`
  return {
    transform: [{ filter: 'isValid(datum.value)' }],
    mark: { type: 'text', fontSize: cellFont },
    encoding: {
      ...position,
      text: { field: 'value', type: 'quantitative', format: formatOf(values) },
      color: { condition: { test: isDark, value: 'white' }, value: ink },
    },
  }
}

/** One format for all cells: two decimals for values near one, otherwise two digits. */
function formatOf(values: SimilarityValues): string {
  const largest = values.flat().reduce((a: number, b) => Math.max(a, Math.abs(Number(b ?? 0)) || 0), 0)
  return largest >= 0.1 && largest < 100 ? '.2f' : '.2~g'
}
