/** Output of the command line: results to standard output, everything else to standard error. */
import { type TextTableOptions, textTable, wrapped } from '../core/text-table.js'
import { type Meter, meterOn, silentMeter } from './meter.js'

/** Output of a command. */
export class Terminal {
  readonly #isJson: boolean
  readonly #isQuiet: boolean

  /** @param options json: one JSON object on standard output, and no other text; quiet: no progress */
  constructor({ json = false, quiet = false }: { readonly json?: boolean; readonly quiet?: boolean }) {
    this.#isJson = json
    this.#isQuiet = quiet
  }

  /** Maximum characters in a line of the result; unlimited without a terminal and `COLUMNS`. */
  get width(): number {
    return lineWidth()
  }

  /** Prints text of the result, in ASCII if standard output is not a terminal; nothing in JSON mode. */
  print(text: string): void {
    if (!this.#isJson) process.stdout.write(`${process.stdout.isTTY ? text : ascii(text)}\n`)
  }

  /** Prints text with lines broken between words to the width of the terminal. */
  prose(text: string): void {
    this.print(wrapped(text, this.width))
  }

  /** Prints aligned columns, in blocks if they are wider than the terminal. */
  table(rows: readonly (readonly string[])[], options: Omit<TextTableOptions, 'width'> = {}): void {
    this.print(textTable(rows, { ...options, width: this.width }))
  }

  /** Prints names with descriptions. */
  facts(rows: readonly (readonly [name: string, value: string])[]): void {
    const indent = Math.max(...rows.map(([name]) => name.length)) + 2
    const lines = rows.map(([name, value]) => wrapped(name.padEnd(indent) + value, this.width, indent))
    this.print(lines.join('\n'))
  }

  /** Prints the written files. */
  written(files: readonly string[]): void {
    if (files.length > 0) this.print(`\nWritten: ${files.join('\n         ')}`)
  }

  /** Prints the result as one JSON object in JSON mode. NaN and infinite numbers are null. */
  json(result: object): void {
    if (this.#isJson) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
  }

  /** Notes on the values: printed below the result, or a key of the JSON object. */
  notes(notes: readonly string[]): void {
    if (this.#isJson || notes.length === 0) return
    this.print(`\nNotes\n${notes.map((note) => wrapped(`- ${note}`, this.width, 2)).join('\n')}`)
  }

  /** Progress on standard error; none with `--quiet`. */
  meter(): Meter {
    return this.#isQuiet ? silentMeter : meterOn(process.stderr)
  }
}

/** A value to four digits, as a power of ten below a thousandth; `-` for no value. */
export function shownNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '-'
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(3)
  return String(Number(value.toPrecision(4)))
}

/** Replaces the characters of means and errors by ASCII characters of the same width. */
function ascii(text: string): string {
  return text.replaceAll('mean \u00b1', 'mean +-').replaceAll(' \u00b1 ', '+/-').replaceAll('\u00b1', '+-')
}

/** Maximum characters in a line of help if the width is not known. */
const usualWidth = 80

/** Maximum characters in a line of standard output: by COLUMNS, by the terminal, or unlimited. */
function lineWidth(): number {
  const told = Number(process.env.COLUMNS)
  if (Number.isSafeInteger(told) && told > 0) return told
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
}

/** Maximum characters in a line of help. */
export function helpWidth(): number {
  const width = lineWidth()
  return Number.isFinite(width) ? width : usualWidth
}
