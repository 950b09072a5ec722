/** What a run of the training loop is made of. */
import type { Attachment } from '../dynamics/attachment.js'
import type { SaveDynamics } from '../dynamics/save.js'
import type { EpochMeasurement } from './epoch-measurement.js'
import type { Feed } from './feed.js'
import type { Occupation } from './occupation.js'
import type { TrainOptions } from './run-options.js'
import type { ScalarSource } from './stepper.js'
import type { Task } from './task.js'
import type { TrainingRecord } from './training-record.js'

/** Arguments of a run. */
export interface RunSetup<B> {
  readonly task: Task<B>
  readonly feed: Feed<B>
  readonly validation: Feed<B> | undefined
  readonly record: TrainingRecord
  readonly options: TrainOptions
  readonly scalars: Readonly<Record<string, ScalarSource>>
  /** Whether dynamics are recorded, and the evaluators and the folder for them. */
  readonly tracks: boolean
  readonly attachments: readonly Attachment[]
  readonly save: Readonly<Required<SaveDynamics>> | undefined
  readonly notes: Readonly<Record<string, unknown>>
  /** Names of the tracked layers, if they are known before the first step. */
  readonly layers: readonly string[] | undefined
  readonly measurement: EpochMeasurement<B> | undefined
  /** The model's operations; undefined for a task. */
  readonly occupation: Occupation | undefined
  /** Called with the next mode. */
  readonly setMode?: (isTraining: boolean) => void
  /** A possible reason of a NaN loss, if one is known. */
  readonly suspicion?: string | undefined
  /** First line of the progress. */
  readonly preface?: string | undefined
}
