import { performance } from 'node:perf_hooks'
import { ArgumentError, describe, StateError } from '../../core/errors.js'
import {
  type Check,
  type Checks,
  callable,
  checkOptions,
  checkValue,
  flag,
  isPlainObject,
  oneOf,
  whole,
} from '../../core/options.js'
import type { LoopState } from './bar.js'
import { barLine, plainLine } from './bar.js'
import type { Readings } from './format.js'
import { formatReadings } from './format.js'
import type { ProgressStream } from './terminal.js'
import { canRedraw, hideCursor, wipeLine } from './terminal.js'

/** Options of {@link ProgressReporter}. */
export interface ProgressOptions {
  /** False writes nothing at all; default true. */
  verbose?: boolean
  /** Output stream; default `process.stderr`. */
  stream?: ProgressStream
  /** The time in milliseconds from any fixed moment; default a monotonic clock. */
  clock?: () => number
}

const anyStream: Check<ProgressStream> = {
  expected: 'a stream such as process.stderr, an object with write(text)',
  accepts: (value) => typeof (value as Partial<ProgressStream> | null)?.write === 'function',
}
const checks: Checks<ProgressOptions> = { verbose: flag, stream: anyStream, clock: callable() }

const anyText: Check<string> = { expected: 'a text', accepts: (value) => typeof value === 'string' }

/** Throws for readings that are not numbers by name. */
function checkReadings(what: string, readings: Readings): void {
  const isFine = (value: unknown) => value === undefined || typeof value === 'number'
  if (isPlainObject(readings) && Object.values(readings).every(isFine)) return
  throw new ArgumentError(
    `${what}: given ${describe(readings)}, expected numbers by name, such as { loss: 0.4 }`,
  )
}

/** The loops of an epoch. */
export type LoopKind = 'training' | 'validation'

const headings: Readonly<Record<LoopKind, string>> = {
  training: 'Training loop:',
  validation: 'Validation loop:',
}

/** Time between two drawings of a bar. */
const redrawMs = 100
/** Time between two lines on a stream that is not a terminal. */
const lineMs = 10_000
/** Weight of the newest interval in the running rate. */
const smoothing = 0.3

interface Loop {
  readonly total: number | undefined
  readonly startedAt: number
  readonly shownEvery: number
  shownAt: number
  shownDone: number
  done: number
  stepsPerSecond: number
  readings: Readings
}

/**
 * Shows the progress of training: a heading for each epoch and loop, a bar with running means, a summary line after each
 * loop. On a terminal the bar is drawn in place, ten times a second at most; elsewhere there is a plain line
 * every ten seconds at most.
 *
 * ```
 * Epoch 1/7
 * Training loop:
 *  45% |█████████████▌                | 338/750 [00:06<00:07, 52.1 it/s] loss: 0.412 - acc: 0.883
 * loss: 0.36 - acc: 0.90
 * ```
 *
 * Call `close` (or declare it with `using`) if training ends early, so that the cursor is shown again.
 */
export class ProgressReporter {
  readonly #stream: ProgressStream | undefined
  readonly #clock: () => number
  readonly #redraws: boolean
  #loop: Loop | undefined
  #restoreCursor: (() => void) | undefined

  constructor(options: ProgressOptions = {}) {
    const given = checkOptions('ProgressReporter', options, checks)
    const { verbose = true, stream = process.stderr, clock = () => performance.now() } = given
    this.#stream = verbose ? stream : undefined
    this.#clock = clock
    this.#redraws = verbose && canRedraw(stream)
  }

  /** Writes the heading "Epoch k/n"; `k` counts from 1. */
  epochStart(k: number, n: number): void {
    checkValue('epochStart: k', k, whole(1))
    checkValue('epochStart: n', n, whole(1))
    this.#stream?.write(`Epoch ${k}/${n}\n`)
  }

