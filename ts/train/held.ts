/** The Variables of a task by their paths. */
import type { Variable } from '../core/variable.js'
import { leavesOf, type Nested } from '../nn/optim/leaves.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import type { Task } from './task.js'
import type { TrainingRecord } from './training-record.js'

/** The Variables of a run. */
export interface Held {
  readonly parameters: Readonly<Record<string, Variable>>
  readonly state: Readonly<Record<string, Variable>>
  readonly optimizers: Readonly<Record<string, Optimizer>>
  /** Random key of the training; undefined for a task without one. */
  readonly rng: Variable | undefined
}

/** The Variables of a task. */
export function heldBy<B>(
  { parameters, state = {}, optimizers = {} }: Task<B>,
  record: TrainingRecord | undefined,
): Held {
  return { parameters: byPath(parameters), state: byPath(state), optimizers, rng: record?.rng }
}

function byPath(tree: Nested<Variable>): Record<string, Variable> {
  return Object.fromEntries(leavesOf(tree).map(({ path, value }) => [path, value]))
}
