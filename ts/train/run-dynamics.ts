/** The dynamics of a run: when evaluators look, and where their values go. */
import { Schedules } from '../dynamics/schedule.js'
import { DynamicsTracker, type EpochValues, type TrackerSnapshot } from '../dynamics/tracker.js'
import type { Place } from './checkpoint.js'
import type { StepResult } from './program.js'
import type { RunSetup } from './run-setup.js'

/** No evaluator. */
const nobody: readonly number[] = []

/** A finished step. */
interface FinishedStep {
  /** Number of its batch in the epoch. */
  readonly index: number
  /** Samples of its batch. */
  readonly size: number
  /** Numbers of the evaluators that were evaluated on the batch. */
  readonly due: readonly number[]
  /** Number of steps up to its end, over all training. */
  readonly steps: number
}

/** The evaluators of a run, their schedules, and the record of their values; all calls do nothing in a run that tracks none. */
export class RunDynamics<B> {
  readonly #setup: RunSetup<B>
  /** The run's first epoch, and the epoch after its last. */
  readonly #epochs: { readonly first: number; readonly end: number }
  #tracker: DynamicsTracker | undefined
  #schedules: Schedules | undefined

  constructor(setup: RunSetup<B>, epochs: { readonly first: number; readonly end: number }) {
    this.#setup = setup
    this.#epochs = epochs
  }

  /** Whether the record waits for the names of the layers. */
  get waits(): boolean {
    return this.#setup.tracks && this.#tracker === undefined
  }

  /** Makes the schedules of the evaluators for the rest of the run. */
  schedule({ epoch, batch }: Pick<Place, 'epoch' | 'batch'>): void {
    const { attachments, feed, record, tracks } = this.#setup
    if (!tracks) return
    const left = this.#epochs.end - epoch
    const steps = feed.batches === undefined ? undefined : record.steps + feed.batches * left - batch
    this.#schedules = new Schedules(attachments, { epochs: record.epochs + left, steps })
  }

  /** Begins the record, and evaluates the weights before the first step if an evaluator asks for them. */
  async start(layers: readonly string[]): Promise<void> {
    const { tracks, record } = this.#setup
    if (!tracks) return
    const initially =
      record.epochs === 0 && record.steps === 0 ? (this.#schedules?.initially ?? nobody) : nobody
    const run = { ...this.#tracked(layers), isMeasuredInitially: initially.length > 0 }
    this.#tracker = await DynamicsTracker.start(run)
    const found = await this.#measured(initially)
    if (found !== undefined) await this.#tracker.takeInitial(found)
  }

  /** Begins the record within an epoch, with the layers of its first batch. */
  async begin(layers: readonly string[], epoch: number): Promise<void> {
    await this.start(layers)
    this.startEpoch(epoch)
  }

  /** Continues the record of a checkpoint. */
  async resume(tracker: TrackerSnapshot, { epoch, first, batch }: Place): Promise<void> {
    if (!this.#setup.tracks) return
    const run = this.#tracked(tracker.record.heading.layers)
    this.#tracker = await DynamicsTracker.resume(run, tracker, epoch - first, batch)
  }

  startEpoch(epoch: number): void {
    this.#tracker?.startEpoch(epoch - this.#epochs.first)
  }

  /** Numbers of the evaluators to evaluate on a batch of the current epoch. */
  dueOnBatch(index: number): readonly number[] {
    const { record } = this.#setup
    return this.#schedules?.onBatch(index, record.epochs + 1, record.steps) ?? nobody
  }

  /** Whether an evaluator needs the weights after so many steps. */
  isDueAfter(steps: number): boolean {
    return (this.#schedules?.afterStep(steps) ?? nobody).length > 0
  }

  /** Records the values of a step, and evaluates the weights after it if an evaluator asks for them. */
  async take(result: StepResult, { index, size, due, steps }: FinishedStep): Promise<void> {
    await this.#tracker?.take(index, result, due, size)
    const found = await this.#measured(this.#schedules?.afterStep(steps))
    if (found !== undefined) this.#tracker?.takeAfterBatch(found)
  }

  /** Evaluates the weights after an epoch, which completes the epoch's dynamics. */
  async finishEpoch(epoch: number): Promise<void> {
    const found = await this.#measured(this.#schedules?.afterEpoch(epoch, this.#setup.record.epochs + 1))
    await this.#tracker?.finishEpoch(found)
  }

  /** Notes that evaluators left out batches of too few samples. @param needed smallest number of samples */
  needs(needed: number): void {
    this.#tracker?.needs(needed)
  }

  snapshot(): TrackerSnapshot | undefined {
    return this.#tracker?.snapshot()
  }

  /** Completes the record at the end of the run. */
  async finish(): Promise<void> {
    await this.#tracker?.finish()
  }

  /** Releases the run's own objects; values of finished epochs stay readable. */
  async close(): Promise<void> {
    this.#setup.measurement?.dispose()
    await this.#tracker?.close()
  }

  #tracked(layers: readonly string[]) {
    const { attachments, feed, notes, options, record, save } = this.#setup
    return {
      attachments,
      layers,
      holder: record,
      save,
      seed: record.seed,
      notes,
      epochs: this.#epochs.end - this.#epochs.first,
      batches: feed.batches,
      appendDynamics: options.appendDynamics ?? false,
      isMeasuredInitially: false,
    }
  }

  /** Evaluations with the present weights. @param due numbers of evaluators */
  async #measured(due: readonly number[] = nobody): Promise<EpochValues | undefined> {
    const { measurement, options, record } = this.#setup
    return due.length === 0 ? undefined : measurement?.measure(due, record.epochs, options.signal)
  }
}
