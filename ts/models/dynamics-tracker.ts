import { ArgumentError } from '../errors.js'
import { DynamicsWriter } from '../io/dynamics-store.js'
import type { ArrayData } from '../io/element-types.js'
import type { Tensor } from '../tensor.js'
import { isDue, SampleAdvice, ValueAdvice } from './attachment.js'
import { DynamicsRecord, distinct, withValues } from './dynamics.js'
import type { Network } from './network.js'
import { stateOf } from './state.js'
import type { StepResult } from './step.js'

/** Collects the dynamics of one fit: in memory, and in a store where the model saves them. */
export class DynamicsTracker {
  readonly #model: Network
  readonly #record: DynamicsRecord
  readonly #writer: DynamicsWriter | undefined
  readonly #advice = new SampleAdvice()
  readonly #valueAdvice = new ValueAdvice()
  #needed = 0
  #epoch = 0
  #warned = false
  /** The last batch, not yet stored: what is measured at the end of the epoch goes beside its values. */
  #held: { batch: number; values: Float32Array | undefined } | undefined

  private constructor(model: Network, record: DynamicsRecord, writer: DynamicsWriter | undefined) {
    this.#model = model
    this.#record = record
    this.#writer = writer
  }

  /**
   * Begins to record a fit; undefined where the model does not track.
   *
   * @param layers names of the tracked layers; @param batches in an epoch, where known
   */
  static async start(
    model: Network,
    layers: readonly string[],
    batches: number | undefined,
    options: { epochs?: number; appendDynamics?: boolean },
  ): Promise<DynamicsTracker | undefined> {
    if (!model.trackDynamics) return undefined
    const state = stateOf(model)
    const evaluators = distinct(model.evaluators.map(({ name }) => name))
    const tracked = distinct(layers)
    const before = options.appendDynamics ? state.record : undefined
    if (before !== undefined && !before.fits(tracked, evaluators)) {
      throw new ArgumentError(
        'fit: appendDynamics cannot go on with dynamics of other layers or evaluators; attach evaluators before the first fit',
      )
    }
    const writer = await openStore(model, tracked, evaluators, batches, options.epochs ?? 1)
    const record = before ?? new DynamicsRecord(tracked, evaluators)
    if (before === undefined) state.record?.dispose()
    state.record = record
    return new DynamicsTracker(model, record, writer)
  }

  startEpoch(epoch: number): void {
    this.#epoch = epoch
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
    { dynamics, segment }: StepResult,
    due: readonly number[],
    size: number,
  ): Promise<void> {
    await this.#store()
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
    }
    this.#record.add(values)
    this.#held = { batch, values }
    if (this.#writer === undefined || segment === undefined) return
    await this.#writer.appendSegment(this.#epoch, batch, segment.map(arrayOf))
  }

  /** Writes the batch that is held. */
  async #store(): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (held === undefined) return
    const { batch, values } = held
    if (values === undefined) await this.#writer?.skip(this.#epoch, batch)
    else await this.#writer?.append(this.#epoch, batch, values)
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
    this.#record.finishEpoch(values)
    const held = this.#held
    if (held !== undefined && values !== undefined) {
      this.#held = { batch: held.batch, values: withValues(held.values, values) }
    }
    await this.#store()
    await this.#writer?.flush()
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

async function openStore(
  model: Network,
  layers: readonly string[],
  evaluators: readonly string[],
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
  return DynamicsWriter.create(saveDynamics.dir, {
    epochs,
    batches,
    evaluators,
    layers,
    evaluatorSettings: model.evaluators.map(({ params }) => params),
    seed,
    raw: saveDynamics.raw,
    notes: { segment: model.segment, inputShape: model.inputShape },
    overwrite: true,
  })
}

function arrayOf(value: Tensor): ArrayData {
  return { dtype: value.dtype, shape: value.shape, data: value.dataSync() }
}
