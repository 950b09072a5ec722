/** Schedules of evaluators: batches, epochs and steps of a run. */
import { logSchedule } from '../analysis/schedule.js'
import { ArgumentError } from '../core/errors.js'
import { type Check, isList, isPlainObject } from '../core/options.js'

/** Steps of training, counted over all training; 0 is initialization. */
export interface StepSchedule {
  /** A period; a list of steps; or 'log', evenly spaced on a log scale up to the last step of the fit. */
  steps: number | readonly number[] | 'log'
}

/**
 * How often an evaluator is evaluated.
 *
 * - A number n: every n batches, or epochs, from the first on.
 * - A list: after these epochs, counted over all training, 0 at initialization; for an evaluator on batches, on all batches of these
 *   epochs.
 * - 'log': after epochs evenly spaced on a log scale, about ten per decade, 0 and the last epoch of the fit included.
 * - `{ steps }`: after these steps; for an evaluator on batches, on the next batch.
 */
export type Every = number | readonly number[] | 'log' | StepSchedule

const isCount = (value: unknown, least: number) => Number.isSafeInteger(value) && (value as number) >= least
const areCounts = (value: unknown) => {
  const list = isList(value) ? Array.from(value as unknown[]) : []
  return list.length > 0 && list.every((number) => isCount(number, 0))
}
const isPlan = (value: unknown) => isCount(value, 1) || areCounts(value) || value === 'log'

/** The check of an {@link Every}. */
export const everyCheck: Check<Every> = {
  expected:
    "a whole number of at least 1, a list of epochs such as [0, 1, 2, 4], 'log', or { steps } with one of them",
  accepts: (value) =>
    isPlan(value) ||
    (isPlainObject(value) &&
      String(Object.keys(value as object)) === 'steps' &&
      isPlan((value as StepSchedule).steps)),
}

/** Length of a fit, counted over all training. */
export interface Span {
  /** Number of its last epoch. */
  readonly epochs: number
  /** Steps up to its end; undefined if the number of batches is not known. */
  readonly steps: number | undefined
}

/** The schedule of an attached evaluator. */
interface Planned {
  readonly on: 'batch' | 'epoch' | 'probe'
  readonly every: Every
  readonly initial: boolean
}

/** The schedules of the attached evaluators in a fit, by index. */
export class Schedules {
  readonly #all: readonly Schedule[]

  /** @throws ArgumentError for 'log' steps if the number of batches is not known */
  constructor(attachments: readonly Planned[], span: Span) {
    this.#all = attachments.map((one) => new Schedule(one, span))
  }

  #those(isDue: (one: Schedule) => boolean): number[] {
    return this.#all.flatMap((one, index) => (isDue(one) ? [index] : []))
  }

  /** Evaluators that are due on a batch. Arguments as for {@link Schedule.onBatch}. */
  onBatch(batch: number, epoch: number, step: number): readonly number[] {
    return this.#those((one) => one.onBatch(batch, epoch, step))
  }

  /** Evaluators that are due after an epoch. Arguments as for {@link Schedule.afterEpoch}. */
  afterEpoch(index: number, epoch: number): readonly number[] {
    return this.#those((one) => one.afterEpoch(index, epoch))
  }

  /** Evaluators that are due after a number of steps, at least one. */
  afterStep(step: number): readonly number[] {
    return this.#those((one) => one.afterStep(step))
  }

  /** Evaluators that are due before the first step. */
  get initially(): readonly number[] {
    return this.#those((one) => one.initially)
  }
}

/** The schedule of one evaluator in a fit. */
class Schedule {
  readonly #onBatches: boolean
  readonly #every: number | undefined
  readonly #epochs: ReadonlySet<number> | undefined
  readonly #steps: ((step: number) => boolean) | undefined
  readonly #isInitial: boolean

  constructor({ on, every, initial }: Planned, span: Span) {
    this.#onBatches = on === 'batch'
    this.#isInitial = initial
    if (typeof every === 'number') this.#every = every
    else if (every === 'log') this.#epochs = new Set(logarithmic(span.epochs))
    else if (isPlainObject(every)) this.#steps = stepRule((every as StepSchedule).steps, span.steps)
    else this.#epochs = new Set(every as readonly number[])
  }

  /**
   * Whether an evaluator on batches is due.
   *
   * @param batch index in its epoch, from 0
   * @param epoch number of the epoch over all training, from 1
   * @param step steps before it
   */
  onBatch(batch: number, epoch: number, step: number): boolean {
    if (!this.#onBatches) return false
    if (this.#every !== undefined) return batch % this.#every === 0
    return this.#steps?.(step) ?? this.#epochs?.has(epoch) ?? false
  }

  /**
   * Whether an evaluator is due after an epoch.
   *
   * @param index of the epoch as callbacks count, from 0
   * @param epoch number over all training, from 1
   */
  afterEpoch(index: number, epoch: number): boolean {
    if (this.#onBatches) return false
    if (this.#every !== undefined) return index % this.#every === 0
    return this.#epochs?.has(epoch) ?? false
  }

  /** Whether an evaluator is due after a number of steps, at least one. */
  afterStep(step: number): boolean {
    return !this.#onBatches && (this.#steps?.(step) ?? false)
  }

  /** Whether an evaluator is due before the first step. */
  get initially(): boolean {
    return !this.#onBatches && (this.#isInitial || (this.#epochs?.has(0) ?? this.#steps?.(0) ?? false))
  }
}

/** 0 and about ten numbers per decade up to the last. */
function logarithmic(last: number): number[] {
  return logSchedule(last, Math.ceil(10 * Math.log10(Math.max(1, last))) + 1)
}

function stepRule(steps: StepSchedule['steps'], last: number | undefined): (step: number) => boolean {
  if (typeof steps === 'number') return (step) => step % steps === 0
  if (steps !== 'log') {
    const wanted = new Set(steps)
    return (step) => wanted.has(step)
  }
  if (last === undefined) {
    throw new ArgumentError(
      "fit: { every: { steps: 'log' } } needs to know the number of batches; give the data a length property, or a list of steps",
    )
  }
  const wanted = new Set(logarithmic(last))
  return (step) => wanted.has(step)
}
