import { ArgumentError, StateError } from '../core/errors.js'
import type { ArrayData } from '../io/element-types.js'
import type { Tensor } from '../ops/tensor.js'
import { type Attachment, adviseOnDoubts, SampleAdvice, ValueAdvice } from './attachment.js'
import type { BatchMeasurement } from './coordinates.js'
import { type DynamicsHeading, headingOf } from './heading.js'
import { loadDynamics } from './load.js'
import { DynamicsRecord, type RecordSnapshot, withValues } from './record.js'
import { isStore, recordOf } from './restore.js'
import type { SaveDynamics } from './save.js'
import { DynamicsWriter } from './store.js'

/** Holder of the record of a run between fits. */
export interface RecordHolder {
  /** Dynamics of the last fit, if they were tracked. */
  record: DynamicsRecord | undefined
  /** Epochs trained so far, over all fits. */
  epochs: number
}

/** Settings of the tracking, and its outputs. */
export interface TrackedRun {
  readonly attachments: readonly Attachment[]
  /** Names of the tracked layers, input side first. */
  readonly layers: readonly string[]
  readonly holder: RecordHolder
  readonly save: Readonly<Required<SaveDynamics>> | undefined
  readonly seed: number
  /** Additional notes for the store. */
  readonly notes: Readonly<Record<string, unknown>>
  /** Epochs of the fit. */
  readonly epochs: number
  /** Batches of an epoch, if known. */
  readonly batches: number | undefined
  readonly appendDynamics: boolean
  /** Whether evaluators are evaluated before the first step, which makes a separate row. */
  readonly isMeasuredInitially: boolean
}

/** Measurements after an epoch. */
export interface EpochValues {
  /** `[E, L, 2]` flat, NaN for evaluators that are not due. */
  readonly values: Float32Array
  /** Samples of each evaluator's values; null for evaluators that are not due. */
  readonly samples: readonly (number | null)[]
  /** Count of each class among the samples of the first evaluator, if it was due and the target is classes. */
  readonly classes?: Float64Array | undefined
}

/** State of a tracker between two batches, for a resumed run. */
export interface TrackerSnapshot {
  readonly record: RecordSnapshot
  /** Epochs recorded before the fit. */
  readonly before: number
  readonly step: number | null
  /** The batches of the current epoch with values. */
  readonly measured: readonly number[]
}

/** A batch that is not yet stored. */
interface HeldBatch {
  readonly batch: number
  readonly values: Float32Array | undefined
}

/** Collects the dynamics of one fit: in memory, and in a store if they are saved. */
export class DynamicsTracker {
  readonly #attachments: readonly Attachment[]
  readonly #holder: RecordHolder
  readonly #record: DynamicsRecord
  readonly #writer: DynamicsWriter | undefined
  readonly #advice = new SampleAdvice()
  readonly #valueAdvice = new ValueAdvice()
  /** Epochs of the record before this fit: the first rows of the store. */
  #before: number
  /** Training steps so far; null if they are not known. */
  #step: number | null
  #needed = 0
  #row = 0
  #warned = false
  /** The batches of the current epoch with values. */
  #measured: number[] = []
  /** The last batch, not yet stored: measurements at the end of the epoch join its values. */
  #held: HeldBatch | undefined

  private constructor(
    { attachments, holder }: TrackedRun,
    record: DynamicsRecord,
    writer: DynamicsWriter | undefined,
    before: number,
    step: number | null,
  ) {
    this.#attachments = attachments
    this.#holder = holder
    this.#record = record
    this.#writer = writer
    this.#before = before
    this.#step = step
  }

  /**
   * Begins to record a fit.
   *
   * @throws ArgumentError, StateError, before anything changes, if the recorded dynamics cannot be continued
   */
  static async start(run: TrackedRun): Promise<DynamicsTracker> {
    const { holder } = run
    const heading = headingOf(
      run.attachments.map(({ evaluator }) => evaluator),
      run.layers,
    )
    const before = run.appendDynamics ? await earlier(run, heading) : undefined
    const writer = await openStore(run, heading, before)
    const record = before ?? new DynamicsRecord(heading)
    holder.record = record
    const last = record.marks.at(-1) ?? { epoch: 0, step: 0 }
    const step = last.epoch === holder.epochs ? last.step : null
    return new DynamicsTracker(run, record, writer, record.epochs, step)
  }

  /**
   * Continues recording at a checkpoint; the store's values of later batches are dropped.
   *
   * @param done completed epochs of the fit
   * @param batch completed batches of the next epoch
   * @throws ArgumentError for other layers, evaluators or settings; StateError if the store does not match the checkpoint
   */
  static async resume(
    run: TrackedRun,
    { record: snapshot, before, step, measured }: TrackerSnapshot,
    done: number,
    batch: number,
  ): Promise<DynamicsTracker> {
    const heading = headingOf(
      run.attachments.map(({ evaluator }) => evaluator),
      run.layers,
    )
    const record = DynamicsRecord.from(snapshot)
    const differs = record.refuses(heading)
    if (differs !== undefined) {
      throw new ArgumentError(
        `fit: the checkpoint has dynamics of other layers or evaluators: ${differs}; attach the same evaluators, or start a new run`,
      )
    }
    const writer = await reopenStore(run, heading, record, run.epochs - done, batch)
    run.holder.record = record
    const tracker = new DynamicsTracker(run, record, writer, before, step)
    await tracker.#goOn(before + done, measured, batch)
    return tracker
  }

