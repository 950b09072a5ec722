import { ArgumentError, StateError } from '../core/errors.js'
import type { ArrayData } from '../io/element-types.js'
import type { Network } from '../models/network.js'
import type { Tensor } from '../ops/tensor.js'
import { isDue, RangeAdvice, SampleAdvice, ValueAdvice } from '../train/attachment.js'
import { stateOf } from '../train/state.js'
import type { StepResult } from '../train/step.js'
import { type DynamicsHeading, headingOf } from './heading.js'
import { loadDynamics } from './load.js'
import { DynamicsRecord, withValues } from './record.js'
import { isStore, recordOf } from './restore.js'
import { DynamicsWriter } from './store.js'

/** What the tracker needs to know of a fit. */
interface FitPlan {
  readonly epochs?: number
  readonly appendDynamics?: boolean
}

/** Collects the dynamics of one fit: in memory, and in a store where the model saves them. */
export class DynamicsTracker {
  readonly #model: Network
  readonly #record: DynamicsRecord
  readonly #writer: DynamicsWriter | undefined
  readonly #advice = new SampleAdvice()
  readonly #valueAdvice = new ValueAdvice()
  /** Epochs that were in the record before this fit: rows of the store that come first. */
  readonly #before: number
  /** Training steps so far; null where they are not known. */
  #step: number | null
  readonly #rangeAdvice = new RangeAdvice()
  #needed = 0
  #row = 0
  #warned = false
  /** The last batch, not yet stored: what is measured at the end of the epoch goes beside its values. */
  #held: { batch: number; values: Float32Array | undefined } | undefined

  private constructor(model: Network, record: DynamicsRecord, writer: DynamicsWriter | undefined) {
    this.#model = model
    this.#record = record
    this.#writer = writer
    this.#before = record.epochs
    const last = record.marks.at(-1) ?? { epoch: 0, step: 0 }
    this.#step = last.epoch === stateOf(model).epochs ? last.step : null
  }

  /**
   * Begins to record a fit; undefined where the model does not track.
   *
   * @param layers names of the tracked layers; @param batches in an epoch, where known
   * @throws ArgumentError, StateError, before anything is changed, where what was recorded cannot be gone on with
   */
  static async start(
    model: Network,
    layers: readonly string[],
    batches: number | undefined,
    plan: FitPlan,
  ): Promise<DynamicsTracker | undefined> {
    if (!model.trackDynamics) return undefined
    const state = stateOf(model)
    const heading = headingOf(model, layers)
    const before = plan.appendDynamics ? await earlier(model, heading) : undefined
    const writer = await openStore(model, heading, before, batches, plan.epochs ?? 1)
    if (before !== state.record) state.record?.dispose()
    state.record = before ?? new DynamicsRecord(heading)
    return new DynamicsTracker(model, state.record, writer)
  }

  /** @param epoch of this fit, from 0 */
  startEpoch(epoch: number): void {
    this.#row = this.#before + epoch
    this.#record.dropEpoch()
  }

  /** Numbers of the evaluators that are due on a batch. */
  due(batch: number): number[] {
    const { attachments } = this.#model
    return attachments.flatMap((one, index) => (one.on === 'batch' && isDue(one, batch) ? [index] : []))
  }

