/** What the command line writes: results to standard output, everything else to standard error. */
import { performance } from 'node:perf_hooks'
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

  /** Text of the result, of ASCII where standard output is no terminal; nothing where it is JSON. */
  print(text: string): void {
    if (!this.#isJson) process.stdout.write(`${process.stdout.isTTY ? text : ascii(text)}\n`)
  }

  /** The result as one JSON object, where that was asked for. NaN and infinite numbers are null. */
  json(result: object): void {
    if (this.#isJson) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
  }

  /** What to know before the numbers are believed: below the result, or in the JSON object by its own key. */
  notes(notes: readonly string[]): void {
    if (this.#isJson || notes.length === 0) return
    this.print(`\nNotes\n${notes.map((note) => `- ${note}`).join('\n')}`)
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
  return text.replaceAll('mean \u00b1 standard error', 'mean +- standard error').replaceAll(' \u00b1 ', '+/-')
}

/** Characters in a line of standard output; without an end where that is no terminal. */
const lineWidth = () => (process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY)

const gap = 2

/**
 * Aligned columns. Where a table is wider than the terminal its columns are in blocks below each other, each behind the columns that tell what a row is.
 *
 * @param right columns that are set to the right; @param keys how many columns at the start tell what a row is
 */
export function columns(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  keys = 1,
): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => [...(row[i] ?? '')].length)))
  const widthOf = (shown: readonly number[]) =>
    shown.reduce((sum, i) => sum + (widths[i] as number) + gap, -gap)
  const first = Array.from({ length: Math.min(keys, widths.length) }, (_, i) => i)
  const blocks: number[][] = []
  for (let i = first.length; i < widths.length; i++) {
    const last = blocks.at(-1)
    if (last !== undefined && widthOf([...last, i]) <= lineWidth()) last.push(i)
    else blocks.push([...first, i])
  }
  const cellOf = (row: readonly string[], i: number) => {
    const cell = row[i] ?? ''
    const space = ' '.repeat((widths[i] as number) - [...cell].length)
    return right.includes(i) ? space + cell : cell + space
  }
  const blockOf = (shown: readonly number[]) =>
    rows
      .map((row) =>
        shown
          .map((i) => cellOf(row, i))
          .join(' '.repeat(gap))
          .trimEnd(),
      )
      .join('\n')
  return (blocks.length === 0 ? [first] : blocks).map(blockOf).join('\n\n')
}