  /** Appends the values of the current epoch to the store again, except the last batch. */
  async #goOn(row: number, measured: readonly number[], batch: number): Promise<void> {
    this.#row = row
    this.#measured = [...measured]
    const { current } = this.#record
    const values = new Map(measured.map((number, index) => [number, current[index] as Float32Array]))
    for (let number = 0; number < batch; number++) {
      await this.#store()
      this.#held = { batch: number, values: values.get(number) }
    }
  }

  /**
   * Takes the measurements before the first step: the row of epoch 0.
   *
   * @param values of the evaluators that were due, [E, L, 2] with NaN for the others
   */
  async takeInitial(measured: EpochValues): Promise<void> {
    const row = this.#before++
    this.#see(measured)
    this.#record.add(measured.values, -1)
    this.#record.finishEpoch({ epoch: 0, step: 0 })
    await this.#writer?.append(row, 0, measured.values)
    await this.#writer?.finishEpoch(row, 0, this.#sampling)
  }

  /** Takes measurements after the last batch; they join the values of that batch. */
  takeAfterBatch(measured: EpochValues): void {
    const { batch, values } = this.#held as HeldBatch
    this.#see(measured)
    const both = withValues(values, measured.values)
    if (values === undefined) {
      this.#record.add(both, this.#stepBefore)
      this.#measured.push(batch)
    } else this.#record.replaceLast(both)
    this.#held = { batch, values: both }
  }

  /** Counts the samples of values. */
  #see({ samples, classes }: EpochValues): void {
    const { sampling } = this.#record
    for (const [evaluator, count] of samples.entries()) if (count !== null) sampling.see(evaluator, count)
    if (classes !== undefined) sampling.seeClasses(classes, samples[0] as number)
  }

  /** Steps before the last batch; null if they are not known. */
  get #stepBefore(): number | null {
    return this.#step === null ? null : this.#step - 1
  }

  get #sampling() {
    const { samples, labelEntropy } = this.#record.sampling
    return { samples, labelEntropy }
  }

  /** The state between two batches. */
  snapshot(): TrackerSnapshot {
    return {
      record: this.#record.snapshot(),
      before: this.#before,
      step: this.#step,
      measured: [...this.#measured],
    }
  }

  /** @param epoch of this fit, from 0 */
  startEpoch(epoch: number): void {
    this.#row = this.#before + epoch
    this.#measured = []
    this.#record.dropEpoch()
  }

  /** Takes the result of a finished step; its tensors stay the caller's. `due` are the evaluators of the step. */
  async take(
    batch: number,
    { dynamics, doubts, segment }: BatchMeasurement,
    due: readonly number[],
    size: number,
  ): Promise<void> {
    await this.#store()
    if (this.#step !== null) this.#step++
    const attachments = this.#attachments
    if (dynamics === undefined) {
      if (due.length > 0 || attachments.length === 0) this.#warn(batch)
      this.#held = { batch, values: undefined }
      return
    }
    const measured = dynamics.dataSync() as Float32Array
    const own = attachments.length === 0 ? 0 : this.#record.width / attachments.length
    const values = new Float32Array(this.#record.width).fill(Number.NaN)
    const classes = measured.subarray(due.length * own)
    for (const [i, evaluator] of due.entries()) {
      const its = measured.subarray(i * own, (i + 1) * own)
      values.set(its, evaluator * own)
      this.#record.sampling.see(evaluator, size)
      if (evaluator === 0 && classes.length > 0) this.#record.sampling.seeClasses(classes, size)
      const { evaluator: given } = attachments[evaluator] as (typeof attachments)[number]
      if (its.some(Number.isNaN)) this.#valueAdvice.warn(given, `batch ${batch}`)
      this.#advice.check(given, size, 'in a batch')
      const { layers } = this.#record
      const all = doubts?.dataSync() as Float32Array | undefined
      if (all === undefined) continue
      adviseOnDoubts(given, all.subarray(i * layers.length, (i + 1) * layers.length), layers)
    }
    this.#record.add(values, this.#stepBefore)
    this.#measured.push(batch)
    this.#held = { batch, values }
    if (this.#writer === undefined || segment === undefined) return
    await this.#writer.appendSegment(this.#row, batch, segment.map(arrayOf))
  }

  /** Stores the held batch. */
  async #store(): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (held === undefined) return
    const { batch, values } = held
    if (values === undefined) await this.#writer?.skip(this.#row, batch)
    else await this.#writer?.append(this.#row, batch, values)
  }

  /** Notes how many samples the evaluators need, if a batch has fewer. */
  needs(samples: number): void {
    this.#needed = Math.max(this.#needed, samples)
  }

  #warn(batch: number): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(
      `batch ${batch} has fewer than the ${this.#needed} samples that the evaluators need: it trains, but has no dynamics`,
      { type: 'HyperglowWarning', code: 'HYPERGLOW_SMALL_BATCH' },
    )
  }

  /** @param measured values of the evaluators after the epoch */
  async finishEpoch(measured?: EpochValues): Promise<void> {
    if (measured !== undefined) this.takeAfterBatch(measured)
    this.#record.finishEpoch({ epoch: this.#holder.epochs + 1, step: this.#step })
    await this.#store()
    await this.#writer?.finishEpoch(this.#row, this.#step, this.#sampling)
  }

  /** Marks the store as finished. */
  async finish(): Promise<void> {
    await this.#writer?.close()
  }

  /** Ends the recording; an interrupted epoch is dropped from memory, and its finished batches stay in the store. */
  async close(): Promise<void> {
    this.#record.dropEpoch()
    await this.#store()
  }
}

