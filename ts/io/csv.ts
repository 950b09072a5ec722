/** Tables of numbers and class labels in CSV files, as arrays. */

import { DataError, describe, unknownName } from '../core/errors.js'
import { floatDType } from '../core/operands.js'
import {
  type Check,
  type Checks,
  checkOptions,
  either,
  finite,
  flag,
  listOf,
  oneOf,
  text,
  whole,
} from '../core/options.js'
import { checkPath } from './atomic.js'
import { decimal, NumberRows, TargetColumn } from './csv-columns.js'
import { type CsvRecord, csvRecords } from './csv-records.js'
import type { ArrayData } from './element-types.js'
import { FileReader } from './file-reader.js'
import { FileStore } from './file-store.js'
import { checkRows, type LazyArray, lazyOf, type RowRange } from './lazy-array.js'

/** A column: its name in the first line, or its index from 0. */
export type CsvColumn = string | number

/** Options of {@link readCsv}. */
export interface CsvOptions {
  /**
   * Whether the first line has the names of the columns. Default: true, and a first line of only numbers is refused, since it is unlikely
   * to be names. Without a header, columns are named by their indices.
   */
  header?: boolean
  /** The inputs, in this order. Default: all columns except the target. */
  columns?: readonly CsvColumn[]
  /** The column of the targets. Default: none. */
  target?: CsvColumn
  /**
   * Whether the target holds classes. Default: true for texts, and for only whole numbers from 0; false for other numbers. Texts among
   * numbers are refused unless this option is given.
   */
  labels?: boolean
  /** The character between fields. Default ','. */
  delimiter?: string
  /** Dtype of the inputs, and of targets that are numbers. Default 'float32'. */
  dtype?: 'float32' | 'float64'
  /**
   * Handling of a missing input: 'refuse' (an error that names it), 'drop' (its line is left out), 'mean' (of its column), or a replacement
   * number. A missing target is refused, or its line is dropped. Default 'refuse'.
   */
  missing?: 'refuse' | 'drop' | 'mean' | number
  /** Texts that mean a missing value. Default '', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', '?'. */
  missingTexts?: readonly string[]
}

/** Inputs and targets of a CSV file. */
export interface CsvTable {
  /** `[n, columns]`. */
  readonly x: ArrayData
  /** `[n]`: int32 classes, or numbers of the dtype of x. */
  readonly y: ArrayData
  /** Names of the inputs. */
  readonly columns: readonly string[]
  /** Name of each class, in the order of the labels, for a target of texts; undefined for numbers. */
  readonly classNames: readonly string[] | undefined
}

const anyText: Check<string> = { expected: 'a text', accepts: (value) => typeof value === 'string' }
const column = either(text, whole(0))
const character: Check<string> = {
  expected: 'one character other than a quote or a line end',
  accepts: (value) => typeof value === 'string' && value.length === 1 && !'"\r\n\0'.includes(value),
}
const checks: Checks<CsvOptions> = {
  header: flag,
  columns: listOf(column),
  target: column,
  labels: flag,
  delimiter: character,
  dtype: floatDType,
  missing: either(oneOf('refuse', 'drop', 'mean'), finite),
  missingTexts: listOf(anyText),
}
const usualTexts = ['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', '?']

/**
 * Reads a CSV file: numbers as inputs, numbers or class labels as targets. Fields may be double-quoted; white space around numbers and
 * labels is ignored.
 *
 *     const { x, y, classNames } = await readCsv('iris.csv', { target: 'species' })
 *     await model.fit(x, y)
 *
 * Text labels become 0, 1, 2 ... in the order of their names, so the same names give the same numbers.
 *
 * @throws IOError if the file cannot be read; DataError for an invalid table, naming line and column; UnknownNameError for an unknown
 *   column
 */
export function readCsv(path: string, options: CsvOptions & { readonly target: CsvColumn }): Promise<CsvTable>
export function readCsv(
  path: string,
  options?: CsvOptions,
): Promise<Omit<CsvTable, 'y'> & { readonly y: ArrayData | undefined }>
export async function readCsv(
  path: string,
  options: CsvOptions = {},
): Promise<Omit<CsvTable, 'y'> & { readonly y: ArrayData | undefined }> {
  checkPath('readCsv', path)
  const given = checkOptions('readCsv', options, checks)
  return FileReader.use(path, (file) => tableOf(file, given))
}

