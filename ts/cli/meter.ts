/** Progress of a command on standard error: a bar on a terminal, a line every few seconds elsewhere. */
import { performance } from 'node:perf_hooks'
import { barLine, type LoopState, plainLine } from '../train/progress/bar.js'
import { canRedraw, hideCursor, type ProgressStream, wipeLine } from '../train/progress/terminal.js'

/** Time between two updates of a progress bar, in milliseconds. */
const redrawMs = 100
/** Time between two lines, in milliseconds; a shorter task prints none. */
const lineMs = 5000

/** Progress of a task. */
export interface Meter {
  update(done: number, total: number): void
  end(): void
}

/** A meter that prints nothing. */
export const silentMeter: Meter = { update() {}, end() {} }

/** The meter of a stream, with rate and remaining time. @param everyMs time between two lines of a stream that is no terminal */
export function meterOn(stream: ProgressStream, everyMs = lineMs): Meter {
  return canRedraw(stream) ? bar(stream) : lines(stream, everyMs)
}

function bar(stream: ProgressStream): Meter {
  const stateAt = clock()
  const restore = hideCursor(stream)
  let drawn = Number.NEGATIVE_INFINITY
  return {
    update(done, total) {
      const now = performance.now()
      if (now - drawn < redrawMs && done < total) return
      drawn = now
      stream.write(`${wipeLine}${barLine(stateAt(done, total), stream.columns ?? 80)}`)
    },
    end() {
      stream.write(wipeLine)
      restore()
    },
  }
}

/** Lines also come while nothing is finished, so that a slow estimator is no silence. */
function lines(stream: ProgressStream, everyMs: number): Meter {
  const stateAt = clock()
  let [done, total] = [0, undefined as number | undefined]
  let printed = performance.now()
  const print = () => {
    printed = performance.now()
    stream.write(`${plainLine(stateAt(done, total))}\n`)
  }
  const timer = setInterval(print, everyMs).unref()
  return {
    update(nowDone, nowTotal) {
      ;[done, total] = [nowDone, nowTotal]
      if (performance.now() - printed < everyMs) return
      print()
      timer.refresh()
    },
    end() {
      clearInterval(timer)
    },
  }
}

/** The state of a loop that begins now. */
function clock(): (done: number, total: number | undefined) => LoopState {
  const start = performance.now()
  return (done, total) => {
    const elapsedMs = performance.now() - start
    const stepsPerSecond = done === 0 ? Number.NaN : (1e3 * done) / elapsedMs
    return { done, total, elapsedMs, stepsPerSecond, readings: {} }
  }
}
