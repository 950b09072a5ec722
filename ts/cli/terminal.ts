/** What the command line writes: results to standard output, everything else to standard error. */
import { performance } from 'node:perf_hooks'
import { type TextTableOptions, textTable, wrapped } from '../core/text-table.js'
import { barLine } from '../train/progress/bar.js'
import { canRedraw, hideCursor, wipeLine } from '../train/progress/terminal.js'

/** Time between two drawings of a bar, in milliseconds. */
const redrawMs = 100

/** How far a piece of work has come. */
export interface Meter {
  update(done: number, total: number): void
  end(): void
}

/** Where a command writes. */
export class Terminal {
  readonly #isJson: boolean

  /** @param isJson one JSON object on standard output, and no other text there */
  constructor(isJson: boolean) {
    this.#isJson = isJson
  }

  /** Whether the result is JSON. */
  get isJson(): boolean {
    return this.#isJson
  }

  /** Characters in a line of the result; without end where that is no terminal and `COLUMNS` says nothing. */
  get width(): number {
    return lineWidth()
  }

  /** Text of the result, of ASCII where standard output is no terminal; nothing where it is JSON. */
  print(text: string): void {
    if (!this.#isJson) process.stdout.write(`${process.stdout.isTTY ? text : ascii(text)}\n`)
  }

  /** Text whose lines are broken between words where they are longer than those of the terminal. */
  prose(text: string): void {
    this.print(wrapped(text, this.width))
  }

  /** Aligned columns, in blocks where they are wider than the terminal. */
  table(rows: readonly (readonly string[])[], options: Omit<TextTableOptions, 'width'> = {}): void {
    this.print(textTable(rows, { ...options, width: this.width }))
  }

  /** Names and what there is to say of them. */
  facts(rows: readonly (readonly [name: string, value: string])[]): void {
    const indent = Math.max(...rows.map(([name]) => name.length)) + 2
    const lines = rows.map(([name, value]) => wrapped(name.padEnd(indent) + value, this.width, indent))
    this.print(lines.join('\n'))
  }

  /** The files that were written. */
  written(files: readonly string[]): void {
    if (files.length > 0) this.print(`\nWritten: ${files.join('\n         ')}`)
  }

  /** The result as one JSON object, where that was asked for. NaN and infinite numbers are null. */
  json(result: object): void {
    if (this.#isJson) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
  }

  /** What to know before the numbers are believed: below the result, or in the JSON object by its own key. */
  notes(notes: readonly string[]): void {
    if (this.#isJson || notes.length === 0) return
    this.print(`\nNotes\n${notes.map((note) => wrapped(`- ${note}`, this.width, 2)).join('\n')}`)
  }

  /** A bar on standard error, with rate and remaining time; nothing where that is no terminal. */
  meter(): Meter {
    const stream = process.stderr
    if (!canRedraw(stream)) return { update() {}, end() {} }
    const start = performance.now()
    const restore = hideCursor(stream)
    let drawn = 0
    return {
      update(done, total) {
        const now = performance.now()
        if (now - drawn < redrawMs && done < total) return
        drawn = now
        const elapsedMs = now - start
        const state = { done, total, elapsedMs, stepsPerSecond: (1e3 * done) / elapsedMs, readings: {} }
        stream.write(`${wipeLine}${barLine(state, stream.columns ?? 80)}`)
      },
      end() {
        stream.write(wipeLine)
        restore()
      },
    }
  }
}

/** A value to four digits, by powers of ten below a thousandth; `-` where there is none. */
export function shownNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '-'
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(3)
  return String(Number(value.toPrecision(4)))
}

/** Names of a mean and its error, and each value with its error, by signs of ASCII that are as wide. */
function ascii(text: string): string {
  return text.replaceAll('mean \u00b1', 'mean +-').replaceAll(' \u00b1 ', '+/-').replaceAll('\u00b1', '+-')
}

/** Characters in a line of help where nothing tells how many there are. */
const usualWidth = 80

/** Characters in a line of standard output: what COLUMNS says, those of the terminal, or without end. */
function lineWidth(): number {
  const told = Number(process.env.COLUMNS)
  if (Number.isSafeInteger(told) && told > 0) return told
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
}

/** Characters in a line of help. */
export function helpWidth(): number {
  const width = lineWidth()
  return Number.isFinite(width) ? width : usualWidth
}
