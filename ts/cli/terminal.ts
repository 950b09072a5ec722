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

  /** Text of the result; nothing where it is JSON. */
  print(text: string): void {
    if (!this.#isJson) process.stdout.write(`${text}\n`)
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

/** Aligned columns. @param right columns that are set to the right */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => [...(row[i] ?? '')].length)))
  const line = (row: readonly string[]) =>
    row.map((cell, i) => {
      const gap = ' '.repeat((widths[i] as number) - [...cell].length)
      return right.includes(i) ? gap + cell : cell + gap
    })
  return rows.map((row) => line(row).join('  ').trimEnd()).join('\n')
}
