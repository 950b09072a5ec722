import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Checks, checkOptions, whole } from '../../core/options.js'
import { checkPath } from '../../io/atomic.js'
import { checkpointsIn } from '../checkpoint.js'
import type { EpochLogs } from '../results.js'
import { type Callback, type CallbackState, checkContext, type FitContext } from './callback.js'
import {
  Best,
  type Monitored,
  type MonitorOptions,
  monitorChecks,
  readMonitored,
  remembered,
} from './monitor.js'

/** Options of {@link Checkpoint}. */
export interface CheckpointOptions extends Omit<MonitorOptions, 'monitor'> {
  /** Epochs between two checkpoints. Default 1, or none if `everySteps` is given. */
  everyEpochs?: number
  /** Steps, counted over all training, between two checkpoints. Training waits for the step before a checkpoint. Default: none. */
  everySteps?: number
  /** Number of checkpoints that are kept, the newest ones. Default 3. */
  keep?: number
  /** Also keep the epoch with the best value of this number, in `best.safetensors`. Default: none. */
  best?: Monitored
}

const { monitor, ...bestChecks } = monitorChecks
const checks: Checks<CheckpointOptions> = {
  ...bestChecks,
  everyEpochs: whole(1),
  everySteps: whole(1),
  keep: whole(1),
  best: monitor,
}

interface Data {
  readonly best: number
}

/**
 * Writes checkpoints during a run; `fit` with `resume` continues the run with the same bits.
 *
 *     const options = { epochs: 100, callbacks: [new Checkpoint('runs/a', { best: 'validationLoss' })], resume: 'runs/a' }
 *     await model.fit(x, y, options) // run the program again after it was interrupted
 *
 * The files are `checkpoint-000001200.safetensors`, with the number of steps. Each file is complete or missing.
 *
 * @param folder folder of one run, made if it is missing
 * @throws UnknownNameError, ArgumentError for unknown or invalid options
 */
export class Checkpoint implements Callback {
  /** Folder of the checkpoints. */
  readonly folder: string
  /** See `everySteps` of the options. */
  readonly everyBatches: number | undefined
  readonly #everyEpochs: number | undefined
  readonly #keep: number
  readonly #monitor: Monitored | undefined
  readonly #options: CheckpointOptions
  #best: Best
  #isBest = false

  constructor(folder: string, options: CheckpointOptions = {}) {
    checkPath('Checkpoint', folder, 'folder')
    const given = checkOptions('Checkpoint', options, checks)
    const { everySteps, everyEpochs = everySteps === undefined ? 1 : undefined, keep = 3, best } = given
    this.folder = folder
    this.everyBatches = everySteps
    this.#everyEpochs = everyEpochs
    this.#keep = keep
    this.#monitor = best
    this.#options = given
    this.#best = this.#fresh()
  }

  /** Resets the state. */
  onTrainBegin(): void {
    this.#best = this.#fresh()
  }

  onEpochEnd(_epoch: number, logs: EpochLogs): void {
    if (this.#monitor === undefined) return
    this.#isBest = this.#best.take(readMonitored('Checkpoint', this.#monitor, logs))
  }

  /** Writes the checkpoints that are due, after the other hooks of all callbacks. */
  async onSettled(point: 'batch' | 'epoch', context: FitContext): Promise<void> {
    checkContext('Checkpoint', context)
    const every = this.#everyEpochs
    if (point === 'epoch' && this.#isBest) {
      this.#isBest = false
      await context.checkpoint(join(this.folder, 'best.safetensors'))
    }
    const isDue = point === 'batch' || (every !== undefined && (context.epoch + 1) % every === 0)
    if (!isDue) return
    const step = String(context.step).padStart(9, '0')
    await context.checkpoint(join(this.folder, `checkpoint-${step}.safetensors`))
    const all = await checkpointsIn(this.folder)
    for (const { path } of all.slice(0, -this.#keep)) await rm(path, { force: true })
  }

  save(): CallbackState {
    const data: Data = { best: this.#best.value }
    return { data }
  }

  #fresh(): Best {
    return new Best('Checkpoint', this.#monitor ?? 'validationLoss', this.#options)
  }

  load(state: CallbackState): void {
    this.#best.value = remembered<Data>('Checkpoint', state).best ?? this.#best.worst
  }
}