  /**
   * Writes the heading of a loop and opens its bar.
   *
   * @param total number of steps, such as batches; undefined for data of unknown length
   * @throws ArgumentError unless `total` is a whole number from 0, or undefined
   * @throws StateError while another loop is open
   */
  loopStart(kind: LoopKind, total: number | undefined): void {
    checkValue('loopStart: kind', kind, oneOf('training', 'validation'))
    if (total !== undefined) checkValue('loopStart: total', total, whole(0))
    if (this.#loop !== undefined)
      throw new StateError('loopStart: a loop is open already; call loopEnd first')
    const now = this.#clock()
    this.#loop = {
      total,
      startedAt: now,
      shownEvery: this.#redraws ? redrawMs : lineMs,
      shownAt: now,
      shownDone: 0,
      done: 0,
      stepsPerSecond: Number.NaN,
      readings: {},
    }
    this.#stream?.write(`${headings[kind]}\n`)
    if (this.#redraws && this.#stream !== undefined) {
      this.#restoreCursor = hideCursor(this.#stream)
      this.#draw(this.#loop, now)
    }
  }

  /**
   * Sets the number of finished steps of the open loop, and the running means. Cheap: most calls draw nothing.
   *
   * @throws StateError without an open loop
   */
  update(done: number, readings: Readings = {}): void {
    const loop = this.#loop
    if (loop === undefined) throw new StateError('update: no loop is open; call loopStart first')
    checkValue('update: done', done, whole(0))
    checkReadings('update', readings)
    loop.done = done
    loop.readings = readings
    if (this.#stream === undefined) return
    const now = this.#clock()
    if (now - loop.shownAt < loop.shownEvery) return
    this.#measureRate(loop, now)
    if (this.#redraws) this.#draw(loop, now)
    else this.#stream.write(`${plainLine(this.#state(loop, now))}\n`)
  }

  /** Writes a separate line, such as a warning; an open bar continues below it. */
  note(message: string): void {
    checkValue('note: message', message, anyText)
    if (this.#stream === undefined) return
    const drawn = this.#redraws && this.#loop !== undefined
    this.#stream.write(`${drawn ? wipeLine : ''}${message}\n`)
    if (drawn && this.#loop !== undefined) this.#draw(this.#loop, this.#clock())
  }

  /**
   * Closes the bar of the open loop and writes the summary line, `loss: 0.36 - acc: 0.90`, with two decimals.
   *
   * @param summary means over the whole loop; default the last means of `update`
   */
  loopEnd(summary?: Readings): void {
    const loop = this.#loop
    if (loop === undefined) return
    if (summary !== undefined) {
      checkReadings('loopEnd', summary)
      loop.readings = summary
    }
    this.#closeBar(loop)
    const line = formatReadings(loop.readings)
    if (line !== '') this.#stream?.write(`${line}\n`)
  }

  /** Ends the epoch; an open loop is closed without a summary. */
  epochEnd(): void {
    this.close()
  }

  /** Closes an open bar and shows the cursor again. May be called at any time, more than once. */
  close(): void {
    if (this.#loop !== undefined) this.#closeBar(this.#loop)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #closeBar(loop: Loop): void {
    this.#loop = undefined
    const now = this.#clock()
    // The last bar shows the mean rate of the whole loop.
    loop.stepsPerSecond = (1000 * loop.done) / (now - loop.startedAt)
    if (this.#redraws) {
      this.#draw(loop, now)
      this.#stream?.write('\n')
    }
    this.#restoreCursor?.()
    this.#restoreCursor = undefined
  }

  #measureRate(loop: Loop, now: number): void {
    const newest = (1000 * (loop.done - loop.shownDone)) / (now - loop.shownAt)
    const last = loop.stepsPerSecond
    loop.stepsPerSecond = Number.isNaN(last) ? newest : smoothing * newest + (1 - smoothing) * last
    loop.shownDone = loop.done
    loop.shownAt = now
  }

  #state(loop: Loop, now: number): LoopState {
    const { done, total, stepsPerSecond, readings } = loop
    return { done, total, stepsPerSecond, readings, elapsedMs: now - loop.startedAt }
  }

  #draw(loop: Loop, now: number): void {
    // The last column stays empty: some terminals wrap after a character in it.
    const columns = (this.#stream?.columns || 80) - 1
    this.#stream?.write(wipeLine + barLine(this.#state(loop, now), columns))
  }
}
