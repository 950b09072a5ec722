/** The Variables of a checkpoint, without its run. */
import { IOError } from '../core/errors.js'
import { checkTask } from './check-task.js'
import { SavedRun } from './checkpoint.js'
import { bringState, heldBy } from './held.js'
import type { Trainable } from './model.js'
import { exclusively, TrainingState } from './state.js'
import { SupervisedTask } from './supervised.js'
import type { Task } from './task.js'
import type { TrainingRecord } from './training-record.js'

/**
 * Restores a task or model from a checkpoint: parameters, state, the optimizers' state, and for a task with a record its epochs, steps and
 * random key. `fit` with `resume` continues a run instead.
 *
 *     await loadCheckpoint('runs/a/best.safetensors', model)
 *
 * The values go to the device of the Variables, whatever device wrote the checkpoint.
 *
 * @param path a file, or a folder, of which the checkpoint with the most steps is read
 * @param target a task, or a model that is compiled in the same way
 * @throws IOError for a missing checkpoint; DataError if names or shapes differ, before anything is changed
 */
export async function loadCheckpoint<B>(path: string, target: Task<B> | Trainable): Promise<void> {
  if (!isModel(target)) {
    checkTask('loadCheckpoint', target)
    return load(path, target, target.record)
  }
  await exclusively(target, 'load', () => {
    const task = new SupervisedTask(target, { layers: [], classes: undefined }, 'load')
    return load(path, task, task.record)
  })
}

async function load<B>(path: string, task: Task<B>, record: TrainingRecord | undefined): Promise<void> {
  const saved = await SavedRun.read(path)
  if (saved === undefined) {
    throw new IOError(
      `loadCheckpoint: ${path} holds no checkpoint; give the folder that a Checkpoint wrote to, or a file in it`,
    )
  }
  const held = heldBy(task, record)
  await bringState(held)
  await saved.restore(held)
  if (record === undefined) return
  const { epochs, steps } = saved.run
  record.epochs = epochs
  record.steps = steps
}

function isModel(target: unknown): target is Trainable {
  return (target as Partial<Trainable> | null)?.trainingState instanceof TrainingState
}
