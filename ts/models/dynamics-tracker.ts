import { ArgumentError } from '../errors.js'
import { DynamicsWriter } from '../io/dynamics-store.js'
import type { ArrayData } from '../io/element-types.js'
import type { Tensor } from '../tensor.js'
import { DynamicsRecord, distinct } from './dynamics.js'
import type { Network } from './network.js'
import { stateOf } from './state.js'
import { type StepResult, samplesNeeded } from './step.js'

/** Collects the dynamics of one fit: in memory, and in a store where the model saves them. */
export class DynamicsTracker {
  readonly #record: DynamicsRecord
  readonly #writer: DynamicsWriter | undefined
  readonly #needed: number
  #epoch = 0
  #warned = false

  private constructor(record: DynamicsRecord, writer: DynamicsWriter | undefined, needed: number) {
    this.#record = record
    this.#writer = writer
    this.#needed = needed
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
    return new DynamicsTracker(record, writer, samplesNeeded(model.evaluators))
  }

  startEpoch(epoch: number): void {
    this.#epoch = epoch
    this.#record.dropEpoch()
  }

  /** Takes the result of a finished step; its tensors stay the caller's. */
  async take(batch: number, { dynamics, segment }: StepResult): Promise<void> {
    if (dynamics === undefined) {
      this.#warn(batch)
      await this.#writer?.skip(this.#epoch, batch)
      return
    }
    const values = dynamics.dataSync() as Float32Array
    this.#record.add(values)
    if (this.#writer === undefined) return
    await this.#writer.append(this.#epoch, batch, values)
    if (segment !== undefined) await this.#writer.appendSegment(this.#epoch, batch, segment.map(arrayOf))
  }

  #warn(batch: number): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(
      `batch ${batch} has fewer than the ${this.#needed} samples that the evaluators need: it trains, but has no dynamics`,
      { type: 'HyperglowWarning', code: 'HYPERGLOW_SMALL_BATCH' },
    )
  }

  async finishEpoch(): Promise<void> {
    this.#record.finishEpoch()
    await this.#writer?.flush()
  }

  /** Marks the store as whole. */
  async finish(): Promise<void> {
    await this.#writer?.close()
  }

  /** Ends the recording; an epoch cut short is dropped from memory, its finished batches stay in the store. */
  async close(): Promise<void> {
    this.#record.dropEpoch()
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
