/** Whether a resumed run has the data and the settings of its checkpoint. */
import { StateError } from '../core/errors.js'
import { differencesOf, differencesText, type Json, toJson } from '../io/json.js'
import type { RunSnapshot } from './checkpoint.js'
import type { Held } from './held.js'
import type { Task } from './task.js'

/** What a resumed run must share with its checkpoint. */
export type Sameness = Pick<RunSnapshot, 'data' | 'settings'>

/** The settings of a training: those of the optimizers by their names, and those that the task states. */
export function trainingSettings<B>(
  { settings = {} }: Pick<Task<B>, 'settings'>,
  { optimizers }: Pick<Held, 'optimizers'>,
): Json {
  const own = Object.entries(optimizers).map(([name, { options, groups }]) => [name, { ...options, groups }])
  return toJson('checkpoint', { ...settings, ...Object.fromEntries(own) })
}

/**
 * Refuses a checkpoint of a run with other data or settings. Files of older versions state neither.
 *
 * @throws StateError that names the differences
 */
export function checkSame(was: Sameness, is: Sameness): void {
  const mend = 'or take the weights alone: loadCheckpoint(path, model), and fit without resume'
  if (was.data !== undefined && was.data !== is.data) {
    throw new StateError(
      `fit: the run to resume had other training data (fingerprint ${was.data ?? 'none'}, now ${is.data ?? 'none'}); give the same data, ${mend}`,
    )
  }
  const changed = was.settings === undefined ? [] : differencesOf(was.settings, is.settings)
  if (changed.length === 0) return
  throw new StateError(
    `fit: the run to resume had other settings: ${differencesText(changed)}; give the same ones, ${mend}`,
  )
}
