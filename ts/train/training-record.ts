/** What a task went through, over all of its fits. */
import { type Checks, checkOptions, whole } from '../core/options.js'
import { Variable } from '../core/variable.js'
import type { DynamicsRecord, ModelDynamics } from '../dynamics/record.js'
import { foldIn, key } from '../ops/random.js'
import type { History } from './history.js'

/** Options of {@link TrainingRecord}. */
export interface TrainingRecordOptions {
  /** Decides the random keys of steps. Default 0. */
  seed?: number
}

const checks: Checks<TrainingRecordOptions> = { seed: whole(0) }

/**
 * What a task went through, over all of its fits: how many epochs and steps, the random key, history and dynamics. A task that declares one
 * goes on where its last fit ended.
 *
 *     class Mine implements Task { readonly record = new TrainingRecord({ seed: 1 }); ... }
 */
export class TrainingRecord {
  /** Decides the random keys of steps. */
  readonly seed: number
  /** Random key that training draws from, uint32 [2]. */
  readonly rng: Variable
  /** Epochs trained so far: numbers the orders of shuffled data. */
  epochs = 0
  /** Steps trained so far. */
  steps = 0
  /** Results of the last fit; undefined before. */
  history: History | undefined
  /** Dynamics of the last fit, where they were tracked. @internal */
  record: DynamicsRecord | undefined

  constructor(options: TrainingRecordOptions = {}) {
    const { seed = 0 } = checkOptions('TrainingRecord', options, checks)
    this.seed = seed
    const root = key(seed)
    this.rng = new Variable(foldIn(root, 1), { name: 'rng', trainable: false })
    root.dispose()
  }

  /** Dynamics of the last fit as plain data, means over batches; undefined where none were tracked. */
  get dynamics(): ModelDynamics | undefined {
    return this.record?.toDynamics()
  }

  /** Releases the random key. Doing it twice is fine; what was recorded stays readable. */
  dispose(): void {
    this.rng.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