  /** Takes the result of a finished step; its tensors stay the caller's. `due` are the evaluators it was made for. */
  async take(
    batch: number,
    { dynamics, outside, segment }: StepResult,
    due: readonly number[],
    size: number,
  ): Promise<void> {
    await this.#store()
    if (this.#step !== null) this.#step++
    const { attachments } = this.#model
    if (dynamics === undefined) {
      if (due.length > 0 || attachments.length === 0) this.#warn(batch)
      this.#held = { batch, values: undefined }
      return
    }
    const measured = dynamics.dataSync() as Float32Array
    const own = attachments.length === 0 ? 0 : this.#record.width / attachments.length
    const values = new Float32Array(this.#record.width).fill(Number.NaN)
    for (const [i, evaluator] of due.entries()) {
      const its = measured.subarray(i * own, (i + 1) * own)
      values.set(its, evaluator * own)
      const { evaluator: given } = attachments[evaluator] as (typeof attachments)[number]
      if (its.some(Number.isNaN)) this.#valueAdvice.warn(given, `batch ${batch}`)
      this.#advice.check(given, size, 'in a batch')
      const { layers } = this.#record
      const parts = outside?.dataSync() as Float32Array | undefined
      if (parts === undefined) continue
      this.#rangeAdvice.check(given, parts.subarray(i * layers.length, (i + 1) * layers.length), layers)
    }
    this.#record.add(values)
    this.#held = { batch, values }
    if (this.#writer === undefined || segment === undefined) return
    await this.#writer.appendSegment(this.#row, batch, segment.map(arrayOf))
  }

  /** Writes the batch that is held. */
  async #store(): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (held === undefined) return
    const { batch, values } = held
    if (values === undefined) await this.#writer?.skip(this.#row, batch)
    else await this.#writer?.append(this.#row, batch, values)
  }

  /** Notes how many samples the evaluators need, where a batch has fewer. */
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

  /** @param values of the evaluators that were evaluated after the epoch, [E, L, 2] with NaN for the others */
  async finishEpoch(values?: Float32Array): Promise<void> {
    const mark = { epoch: stateOf(this.#model).epochs + 1, step: this.#step }
    this.#record.finishEpoch(mark, values)
    const held = this.#held
    if (held !== undefined && values !== undefined) {
      this.#held = { batch: held.batch, values: withValues(held.values, values) }
    }
    await this.#store()
    await this.#writer?.finishEpoch(this.#row, this.#step)
  }

  /** Marks the store as whole. */
  async finish(): Promise<void> {
    await this.#writer?.close()
  }

  /** Ends the recording; an epoch cut short is dropped from memory, its finished batches stay in the store. */
  async close(): Promise<void> {
    this.#record.dropEpoch()
    await this.#store()
  }
}

/**
 * What was recorded before and a fit shall go on with: the model's own record, else what its store holds.
 *
 * @throws ArgumentError where it is of other layers, evaluators or settings; StateError where its epochs are not those before the next one
 */
async function earlier(model: Network, heading: DynamicsHeading): Promise<DynamicsRecord | undefined> {
  const { record, epochs } = stateOf(model)
  const dir = model.saveDynamics?.dir
  const stored =
    dir !== undefined && (await isStore(dir)) ? recordOf(dir, await loadDynamics(dir)) : undefined
  const before = record ?? stored
  if (before === undefined) return undefined
  if (dir !== undefined && !sameEpochs(stored, record)) {
    throw new StateError(
      `fit: appendDynamics cannot go on with ${dir}: it holds ${showEpochs(stored)}, the model recorded ${showEpochs(record)}; ` +
        'give each model a folder of its own, or fit without appendDynamics, which keeps what is there as an earlier run',
    )
  }
  const differs = before.refuses(heading)
  if (differs !== undefined) {
    throw new ArgumentError(
      `fit: appendDynamics cannot go on with dynamics of other layers or evaluators: ${differs}; attach the same evaluators before the first fit`,
    )
  }
  const last = before.marks.at(-1)?.epoch ?? 0
  if (last > epochs) {
    throw new StateError(
      `fit: appendDynamics cannot go on: epoch ${last} is recorded, and this model has trained ${epochs}; load the model that goes with it, or fit without appendDynamics, which keeps what is there as an earlier run`,
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

/** The store of a fit: that of the epochs `before`, or a new one, with what was there kept as an earlier run. */
async function openStore(
  model: Network,
  heading: DynamicsHeading,
  before: DynamicsRecord | undefined,
  batches: number | undefined,
  epochs: number,
): Promise<DynamicsWriter | undefined> {
  const { saveDynamics, seed } = model
  if (saveDynamics === undefined) return undefined
  if (batches === undefined) {
    throw new ArgumentError(
      'fit: saveDynamics needs to know the number of batches; give the data a length property',
    )
  }
  const { dir, raw } = saveDynamics
  const first = stateOf(model).epochs + 1
  const options = {
    epochs,
    batches,
    ...heading,
    epochNumbers: Array.from({ length: epochs }, (_, n) => first + n),
    seed,
    raw,
    notes: { segment: model.segment, inputShape: model.inputShape },
  }
  if (before !== undefined && (await isStore(dir))) return DynamicsWriter.resume(dir, options)
  return DynamicsWriter.create(dir, { ...options, overwrite: 'keep' })
}

function arrayOf(value: Tensor): ArrayData {
  return { dtype: value.dtype, shape: value.shape, data: value.dataSync() }
}
