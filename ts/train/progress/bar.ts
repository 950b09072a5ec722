import type { Readings } from './format.js'
import { formatDuration, formatRate, formatReadings } from './format.js'

/** Contents of a bar. */
export interface LoopState {
  readonly done: number
  /** Undefined for data of unknown length. */
  readonly total: number | undefined
  /** Time since the start of the loop. */
  readonly elapsedMs: number
  /** NaN if not known yet. */
  readonly stepsPerSecond: number
  readonly readings: Readings
}

/** Eighths of a cell. */
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']
const shortest = 8
const longest = 30

/**
 * One line for a loop, no wider than `columns`. A narrow line leaves out, in this order, metrics, the rate, the loss, the times and the bar
 * itself; done/total is left out last. Without a total there is no bar.
 */
export function barLine(state: LoopState, columns: number): string {
  const { done, total, readings } = state
  const count = countOf(state)
  const rate = formatRate(state.stepsPerSecond)
  const times = timesOf(state)
  const all = formatReadings(readings, 3)
  const loss = readings.loss === undefined ? '' : formatReadings({ loss: readings.loss }, 3)
  const choices = [
    [`[${times}, ${rate}]`, all],
    [`[${times}, ${rate}]`, loss],
    [`[${times}]`, loss],
    [`[${times}]`],
    [],
  ]
  for (const choice of choices) {
    const after = [count, ...choice].filter((text) => text !== '').join(' ')
    if (total === undefined) {
      if (after.length <= columns) return after
      continue
    }
    const part = total > 0 ? Math.min(1, done / total) : 1
    const percent = `${String(Math.floor(100 * part)).padStart(3)}%`
    const room = columns - percent.length - after.length - ' || '.length
    if (room >= shortest) return `${percent} |${cells(part, Math.min(room, longest))}| ${after}`
  }
  return count.trimStart().slice(0, Math.max(0, columns))
}

/** The line for a stream that is not a terminal. */
export function plainLine(state: LoopState): string {
  const head = `  ${countOf(state).trimStart()} [${timesOf(state)}, ${formatRate(state.stepsPerSecond)}]`
  return `${head} ${formatReadings(state.readings, 3)}`.trimEnd()
}

function countOf({ done, total }: LoopState): string {
  return total === undefined ? String(done) : `${String(done).padStart(String(total).length)}/${total}`
}

function timesOf(state: LoopState): string {
  const elapsed = formatDuration(state.elapsedMs)
  return state.total === undefined ? elapsed : `${elapsed}<${formatDuration(remainingMs(state, state.total))}`
}

function remainingMs({ done, stepsPerSecond }: LoopState, total: number): number {
  return done >= total ? 0 : (1000 * (total - done)) / stepsPerSecond
}

function cells(part: number, width: number): string {
  const filled = Math.floor(part * width * 8)
  const bar = '█'.repeat(Math.floor(filled / 8)) + (eighths[filled % 8] as string)
  return bar.padEnd(width)
}