/** The table of a file, or of some of its lines of values. */
async function tableOf(
  file: FileReader,
  given: CsvOptions,
  [from, to]: RowRange = [0, Number.POSITIVE_INFINITY],
): Promise<Omit<CsvTable, 'y'> & { readonly y: ArrayData | undefined }> {
  let table: Table | undefined
  let line = 0
  for await (const records of csvRecords(file, given.delimiter ?? ',')) {
    const [first] = records
    if (first === undefined) continue
    const isFirst = table === undefined
    table ??= new Table(file.path, first, given)
    for (const record of isFirst && given.header !== false ? records.slice(1) : records) {
      if (line >= from && line < to) table.add(record)
      line++
    }
    if (line >= to) break
  }
  if (table === undefined)
    throw new DataError(`${file.path} is empty; give a file with at least one line of values`)
  return table.finish()
}

/** Result of a first pass through a CSV file. */
interface CsvOutline {
  /** Number of lines of values. */
  readonly lines: number
  readonly width: number
  readonly header: boolean
}

/**
 * The numbers of a CSV file as one array `[lines, columns]`, read on demand: each read passes through the file line by line. A first line
 * with anything but numbers has the names of the columns; in a .tsv file, tabs separate fields.
 *
 * @param labels whether one column holds labels: it is then read at once, texts and whole numbers from 0 as classes int32 `[lines]`
 * @throws IOError, DataError as {@link readCsv}
 */
export async function openCsv(path: string, { labels = false } = {}): Promise<LazyArray> {
  checkPath('openCsv', path)
  const delimiter = path.endsWith('.tsv') ? '\t' : ','
  return FileReader.use(path, async (opened) => {
    const { lines, width, header } = await outlineOf(opened, delimiter)
    if (labels && width === 1) return lazyOf(path, await labelsOf(opened, header))
    const store = new FileStore(opened)
    const shape = [lines, width]
    return {
      dtype: 'float32',
      shape,
      read: async (rows) => {
        const range = checkRows(path, shape, rows)
        const file = await store.open()
        try {
          const { x } = await tableOf(file, { header, delimiter }, range)
          return x
        } finally {
          await file.close()
        }
      },
    }
  })
}

async function outlineOf(file: FileReader, delimiter: string): Promise<CsvOutline> {
  let first: CsvRecord | undefined
  let [count, repeats] = [0, 0]
  for await (const records of csvRecords(file, delimiter)) {
    first ??= records[0]
    count += records.length
    if (first?.fields.length !== 1) continue
    const [name] = first.fields
    for (const { fields } of records) repeats += Number(fields[0] === name)
  }
  if (first === undefined)
    throw new DataError(`${file.path} is empty; give a file with at least one line of values`)
  const width = first.fields.length
  const isNamed = first.fields.some((field) => decimal(field.replace(/^\ufeff/, '').trim()) === undefined)
  // In a single column of texts, the first text is a label if it occurs again.
  const header = isNamed && count > 1 && !(width === 1 && repeats > 1)
  return { lines: count - Number(header), width, header }
}

/** The labels in a file of one column. */
async function labelsOf(file: FileReader, header: boolean): Promise<ArrayData> {
  const column = new TargetColumn(file.path, undefined, 'float32')
  let isFirst = true
  for await (const records of csvRecords(file, ',')) {
    for (const { fields, line } of records) {
      if (!(isFirst && header)) column.push((fields[0] as string).trim(), line)
      isFirst = false
    }
  }
  return (await column.finish()).y
}

/** The table under construction. */
class Table {
  readonly #path: string
  readonly #names: readonly string[]
  /** Indices of the inputs in a line. */
  readonly #inputs: readonly number[]
  readonly #target: number | undefined
  readonly #missing: 'refuse' | 'drop' | 'mean' | number
  readonly #missingTexts: ReadonlySet<string>
  readonly #numbers: NumberRows
  readonly #targets: TargetColumn | undefined
  readonly #dtype: 'float32' | 'float64'
  /** The inputs of the current line. */
  readonly #row: Float64Array

