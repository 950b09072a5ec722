/** The record of all fits of a task. */
import { type DeviceRequest, deviceNamed } from '../core/devices.js'
import { type Checks, checkOptions, elsewhere, whole } from '../core/options.js'
import { Variable } from '../core/variable.js'
import type { DynamicsRecord, ModelDynamics } from '../dynamics/record.js'
import { foldIn, key } from '../ops/random.js'
import type { History } from './results.js'

/** Options of {@link TrainingRecord}. */
export interface TrainingRecordOptions {
  /** Seed of the random keys of steps. Default 0. */
  seed?: number
  /** Device of the random key; `fit` moves the key to the task's device. Default: the default device. */
  device?: DeviceRequest
}

const checks: Checks<TrainingRecordOptions> = { seed: whole(0), device: elsewhere() }

/**
 * The record of all fits of a task: numbers of epochs and steps, the random key, history and dynamics. A task with a record continues where
 * its last fit ended.
 *
 *     class Mine implements Task { readonly record = new TrainingRecord({ seed: 1 }); ... }
 */
export class TrainingRecord {
  /** Seed of the random keys of steps. */
  readonly seed: number
  /** Random key of the training, uint32 [2]. */
  readonly rng: Variable
  /** Number of epochs so far, which determines the order of shuffled data. */
  epochs = 0
  /** Number of steps so far. */
  steps = 0
  /** Results of the last fit; undefined before. */
  history: History | undefined
  /** Dynamics of the last fit, if they were tracked. @internal */
  record: DynamicsRecord | undefined

  constructor(options: TrainingRecordOptions = {}) {
    const { seed = 0, device } = checkOptions('TrainingRecord', options, checks)
    const place = deviceNamed('TrainingRecord', device)
    this.seed = seed
    const root = key(seed)
    this.rng = new Variable(foldIn(root, 1), { name: 'rng', trainable: false, device: place })
    root.dispose()
  }

  /** Dynamics of the last fit as plain data, means over batches; undefined if they were not tracked. */
  get dynamics(): ModelDynamics | undefined {
    return this.record?.toDynamics()
  }

  /** Releases the random key. A second call does nothing; the results stay readable. */
  dispose(): void {
    this.rng.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