/**
 * Earlier dynamics that a fit continues: the model's record, otherwise the record of its store.
 *
 * @throws ArgumentError for other layers, evaluators or settings; StateError if its epochs are not those before the next one
 */
async function earlier(
  { holder, save }: TrackedRun,
  heading: DynamicsHeading,
): Promise<DynamicsRecord | undefined> {
  const { record, epochs } = holder
  const dir = save?.dir
  const stored =
    dir !== undefined && (await isStore(dir)) ? recordOf(dir, await loadDynamics(dir)) : undefined
  const before = record ?? stored
  if (before === undefined) return undefined
  if (dir !== undefined && !sameEpochs(stored, record)) {
    throw new StateError(
      `fit: appendDynamics cannot continue ${dir}: it holds ${showEpochs(stored)}, the model recorded ${showEpochs(record)}; ` +
        'give each model a separate folder, or fit without appendDynamics, which keeps the store as an earlier run',
    )
  }
  const differs = before.refuses(heading)
  if (differs !== undefined) {
    throw new ArgumentError(
      `fit: appendDynamics cannot continue dynamics of other layers or evaluators: ${differs}; attach the same evaluators before the first fit`,
    )
  }
  const last = before.marks.at(-1)?.epoch ?? 0
  if (last > epochs) {
    throw new StateError(
      `fit: appendDynamics cannot continue: epoch ${last} is recorded, and this model has trained ${epochs}; load the model of that epoch, or fit without appendDynamics, which keeps the store as an earlier run`,
    )
  }
  return before
}

function sameEpochs(stored: DynamicsRecord | undefined, own: DynamicsRecord | undefined): boolean {
  if (own === undefined) return true
  const numbers = (record: DynamicsRecord | undefined) => String(record?.marks.map(({ epoch }) => epoch))
  return own.epochs === 0 ? (stored?.epochs ?? 0) === 0 : numbers(stored) === numbers(own)
}

function showEpochs(record: DynamicsRecord | undefined): string {
  const marks = record?.marks ?? []
  if (marks.length === 0) return 'no finished epoch'
  return `${marks.length} epochs up to number ${marks.at(-1)?.epoch}`
}

/** The options of the store of a fit. */
function storeOptions(
  { batches, holder, save, seed, notes }: TrackedRun,
  heading: DynamicsHeading,
  epochs: number,
  isMeasuredInitially = false,
) {
  if (batches === undefined) {
    throw new ArgumentError(
      'fit: saveDynamics needs to know the number of batches; give the data a length property',
    )
  }
  const first = holder.epochs + 1
  const numbers = Array.from({ length: epochs }, (_, n) => first + n)
  const epochNumbers = isMeasuredInitially ? [0, ...numbers] : numbers
  return {
    epochs: epochNumbers.length,
    batches,
    ...heading,
    epochNumbers,
    seed,
    raw: save?.raw ?? false,
    notes: { ...notes, ...save?.notes },
  }
}

/** The store of a fit: the store of the epochs `before`, or a new one, with an existing one kept as an earlier run. */
async function openStore(
  run: TrackedRun,
  heading: DynamicsHeading,
  before: DynamicsRecord | undefined,
): Promise<DynamicsWriter | undefined> {
  if (run.save === undefined) return undefined
  const { dir } = run.save
  const options = storeOptions(run, heading, run.epochs, run.isMeasuredInitially)
  if (before !== undefined && (await isStore(dir))) return DynamicsWriter.resume(dir, options)
  return DynamicsWriter.create(dir, { ...options, overwrite: 'keep' })
}

/** The store of a resumed fit, with the epochs of `record`. */
async function reopenStore(
  run: TrackedRun,
  heading: DynamicsHeading,
  record: DynamicsRecord,
  left: number,
  batch: number,
): Promise<DynamicsWriter | undefined> {
  if (run.save === undefined) return undefined
  const { dir } = run.save
  if (left > 0) {
    return DynamicsWriter.resume(dir, storeOptions(run, heading, left), { epochs: record.epochs, batch })
  }
  await DynamicsWriter.finish(dir)
  return undefined
}

function arrayOf(value: Tensor): ArrayData {
  return { dtype: value.dtype, shape: value.shape, data: value.dataSync() }
}