  constructor(path: string, first: CsvRecord, options: CsvOptions) {
    const {
      header,
      columns,
      target,
      dtype = 'float32',
      missing = 'refuse',
      missingTexts = usualTexts,
    } = options
    this.#path = path
    this.#names = header === false ? first.fields.map((_, i) => `${i}`) : headerOf(path, first, header)
    this.#target = target === undefined ? undefined : this.#placeOf(target)
    this.#inputs =
      columns?.map((name) => this.#placeOf(name)) ??
      this.#names.map((_, place) => place).filter((place) => place !== this.#target)
    if (this.#inputs.length === 0) {
      throw new DataError(
        `${path} has no column for inputs besides the target; check the delimiter ${describe(options.delimiter ?? ',')}`,
      )
    }
    this.#missing = missing
    this.#missingTexts = new Set(missingTexts)
    this.#dtype = dtype
    this.#row = new Float64Array(this.#inputs.length)
    this.#numbers = new NumberRows(this.#inputs.length, dtype)
    const where = this.#target === undefined ? '' : `${path}, column ${describe(this.#names[this.#target])}`
    this.#targets = this.#target === undefined ? undefined : new TargetColumn(where, options.labels, dtype)
  }

  #placeOf(name: CsvColumn): number {
    const place = typeof name === 'number' ? name : this.#names.indexOf(name)
    if (place >= 0 && place < this.#names.length) return place
    if (typeof name === 'string') throw unknownName(`column of ${this.#path}`, name, this.#names)
    throw new DataError(`${this.#path} has no column ${name}; it has ${this.#names.length}, counted from 0`)
  }

  add({ fields, line }: CsvRecord): void {
    if (fields.length !== this.#names.length) {
      throw new DataError(
        `${this.#path}, line ${line}: ${fields.length} fields, expected ${this.#names.length} as in the first line; correct the line, or give another delimiter`,
      )
    }
    const target = this.#target === undefined ? undefined : (fields[this.#target] as string).trim()
    if (target !== undefined && this.#missingTexts.has(target)) {
      if (this.#missing === 'drop') return
      throw this.#wrong(
        line,
        this.#target as number,
        "is a missing target; correct it, or leave such lines out with missing: 'drop'",
      )
    }
    for (const [i, place] of this.#inputs.entries()) {
      const value = this.#number((fields[place] as string).trim(), line, place)
      if (value === undefined) return
      this.#row[i] = value
    }
    this.#numbers.push(this.#row)
    if (target !== undefined) this.#targets?.push(target, line)
  }

  /** The number in a field; undefined if its line is dropped, NaN if it is replaced by the mean. */
  #number(field: string, line: number, place: number): number | undefined {
    const value = decimal(field)
    if (value !== undefined && Number.isFinite(this.#dtype === 'float32' ? Math.fround(value) : value))
      return value
    if (!this.#missingTexts.has(field)) {
      const why =
        value === undefined ? `is ${describe(field)}, no number` : `is ${field}, beyond ${this.#dtype}`
      throw this.#wrong(
        line,
        place,
        `${why}; correct it, add it to missingTexts, leave the column out of columns, or name it as target if it holds classes`,
      )
    }
    if (this.#missing === 'refuse') {
      throw this.#wrong(
        line,
        place,
        `is missing (${describe(field)}); fill it with missing: 'mean' or a number, or leave such lines out with missing: 'drop'`,
      )
    }
    if (this.#missing === 'drop') return undefined
    return this.#missing === 'mean' ? Number.NaN : this.#missing
  }

  #wrong(line: number, place: number, why: string): DataError {
    return new DataError(`${this.#path}, line ${line}: column ${describe(this.#names[place])} ${why}`)
  }

  async finish(): Promise<Omit<CsvTable, 'y'> & { readonly y: ArrayData | undefined }> {
    const columns = this.#inputs.map((place) => this.#names[place] as string)
    if (this.#numbers.count === 0) {
      throw new DataError(
        `${this.#path} has no remaining line of values; give at least one, or other options for missing values`,
      )
    }
    const x = await this.#numbers.finish((i) => {
      throw new DataError(
        `${this.#path}: column ${describe(columns[i])} has no value to take a mean of; leave it out of columns`,
      )
    })
    const targets = await this.#targets?.finish()
    return { x, y: targets?.y, columns, classNames: targets?.classNames }
  }
}

/** Names of columns in the first line. */
function headerOf(path: string, { fields }: CsvRecord, header: boolean | undefined): string[] {
  // A byte-order mark is not part of a name.
  const names = fields.map((name) => name.replace(/^\ufeff/, '').trim())
  if (header === undefined && names.every((name) => decimal(name) !== undefined)) {
    throw new DataError(
      `${path} begins with a line of numbers, where the names of the columns are expected; give header: false if it has none, or header: true if these are names`,
    )
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return names
  throw new DataError(`${path} has two columns of the name ${describe(twice)}; rename one in its first line`)
}
